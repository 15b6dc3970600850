//! Stateless operators, the join, normalise and the sink, on rows by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::expressions::Literal;

use super::Filter;
use super::Join;
use super::JoinSpec;
use super::Normalise;
use super::Project;
use super::Sink;
use super::SinkSpec;
use crate::catalog::EmitMode;
use crate::exec::Changes;
use crate::exec::Layout;
use crate::exec::testing::Dice;
use crate::exec::testing::Row;
use crate::exec::testing::Tree;
use crate::exec::testing::exec;
use crate::exec::testing::fold;
use crate::exec::testing::layout;
use crate::exec::testing::leaf;
use crate::exec::testing::row;
use crate::exec::testing::texts;

fn column(name: &str, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, index))
}

fn binary(left: Arc<dyn PhysicalExpr>, operator: Operator, right: i64) -> Arc<dyn PhysicalExpr> {
    Arc::new(BinaryExpr::new(left, operator, Arc::new(Literal::new(ScalarValue::Int64(Some(right))))))
}

fn divided() -> Arc<dyn PhysicalExpr> {
    let hundred: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Int64(Some(100))));
    Arc::new(BinaryExpr::new(hundred, Operator::Divide, column("v", 1)))
}

#[test]
fn a_projection_that_fails_is_null_for_its_row_alone() {
    let edge = layout(Changes::Append);
    let (input, output) = (edge.clone(), edge.clone());
    let plan = exec("1", edge.clone(), vec![], vec![leaf(0, edge.clone())], move || Project {
        exprs: vec![column("k", 0), divided()],
        input: input.clone(),
        output: output.clone(),
    });
    let mut tree = Tree::new(plan);
    let out = tree.round(&[(&edge, &[row(1, 5, 0), row(2, 0, 0), row(3, 20, 0)])]);
    let values: Vec<String> = texts(&edge, &out).into_iter().map(|(row, _)| row[1].clone()).collect();
    assert_eq!(values, ["20", "null", "5"]);
    assert_eq!(tree.driver.task().output.log.len(), 1);
}

#[test]
fn a_predicate_that_fails_leaves_its_row_out_alone() {
    let edge = layout(Changes::Append);
    let (predicate, input) = (binary(divided(), Operator::Gt, 1), edge.clone());
    let plan = exec("1", edge.clone(), vec![], vec![leaf(0, edge.clone())], move || Filter {
        predicate: Arc::clone(&predicate),
        layout: input.clone(),
    });
    let out = Tree::new(plan).round(&[(&edge, &[row(1, 5, 0), row(2, 0, 0), row(3, 200, 0), row(4, 1, 0)])]);
    let keys: Vec<String> = texts(&edge, &out).into_iter().map(|(row, _)| row[0].clone()).collect();
    assert_eq!(keys, ["k1", "k4"]);
}

/// Normalise, `v > 0`, sink: a table's WHERE.
fn filtered_table(emit: EmitMode) -> (Tree, Layout) {
    let (upsert, retract) = (layout(Changes::Upsert), layout(Changes::Retract));
    let (input, output) = (upsert.clone(), retract.clone());
    let normalise = exec("1", retract.clone(), vec!["rows"], vec![leaf(0, upsert.clone())], move || Normalise {
        key: vec![0],
        input: input.clone(),
        output: output.clone(),
    });
    let (predicate, edge) = (binary(column("v", 1), Operator::Gt, 0), retract.clone());
    let filter = exec("2", retract.clone(), vec![], vec![normalise], move || Filter {
        predicate: Arc::clone(&predicate),
        layout: edge.clone(),
    });
    let spec = SinkSpec { key: vec![0], emit, input: retract, topic: None };
    (Tree::new(exec("sink", upsert.clone(), vec![], vec![filter], move || Sink::new(spec.clone()))), upsert)
}

