//! What a query must say, computed without the engine: rows are taken one at a time, the rest is a batch query.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::StringArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::util::display::ArrayFormatter;
use arrow::util::display::FormatOptions;
use datafusion::prelude::SessionConfig;
use datafusion::prelude::SessionContext;

use super::derived::with_below;
use super::generate::Event;
use super::generate::Query;
use super::generate::STREAM_COLUMNS;
use super::generate::Shape;
use super::generate::TABLE_COLUMNS;
use super::generate::WINDOW;
use super::generate::Windows;
use super::pairs;

/// Rows as text, and how many input rows came too late.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub rows: Vec<Vec<String>>,
    pub late: u64,
}

/// The answer over all input, in one partition's order of rows, which is also the order of `stream` and `table`.
pub async fn answer(
    query: &Query,
    stream: &[Event],
    table: &[Event],
    second: &[Event],
    tables_at_end: &[(&str, &[Event])],
) -> Answer {
    if let Shape::Paired { pairing, twice } = query.shape {
        let paired = pairs::pairs(&pairing, stream, if twice { None } else { Some(second) });
        let columns = pairs::columns();
        let columns: Vec<(&str, &str)> = columns.iter().map(|(name, of)| (name.as_str(), *of)).collect();
        let mut rows = batch(&query.batch, &columns, paired.rows).await;
        rows.sort();
        return Answer { rows, late: paired.late };
    }
    let mut late: Vec<Vec<Option<String>>> = Vec::new();
    let mut columns: Vec<(&str, &str)> = STREAM_COLUMNS.to_vec();
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    match query.shape {
        Shape::Stateless | Shape::Top => rows.extend(stream.iter().map(cells)),
        Shape::Grouped { window, last, retention, .. } => {
            columns.extend([("ws", "BIGINT"), ("we", "BIGINT")]);
            let now = stream.iter().map(|event| event.time).max().unwrap_or(i64::MIN);
            let placed = match window {
                None => stream.iter().map(|event| (cells(event), vec![(0, i64::MAX)])).collect(),
                Some(Windows::Fixed { size, advance, grace }) => in_fixed(stream, size, advance, grace),
                Some(Windows::Session { gap, grace }) => in_sessions(query, stream, gap, grace).await,
            };
            let closed = |end: i64| match window {
                None => true,
                Some(Windows::Fixed { grace, .. }) => end + grace <= now,
                Some(Windows::Session { gap, grace }) => end + gap + grace < now,
            };
            for (row, bounds) in placed {
                if bounds.is_empty() {
                    late.push([row.clone(), vec![None, None]].concat());
                }
                let kept = |(start, end): &(i64, i64)| {
                    let counted_from = if matches!(window, Some(Windows::Session { .. })) { *end } else { *start };
                    retention.is_none_or(|retention| now <= counted_from + retention) && (!last || closed(*end))
                };
                for (start, end) in bounds.into_iter().filter(kept) {
                    rows.push([row.clone(), vec![Some(start.to_string()), Some(end.to_string())]].concat());
                }
            }
        }
        Shape::Tables { .. } | Shape::TableGroups | Shape::TableTop | Shape::InnerTables | Shape::SemiJoins => {
            return Answer { rows: tables(&query.batch, tables_at_end).await, late: 0 };
        }
        Shape::Kept { ttl } => {
            let now = table.iter().map(|event| event.time).max().unwrap_or(i64::MIN);
            let mut latest: BTreeMap<&str, &Event> = BTreeMap::new();
            latest.extend(table.iter().map(|event| (event.key.as_str(), event)));
            let is_there = |event: &&&Event| event.values.is_some() && now <= event.time + ttl;
            let there: Vec<Event> = latest.values().filter(is_there).map(|event| (*event).clone()).collect();
            return Answer { rows: tables(&query.batch, &[("c", &there)]).await, late: 0 };
        }
        Shape::WindowPairs | Shape::United { .. } => {
            return Answer { rows: window_pairs(&query.batch, stream, second).await, late: 0 };
        }
        Shape::Joined { left } => {
            columns.extend(&TABLE_COLUMNS[1..]);
            rows = join(stream, table, left);
        }
        Shape::Paired { .. } => unreachable!("answered above"),
    }
    // A row that the condition leaves out never came to its window.
    let late = match late.is_empty() {
        true => 0,
        false => {
            let count = format!("SELECT COUNT(*) FROM s{}", query.filter);
            let counted = batch(&with_below(query, &[], &count), &columns, late).await;
            counted[0][0].parse().expect("a count")
        }
    };
    let passed: Vec<&str> = columns[STREAM_COLUMNS.len()..].iter().map(|(name, _)| *name).collect();
    let mut rows = batch(&with_below(query, &passed, &query.batch), &columns, rows).await;
    rows.sort();
    Answer { rows, late }
}

