//! One case: statements, records in, records out, and the verdict.

use super::case::RecordNode;
use super::compare;
use super::expand::Case;
use super::pipeline::Pipeline;
use super::post;
use super::record;
use super::record::HalfOfTopic;
use super::report::Outcome;
use super::report::Verdict;
use super::responses;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::ColumnRole;

/// How a case ended before anybody asked what was wanted.
enum End {
    /// All ran; what differs from what is wanted, if anything.
    Ran(Option<String>),
    /// A statement failed, and whether it was the last one.
    Refused { error: Error, last: bool, statement: usize },
    /// A query failed on its records.
    QueryFailed(String),
}

/// Runs a case in an engine of its own.
pub(super) async fn run(case: &Case) -> Verdict {
    let expected = case.node.expected.as_ref();
    let mut verdict = Verdict {
        case: case.id.clone(),
        negative: expected.is_some(),
        same_message: None,
        message: None,
        outcome: Outcome::Passed,
    };
    if let Some(feature) = &case.waits_for {
        verdict.outcome = Outcome::Skipped(feature.clone());
        return verdict;
    }
    let end = match attempt(case).await {
        Ok(end) => end,
        Err(error) => End::Ran(Some(format!("the run itself failed: {error}"))),
    };
    verdict.outcome = match expected {
        None => positive(end),
        Some(expected) => {
            let message = match &end {
                End::Ran(_) => None,
                End::Refused { error, .. } => Some(error.message().to_owned()),
                End::QueryFailed(reason) => Some(reason.clone()),
            };
            let (outcome, same_message) = negative(end, expected.message.as_deref());
            verdict.same_message = same_message;
            verdict.message = message.filter(|_| same_message == Some(false));
            outcome
        }
    };
    verdict
}

fn positive(end: End) -> Outcome {
    match end {
        End::Ran(None) => Outcome::Passed,
        End::Ran(Some(reason)) => Outcome::Failed(reason),
        End::Refused { error, statement, .. } => match feature(&error) {
            Some(feature) => Outcome::Skipped(feature),
            None => Outcome::Failed(format!("statement {statement}: {error}")),
        },
        End::QueryFailed(reason) => Outcome::Failed(format!("a query failed: {reason}")),
    }
}

/// The verdict of a case that wants an error, and whether the message has the wanted words.
fn negative(end: End, wanted: Option<&str>) -> (Outcome, Option<bool>) {
    match end {
        End::Ran(_) => (Outcome::Failed("it did not fail".to_owned()), None),
        End::Refused { error, last, statement } => {
            let same = wanted.is_some_and(|wanted| error.message().contains(wanted));
            match feature(&error).filter(|_| !is_about_types(&error)) {
                // What is not there yet fails too, but not for the reason that the case is about.
                Some(feature) if !same => (Outcome::Skipped(feature), None),
                _ if !last => (Outcome::Failed(format!("statement {statement}: {error}")), None),
                _ => (Outcome::Passed, Some(same)),
            }
        }
        End::QueryFailed(reason) => {
            let same = wanted.is_some_and(|wanted| reason.contains(wanted));
            (Outcome::Passed, Some(same))
        }
    }
}

/// Whether a function or an operator that is there refuses what it was given.
fn is_about_types(error: &Error) -> bool {
    let words = ["does not accept parameters", "operator does not exist", "Unsupported arithmetic types"];
    words.iter().any(|words| error.message().contains(words))
}

/// The feature that an error says is not there yet.
fn feature(error: &Error) -> Option<String> {
    let missing = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::UNDEFINED_FUNCTION];
    missing.contains(&error.state()).then(|| error.message().to_owned())
}

