//! Joins by a foreign key and what puts their rows in order again, on rows by hand: what is given and taken back adds up to
//! the join of what the tables hold.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::physical_expr::expressions::Column;

use super::Consolidate;
use super::ForeignJoin;
use super::ForeignJoinSpec;
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

/// A tree of one join: the left's `v` names the right's `v`, which is its key; the edges of its sides and its own.
fn join(keeps_left: bool, tells_no_row: bool) -> (Tree, Layout, Layout, Layout) {
    keeping(keeps_left, false, tells_no_row, Changes::Upsert)
}

fn keeping(keeps_left: bool, keeps_right: bool, tells_no_row: bool, right: Changes) -> (Tree, Layout, Layout, Layout) {
    let (left, right) = (layout(Changes::Retract), layout(right));
    let names = ["k", "v", "rk", "rv"];
    let types = [DataType::Utf8, DataType::Int64, DataType::Utf8, DataType::Int64];
    let fields: Vec<Field> = names.iter().zip(types).map(|(name, of)| Field::new(*name, of, true)).collect();
    let output = Layout::new(&Schema::new(fields), Changes::Retract);
    let spec = ForeignJoinSpec {
        foreign: vec![Arc::new(Column::new("v", 1))],
        left_key: vec![Arc::new(Column::new("k", 0))],
        right_key: vec![Arc::new(Column::new("v", 1))],
        keeps_left,
        keeps_right,
        tells_no_row,
        left: left.clone(),
        right: right.clone(),
        output: output.clone(),
    };
    let inputs = vec![leaf(0, left.clone()), leaf(1, right.clone())];
    let make = move || ForeignJoin::new(spec.clone());
    (Tree::new(exec("1", output.clone(), vec!["rows"], inputs, make)), left, right, output)
}

/// The left: key -> what it names. The right: key -> text.
type Tables = (BTreeMap<i64, Option<i64>>, BTreeMap<i64, i64>);

/// Retractions that change the left row of a key, and the table.
fn change_left(table: &mut BTreeMap<i64, Option<i64>>, key: i64, new: Option<Option<i64>>, rows: &mut Vec<Row>) {
    let of = |value: Option<i64>, weight| Row { value, op: weight, ..row(key, 0, 5) };
    if let Some(old) = table.remove(&key) {
        rows.push(of(old, -1));
    }
    if let Some(new) = new {
        table.insert(key, new);
        rows.push(of(new, 1));
    }
}

fn joined((left, right): &Tables, keeps_left: bool) -> BTreeMap<Vec<String>, i64> {
    let mut rows = BTreeMap::new();
    for (key, names) in left {
        let met = names.and_then(|names| right.get(&names).map(|text| [format!("k{text}"), names.to_string()]));
        let own = [format!("k{key}"), names.map_or("null".to_string(), |names| names.to_string())];
        match met {
            Some(met) => drop(rows.insert([own, met].concat(), 1)),
            None if keeps_left => drop(rows.insert([own, ["null", "null"].map(String::from)].concat(), 1)),
            None => {}
        }
    }
    rows
}

#[test]
fn changes_of_either_side_add_up_to_the_join_after_every_round_whatever_is_cut() {
    for seed in 0..400 {
        let dice = Dice::new(seed);
        let keeps_left = seed % 2 == 0;
        let (mut tree, left, right, output) = join(keeps_left, seed % 3 == 0);
        let mut tables = Tables::default();
        let mut sum: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for round in 0..1 + dice.below(12) {
            let (mut lefts, mut rights) = (Vec::new(), Vec::new());
            for _ in 0..dice.below(7) {
                let names = (dice.below(7) != 0).then_some(dice.below(4) as i64);
                let new = (dice.below(4) != 0).then_some(names);
                change_left(&mut tables.0, dice.below(6) as i64, new, &mut lefts);
            }
            for _ in 0..dice.below(5) {
                let (key, text) = (dice.below(4) as i64, dice.below(9) as i64);
                let gone = i64::from(dice.below(4) == 0);
                rights.push(Row { op: gone, ..row(text, key, round as i64) });
                match gone {
                    0 => drop(tables.1.insert(key, text)),
                    _ => drop(tables.1.remove(&key)),
                }
            }
            let out = tree.round(&[(&left, &lefts), (&right, &rights)]);
            for (row, weight) in texts(&output, &out) {
                *sum.entry(row).or_default() += weight;
            }
            sum.retain(|_, weight| *weight != 0);
            assert_eq!(sum, joined(&tables, keeps_left), "seed {seed}, round {round}, keeps left: {keeps_left}");
            if dice.below(3) == 0 {
                tree.cut(dice.below(2) == 0);
            }
        }
    }
}