/// The batch query over what tables hold after all their versions.
async fn tables(query: &str, tables: &[(&str, &[Event])]) -> Vec<Vec<String>> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for (name, versions) in tables {
        let mut latest: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
        for version in *versions {
            match version.values {
                Some(_) => latest.insert(&version.key, cells(version)),
                None => latest.remove(version.key.as_str()),
            };
        }
        let rows = latest.into_values().collect();
        context.register_batch(*name, input(TABLE_COLUMNS, rows)).expect("a table");
    }
    let batches = collect(&context, query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut rows: Vec<Vec<String>> = batches.iter().flat_map(texts).collect();
    rows.sort();
    rows
}

/// The batch query over the rows of both streams, each with its window of the views `ws` and `wr`.
async fn window_pairs(query: &str, stream: &[Event], second: &[Event]) -> Vec<Vec<String>> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let mut columns: Vec<(&str, &str)> = STREAM_COLUMNS.to_vec();
    columns.extend([("ws", "BIGINT"), ("we", "BIGINT")]);
    for (name, events) in [("s", stream), ("r", second)] {
        let start = |event: &Event| event.time - event.time.rem_euclid(WINDOW);
        let bounds = |event: &Event| vec![Some(start(event).to_string()), Some((start(event) + WINDOW).to_string())];
        let rows = events.iter().map(|event| [cells(event), bounds(event)].concat()).collect();
        context.register_batch(name, input(&columns, rows)).expect("a table");
    }
    let batches = collect(&context, query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut rows: Vec<Vec<String>> = batches.iter().flat_map(texts).collect();
    rows.sort();
    rows
}

/// Rows, each with the windows that took it.
type Placed = Vec<(Vec<Option<String>>, Vec<(i64, i64)>)>;

fn in_fixed(stream: &[Event], size: i64, advance: i64, grace: i64) -> Placed {
    let mut stream_time = i64::MIN;
    let mut placed = Vec::new();
    for event in stream {
        stream_time = stream_time.max(event.time);
        let starts = ((event.time - size) / advance..=event.time / advance).map(|number| number * advance);
        let takes = |start: &i64| {
            0 <= *start && *start <= event.time && event.time < start + size && stream_time < start + size + grace
        };
        placed.push((cells(event), starts.filter(takes).map(|start| (start, start + size)).collect()));
    }
    placed
}

/// Bounds, and which rows.
type Session = ((i64, i64), Vec<usize>);

/// Sessions have rows of one group that the condition lets in; every row moves stream time.
async fn in_sessions(query: &Query, stream: &[Event], gap: i64, grace: i64) -> Placed {
    let mut columns: Vec<(&str, &str)> = STREAM_COLUMNS.to_vec();
    columns.push(("at", "BIGINT"));
    let numbered = |(at, event): (usize, &Event)| [cells(event), vec![Some(at.to_string())]].concat();
    let rows = stream.iter().enumerate().map(numbered).collect();
    let listed = format!("SELECT at, {} FROM s{}", query.group, query.filter);
    let listed = batch(&with_below(query, &["at"], &listed), &columns, rows).await;
    let groups: BTreeMap<usize, Vec<String>> =
        listed.into_iter().map(|row| (row[0].parse().expect("a number"), row[1..].to_vec())).collect();
    let mut sessions: BTreeMap<&Vec<String>, Vec<Session>> = BTreeMap::new();
    let mut placed: Placed = Vec::new();
    let mut stream_time = i64::MIN;
    for (at, event) in stream.iter().enumerate() {
        stream_time = stream_time.max(event.time);
        placed.push((cells(event), vec![]));
        let Some(group) = groups.get(&at) else { continue };
        let sessions = sessions.entry(group).or_default();
        let is_open = |end: i64| stream_time <= end + gap + grace;
        let (mut start, mut end, mut rows) = (event.time, event.time, vec![at]);
        let mut left = Vec::new();
        for session in sessions.drain(..) {
            let (from, to) = session.0;
            if is_open(to) && from - gap <= event.time && event.time <= to + gap {
                (start, end) = (start.min(from), end.max(to));
                rows.extend(session.1);
            } else {
                left.push(session);
            }
        }
        if is_open(end) {
            left.push(((start, end), rows));
        }
        *sessions = left;
    }
    for (bounds, rows) in sessions.into_values().flatten() {
        rows.into_iter().for_each(|at| placed[at].1.push(bounds));
    }
    placed
}

pub fn cells(event: &Event) -> Vec<Option<String>> {
    let mut row = vec![Some(event.key.clone())];
    row.extend(event.values.clone().expect("a stream has no deletes"));
    row
}

