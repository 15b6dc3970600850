//! The journal of a log directory: what was appended where, made durable with one fdatasync for all partitions.
//!
//! Segments are written through the page cache at once and are the only place that is read; the journal is read at
//! start-up alone, to bring the segments to where they were when the last flush returned. `docs/design/0001` has every byte.
//!
//! Invariants:
//!   * groups stand in the order in which they were flushed; a torn group keeps a prefix of its entries
//!   * a file is removed only after all that its entries cover was synced elsewhere and a later file says so

mod entry;
mod group;
mod reader;
mod writer;

pub(super) use entry::ENTRY_HEADER;
pub(super) use entry::Entry;
pub(super) use entry::EntryKind;
pub(super) use entry::Payload;
#[cfg(test)]
pub(super) use group::{Header, HeaderKind};
pub(super) use reader::Cut;
pub(super) use reader::Outline;
pub(super) use reader::Replayed;
pub(super) use reader::Survey;
pub(super) use reader::survey;
pub(super) use writer::Journal;
