//! Aggregates against a model that takes one row at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::AggregateSpec;
use super::CallSpec;
use super::Hopping;
use super::Session;
use super::Tumbling;
use super::Windows;
use crate::catalog::EmitMode;
use crate::exec::Changes;
use crate::exec::Layout;
use crate::exec::operators;
use crate::exec::operators::SinkSpec;
use crate::exec::testing::Dice;
use crate::exec::testing::Row;
use crate::exec::testing::Tree;
use crate::exec::testing::exec;
use crate::exec::testing::fold;
use crate::exec::testing::layout;
use crate::exec::testing::leaf;
use crate::exec::testing::row;
use crate::exec::testing::texts;
use crate::functions::OffsetEnd;
use crate::functions::TotalStyle;
use crate::plan::AggregateFunction;
use crate::plan::OffsetNulls;
use crate::plan::Retraction;

/// What is tried: how rows come, whether in windows, how changes leave.
#[derive(Debug, Clone, Copy)]
struct Shape {
    input: Changes,
    output: Changes,
    window: Option<Windows>,
    emit: EmitMode,
    emit_final: bool,
    /// As in ksqlDB, which also counts time by the rows that reach it.
    forgets_after_ms: Option<i64>,
}

const FUNCTIONS: [AggregateFunction; 9] = [
    AggregateFunction::CountStar,
    AggregateFunction::Count,
    AggregateFunction::Sum,
    AggregateFunction::Min,
    AggregateFunction::Max,
    AggregateFunction::ByOffset(OffsetEnd::Earliest, OffsetNulls::Ignored),
    AggregateFunction::ByOffset(OffsetEnd::Latest, OffsetNulls::Ignored),
    AggregateFunction::ByOffset(OffsetEnd::Earliest, OffsetNulls::Counted),
    AggregateFunction::ByOffset(OffsetEnd::Latest, OffsetNulls::Counted),
];

fn call(number: usize, function: AggregateFunction, input: Changes) -> CallSpec {
    let value: Arc<dyn PhysicalExpr> = Arc::new(Column::new("v", 1));
    CallSpec {
        function,
        style: TotalStyle::Postgres,
        argument: (function != AggregateFunction::CountStar).then_some(value),
        argument_type: DataType::Int64,
        counts: (input == Changes::Retract && function.retraction() == Retraction::Counts).then_some(number),
        keeps_values: false,
        filter: None,
        output: result_type(function),
    }
}

fn result_type(function: AggregateFunction) -> DataType {
    if function == AggregateFunction::Sum { DataType::Decimal128(38, 0) } else { DataType::Int64 }
}

