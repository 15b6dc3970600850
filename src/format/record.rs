//! Records as bytes, rows as columns, and the records that did not become rows.

use arrow::buffer::ScalarBuffer;
use arrow::record_batch::RecordBatch;

use crate::protocol::Headers;

/// One record of a partition, as it was written.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone in a table and a row without value in a stream.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// Whether a row came with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOp {
    /// The value columns are there.
    Value,
    /// The record had no value: all value columns are null.
    NoValue,
}

/// A record that could not be read, with all that a dead letter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Why, for people.
    pub reason: String,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// Records that became rows, column by column, and those that did not. All vectors but `bad` have one entry a row.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The relation's columns, in their order.
    pub rows: RecordBatch,
    /// Whether each row has a value.
    pub op: Vec<RowOp>,
    /// Each row's offset; shared by all who read them, as the columns are.
    pub offsets: ScalarBuffer<i64>,
    /// Each row's event time, milliseconds since 1970-01-01 UTC.
    pub event_times: ScalarBuffer<i64>,
    /// The records that did not become rows, in offset order.
    pub bad: Vec<BadRecord>,
}

/// Rows as bytes. A row in `errors` has neither key nor value here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedRows {
    /// Each row's key.
    pub keys: Vec<Option<Vec<u8>>>,
    /// Each row's value.
    pub values: Vec<Option<Vec<u8>>>,
    /// Rows that the format cannot carry, with the reason.
    pub errors: Vec<(usize, String)>,
}
