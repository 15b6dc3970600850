//! Topics that a statement names.

use crate::cluster::ClusterMetadata;
use crate::cluster::TopicRecord;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::nearest;

/// The topic of that name, which `principal` may read. Topics' names are told from each other by upper and lower case.
pub(super) fn readable<'a>(
    principal: &Principal,
    metadata: &'a ClusterMetadata,
    name: &str,
) -> Result<&'a TopicRecord> {
    authorize(principal, Operation::Read, Resource::Topic(name))?;
    metadata.topic(name).ok_or_else(|| {
        let error = Error::new(SqlState::UNDEFINED_TABLE, format!("topic \"{name}\" does not exist"));
        match nearest(name, metadata.topics().map(|topic| topic.name.as_str())) {
            Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
            None => error.hint("SHOW TOPICS lists them."),
        }
    })
}