#[test]
fn a_row_that_leaves_a_filter_is_a_tombstone_and_one_that_never_passed_is_nothing() {
    let (mut tree, upsert) = filtered_table(EmitMode::All);
    let rows = [row(1, 5, 0), row(2, -5, 0), row(1, -1, 0), row(2, -6, 0), Row { op: 1, ..row(2, 0, 0) }, row(1, 7, 0)];
    let out = texts(&upsert, &tree.round(&[(&upsert, &rows)]));
    let said: Vec<(&str, i64)> = out.iter().map(|(row, op)| (row[0].as_str(), *op)).collect();
    assert_eq!(said, [("k1", 0), ("k1", 1), ("k1", 0)]);
}

#[test]
fn a_filtered_table_folds_to_the_batch_answer_under_any_cuts() {
    for seed in 0..200 {
        let dice = Dice::new(seed);
        let mut expected = BTreeMap::new();
        let mut rows = Vec::new();
        for _ in 0..dice.below(50) {
            let key = dice.below(4) as i64;
            let new = Row { op: i64::from(dice.below(5) == 0), ..row(key, dice.below(9) as i64 - 4, 0) };
            match new.op == 0 && 0 < new.value.unwrap_or_default() {
                true => drop(expected.insert(vec![format!("k{key}")], vec![new.value.unwrap_or_default().to_string()])),
                false => drop(expected.remove(&vec![format!("k{key}")])),
            }
            rows.push(new);
        }
        for emit in [EmitMode::Net, EmitMode::All] {
            let (mut tree, upsert) = filtered_table(emit);
            let (mut out, mut from) = (Vec::new(), 0);
            while from < rows.len() {
                let count = (1 + dice.below(6) as usize).min(rows.len() - from);
                out.extend(texts(&upsert, &tree.round(&[(&upsert, &rows[from..from + count])])));
                from += count;
                if dice.below(2) == 0 {
                    out.extend(texts(&upsert, &tree.cut(dice.below(2) == 0)));
                }
            }
            out.extend(texts(&upsert, &tree.cut(false)));
            assert_eq!(fold(&out, 1), expected, "seed {seed}, {emit:?}");
        }
    }
}

fn join(keeps_left: bool) -> (Tree, Layout, Layout, Layout) {
    join_with_history(keeps_left, None)
}

fn join_with_history(keeps_left: bool, history_ms: Option<i64>) -> (Tree, Layout, Layout, Layout) {
    let (stream, table) = (layout(Changes::Append), layout(Changes::Upsert));
    let names = ["k", "v", "rk", "rv"];
    let types = [DataType::Utf8, DataType::Int64, DataType::Utf8, DataType::Int64];
    let fields: Vec<Field> = names.iter().zip(types).map(|(name, of)| Field::new(*name, of, true)).collect();
    let output = Layout::new(&Schema::new(fields), Changes::Append);
    let spec = JoinSpec {
        left_key: vec![column("k", 0)],
        right_key: vec![column("k", 0)],
        keeps_left,
        history_ms,
        keeps_null_key: true,
        left: stream.clone(),
        right: table.clone(),
        output: output.clone(),
    };
    let inputs = vec![leaf(0, stream.clone()), leaf(1, table.clone())];
    let plan = exec("1", output.clone(), vec!["table"], inputs, move || Join { spec: spec.clone() });
    (Tree::new(plan), stream, table, output)
}

#[test]
fn a_stream_row_meets_the_table_as_rounds_before_left_it() {
    let (mut tree, stream, table, output) = join(true);
    // Left rows come first in the places of a round.
    let out = tree.round(&[(&stream, &[row(1, 10, 0)]), (&table, &[row(1, 7, 0)])]);
    assert_eq!(texts(&output, &out)[0].0, ["k1", "10", "null", "null"]);
    tree.cut(true);
    let nobody = Row { key: None, ..row(0, 13, 1) };
    let out = tree.round(&[(&stream, &[row(1, 11, 1), row(2, 12, 1), nobody]), (&table, &[])]);
    let out: Vec<Vec<String>> = texts(&output, &out).into_iter().map(|(row, _)| row).collect();
    assert_eq!(out, [["k1", "11", "k1", "7"], ["k2", "12", "null", "null"], ["null", "13", "null", "null"]]);
    tree.round(&[(&stream, &[]), (&table, &[Row { op: 1, ..row(1, 0, 2) }])]);
    let out = tree.round(&[(&stream, &[row(1, 14, 3)]), (&table, &[])]);
    assert_eq!(texts(&output, &out)[0].0, ["k1", "14", "null", "null"]);
}

