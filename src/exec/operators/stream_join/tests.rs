//! What the oracle does not see: how much one call emits, what state is left, and time without rows.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::OUTPUT_ROWS;
use super::StreamJoin;
use super::StreamJoinSide;
use super::StreamJoinSpec;
use super::keys;
use super::keys::Port;
use super::recent::Recent;
use super::recent::Waiting;
use crate::exec::Changes;
use crate::exec::Layout;
use crate::exec::testing::Dice;
use crate::exec::testing::Row;
use crate::exec::testing::Tree;
use crate::exec::testing::exec;
use crate::exec::testing::layout;
use crate::exec::testing::leaf;
use crate::exec::testing::row;
use crate::exec::testing::texts;

fn full(after_ms: i64, grace_ms: i64) -> (Tree, Layout, Layout) {
    let stream = layout(Changes::Append);
    let types = [("k", DataType::Utf8), ("v", DataType::Int64), ("rk", DataType::Utf8), ("rv", DataType::Int64)];
    let fields: Vec<Field> = types.into_iter().map(|(name, of)| Field::new(name, of, true)).collect();
    let output = Layout::new(&Schema::new(fields), Changes::Append);
    let key: Arc<dyn PhysicalExpr> = Arc::new(Column::new("k", 0));
    let side = StreamJoinSide { key: vec![key], keeps: true, after_ms, delay_ms: 0, layout: stream.clone() };
    let sides = [side.clone(), side];
    let spec = StreamJoinSpec { sides, grace_ms, at_once: false, own_time: false, output: output.clone() };
    let inputs = vec![leaf(0, stream.clone()), leaf(1, stream.clone())];
    let plan = exec("1", output.clone(), vec!["rows"], inputs, move || StreamJoin::new(spec.clone()));
    (Tree::new(plan), stream, output)
}

#[test]
fn a_hot_key_leaves_in_bounded_batches_and_whole() {
    let (mut tree, stream, output) = full(10, 0);
    let left: Vec<Row> = (0..300).map(|at| row(1, at, 0)).collect();
    let right: Vec<Row> = (0..100).map(|at| row(1, at, 0)).collect();
    let out = tree.round(&[(&stream, &left), (&stream, &right)]);
    assert!(out.iter().all(|batch| batch.num_rows() <= OUTPUT_ROWS), "a batch is larger than its bound");
    let mut pairs: Vec<Vec<String>> = texts(&output, &out).into_iter().map(|(row, _)| row).collect();
    assert_eq!(pairs.len(), 30_000);
    pairs.sort();
    pairs.dedup();
    assert_eq!(pairs.len(), 30_000, "each pair leaves once");
}

#[test]
fn a_row_that_met_nobody_leaves_once_when_it_closes_and_after_a_restart() {
    let (mut tree, stream, output) = full(10, 5);
    assert!(tree.round(&[(&stream, &[row(1, 7, 100)]), (&stream, &[])]).is_empty());
    tree.cut(true);
    assert!(tree.round(&[(&stream, &[row(2, 8, 115)]), (&stream, &[])]).is_empty(), "115 is within span and grace");
    let out = texts(&output, &tree.round(&[(&stream, &[]), (&stream, &[row(2, 9, 116)])]));
    let rows: Vec<Vec<&str>> = out.iter().map(|(row, _)| row.iter().map(String::as_str).collect()).collect();
    assert_eq!(rows, [["k1", "7", "null", "null"], ["k2", "8", "k2", "9"]]);
    assert!(tree.round(&[(&stream, &[row(1, 1, 116)]), (&stream, &[])]).is_empty(), "it left once");
}

#[test]
fn a_late_row_meets_nobody_is_counted_and_leaves_alone() {
    let (mut tree, stream, output) = full(10, 0);
    tree.round(&[(&stream, &[row(1, 1, 100)]), (&stream, &[row(1, 2, 200)])]);
    let out = texts(&output, &tree.round(&[(&stream, &[row(1, 3, 189)]), (&stream, &[row(1, 4, 190)])]));
    assert_eq!(out[0].0, ["k1", "3", "null", "null"]);
    assert_eq!(out.len(), 1, "the row at 190 is within span of 200");
    assert_eq!(tree.late(), 1);
}

#[test]
fn what_has_closed_is_not_kept() {
    let (mut tree, stream, _) = full(10, 0);
    tree.round(&[(&stream, &[row(1, 1, 100)]), (&stream, &[row(2, 2, 101)])]);
    tree.round(&[(&stream, &[row(3, 3, 10_000)]), (&stream, &[])]);
    let task = tree.driver.task();
    let kept = task.tables[0].1.range(&[], None).count();
    assert_eq!(kept, 3, "the new row, that it waits, and the operator's time");
}

#[test]
fn what_is_remembered_is_what_the_table_says() {
    let (tree, ..) = full(10, 0);
    let mut task = tree.driver.task();
    let table = &mut task.tables[0].1;
    let (mut recent, dice) = (Recent::default(), Dice::new(1));
    let (mut remembered, mut too_many) = (0, 0);
    for place in 0..4_000 {
        let prefix = keys::prefix(Port::Left, dice.below(2) as i64, &[dice.below(8) as u8]);
        if dice.below(2) == 0 {
            let row = Waiting { time: dice.below(20) as i64, place, value: format!("row {place}").into() };
            table.put(keys::row(&prefix, row.time, place), row.value.clone()).expect("the table takes it");
            recent.kept(&prefix, row);
        }
        if dice.below(300) == 0 {
            recent.clear();
        }
        let entries = table.prefix(&prefix).map(|entry| entry.expect("the table is read").1);
        let expected: Vec<_> = entries.collect();
        match recent.of(table, &prefix).expect("the table is read") {
            Some(found) => {
                assert_eq!(found.iter().map(|row| row.value.clone()).collect::<Vec<_>>(), expected);
                remembered += 1;
            }
            None => {
                assert!(64 < expected.len(), "{} rows could be remembered", expected.len());
                too_many += 1;
            }
        }
    }
    assert!(500 < remembered && 500 < too_many, "both are seen: {remembered}, {too_many}");
}
