//! TRUNCATE TOPIC: the oldest records of a topic go, before their retention says so. TRUNCATE of tables: all rows go.

use super::delete;
use super::done;
use super::lookup::changed_target;
use crate::broker::Client;
use crate::broker::GroupDescription;
use crate::broker::GroupOffset;
use crate::cluster::CleanupPolicy;
use crate::cluster::TopicRecord;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::engine::topic;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Delete;
use crate::sql::Name;
use crate::sql::TruncateTopic;

pub(super) async fn execute(session: &Session, truncate: &TruncateTopic) -> Result<Outcome> {
    let client = session.engine.client(&session.principal);
    let metadata = client.metadata();
    let topic = topic::readable(&session.principal, &metadata, &truncate.topic);
    let topic = topic.map_err(|error| error.at(truncate.position))?;
    authorize(&session.principal, Operation::Drop, Resource::Topic(&topic.name))?;
    refuse_topic(topic).map_err(|error| error.at(truncate.position))?;
    let _turn = session.engine.ddl().await;
    refuse_kept(session, topic).map_err(|error| error.at(truncate.position))?;
    let mut starts = Vec::new();
    for partition in partitions(topic, truncate)? {
        starts.push((partition, start(&*client, partition, truncate).await?));
    }
    let catalog = session.engine.catalog()?;
    let readers = session.engine.reader_groups(&catalog, topic.id);
    let unread = refuse_unread(&*client, topic, &readers, &starts).await;
    unread.map_err(|error| error.at(truncate.position))?;
    for (partition, start) in starts {
        client.delete_records(partition, start).await?;
    }
    Ok(done("TRUNCATE TOPIC"))
}

/// Deletes the rows of tables, one table after the other; one whose rows cannot go keeps those of the others.
pub(super) async fn tables(session: &mut Session, names: &[Name], restart_identity: bool) -> Result<Outcome> {
    for name in names {
        changed_target(session, name, "truncate")?;
    }
    for name in names {
        let delete = Delete { target: name.clone(), alias: None, using: Vec::new(), filter: None, returning: None };
        delete::execute(session, &delete, &[]).await?;
        let relation = changed_target(session, name, "truncate")?;
        if restart_identity && relation.identity.is_some() {
            session.engine.numbers().restart(&session.engine, &relation).await?;
        }
    }
    Ok(done("TRUNCATE TABLE"))
}

/// Refuses topics that are not the user's to shorten.
fn refuse_topic(topic: &TopicRecord) -> Result<()> {
    if topic.config.internal {
        let message = format!("topic \"{}\" is internal", topic.name);
        return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).detail("Only the server writes to it."));
    }
    match topic.config.cleanup_policy {
        CleanupPolicy::Delete | CleanupPolicy::CompactDelete => Ok(()),
        CleanupPolicy::Compact => {
            let message = format!("topic \"{}\" is a table's: it holds the newest record of each key", topic.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .hint("Write a record without a value for each key that is to go."))
        }
    }
}

/// Refuses a topic from which a query restores what it keeps.
fn refuse_kept(session: &Session, topic: &TopicRecord) -> Result<()> {
    let catalog = session.engine.catalog()?;
    let keeper = catalog.relations().find(|relation| relation.topic_id == topic.id && relation.query.is_some());
    match keeper {
        Some(relation) => {
            let message = format!("topic \"{}\" is written by the query that keeps \"{}\"", topic.name, relation.name);
            Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .hint("ALTER .. SET (retention_ms = ..) bounds what it keeps."))
        }
        None => Ok(()),
    }
}

fn partitions(topic: &TopicRecord, truncate: &TruncateTopic) -> Result<Vec<TopicPartition>> {
    let invalid = |message: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
    match (truncate.partition, truncate.before) {
        (Some((number, position)), _) => {
            let wanted = topic.partition_ids().find(|id| u64::try_from(id.partition.0) == Ok(number));
            let message = || format!("topic \"{}\" has {} partitions, no {number}", topic.name, topic.partitions);
            Ok(vec![wanted.ok_or_else(|| invalid(message()).at(position))?])
        }
        (None, Some((_, position))) if topic.partitions != 1 => {
            let message = format!("topic \"{}\" has {} partitions", topic.name, topic.partitions);
            Err(invalid(message).at(position).hint("Say which: PARTITION n BEFORE OFFSET n."))
        }
        (None, _) => Ok(topic.partition_ids().collect()),
    }
}

