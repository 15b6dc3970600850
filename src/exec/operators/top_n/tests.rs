//! Top-N on rows by hand: what it gives and takes back adds up to the ranked rows of what has come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::OrderSpec;
use super::TopN;
use super::TopSpec;
use crate::catalog::EmitMode;
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
use crate::plan::Direction;
use crate::plan::Nulls;
use crate::plan::RankColumn;
use crate::plan::Ranking;
use crate::plan::TopRows;

fn column(name: &str, at: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, at))
}

/// Rows of `k` and `v`, counted by `v`: facts per `k`; rows that may be taken back all together, told apart by `k`.
fn spec(ranking: Ranking, limit: usize, rows: TopRows, rank: RankColumn, emit: EmitMode) -> TopSpec {
    let input = layout(if rows == TopRows::All { Changes::Retract } else { Changes::Append });
    let mut fields = vec![Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Int64, true)];
    if rank == RankColumn::Shown {
        fields.push(Field::new("rank", DataType::Int64, true));
    }
    TopSpec {
        partition: if rows == TopRows::All { vec![] } else { vec![column("k", 0)] },
        order: vec![OrderSpec { expr: column("v", 1), direction: Direction::Descending, nulls: Nulls::Last }],
        key: if rows == TopRows::All { vec![column("k", 0)] } else { vec![] },
        ranking,
        limit,
        rows,
        rank,
        emit,
        input,
        output: Layout::new(&Schema::new(fields), Changes::Retract),
    }
}

fn tree(spec: &TopSpec) -> Tree {
    let (made, input) = (spec.clone(), leaf(0, spec.input.clone()));
    Tree::new(exec("top", spec.output.clone(), vec!["rows"], vec![input], move || TopN::new(made.clone())))
}

type Counted = BTreeMap<Vec<String>, i64>;

/// The ranked rows of what has come, as texts.
fn expected(come: &[(i64, Option<i64>)], spec: &TopSpec) -> Counted {
    let mut counted = Counted::new();
    for partition in 0..KEYS {
        let is_here = |row: &&(i64, Option<i64>)| match spec.partition.is_empty() {
            true => partition == 0,
            false => row.0 == partition,
        };
        let mut rows: Vec<(i64, Option<i64>)> = come.iter().filter(is_here).copied().collect();
        rows.sort_by_key(|(key, value)| (std::cmp::Reverse(*value), *key));
        for (at, (key, value)) in rows.iter().enumerate() {
            let before = rows.iter().map(|(_, other)| other).filter(|other| value < *other);
            let rank = match spec.ranking {
                Ranking::RowNumber => at,
                Ranking::Rank => before.count(),
                Ranking::DenseRank => before.collect::<BTreeSet<_>>().len(),
            };
            if rank < spec.limit {
                let value = value.map_or("null".to_string(), |value| value.to_string());
                let mut row = vec![format!("k{key}"), value];
                if spec.rank == RankColumn::Shown {
                    row.push((rank + 1).to_string());
                }
                *counted.entry(row).or_default() += 1;
            }
        }
    }
    counted
}

/// Rows have so many keys.
const KEYS: i64 = 6;
const RANKINGS: [Ranking; 3] = [Ranking::RowNumber, Ranking::Rank, Ranking::DenseRank];

fn random_spec(seed: u64, dice: &Dice) -> TopSpec {
    let ranking = RANKINGS[dice.below(3) as usize];
    let limit = 1 + dice.below(4) as usize;
    let rows = match dice.below(3) {
        0 if ranking == Ranking::RowNumber => TopRows::Places,
        0 | 1 => TopRows::Ranked,
        _ => TopRows::All,
    };
    let rank = if seed.is_multiple_of(2) { RankColumn::Shown } else { RankColumn::Hidden };
    let emit = if dice.below(2) == 0 { EmitMode::Net } else { EmitMode::All };
    spec(ranking, limit, rows, rank, emit)
}

