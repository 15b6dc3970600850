//! A standing query as it is kept.

use serde::Deserialize;
use serde::Serialize;

use super::Semantics;
use crate::model::OperatorId;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::TopicId;

/// Whether it should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QueryState {
    /// It runs, or will be started again.
    Running,
    /// Its state is kept, it reads nothing.
    Paused,
}

/// A standing query: its durable form is text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryDefinition {
    /// Never reused.
    pub id: QueryId,
    /// What people call it, for example `ctas_per_country_7`.
    pub name: String,
    /// What it writes.
    pub sink: RelationId,
    /// What it reads, in the order of the plan's leaves.
    pub sources: Vec<RelationId>,
    /// The statement as typed.
    pub statement: String,
    /// The bound text that is planned: stars expanded, relations by id, EMIT included.
    pub bound_text: String,
    /// The rules under which it was bound, and how it emits.
    pub semantics: Semantics,
    /// Internal topics: operator, role (`changelog` or `repartition`), topic.
    pub internal_topics: Vec<(OperatorId, String, TopicId)>,
    /// Layouts of the states it keeps, as text; must be the same when it is planned again.
    pub state_layouts: Vec<String>,
    /// Whether it should run.
    pub state: QueryState,
    /// What its sink holds is of a query before it, and goes before this one first runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins_anew: bool,
}
