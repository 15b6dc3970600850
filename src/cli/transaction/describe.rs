//! `tidemill transaction describe`

use serde_json::json;

use crate::cli::kafka::Cluster;
use crate::cli::kafka::CoordinatorOf;
use crate::cli::kafka::Format;
use crate::cli::kafka::Where;
use crate::cli::kafka::refused;
use crate::cli::kafka::show_all;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::ErrorCode;
use crate::protocol::describe_transactions as message;

const DESCRIBE_TRANSACTIONS: i16 = 0;

/// What is described.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The transactional id
    id: String,
}

/// A line a partition that the transaction holds, or one line if it holds none.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let node = cluster.coordinator(CoordinatorOf::Transaction, &arguments.id).await?;
    let state = state(&mut cluster, node, &arguments.id).await?;
    let open_ms = Some(state.transaction_start_time_ms)
        .filter(|started| 0 <= *started)
        .map(|started| env.clock.wall_millis().saturating_sub(started).max(0));
    let row = |topic: Option<&String>, partition: Option<i32>| {
        vec![
            json!(state.transactional_id),
            json!(state.transaction_state),
            json!(state.producer_id),
            json!(state.producer_epoch),
            json!(state.transaction_timeout_ms),
            json!(open_ms),
            json!(topic),
            json!(partition),
        ]
    };
    let mut rows = Vec::new();
    for topic in &state.topics {
        rows.extend(topic.partitions.iter().map(|partition| row(Some(&topic.topic), Some(*partition))));
    }
    if rows.is_empty() {
        rows.push(row(None, None));
    }
    let columns =
        &["transactional_id", "state", "producer_id", "producer_epoch", "timeout_ms", "open_ms", "topic", "partition"];
    show_all(arguments.format, columns, rows)
}

/// How a transactional id stands that is there.
pub(super) async fn state(cluster: &mut Cluster<'_>, node: i32, id: &str) -> Result<message::TransactionState, Error> {
    let request = message::Request { transactional_ids: vec![id.to_string()] };
    let mut states = cluster.ask_at(node, DESCRIBE_TRANSACTIONS, &request).await?.transaction_states;
    let missing = || {
        let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("transactional id \"{id}\" does not exist"));
        error.hint("`tidemill transaction list` lists them.")
    };
    let state = states.pop().ok_or_else(missing)?;
    match state.error_code {
        ErrorCode::NONE => Ok(state),
        ErrorCode::TRANSACTIONAL_ID_NOT_FOUND => Err(missing()),
        code => Err(refused(&format!("transactional id \"{id}\""), code, None)),
    }
}