/// Rows of the right that no row of the left names stay, also those whose key is null, which nothing can name.
#[test]
fn rows_that_nobody_names_are_alone_until_they_are_named_and_again_afterwards() {
    for seed in 0..400 {
        let dice = Dice::new(seed);
        let keeps_left = seed % 2 == 0;
        let (mut tree, left, right, output) = keeping(keeps_left, true, false, Changes::Retract);
        let (mut lefts_of, mut rights_of) = (BTreeMap::new(), BTreeMap::new());
        let mut sum: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for round in 0..1 + dice.below(12) {
            let (mut lefts, mut rights) = (Vec::new(), Vec::new());
            for _ in 0..dice.below(6) {
                let names = (dice.below(7) != 0).then_some(dice.below(4) as i64);
                let new = (dice.below(3) != 0).then_some(names);
                change_left(&mut lefts_of, dice.below(5) as i64, new, &mut lefts);
            }
            for _ in 0..dice.below(4) {
                let key = (dice.below(6) != 0).then_some(dice.below(4) as i64);
                let of = |text: i64, weight| Row { value: key, op: weight, ..row(text, 0, round as i64) };
                if let Some(old) = rights_of.remove(&key) {
                    rights.push(of(old, -1));
                }
                if dice.below(4) != 0 {
                    let text = dice.below(9) as i64;
                    rights_of.insert(key, text);
                    rights.push(of(text, 1));
                }
            }
            let out = tree.round(&[(&left, &lefts), (&right, &rights)]);
            for (row, weight) in texts(&output, &out) {
                *sum.entry(row).or_default() += weight;
            }
            sum.retain(|_, weight| *weight != 0);
            let told = rights_of.iter().filter_map(|(key, text)| key.map(|key| (key, *text))).collect();
            let mut wanted = joined(&(lefts_of.clone(), told), keeps_left);
            for (key, text) in &rights_of {
                if key.is_none() || !lefts_of.values().any(|names| names == key) {
                    let key = key.map_or("null".to_string(), |key| key.to_string());
                    wanted.insert(["null".to_string(), "null".to_string(), format!("k{text}"), key].to_vec(), 1);
                }
            }
            assert_eq!(sum, wanted, "seed {seed}, round {round}, keeps left: {keeps_left}");
            if dice.below(3) == 0 {
                tree.cut(dice.below(2) == 0);
            }
        }
    }
}

#[test]
fn a_row_that_many_name_changes_all_of_them_in_batches_of_bounded_size() {
    let (mut tree, left, right, output) = join(false, false);
    let many = 20_000;
    let lefts: Vec<Row> = (0..many).map(|key| Row { op: 1, ..row(key, 1, 0) }).collect();
    assert!(tree.round(&[(&left, &lefts), (&right, &[])]).is_empty());
    let out = tree.round(&[(&left, &[]), (&right, &[row(7, 1, 3)])]);
    assert!(out.iter().all(|batch| batch.num_rows() <= 16_384));
    assert_eq!(texts(&output, &out).len(), many as usize);
    tree.cut(true);
    let out = tree.round(&[(&left, &[]), (&right, &[row(8, 1, 4)])]);
    assert!(1 < out.len() && out.iter().all(|batch| batch.num_rows() <= 16_384));
    let rows = texts(&output, &out);
    assert!(rows.chunks_exact(2).all(|pair| pair[0].0[0] == pair[1].0[0] && (pair[0].1, pair[1].1) == (-1, 1)));
    assert_eq!(rows.len(), 2 * many as usize);
}