/// The first offset that is to stay.
async fn start(client: &dyn Client, partition: TopicPartition, truncate: &TruncateTopic) -> Result<Offset> {
    let end = client.ends(partition).await?.readable_end();
    let Some((before, position)) = truncate.before else { return Ok(end) };
    match i64::try_from(before).map(Offset) {
        Ok(before) if before <= end => Ok(before),
        _ => {
            let number = partition.partition.0;
            let message = format!("offset {before} is beyond the end {end} of what can be read of partition {number}");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position))
        }
    }
}

/// Refuses to take records from a query that has not read them: it would stop, since nobody could say what it missed.
async fn refuse_unread(
    client: &dyn Client,
    topic: &TopicRecord,
    readers: &[String],
    starts: &[(TopicPartition, Offset)],
) -> Result<()> {
    let groups = client.groups().await?;
    if let Some((group, offset)) = first_unread(&groups, starts) {
        let (number, position) = (offset.partition.partition.0, offset.committed.offset);
        let message =
            format!("\"{group}\" has read partition {number} of topic \"{}\" up to offset {position} only", topic.name);
        return Err(Error::new(SqlState::OBJECT_IN_USE, message)
            .hint(format!("Wait for it, end it, or say BEFORE OFFSET {position}.")));
    }
    for (reader, partition, start) in unbegun(&groups, readers, starts) {
        let first = client.ends(partition).await?.log_start_offset;
        if first < start && client.lag(partition, first).await?.records != 0 {
            let number = partition.partition.0;
            let message =
                format!("\"{reader}\" has read nothing of partition {number} of topic \"{}\" yet", topic.name);
            return Err(Error::new(SqlState::OBJECT_IN_USE, message).hint("Wait for it, or end it."));
        }
    }
    Ok(())
}

/// Who has no position yet in which of these partitions: such a query begins where the log does.
fn unbegun<'a>(
    groups: &[GroupDescription],
    readers: &'a [String],
    starts: &[(TopicPartition, Offset)],
) -> Vec<(&'a str, TopicPartition, Offset)> {
    let has_begun = |reader: &str, partition: TopicPartition| {
        let mut own = groups.iter().filter(|group| group.group == reader);
        own.any(|group| group.offsets.iter().any(|offset| offset.partition == partition))
    };
    let each = readers.iter().flat_map(|reader| starts.iter().map(|(at, start)| (reader.as_str(), *at, *start)));
    each.filter(|(reader, partition, _)| !has_begun(reader, *partition)).collect()
}

/// A group that has something to read before one of these starts. Markers are nothing to read.
fn first_unread<'a>(
    groups: &'a [GroupDescription],
    starts: &[(TopicPartition, Offset)],
) -> Option<(&'a str, &'a GroupOffset)> {
    let takes = |offset: &GroupOffset| {
        let is_behind = |(partition, start): &(TopicPartition, Offset)| {
            *partition == offset.partition && offset.committed.offset < *start
        };
        offset.lag != Some(0) && starts.iter().any(is_behind)
    };
    let unread = |group: &'a GroupDescription| {
        group.offsets.iter().find(|offset| takes(offset)).map(|offset| (group.group.as_str(), offset))
    };
    groups.iter().find_map(unread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::CommittedOffset;
    use crate::broker::GroupKind;
    use crate::model::LeaderEpoch;
    use crate::model::TopicId;

    #[test]
    fn what_a_query_has_not_read_is_not_taken() {
        let partition = TopicPartition::new(TopicId([1; 16]), 0);
        let other = TopicPartition::new(TopicId([1; 16]), 1);
        let group = |offset: i64, lag: Option<i64>| {
            let committed =
                CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
            let offset = GroupOffset { partition, committed, readable_end: Some(Offset(10)), lag };
            vec![GroupDescription {
                group: "q".to_string(),
                kind: GroupKind::Classic,
                members: Vec::new(),
                offsets: vec![offset],
            }]
        };
        let unread = |offset, lag, start| first_unread(&group(offset, lag), &[(other, Offset(9)), start]).is_some();
        assert!(unread(4, Some(6), (partition, Offset(5))));
        assert!(unread(4, None, (partition, Offset(5))), "nobody knows what it has before it");
        assert!(!unread(5, Some(5), (partition, Offset(5))));
        assert!(!unread(9, Some(0), (partition, Offset(10))), "only a marker");
        assert!(!unread(0, Some(10), (other, Offset(5))), "of another partition");
        let readers = ["q".to_string(), "q.r1".to_string()];
        let waits = unbegun(&group(5, Some(5)), &readers, &[(partition, Offset(5))]);
        assert_eq!(waits, [("q.r1", partition, Offset(5))], "of two fragments of a query one has not begun");
    }
}
