//! `tidemill topic create` and `tidemill topic delete`

use crate::cli::kafka::TIMEOUT_MS;
use crate::cli::kafka::Where;
use crate::cli::kafka::all_refused;
use crate::cli::kafka::refused;
use crate::cli::kafka::say;
use crate::cli::kafka::wrong;
use crate::env::Env;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::create_topics;
use crate::protocol::delete_topics;

const CREATE_TOPICS: i16 = 5;
const DELETE_TOPICS: i16 = 5;

/// What is made.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArguments {
    #[command(flatten)]
    at: Where,
    /// Its name
    topic: String,
    /// Partitions; as many as the server makes by itself if it is not said
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true)]
    partitions: i32,
    /// A setting, as often as there are any: retention.ms=3600000
    #[arg(short = 'c', long = "config", value_name = "NAME=VALUE")]
    configs: Vec<String>,
}

/// What is dropped.
#[derive(Debug, Clone, clap::Args)]
pub struct DeleteArguments {
    #[command(flatten)]
    at: Where,
    /// Their names
    #[arg(required = true)]
    topics: Vec<String>,
}

/// Makes a topic.
pub(super) async fn create(env: &Env, arguments: CreateArguments) -> Result<(), Error> {
    let config = |text: &String| {
        let (name, value) = setting(text)?;
        Ok(create_topics::Config { name, value: Some(value) })
    };
    let topic = create_topics::Topic {
        name: arguments.topic,
        num_partitions: arguments.partitions,
        replication_factor: -1,
        configs: arguments.configs.iter().map(config).collect::<Result<_, Error>>()?,
        ..Default::default()
    };
    let request = create_topics::Request { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
    let answered = arguments.at.connect(env).await?.ask(CREATE_TOPICS, &request).await?;
    for topic in answered.topics {
        if topic.error_code != ErrorCode::NONE {
            let what = format!("topic \"{}\" was not made", topic.name);
            return Err(refused(&what, topic.error_code, topic.error_message.as_deref()));
        }
        let plural = if topic.num_partitions == 1 { "" } else { "s" };
        say(&format!("made {} with {} partition{plural}\n", topic.name, topic.num_partitions))?;
    }
    Ok(())
}

/// Drops topics.
pub(super) async fn delete(env: &Env, arguments: DeleteArguments) -> Result<(), Error> {
    let request =
        delete_topics::Request { topic_names: arguments.topics, timeout_ms: TIMEOUT_MS, ..Default::default() };
    let answered = arguments.at.connect(env).await?.ask(DELETE_TOPICS, &request).await?;
    let mut refusals = Vec::new();
    for topic in answered.responses {
        let name = topic.name.unwrap_or_default();
        if topic.error_code == ErrorCode::NONE {
            say(&format!("dropped {name}\n"))?;
        } else {
            let what = format!("topic \"{name}\" was not dropped");
            refusals.push(refused(&what, topic.error_code, topic.error_message.as_deref()));
        }
    }
    all_refused(refusals)
}

/// A setting's name and value.
pub(super) fn setting(text: &str) -> Result<(String, String), Error> {
    let (name, value) = text.split_once('=').ok_or_else(|| wrong(format!("\"{text}\" must be name=value")))?;
    Ok((name.trim().to_string(), value.trim().to_string()))
}