/// A fact, or a row of a table: one that comes, or the one of its key that goes.
fn random_row(come: &mut Vec<(i64, Option<i64>)>, time: i64, spec: &TopSpec, dice: &Dice) -> Row {
    let key = dice.below(KEYS as u64) as i64;
    let value = (dice.below(9) != 0).then(|| dice.below(6) as i64);
    let retracts = spec.rows == TopRows::All;
    let there = come.iter().position(|(other, _)| *other == key);
    match there.filter(|_| retracts) {
        Some(place) => {
            let (_, value) = come.remove(place);
            Row { key: Some(key), value, time, op: -1 }
        }
        None => {
            come.push((key, value));
            Row { key: Some(key), value, time, op: i64::from(retracts) }
        }
    }
}

#[test]
fn changes_add_up_to_the_ranked_rows_after_every_round_whatever_is_cut() {
    for seed in 0..1_200 {
        let dice = Dice::new(seed);
        let spec = random_spec(seed, &dice);
        let mut tree = tree(&spec);
        let mut come = Vec::new();
        let mut sum = Counted::new();
        for round in 0..1 + dice.below(10) {
            let rows: Vec<Row> =
                (0..dice.below(9)).map(|_| random_row(&mut come, round as i64, &spec, &dice)).collect();
            let out = tree.round(&[(&spec.input, &rows)]);
            for (row, weight) in texts(&spec.output, &out) {
                *sum.entry(row).or_default() += weight;
            }
            sum.retain(|_, weight| *weight != 0);
            let told = || format!("seed {seed}, {:?} up to {}, {:?}", spec.ranking, spec.limit, spec.rows);
            assert_eq!(sum, expected(&come, &spec), "{}, round {round}", told());
            if dice.below(3) == 0 {
                tree.cut(dice.below(2) == 0);
            }
        }
    }
}

#[test]
fn a_batch_says_only_what_it_changes() {
    let spec = spec(Ranking::RowNumber, 2, TopRows::Places, RankColumn::Hidden, EmitMode::Net);
    let mut tree = tree(&spec);
    tree.round(&[(&spec.input, &[row(1, 5, 0), row(1, 7, 0)])]);
    let out = tree.round(&[(&spec.input, &[row(1, 8, 0), row(1, 9, 0), row(1, 1, 0), row(2, 0, 0)])]);
    let line = |key: &str, value: &str, weight: i64| (vec![key.to_string(), value.to_string()], weight);
    assert_eq!(
        texts(&spec.output, &out),
        [line("k1", "7", -1), line("k1", "5", -1), line("k1", "9", 1), line("k1", "8", 1), line("k2", "0", 1)]
    );
}

#[test]
fn of_equal_facts_the_first_that_came_has_the_number() {
    for rows in [TopRows::Places, TopRows::Ranked] {
        let spec = TopSpec {
            order: vec![OrderSpec { expr: column("k", 0), direction: Direction::Ascending, nulls: Nulls::Last }],
            ..spec(Ranking::RowNumber, 1, rows, RankColumn::Hidden, EmitMode::Net)
        };
        let mut tree = tree(&spec);
        let out = tree.round(&[(&spec.input, &[row(1, 5, 0), row(1, 7, 0)])]);
        assert_eq!(texts(&spec.output, &out), [(vec!["k1".to_string(), "5".to_string()], 1)], "{rows:?}");
        tree.cut(true);
        assert!(tree.round(&[(&spec.input, &[row(1, 9, 0)])]).is_empty(), "{rows:?}");
    }
}

#[test]
fn a_row_has_the_later_time_of_its_own_and_of_what_moved_it() {
    let spec = spec(Ranking::RowNumber, 2, TopRows::Places, RankColumn::Shown, EmitMode::Net);
    let mut tree = tree(&spec);
    tree.round(&[(&spec.input, &[row(1, 5, 50)])]);
    tree.cut(true);
    let out = tree.round(&[(&spec.input, &[row(1, 8, 20)])]);
    let of = |weight: i64, rank: &str, value: &str| {
        let mut at = texts(&spec.output, &out).into_iter().zip(spec.output.times(&out[0]).values().to_vec());
        at.find(|((row, of), _)| *of == weight && row[1] == value && row[2] == rank).map(|(_, time)| time)
    };
    assert_eq!((of(-1, "1", "5"), of(1, "1", "8"), of(1, "2", "5")), (Some(50), Some(20), Some(50)));
}