/// Aggregate and sink over one leaf; what leaves are upserts.
fn tree(shape: Shape) -> (Tree, Layout) {
    let functions = if shape.input == Changes::Retract { &FUNCTIONS[..5] } else { &FUNCTIONS[..] };
    let mut fields = vec![Field::new("k", DataType::Utf8, true)];
    let mut key = Vec::new();
    if shape.window.is_some() {
        fields.push(Field::new("windowstart", DataType::Int64, true));
        fields.push(Field::new("windowend", DataType::Int64, true));
    }
    if matches!(shape.window, Some(Windows::Tumbling(_))) {
        key.push(Field::new("windowstart", DataType::Int64, true));
    }
    key.push(Field::new("k", DataType::Utf8, true));
    fields.extend(functions.iter().map(|function| Field::new(function.as_str(), result_type(*function), true)));
    let output = Layout::new(&Schema::new(fields), if shape.emit_final { Changes::Append } else { shape.output });
    let spec = AggregateSpec {
        group: vec![Arc::new(Column::new("k", 0))],
        window: shape.window,
        calls: functions.iter().enumerate().map(|(number, function)| call(number, *function, shape.input)).collect(),
        emit_final: shape.emit_final,
        emit: shape.emit,
        null_drops: false,
        own_time: shape.forgets_after_ms.is_some(),
        forgets_after_ms: shape.forgets_after_ms,
        restates_sessions: false,
        keeps_empty: false,
        input: layout(shape.input),
        output: output.clone(),
        key: Arc::new(Schema::new(key)),
    };
    let (tables, leaves, out) = (vec!["groups"], vec![leaf(0, layout(shape.input))], output.clone());
    let aggregate = match shape.window {
        Some(Windows::Hopping(window)) => {
            exec("1", out, tables, leaves, move || operators::HoppingAggregate::new(spec.clone(), window))
        }
        Some(Windows::Session(window)) => {
            exec("1", out, tables, leaves, move || operators::SessionAggregate::new(spec.clone(), window))
        }
        Some(Windows::Tumbling(_)) | None => {
            exec("1", out, tables, leaves, move || operators::Aggregate::new(spec.clone()))
        }
    };
    let upserts = match output.changes {
        Changes::Retract => Layout::new(&output.user_schema(), Changes::Upsert),
        _ => output.clone(),
    };
    let key = match shape.window {
        None => vec![0],
        Some(Windows::Tumbling(_) | Windows::Hopping(_)) => vec![0, 1],
        Some(Windows::Session(_)) => vec![0, 1, 2],
    };
    let sink = SinkSpec { key, emit: shape.emit, input: output, topic: None };
    let plan = exec("sink", upserts.clone(), vec![], vec![aggregate], move || operators::Sink::new(sink.clone()));
    (Tree::new(plan), upserts)
}

/// Rows through a tree in rounds and cuts that dice choose.
fn run(shape: Shape, rows: &[Row], dice: Option<&Dice>) -> (Vec<(Vec<String>, i64)>, u64) {
    let (mut tree, upserts) = tree(shape);
    let input = layout(shape.input);
    let (mut out, mut late, mut from) = (Vec::new(), 0, 0);
    while from < rows.len() {
        let count = dice.map_or(1, |dice| 1 + dice.below(7) as usize).min(rows.len() - from);
        out.extend(texts(&upserts, &tree.round(&[(&input, &rows[from..from + count])])));
        from += count;
        if dice.is_none_or(|dice| dice.below(3) == 0) {
            late += tree.late();
            tree.driver.task().output = Default::default();
            let restart = dice.is_some_and(|dice| dice.below(2) == 0);
            out.extend(texts(&upserts, &tree.cut(restart)));
        }
    }
    late += tree.late();
    out.extend(texts(&upserts, &tree.cut(false)));
    (out, late)
}

fn history(dice: &Dice, retracts: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut present: Vec<Row> = Vec::new();
    for at in 0..1 + dice.below(60) as i64 {
        if retracts && !present.is_empty() && dice.below(3) == 0 {
            let gone = present.swap_remove(dice.below(present.len() as u64) as usize);
            rows.push(Row { op: -1, time: 40 + at * 5, ..gone });
            continue;
        }
        let time = 40 + at * 5 - dice.below(40) as i64;
        let key = (dice.below(8) != 0).then(|| dice.below(3) as i64);
        let value = (dice.below(5) != 0).then(|| dice.below(100) as i64 - 50);
        let new = Row { key, value, time, op: i64::from(retracts) };
        rows.push(new);
        present.push(new);
    }
    rows
}

/// The rows of one window of a group by their place in the input: value and weight.
type Rows = BTreeMap<usize, (Option<i64>, i64)>;

/// Windows of one key by their bounds; `i64::MIN` for both without windows.
type Groups = BTreeMap<(i64, i64), Rows>;

