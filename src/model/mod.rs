//! The words that every room shares: offsets, partitions, identifiers, event time, SQL types.
//!
//! Values only: nothing here does I/O, and nothing here knows a room.

mod id;
mod offset;
mod principal_name;
mod schema;
mod time;

pub use id::{OperatorId, QueryId, RelationId, SessionNumber, TopicId};
pub use offset::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicPartition};
pub use principal_name::PrincipalName;
pub use schema::{Column, ColumnRole, ROW_KEY, SqlType, StructField, decimal_precision};
pub use time::{EventTime, StreamTime};
