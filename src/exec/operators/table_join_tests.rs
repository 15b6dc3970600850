//! The join of tables, on rows by hand: what it gives and takes back adds up to the join of what the tables hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::physical_expr::expressions::Column;

use super::TableJoin;
use super::TableSide;
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

/// A tree of one join, the edge of its sides and its own.
fn join(kept: [bool; 2]) -> (Tree, Layout, Layout) {
    let side = layout(Changes::Upsert);
    let names = ["k", "v", "rk", "rv"];
    let types = [DataType::Utf8, DataType::Int64, DataType::Utf8, DataType::Int64];
    let fields: Vec<Field> = names.iter().zip(types).map(|(name, of)| Field::new(*name, of, true)).collect();
    let output = Layout::new(&Schema::new(fields), Changes::Retract);
    let sides = kept.map(|kept| TableSide { key: vec![Arc::new(Column::new("k", 0))], kept, layout: side.clone() });
    let out = output.clone();
    let inputs = vec![leaf(0, side.clone()), leaf(1, side.clone())];
    let make = move || TableJoin { sides: sides.clone(), output: out.clone() };
    (Tree::new(exec("1", output.clone(), vec!["sides"], inputs, make)), side, output)
}

/// What a table holds, by key.
type Held = BTreeMap<i64, i64>;

fn apply(table: &mut Held, row: &Row) {
    let key = row.key.expect("the row of a table has a key");
    match row.op {
        0 => drop(table.insert(key, row.value.expect("a value"))),
        _ => drop(table.remove(&key)),
    }
}

/// The join of two tables, as a set of texts.
fn joined([left, right]: &[Held; 2], kept: [bool; 2]) -> BTreeMap<Vec<String>, i64> {
    let mut rows = BTreeMap::new();
    for key in 0..6 {
        let (one, other) = (left.get(&key), right.get(&key));
        let stays = match (one, other) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => kept[0],
            (None, Some(_)) => kept[1],
            (None, None) => false,
        };
        let half = |value: Option<&i64>| match value {
            Some(value) => vec![format!("k{key}"), value.to_string()],
            None => vec!["null".to_string(), "null".to_string()],
        };
        if stays {
            rows.insert([half(one), half(other)].concat(), 1);
        }
    }
    rows
}

#[test]
fn changes_add_up_to_the_join_after_every_round_whatever_is_cut() {
    for seed in 0..400 {
        let dice = Dice::new(seed);
        let kept = [seed % 2 == 0, seed / 2 % 2 == 0];
        let (mut tree, side, output) = join(kept);
        let mut tables = [Held::new(), Held::new()];
        let mut sum: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for round in 0..1 + dice.below(12) {
            let mut slices = [Vec::new(), Vec::new()];
            for slice in &mut slices {
                for _ in 0..dice.below(7) {
                    let new = row(dice.below(6) as i64, dice.below(4) as i64, round as i64);
                    slice.push(Row { op: i64::from(dice.below(4) == 0), ..new });
                }
            }
            for (table, slice) in tables.iter_mut().zip(&slices) {
                slice.iter().for_each(|row| apply(table, row));
            }
            let out = tree.round(&[(&side, &slices[0]), (&side, &slices[1])]);
            for (row, weight) in texts(&output, &out) {
                *sum.entry(row).or_default() += weight;
            }
            sum.retain(|_, weight| *weight != 0);
            assert_eq!(sum, joined(&tables, kept), "seed {seed}, round {round}, kept {kept:?}");
            if dice.below(3) == 0 {
                tree.cut(dice.below(2) == 0);
            }
        }
    }
}

#[test]
fn a_null_key_meets_nothing_and_its_row_stays_alone() {
    let (mut tree, side, output) = join([true, false]);
    let nobody = |value| Row { key: None, ..row(0, value, 0) };
    let out = tree.round(&[(&side, &[nobody(1)]), (&side, &[nobody(2)])]);
    assert_eq!(texts(&output, &out), [(["null", "1", "null", "null"].map(String::from).to_vec(), 1)]);
}

#[test]
fn a_row_has_the_later_time_of_its_sides_from_state_too() {
    let (mut tree, side, output) = join([false, false]);
    tree.round(&[(&side, &[]), (&side, &[row(1, 7, 50)])]);
    tree.cut(true);
    let out = tree.round(&[(&side, &[row(1, 8, 20)]), (&side, &[])]);
    assert_eq!(output.times(&out[0]).values(), &[50]);
    let out = tree.round(&[(&side, &[Row { op: 1, ..row(1, 0, 60) }]), (&side, &[])]);
    assert_eq!(
        (output.times(&out[0]).values().to_vec(), output.weights(&out[0]).values().to_vec()),
        (vec![60], vec![-1])
    );
}
