//! `tidemill transaction abort`: takes the id over, as its next producer would.

use std::time::Duration;

use super::describe::state;
use crate::cli::kafka::CoordinatorOf;
use crate::cli::kafka::Where;
use crate::cli::kafka::refused;
use crate::cli::kafka::say;
use crate::env::Env;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::init_producer_id as message;

const INIT_PRODUCER_ID: i16 = 4;
/// The coordinator ends what is open before it hands the id out.
const RETRY: Duration = Duration::from_millis(100);
const TRIES_MAX: usize = 100;

/// What is aborted.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// The transactional id
    id: String,
}

/// Aborts; its producer is told that it is fenced.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let node = cluster.coordinator(CoordinatorOf::Transaction, &arguments.id).await?;
    let before = state(&mut cluster, node, &arguments.id).await?;
    let request = message::Request {
        transactional_id: Some(arguments.id.clone()),
        transaction_timeout_ms: before.transaction_timeout_ms.max(1),
        ..Default::default()
    };
    for _ in 0..TRIES_MAX {
        let given = cluster.ask_at(node, INIT_PRODUCER_ID, &request).await?;
        match given.error_code {
            ErrorCode::NONE => {
                let was = before.transaction_state;
                return say(&format!("fenced {}, which was {was}\n", arguments.id)).map(drop);
            }
            ErrorCode::CONCURRENT_TRANSACTIONS | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                env.clock.sleep(RETRY).await;
            }
            code => return Err(refused(&format!("transactional id \"{}\" was not fenced", arguments.id), code, None)),
        }
    }
    Err(refused(
        &format!("transactional id \"{}\" was not fenced", arguments.id),
        ErrorCode::CONCURRENT_TRANSACTIONS,
        None,
    ))
}
