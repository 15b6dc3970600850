//! The seam to what keeps committed state outside memory, and what may be trusted of it.
//!
//! Invariants:
//!   * a store holds exactly what its changelog held up to its position: both change in one atomic step
//!   * nothing uncommitted is ever given to a store
//!   * a store is a cache: whatever is wrong with it, it is wiped and restored

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use super::StateError;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::PartitionId;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::TopicId;
use crate::model::TopicPartition;

/// A key and its new value, `None` for a delete.
pub type Change = (Bytes, Option<Bytes>);

/// Whose state a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreOwner {
    /// A standing query's.
    Query(QueryId),
    /// That of a table without a query: its rows, kept for reading.
    Table(RelationId),
}

/// Set in the number of an owner that is a table; ids count from 1.
const TABLE_BIT: u64 = 1 << 63;

impl StoreOwner {
    fn number(self) -> u64 {
        match self {
            Self::Query(query) => query.0,
            Self::Table(relation) => relation.0 | TABLE_BIT,
        }
    }

    fn of_number(number: u64) -> Self {
        match number & TABLE_BIT {
            0 => Self::Query(QueryId(number)),
            _ => Self::Table(RelationId(number & !TABLE_BIT)),
        }
    }
}

impl From<QueryId> for StoreOwner {
    fn from(query: QueryId) -> Self {
        Self::Query(query)
    }
}

impl fmt::Display for StoreOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(query) => query.fmt(f),
            Self::Table(relation) => write!(f, "t{}", relation.0),
        }
    }
}

/// Which task's state a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreName {
    /// The standing query, or the table.
    pub owner: StoreOwner,
    /// The operator within it.
    pub operator: OperatorId,
    /// The task.
    pub partition: PartitionId,
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.owner, self.operator, self.partition)
    }
}

/// Where a store stands: the changelog was applied up to `offset`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePosition {
    /// Whose it is.
    pub owner: StoreOwner,
    /// How its keys and values are laid out; another layout cannot be read.
    pub layout: String,
    /// The changelog, or the output topic where that is the changelog.
    pub changelog: TopicPartition,
    /// The next offset of the changelog to apply.
    pub offset: Offset,
}

/// Committed state of one task of one operator, ordered by key bytes. All calls block.
pub trait ColdStore: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError>;
    /// Up to `limit` entries from `from` (inclusive) to `to` (exclusive), in key order.
    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StateError>;
    /// Applies changes of distinct keys and moves to `position`, both or neither, also when the process ends.
    fn apply(&self, changes: &[Change], position: &StorePosition) -> Result<(), StateError>;
    /// Where the store stands, `None` when it is new or wiped.
    fn position(&self) -> Result<Option<StorePosition>, StateError>;
    /// Empties the store and forgets its position.
    fn wipe(&self) -> Result<(), StateError>;
}

/// All stores of a node.
pub trait ColdStores: Send + Sync {
    /// Opens a store, and makes it if it is not there.
    fn open(&self, name: &StoreName) -> Result<Arc<dyn ColdStore>, StateError>;
    /// Removes all stores of a query or a table that was dropped.
    fn remove(&self, owner: StoreOwner) -> Result<(), StateError>;
}

/// What a store must be to be kept at start-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreExpectation {
    /// Whose it is.
    pub owner: StoreOwner,
    /// The layout that its plan has now.
    pub layout: String,
    /// The changelog.
    pub changelog: TopicPartition,
    /// Where the changelog is read from if the store is not kept.
    pub start: Offset,
    /// Positions that the changelog can be read on from, up to its committed end: no change after them is gone.
    pub kept: RangeInclusive<Offset>,
}

/// Whether a store was kept, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreVerdict {
    /// Kept: restore goes on from its position.
    Kept,
    /// New, or wiped before.
    Missing,
    /// Its position could not be read.
    Corrupt,
    /// Written by another query, or of another layout or changelog.
    OtherLayout,
    /// Ahead of the changelog's committed end.
    Ahead,
    /// Behind changes that retention or compaction took.
    Behind,
}

/// A store that may be trusted, and where its restore begins.
pub struct OpenedStore {
    /// The store; empty unless it was kept.
    pub store: Arc<dyn ColdStore>,
    /// What was found.
    pub verdict: StoreVerdict,
    /// The next changelog offset to apply.
    pub restore_from: Offset,
}

/// Opens a store and wipes it unless it is what `expected` says.
pub fn open_store(
    stores: &dyn ColdStores,
    name: &StoreName,
    expected: &StoreExpectation,
) -> Result<OpenedStore, StateError> {
    let store = stores.open(name)?;
    let (verdict, restore_from) = match store.position() {
        Err(StateError::Corrupt { .. }) => (StoreVerdict::Corrupt, expected.start),
        Err(error) => return Err(error),
        Ok(found) => judge(found, expected),
    };
    if verdict != StoreVerdict::Kept {
        tracing::info!(store = %name, ?verdict, "state is restored from its changelog");
        store.wipe()?;
    }
    Ok(OpenedStore { store, verdict, restore_from })
}

fn judge(found: Option<StorePosition>, expected: &StoreExpectation) -> (StoreVerdict, Offset) {
    let start = expected.start;
    let Some(found) = found else {
        return (StoreVerdict::Missing, start);
    };
    if found.owner != expected.owner || found.layout != expected.layout || found.changelog != expected.changelog {
        (StoreVerdict::OtherLayout, start)
    } else if *expected.kept.end() < found.offset {
        (StoreVerdict::Ahead, start)
    } else if found.offset < *expected.kept.start() {
        (StoreVerdict::Behind, start)
    } else {
        (StoreVerdict::Kept, found.offset)
    }
}

const POSITION_FORMAT: u8 = 1;

impl StorePosition {
    /// Format, owner, topic, partition, offset, layout, CRC-32C of all before; integers big-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![POSITION_FORMAT];
        bytes.extend(self.owner.number().to_be_bytes());
        bytes.extend(self.changelog.topic.0);
        bytes.extend(self.changelog.partition.0.to_be_bytes());
        bytes.extend(self.offset.0.to_be_bytes());
        bytes.extend(self.layout.as_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// What `encode` wrote; `None` for anything else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(bytes) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (format, bytes) = bytes.split_first()?;
        let (owner, bytes) = bytes.split_first_chunk::<8>()?;
        let (topic, bytes) = bytes.split_first_chunk::<16>()?;
        let (partition, bytes) = bytes.split_first_chunk::<4>()?;
        let (offset, layout) = bytes.split_first_chunk::<8>()?;
        (*format == POSITION_FORMAT).then_some(())?;
        Some(Self {
            owner: StoreOwner::of_number(u64::from_be_bytes(*owner)),
            layout: std::str::from_utf8(layout).ok()?.to_string(),
            changelog: TopicPartition::new(TopicId(*topic), i32::from_be_bytes(*partition)),
            offset: Offset(i64::from_be_bytes(*offset)),
        })
    }
}
