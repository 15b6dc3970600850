//! `tidemill group delete`

use std::collections::BTreeMap;

use crate::cli::kafka::CoordinatorOf;
use crate::cli::kafka::Where;
use crate::cli::kafka::all_refused;
use crate::cli::kafka::refused;
use crate::cli::kafka::say;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::ErrorCode;
use crate::protocol::delete_groups as message;

const DELETE_GROUPS: i16 = 2;

/// What is forgotten.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// Their names
    #[arg(required = true)]
    groups: Vec<String>,
}

/// Deletes groups; what is refused is told when all were tried.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let mut by_node: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut refusals = Vec::new();
    for group in arguments.groups {
        match cluster.coordinator(CoordinatorOf::Group, &group).await {
            Ok(node) => by_node.entry(node).or_default().push(group),
            Err(error) if error.state() == SqlState::CONNECTION_FAILURE => return Err(error),
            Err(error) => refusals.push(error),
        }
    }
    for (node, groups_names) in by_node {
        let answered = cluster.ask_at(node, DELETE_GROUPS, &message::Request { groups_names }).await?;
        for group in answered.results {
            if group.error_code == ErrorCode::NONE {
                say(&format!("deleted {}\n", group.group_id))?;
                continue;
            }
            let error = refused(&format!("group \"{}\" was not deleted", group.group_id), group.error_code, None);
            refusals.push(match group.error_code {
                ErrorCode::NON_EMPTY_GROUP => error.hint("Stop its consumers first."),
                _ => error,
            });
        }
    }
    all_refused(refusals)
}