#[test]
fn a_stream_row_meets_the_version_of_its_own_time_whatever_was_read_before() {
    const HISTORY_MS: i64 = 6;
    for seed in 0..600 {
        let dice = Dice::new(seed);
        let (mut tree, stream, table, output) = join_with_history(true, Some(HISTORY_MS));
        // Of each key the times from which on there was something else.
        let mut versions: BTreeMap<i64, Vec<(i64, Option<i64>)>> = BTreeMap::new();
        let (mut clock, mut value) = (i64::MIN, 0);
        for round in 0..1 + dice.below(14) as i64 {
            let mut some = |deletes: bool| -> Vec<Row> {
                let one = |_| {
                    value += 1;
                    let op = i64::from(deletes && dice.below(4) == 0);
                    Row { op, ..row(dice.below(3) as i64, value, 2 * round + dice.below(12) as i64) }
                };
                (0..dice.below(4)).map(one).collect()
            };
            let (left, right) = (some(false), some(true));
            let mut expected = Vec::new();
            for row in &left {
                clock = clock.max(row.time);
                let at = row.time.max(clock - HISTORY_MS);
                let of_key = versions.get(&row.key.expect("a key")).map(Vec::as_slice).unwrap_or_default();
                let met = of_key.iter().rev().find(|(since, _)| *since <= at).and_then(|(_, value)| *value);
                expected.push([row.value.expect("a value").to_string(), met.map_or("null".into(), |v| v.to_string())]);
            }
            for row in &right {
                clock = clock.max(row.time);
                let of_key = versions.entry(row.key.expect("a key")).or_default();
                let since = of_key.last().map_or(row.time, |(since, _)| row.time.max(*since));
                of_key.push((since, (row.op == 0).then_some(row.value).flatten()));
            }
            let out = tree.round(&[(&stream, &left), (&table, &right)]);
            let pair = |(row, _): (Vec<String>, _)| [row[1].clone(), row[3].clone()];
            let found: Vec<[String; 2]> = texts(&output, &out).into_iter().map(pair).collect();
            assert_eq!(found, expected, "seed {seed}, round {round}");
            if dice.below(2) == 0 {
                tree.cut(dice.below(2) == 0);
            }
        }
    }
}

#[test]
fn versions_that_nobody_asks_for_any_more_leave_the_state() {
    let (mut tree, stream, table, _) = join_with_history(true, Some(5));
    let entries = |tree: &mut Tree| tree.driver.task().tables[0].1.range(&[], None).count();
    for time in 0..10 {
        tree.round(&[(&stream, &[]), (&table, &[row(1, time, time), Row { op: 1, ..row(2, 0, time) }])]);
    }
    assert!(20 < entries(&mut tree), "each change is told apart");
    tree.round(&[(&stream, &[row(1, 0, 15)]), (&table, &[])]);
    tree.cut(false);
    assert_eq!(entries(&mut tree), 1, "only what is there now: of the deleted key nothing");
}

#[test]
fn an_inner_join_leaves_out_rows_that_meet_nothing() {
    let (mut tree, stream, table, output) = join(false);
    tree.round(&[(&stream, &[]), (&table, &[row(1, 7, 0)])]);
    let out = tree.round(&[(&stream, &[row(2, 1, 1), row(1, 2, 1)]), (&table, &[])]);
    assert_eq!(texts(&output, &out).len(), 1);
}