/// Puts a row into its windows; `false` if it is too late for all of them.
fn place(groups: &mut Groups, shape: Shape, (at, row): (usize, &Row), clock: i64) -> bool {
    let new = (row.value, if shape.input == Changes::Retract { row.op } else { 1 });
    let fixed = |size_ms: i64, advance_ms: i64| {
        let starts = (0..=row.time).filter(move |start| start % advance_ms == 0 && row.time < start + size_ms);
        starts.map(move |start| (start, start + size_ms)).collect::<Vec<_>>()
    };
    let (bounds, grace_ms) = match shape.window {
        None => (vec![(i64::MIN, i64::MIN)], 0),
        Some(Windows::Tumbling(window)) => (fixed(window.size_ms, window.size_ms), window.grace_ms),
        Some(Windows::Hopping(window)) => (fixed(window.size_ms, window.advance_ms), window.grace_ms),
        Some(Windows::Session(window)) => {
            let open = |end: i64| clock <= end + window.gap_ms + window.grace_ms;
            let near = |(start, end): (i64, i64)| start - window.gap_ms <= row.time && row.time <= end + window.gap_ms;
            let joined: Vec<_> = groups.keys().copied().filter(|bounds| open(bounds.1) && near(*bounds)).collect();
            let whole = joined.iter().fold((row.time, row.time), |all, one| (all.0.min(one.0), all.1.max(one.1)));
            if !open(whole.1) {
                return false;
            }
            let mut rows: Rows = joined.iter().flat_map(|bounds| groups.remove(bounds)).flatten().collect();
            rows.insert(at, new);
            groups.insert(whole, rows);
            return true;
        }
    };
    let open: Vec<_> = bounds.into_iter().filter(|(_, end)| *end == i64::MIN || clock < end + grace_ms).collect();
    for bounds in &open {
        groups.entry(*bounds).or_default().insert(at, new);
    }
    !open.is_empty()
}

/// The stream time at which a window that ends so is closed.
fn closes(window: Windows, end: i64) -> i64 {
    match window {
        Windows::Tumbling(window) => end + window.grace_ms,
        Windows::Hopping(window) => end + window.grace_ms,
        Windows::Session(window) => end + window.gap_ms + window.grace_ms + 1,
    }
}

/// Row by row, with nothing in common with the code but what a window is.
fn model(shape: Shape, rows: &[Row]) -> (BTreeMap<Vec<String>, Vec<String>>, u64) {
    let mut by_key: BTreeMap<Option<i64>, Groups> = BTreeMap::new();
    let (mut clock, mut late) = (i64::MIN, 0);
    for (at, row) in rows.iter().enumerate() {
        clock = clock.max(row.time);
        late += u64::from(!place(by_key.entry(row.key).or_default(), shape, (at, row), clock));
    }
    let mut groups: BTreeMap<Vec<String>, Rows> = BTreeMap::new();
    for (key, windows) in by_key {
        for ((start, end), rows) in windows {
            let mut key = vec![key.map_or("null".to_string(), |key| format!("k{key}"))];
            if let Some(window) = shape.window {
                if shape.emit_final && clock < closes(window, end) {
                    continue;
                }
                key.extend([start.to_string(), end.to_string()]);
            }
            if rows.values().map(|(_, weight)| weight).sum::<i64>() != 0 {
                groups.insert(key, rows);
            }
        }
    }
    let text = |value: Option<i64>| value.map_or("null".to_string(), |value| value.to_string());
    let results = groups.into_iter().map(|(key, rows)| {
        let rows: Vec<_> = rows.into_values().collect();
        let values = || rows.iter().filter_map(|(value, weight)| value.map(|value| (value, *weight)));
        let count: i64 = values().map(|(_, weight)| weight).sum();
        let sum: i64 = values().map(|(value, weight)| value * weight).sum();
        let mut result = vec![rows.iter().map(|(_, weight)| weight).sum::<i64>().to_string(), count.to_string()];
        result.push(text((count != 0).then_some(sum)));
        let mut present: BTreeMap<i64, i64> = BTreeMap::new();
        values().for_each(|(value, weight)| *present.entry(value).or_default() += weight);
        present.retain(|_, weight| *weight != 0);
        result.push(text(present.keys().next().copied()));
        result.push(text(present.keys().next_back().copied()));
        if shape.input != Changes::Retract {
            result.push(text(values().map(|(value, _)| value).next()));
            result.push(text(values().map(|(value, _)| value).next_back()));
            result.push(text(rows[0].0));
            result.push(text(rows[rows.len() - 1].0));
        }
        (key, result)
    });
    (results.collect(), late)
}

