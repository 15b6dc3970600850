//! The rows that a case's own SELECTs answer, beside those that it wants.

use std::time::Duration;

use arrow::record_batch::RecordBatch;
use serde_json::Value;

use super::case::CaseNode;
use super::compare;
use super::pipeline::Answer;
use super::pipeline::Pipeline;
use super::post;
use crate::catalog::KSQLDB_RESERVED;
use crate::catalog::RelationOptions;
use crate::env::Env;
use crate::error::Error;
use crate::format::json_of;
use crate::sql;
use crate::sql::Statement;

/// How many partitions the topics of a case with SELECTs, or with topics of several, have unless it says so.
pub(super) const PARTITIONS: i32 = 4;

/// How long a SELECT may take. A push query that finds fewer rows than its LIMIT would wait for ever.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Whether a statement asks for rows: it is run after all inputs are written.
pub(super) fn is_question(statement: &str) -> bool {
    statement.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

/// The topic of a CREATE that does not say how many partitions it has.
pub(super) fn topic_of(statement: &str) -> Option<String> {
    let parsed = sql::parse(statement).ok()?;
    let Statement::CreateSource(create) = parsed.into_iter().next()?.statement else { return None };
    let options = RelationOptions::read(&create.options).ok()?;
    options.topic.filter(|_| options.partitions.is_none())
}

/// Whether a CREATE says that its topic has more than one partition: what is joined with it must have as many.
pub(super) fn tells_partitions(statement: &str) -> bool {
    let parsed = sql::parse(statement).ok().and_then(|parsed| parsed.into_iter().next());
    let options = match parsed.map(|parsed| parsed.statement) {
        Some(Statement::CreateSource(create)) => create.options,
        Some(Statement::CreateAs(create)) => create.options,
        _ => return false,
    };
    let partitions = RelationOptions::read(&options).ok().and_then(|options| options.partitions);
    partitions.is_some_and(|partitions| 1 < partitions)
}

/// What a SELECT answers, over all that is there; `None` if it does not end.
pub(super) async fn answer(pipeline: &mut Pipeline, statement: &str) -> Option<Result<Answer, Error>> {
    if let Err(error) = pipeline.execute("SET 'auto.offset.reset' = 'earliest';").await {
        return Some(Err(error));
    }
    // The pipeline's own clock stands still.
    let clock = Env::real().clock;
    tokio::select! {
        answer = pipeline.query(statement) => Some(answer),
        () = clock.sleep(ANSWER_WITHIN) => None,
    }
}

/// Says what differs between the rows of the statement at `place` and those that the case wants, if it wants any.
pub(super) fn check(node: &CaseNode, place: usize, answer: &Answer) -> Result<(), String> {
    let Some(wanted) = node.responses.get(place).and_then(|response| response.query.as_ref()) else { return Ok(()) };
    if let Some(schema) = wanted.iter().find_map(|line| line.header.as_ref()?.schema.as_deref()) {
        check_columns(schema, answer)?;
    }
    let wanted: Vec<&[Value]> = wanted.iter().filter_map(|line| Some(line.row.as_ref()?.columns.as_slice())).collect();
    let ordered = node.output_conditions.as_ref().is_some_and(|conditions| conditions.verify_order);
    check_rows(&wanted, rows(&answer.batches)?, ordered)
}

fn check_rows(wanted: &[&[Value]], mut found: Vec<Vec<Value>>, ordered: bool) -> Result<(), String> {
    let shown = found.clone();
    for (at, row) in wanted.iter().enumerate() {
        let same = |found: &Vec<Value>| {
            found.len() == row.len()
                && row.iter().zip(found).all(|(wanted, found)| compare::value(wanted, found).is_ok())
        };
        // Of rows in order those before are gone: the next one is the first that is left.
        let place =
            if ordered { found.first().filter(|row| same(row)).map(|_| 0) } else { found.iter().position(same) };
        let Some(place) = place else {
            return Err(format!("row {at}: wanted {row:?}, got {shown:?}"));
        };
        found.remove(place);
    }
    if found.is_empty() { Ok(()) } else { Err(format!("wanted {} rows, got {shown:?}", wanted.len())) }
}

/// The rows as JSON.
fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>, String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let value = |column: &arrow::array::ArrayRef| match column.is_null(row) {
                true => Ok(Value::Null),
                false => serde_json::from_str(&json_of(column.as_ref(), row)).map_err(|error| error.to_string()),
            };
            rows.push(batch.columns().iter().map(value).collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(rows)
}

/// Names and types of the columns; whether one is of the key is not told by an answer of the Postgres wire.
fn check_columns(schema: &str, answer: &Answer) -> Result<(), String> {
    // No relation may declare a system column, so theirs have a blank behind their names.
    let renamed = KSQLDB_RESERVED
        .iter()
        .fold(schema.replace(" KEY", ""), |schema, name| schema.replace(&format!("`{name}`"), &format!("`{name} `")));
    let declared = post::columns(&renamed)?;
    let wanted = declared.iter().map(|column| format!("{} {}", column.name.trim_end(), column.sql_type));
    let found = answer.fields.iter().map(|field| format!("{} {}", field.name, field.sql_type));
    let (wanted, found) = (wanted.collect::<Vec<_>>().join(", "), found.collect::<Vec<_>>().join(", "));
    if wanted.eq_ignore_ascii_case(&found) { Ok(()) } else { Err(format!("wanted ({wanted}), got ({found})")) }
}