async fn attempt(case: &Case) -> Result<End, Error> {
    let node = &case.node;
    let mut pipeline = Pipeline::open_for_case().await?;
    for topic in &node.topics {
        pipeline.create_topic(&topic.name, topic.partitions).await?;
    }
    let of_engine = ["ksql.persistence.", "ksql.output.", "ksql.query.pull.table.scan."];
    let is_of_engine = |name: &str| of_engine.iter().any(|prefix| name.starts_with(prefix));
    for (name, value) in node.properties.iter().filter(|(name, _)| is_of_engine(name)) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        pipeline.execute(&format!("SET '{name}' = '{value}';")).await?;
    }
    let refused = |error, place| End::Refused { error, last: place + 1 == node.statements.len(), statement: place + 1 };
    let (questions, others): (Vec<_>, Vec<_>) =
        node.statements.iter().enumerate().partition(|(_, statement)| responses::is_question(statement));
    if !questions.is_empty() || node.statements.iter().any(|statement| responses::tells_partitions(statement)) {
        for topic in node.statements.iter().filter_map(|statement| responses::topic_of(statement)) {
            pipeline.create_topic(&topic, responses::PARTITIONS).await?;
        }
    }
    for (place, statement) in others {
        if let Err(error) = pipeline.execute(&below_others(statement, &node.statements[..place])).await {
            return Ok(refused(error, place));
        }
    }
    pipeline.drive().await?;
    for input in &node.inputs {
        write(&mut pipeline, case, input).await?;
        pipeline.drive().await?;
    }
    if let Some(reason) = pipeline.failed_query() {
        return Ok(End::QueryFailed(reason));
    }
    let mut differs = outputs(&pipeline, case).await?;
    let asked = questions.len();
    for (place, statement) in questions {
        match responses::answer(&mut pipeline, statement).await {
            Some(Ok(answer)) if differs.is_none() => {
                let found = responses::check(node, place, &answer);
                differs = found.err().map(|reason| format!("statement {}: {reason}", place + 1));
            }
            Some(Ok(_)) => (),
            Some(Err(error)) => return Ok(refused(error, place)),
            None => return Ok(End::Ran(Some(format!("statement {} did not end", place + 1)))),
        }
    }
    if asked == 0 && node.outputs.as_ref().is_none_or(Vec::is_empty) && pipeline.catalog()?.queries().next().is_none() {
        return Ok(End::Ran(Some("no statement made a standing query".to_owned())));
    }
    if differs.is_none()
        && let Some(wanted) = &node.post
    {
        let catalog = pipeline.catalog()?;
        differs = post::check(wanted, &catalog, &pipeline.topics()).err();
    }
    Ok(End::Ran(differs))
}

/// The statement on the line on which it stands where a case's statements are one text: messages of ksqlDB tell the line.
fn below_others(statement: &str, before: &[String]) -> String {
    let lines: usize = before.iter().map(|text| 1 + text.matches('\n').count()).sum();
    format!("{}{statement}", "\n".repeat(lines))
}

async fn write(pipeline: &mut Pipeline, case: &Case, input: &RecordNode) -> Result<(), Error> {
    let catalog = pipeline.catalog()?;
    let declared = catalog.relations().find(|relation| relation.topic == input.topic);
    let topic = case.node.topics.iter().find(|topic| topic.name == input.topic);
    let half = |role: ColumnRole| match (declared, topic) {
        (Some(relation), _) => HalfOfTopic::of(relation, role),
        (None, Some(topic)) if role == ColumnRole::Key => HalfOfTopic::of_name(topic.key_format.as_deref(), role),
        (None, topic) => HalfOfTopic::of_name(topic.and_then(|topic| topic.value_format.as_deref()), role),
    };
    let invalid = |reason: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("input: {reason}"));
    let (key, value) = record::encode(input, &half(ColumnRole::Key), &half(ColumnRole::Value)).map_err(invalid)?;
    let timestamp = input.timestamp.unwrap_or(0);
    let partition = pipeline.partition_of(&input.topic, key.as_deref());
    let headers = record::headers(input).map_err(invalid)?;
    let headers: Vec<(&[u8], Option<&[u8]>)> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
    let record = (timestamp, key.as_deref(), value.as_deref());
    pipeline.produce_with_headers(&input.topic, partition, record, &headers).await
}

/// What differs between the records wanted and those written, topic by topic.
async fn outputs(pipeline: &Pipeline, case: &Case) -> Result<Option<String>, Error> {
    let wanted = case.node.outputs.as_deref().unwrap_or_default();
    let mut topics: Vec<&str> = Vec::new();
    for output in wanted {
        if !topics.contains(&output.topic.as_str()) {
            topics.push(&output.topic);
        }
    }
    let catalog = pipeline.catalog()?;
    for topic in topics {
        let wanted: Vec<&RecordNode> = wanted.iter().filter(|output| output.topic == topic).collect();
        let mut found = pipeline.records(topic).await?;
        if 1 < pipeline.partitions(topic) {
            // No partition tells when its records came beside those of others.
            found.sort_by_key(|record| record.timestamp);
        }
        let writer = catalog.relations().find(|relation| relation.topic == topic).map(|relation| relation.as_ref());
        if let Some(reason) = topic_differs(&wanted, &found, writer, case.node.inputs.is_empty()) {
            return Ok(Some(format!("{topic}{reason}")));
        }
    }
    Ok(None)
}

fn topic_differs(
    wanted: &[&RecordNode],
    found: &[record::RawOutput],
    relation: Option<&Relation>,
    any_zero: bool,
) -> Option<String> {
    for (place, (wanted, found)) in wanted.iter().zip(found).enumerate() {
        let compared = record::show(found, relation).and_then(|shown| compare::record(wanted, &shown, found, any_zero));
        if let Err(reason) = compared {
            return Some(format!("[{place}]: {reason}"));
        }
    }
    (wanted.len() != found.len()).then(|| format!(": wanted {} records, got {}", wanted.len(), found.len()))
}
