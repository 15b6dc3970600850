//! `tidemill group list`

use serde_json::json;

use crate::cli::kafka::Format;
use crate::cli::kafka::Where;
use crate::cli::kafka::refused;
use crate::cli::kafka::show_all;
use crate::env::Env;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::list_groups as message;

const LIST_GROUPS: i16 = 4;
/// With the groups' protocols, since Kafka 3.8.
const LIST_GROUPS_WITH_PROTOCOLS: i16 = 5;

/// What is listed.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only groups in this state, as often as there are any: Stable, Empty, PreparingRebalance, CompletingRebalance, Assigning, Reconciling, Dead
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
}

/// Lists groups by name.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let mut groups = Vec::new();
    for node in cluster.nodes().await? {
        let request = message::Request { states_filter: arguments.states.clone(), ..Default::default() };
        let tells_protocols = cluster.takes::<message::Request>(node, LIST_GROUPS_WITH_PROTOCOLS).await?;
        let version = if tells_protocols { LIST_GROUPS_WITH_PROTOCOLS } else { LIST_GROUPS };
        let answered = cluster.ask_at(node, version, &request).await?;
        if answered.error_code != ErrorCode::NONE {
            return Err(refused(&format!("node {node} lists no groups"), answered.error_code, None));
        }
        groups.extend(answered.groups);
    }
    groups.sort_by(|left, right| left.group_id.cmp(&right.group_id));
    let row = |group: message::Group| {
        vec![json!(group.group_id), json!(group.group_type), json!(group.protocol_type), json!(group.group_state)]
    };
    let columns = &["group", "protocol", "protocol_type", "state"];
    show_all(arguments.format, columns, groups.into_iter().map(row).collect())
}
