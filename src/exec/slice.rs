//! The records of a repartition topic: slices of rows, and markers with a producer's time and frontier.

use serde::Deserialize;
use serde::Serialize;

use super::ExecError;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::state::Frontier;

/// The header with the id of a slice's schema, 8 bytes; markers have none.
pub const HEADER_SCHEMA: &[u8] = b"s";
/// The header with the producer's number, 4 bytes.
pub const HEADER_PRODUCER: &[u8] = b"p";
/// The header with the headers of the records that caused a slice's rows, if these had any.
pub const HEADER_CARRIED: &[u8] = b"h";

/// What a producer says to all partitions at a cut.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marker {
    /// The producer: the partition of the task that writes.
    pub producer: u32,
    /// Its stream time, milliseconds; none before its first row.
    pub clock: Option<i64>,
    /// Whether its input has been at its end for the idle timeout.
    pub idle: bool,
    /// The offsets of root topics that it has covered.
    pub frontier: Vec<(TopicPartition, i64)>,
}

impl Marker {
    /// The record's time and value.
    pub fn encode(&self) -> (i64, Vec<u8>) {
        let value = serde_json::to_vec(self).expect("a marker is plain data");
        // A producer behind one that has not heard all of its own has a time before all others, which no record can have.
        (self.clock.unwrap_or_default().max(0), value)
    }

    /// A marker that `encode` wrote.
    pub fn decode(value: &[u8]) -> Result<Self, ExecError> {
        serde_json::from_slice(value).map_err(|_| ExecError::InternalRecord("a repartition marker"))
    }

    /// The frontier as a map.
    pub fn frontier(&self) -> Frontier {
        self.frontier.iter().map(|(partition, offset)| (*partition, Offset(*offset))).collect()
    }
}
