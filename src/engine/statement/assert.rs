//! ASSERT TOPIC: a script goes on only where a topic is what it takes it for.

use std::time::Duration;

use super::done;
use crate::cluster::ClusterMetadata;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::AssertTopic;
use crate::sql::WithOption;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long it may take if the statement does not say, as in ksqlDB.
const TIMEOUT_MS_DEFAULT: u64 = 1_000;
/// Every topic has its one copy here.
const REPLICAS: i64 = 1;

pub(super) async fn topic(session: &Session, assert: &AssertTopic) -> Result<Outcome> {
    let name = assert.topic.value.as_str();
    authorize(&session.principal, Operation::Read, Resource::Topic(name))?;
    let wanted = assert.options.iter().map(wanted).collect::<Result<Vec<_>>>()?;
    let timeout_ms = assert.timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT);
    let looks = timeout_ms.div_ceil(LOOK_AGAIN.as_millis() as u64);
    let mut look = 0;
    loop {
        let problem = match problem(&session.engine.metadata(), name, assert.exists, &wanted) {
            None => return Ok(done("ASSERT TOPIC")),
            Some(problem) => problem,
        };
        if looks <= look {
            return Err(Error::new(SqlState::ASSERT_FAILURE, problem).at(assert.topic.position));
        }
        look += 1;
        session.engine.env().clock.sleep(LOOK_AGAIN).await;
    }
}

/// What a topic is asked for, and how many it must have.
fn wanted(option: &WithOption) -> Result<(&'static str, i64)> {
    let known = ["PARTITIONS", "REPLICAS"].into_iter().find(|known| option.name.value.eq_ignore_ascii_case(known));
    let refused = |message: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position);
    let Some(known) = known else {
        return Err(refused(format!("Cannot assert unknown topic property: {}", option.name.value.to_uppercase())));
    };
    match option.value.parse() {
        Ok(count) => Ok((known, count)),
        Err(_) => Err(refused(format!("{known} must be a number, not \"{}\"", option.value))),
    }
}

/// Why the topic is not what it must be.
fn problem(metadata: &ClusterMetadata, name: &str, exists: bool, wanted: &[(&str, i64)]) -> Option<String> {
    let topic = match (metadata.topic(name), exists) {
        (None, true) => return Some(format!("Topic {name} does not exist.")),
        (Some(_), false) => return Some(format!("Topic {name} exists.")),
        (None, false) => return None,
        (Some(topic), true) => topic,
    };
    wanted.iter().find_map(|(property, expected)| {
        let has = if *property == "REPLICAS" { REPLICAS } else { i64::from(topic.partitions) };
        let message =
            format!("Mismatched configuration for topic {name}: For config {property}, expected {expected} got {has}");
        (has != *expected).then_some(message)
    })
}