/// Each stream row with the version of its key at its turn: both inputs merged by event time, heads first, the table
/// first among equals.
fn join(stream: &[Event], table: &[Event], left: bool) -> Vec<Vec<Option<String>>> {
    let mut versions: BTreeMap<&str, &Vec<Option<String>>> = BTreeMap::new();
    let (mut stream, mut table) = (stream.iter().peekable(), table.iter().peekable());
    let mut rows = Vec::new();
    loop {
        let stream_first = match (stream.peek(), table.peek()) {
            (Some(row), Some(version)) => row.time < version.time,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return rows,
        };
        if stream_first {
            let event = stream.next().expect("peeked");
            let mut row = cells(event);
            match versions.get(event.key.as_str()) {
                Some(version) => row.extend(version.iter().cloned()),
                None if left => row.extend([None, None, None]),
                None => continue,
            }
            rows.push(row);
        } else {
            let event = table.next().expect("peeked");
            match &event.values {
                Some(values) => versions.insert(&event.key, values),
                None => versions.remove(event.key.as_str()),
            };
        }
    }
}

/// Rows of text as columns of their types.
fn input(columns: &[(&str, &str)], rows: Vec<Vec<Option<String>>>) -> RecordBatch {
    let field = |(name, sql_type): &(&str, &str)| Field::new(*name, arrow_type(sql_type), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let column = |(at, field): (usize, &Arc<Field>)| -> ArrayRef {
        let text: StringArray = rows.iter().map(|row| row[at].as_deref()).collect();
        cast(&text, field.data_type()).expect("generated text is of its type")
    };
    let arrays = schema.fields().iter().enumerate().map(column).collect();
    RecordBatch::try_new(schema, arrays).expect("columns of one length")
}

/// The batch query over these rows, by stock DataFusion.
async fn batch(query: &str, columns: &[(&str, &str)], rows: Vec<Vec<Option<String>>>) -> Vec<Vec<String>> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    context.register_batch("s", input(columns, rows)).expect("a table");
    let batches = match collect(&context, query).await {
        // The rule makes SUM(0 + a) use COUNT(a), and then cannot tell that from the query's own COUNT(a) in HAVING.
        Err(error) if error.to_string().contains("'simplify_expressions'") => {
            context.remove_optimizer_rule("simplify_expressions");
            collect(&context, query).await
        }
        collected => collected,
    };
    let batches = batches.unwrap_or_else(|error| panic!("{query}: {error}"));
    // Over no rows at all, a batch aggregate without groups answers a row; generated queries always group.
    batches.iter().flat_map(texts).collect()
}

async fn collect(context: &SessionContext, query: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
    context.sql(query).await?.collect().await
}

fn arrow_type(sql_type: &str) -> DataType {
    match sql_type {
        "TEXT" => DataType::Utf8,
        "INT" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "BOOLEAN" => DataType::Boolean,
        "DECIMAL(10,2)" => DataType::Decimal128(10, 2),
        other => panic!("{other} is not generated"),
    }
}

/// A batch's rows as text that does not tell one numeric type from another.
pub fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<ArrayRef> = batch.columns().iter().map(milliseconds).collect();
    let formatters: Vec<ArrayFormatter<'_>> = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a printable column"))
        .collect();
    let numeric: Vec<bool> = columns.iter().map(|column| column.data_type().is_numeric()).collect();
    let cell = |row: usize, at: usize| {
        let text = formatters[at].value(row).to_string();
        if numeric[at] && text != "NULL" { number(&text) } else { text }
    };
    (0..batch.num_rows()).map(|row| (0..columns.len()).map(|at| cell(row, at)).collect()).collect()
}

/// Times as milliseconds since 1970, so that a window's start compares with the model's number.
fn milliseconds(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(_, _) => {
            let millis = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
            let millis = cast(column, &millis).expect("a time in milliseconds");
            let numbers = cast(&millis, &DataType::Int64).expect("a time as a number");
            Arc::new(numbers.as_any().downcast_ref::<Int64Array>().expect("Int64").clone())
        }
        _ => Arc::clone(column),
    }
}

/// A number's text without a type: whole numbers without a point, others to nine digits, and fourteen in all.
fn number(text: &str) -> String {
    let value: f64 = text.parse().expect("a number");
    let nearest = value.round() + 0.0;
    // Doubles that are made in another order differ in their last place.
    if (value - nearest).abs() < 5e-10 && value.abs() < 1e15 {
        return format!("{nearest:.0}");
    }
    let whole_digits = value.abs().max(1.0).log10() as usize + 1;
    format!("{value:.*}", 14_usize.saturating_sub(whole_digits).min(9))
}

/// A JSON value in the same words.
pub fn json_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_string(),
        serde_json::Value::Bool(value) => value.to_string(),
        serde_json::Value::Number(value) => number(&value.to_string()),
        serde_json::Value::String(value) => value.clone(),
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(", "))
        }
        other => panic!("{other} is not generated"),
    }
}
