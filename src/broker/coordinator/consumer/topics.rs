//! The topics that members can subscribe to.

use std::collections::BTreeMap;

use crate::model::TopicId;

/// The clients' topics in one version of the metadata; those that only the server writes are left out.
#[derive(Debug, Clone, Default)]
pub(in crate::broker) struct Topics {
    /// Differs from that of other topics.
    pub version: u64,
    /// Each with its id and its number of partitions.
    pub by_name: BTreeMap<String, (TopicId, i32)>,
}