#[test]
fn a_left_row_that_goes_where_it_had_no_row_is_told_only_if_that_is_wanted() {
    for (tells, wanted) in [(false, vec![]), (true, vec![0])] {
        let (mut tree, left, right, output) = join(false, tells);
        let comes = Row { op: 1, ..row(1, 7, 5) };
        assert!(tree.round(&[(&left, &[comes]), (&right, &[])]).is_empty());
        let out = tree.round(&[(&left, &[Row { op: -1, ..comes }]), (&right, &[])]);
        let weights: Vec<i64> = texts(&output, &out).into_iter().map(|(_, weight)| weight).collect();
        assert_eq!(weights, wanted);
    }
}

#[test]
fn a_row_has_the_later_time_of_its_sides() {
    let (mut tree, left, right, output) = join(false, false);
    tree.round(&[(&left, &[Row { op: 1, ..row(1, 7, 50) }]), (&right, &[])]);
    tree.cut(true);
    let out = tree.round(&[(&left, &[]), (&right, &[row(3, 7, 20)])]);
    assert_eq!(output.times(&out[0]).values(), &[50]);
    let out = tree.round(&[(&left, &[]), (&right, &[row(3, 7, 70)])]);
    assert_eq!(output.times(&out[0]).values(), &[70, 70]);
}

/// Two tasks each in their own order, a row of a key in one of them at a time.
#[test]
fn rows_of_several_tasks_become_one_row_a_key_in_whatever_order_they_come() {
    for seed in 0..400 {
        let dice = Dice::new(seed);
        let edge = layout(Changes::Retract);
        let of = edge.clone();
        let make = move || Consolidate { key: vec![0], layout: of.clone() };
        let mut tree = Tree::new(exec("1", edge.clone(), vec!["rows"], vec![leaf(0, edge.clone())], make));
        let mut queues = [VecDeque::new(), VecDeque::new()];
        let mut table: BTreeMap<i64, (usize, i64)> = BTreeMap::new();
        for value in 0..dice.below(30) as i64 {
            let key = dice.below(3) as i64;
            if let Some((task, old)) = table.remove(&key) {
                queues[task].push_back(Row { op: -1, ..row(key, old, value) });
            }
            if dice.below(4) != 0 {
                let task = dice.below(2) as usize;
                table.insert(key, (task, value));
                queues[task].push_back(Row { op: 1, ..row(key, value, value) });
            }
        }
        let mut shown: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        while queues.iter().any(|queue| !queue.is_empty()) {
            let mut rows = Vec::new();
            for _ in 0..1 + dice.below(4) {
                rows.extend(queues[dice.below(2) as usize].pop_front());
            }
            for (row, weight) in texts(&edge, &tree.round(&[(&edge, &rows)])) {
                let count = shown.entry(row).or_default();
                *count += weight;
                assert!((0..=1).contains(count), "seed {seed}");
            }
            shown.retain(|_, count| *count != 0);
            let mut keys: Vec<&String> = shown.keys().map(|row| &row[0]).collect();
            keys.dedup();
            assert_eq!(keys.len(), shown.len(), "seed {seed}: one row a key");
            if dice.below(3) == 0 {
                tree.cut(dice.below(2) == 0);
            }
        }
        let wanted: Vec<Vec<String>> =
            table.iter().map(|(key, (_, value))| vec![format!("k{key}"), value.to_string()]).collect();
        assert_eq!(shown.into_keys().collect::<Vec<_>>(), wanted, "seed {seed}");
    }
}
