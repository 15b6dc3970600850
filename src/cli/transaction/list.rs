//! `tidemill transaction list`

use serde_json::json;

use crate::cli::kafka::Format;
use crate::cli::kafka::Where;
use crate::cli::kafka::refused;
use crate::cli::kafka::show_all;
use crate::cli::kafka::wrong;
use crate::env::Env;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::list_transactions as message;

const LIST_TRANSACTIONS: i16 = 0;

/// What is listed.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only those in this state, as often as there are any: Ongoing, PrepareCommit, CompleteAbort, ..
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
}

/// Lists transactional ids by name.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let mut transactions = Vec::new();
    for node in cluster.nodes().await? {
        let request = message::Request { state_filters: arguments.states.clone(), ..Default::default() };
        let answered = cluster.ask_at(node, LIST_TRANSACTIONS, &request).await?;
        if answered.error_code != ErrorCode::NONE {
            return Err(refused(&format!("node {node} lists no transactions"), answered.error_code, None));
        }
        if let Some(unknown) = answered.unknown_state_filters.first() {
            return Err(wrong(format!("no transaction is in a state \"{unknown}\"")));
        }
        transactions.extend(answered.transaction_states);
    }
    transactions.sort_by(|left, right| left.transactional_id.cmp(&right.transactional_id));
    let row = |it: message::TransactionState| {
        vec![json!(it.transactional_id), json!(it.transaction_state), json!(it.producer_id)]
    };
    let columns = &["transactional_id", "state", "producer_id"];
    show_all(arguments.format, columns, transactions.into_iter().map(row).collect())
}