const WINDOWS: [fn() -> Windows; 5] = [
    || Windows::Tumbling(Tumbling { size_ms: 20, grace_ms: 15 }),
    || Windows::Hopping(Hopping::new(20, 5, 15)),
    || Windows::Hopping(Hopping::new(25, 10, 0)),
    || Windows::Session(Session { gap_ms: 6, grace_ms: 15 }),
    || Windows::Session(Session { gap_ms: 10, grace_ms: 0 }),
];

#[test]
fn all_and_net_fold_to_the_model_under_any_rounds_cuts_and_restarts() {
    let windows = std::iter::once(None).chain(WINDOWS.map(|window| Some(window())));
    for seed in 0..150 {
        let dice = Dice::new(seed);
        for window in windows.clone() {
            let retracts = window.is_none() && dice.below(2) == 0;
            let input = if retracts { Changes::Retract } else { Changes::Append };
            let output = if dice.below(2) == 0 { Changes::Retract } else { Changes::Upsert };
            let shape = |emit| Shape { input, output, window, emit, emit_final: false, forgets_after_ms: None };
            let rows = history(&dice, retracts);
            let keys = if window.is_some() { 3 } else { 1 };
            let (expected, late) = model(shape(EmitMode::Net), &rows);
            let (net, net_late) = run(shape(EmitMode::Net), &rows, Some(&dice));
            let (all, all_late) = run(shape(EmitMode::All), &rows, Some(&dice));
            let (single, _) = run(shape(EmitMode::All), &rows, None);
            assert_eq!(fold(&net, keys), expected, "net, seed {seed}, {:?}", shape(EmitMode::Net));
            assert_eq!(fold(&all, keys), expected, "all, seed {seed}, {:?}", shape(EmitMode::All));
            assert_eq!(all, single, "all with any rounds, seed {seed}, {:?}", shape(EmitMode::All));
            assert_eq!((net_late, all_late), (late, late), "late, seed {seed}");
        }
    }
}

#[test]
fn emit_final_gives_each_closed_window_once() {
    for seed in 0..300 {
        let dice = Dice::new(seed);
        let window = Some(WINDOWS[seed as usize % WINDOWS.len()]());
        let (input, output) = (Changes::Append, Changes::Append);
        let shape = Shape { input, output, window, emit: EmitMode::Net, emit_final: true, forgets_after_ms: None };
        let rows = history(&dice, false);
        let (expected, _) = model(shape, &rows);
        let (out, _) = run(shape, &rows, Some(&dice));
        assert_eq!(fold(&out, 3), expected, "seed {seed}, {shape:?}");
        assert_eq!(out.len(), expected.len(), "seed {seed}, {shape:?}");
    }
}

/// Rows among which time now and then goes on by more than windows are kept.
fn history_with_jumps(dice: &Dice) -> Vec<Row> {
    let mut jumped = 0;
    let mut rows = history(dice, false);
    for row in &mut rows {
        jumped += if dice.below(5) == 0 { dice.below(90) as i64 } else { 0 };
        row.time += jumped;
    }
    rows
}

#[test]
fn which_windows_ksqldb_forgets_follows_from_the_rows_and_not_from_rounds() {
    let windows = WINDOWS.map(|window| window());
    let (mut forgotten, mut given) = (0, 0);
    for seed in 0..300 {
        let dice = Dice::new(seed);
        let window = windows[seed as usize % 3];
        let (open_ms, advance_ms) = match window {
            Windows::Tumbling(window) => (window.closes(0), window.size_ms),
            Windows::Hopping(window) => (window.closes(0), window.advance_ms),
            Windows::Session(_) => unreachable!("the first three are of one size"),
        };
        let retention_ms = open_ms + [0, 3, 40][dice.below(3) as usize];
        let shape = Shape {
            input: Changes::Append,
            output: Changes::Append,
            window: Some(window),
            emit: EmitMode::Net,
            emit_final: true,
            forgets_after_ms: Some(retention_ms),
        };
        let rows = history_with_jumps(&dice);
        let (mut expected, _) = model(shape, &rows);
        let all = expected.len();
        expected.retain(|key, _| {
            let start: i64 = key[1].parse().expect("a number");
            let closing = rows.iter().map(|row| row.time).find(|time| start + open_ms <= *time);
            let newest = closing.expect("it is closed").div_euclid(advance_ms) * advance_ms;
            newest - retention_ms <= start
        });
        forgotten += all - expected.len();
        given += expected.len();
        let (single, _) = run(shape, &rows, None);
        let (rounds, _) = run(shape, &rows, Some(&dice));
        assert_eq!(fold(&single, 3), expected, "seed {seed}, {shape:?}");
        assert_eq!(rounds, single, "with any rounds, seed {seed}, {shape:?}");
    }
    assert!(100 < forgotten && 100 < given, "{forgotten} forgotten, {given} given");
}

#[test]
fn an_all_update_mentions_each_row_even_if_nothing_changed() {
    let shape = Shape {
        input: Changes::Append,
        output: Changes::Upsert,
        window: None,
        emit: EmitMode::All,
        emit_final: false,
        forgets_after_ms: None,
    };
    let rows = [row(1, 5, 0), Row { value: None, ..row(1, 0, 1) }];
    let (out, _) = run(shape, &rows, None);
    let texts = |row: [&str; 10]| row.map(str::to_string).to_vec();
    assert_eq!(out[0].0, texts(["k1", "1", "1", "5", "5", "5", "5", "5", "5", "5"]));
    assert_eq!(out[1].0, texts(["k1", "2", "1", "5", "5", "5", "5", "5", "5", "null"]));
}

#[test]
fn a_sum_of_bigint_passes_the_end_of_bigint_and_comes_back() {
    let shape = Shape {
        input: Changes::Retract,
        output: Changes::Upsert,
        window: None,
        emit: EmitMode::All,
        emit_final: false,
        forgets_after_ms: None,
    };
    let big = Row { op: 1, ..row(1, i64::MAX, 0) };
    let (out, _) = run(shape, &[big, Row { time: 1, ..big }, Row { op: -1, time: 2, ..big }], None);
    let sums: Vec<&str> = out.iter().map(|(row, _)| row[3].as_str()).collect();
    assert_eq!(sums, ["9223372036854775807", "18446744073709551614", "9223372036854775807"]);
}

#[test]
fn closed_windows_leave_no_state() {
    let keys = |shape: Shape, rows: &[Row]| -> Vec<bytes::Bytes> {
        let (mut tree, _) = tree(shape);
        let input = layout(shape.input);
        for chunk in rows.chunks(3) {
            tree.round(&[(&input, chunk)]);
            tree.cut(false);
        }
        let task = tree.driver.task();
        task.tables[0].1.range(&[], None).map(|entry| entry.expect("state is read").0).collect()
    };
    let last = [row(7, 1, 1_000_000)];
    for seed in 0..60 {
        let dice = Dice::new(seed);
        let window = Some(WINDOWS[seed as usize % WINDOWS.len()]());
        for (emit, emit_final) in [(EmitMode::All, false), (EmitMode::Net, false), (EmitMode::Net, true)] {
            let (input, output) = (Changes::Append, Changes::Upsert);
            let shape = Shape { input, output, window, emit, emit_final, forgets_after_ms: None };
            let rows = [history(&dice, false), last.to_vec()].concat();
            assert_eq!(keys(shape, &rows), keys(shape, &last), "seed {seed}, {shape:?}");
        }
    }
}
