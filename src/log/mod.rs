//! The log on one disk: partitions of segments, a journal that makes them durable together, recovery.
//!
//! Record batches are appended as they came, but for offset and epoch; reads hand out whole batches. Segments are the
//! only place that is read. `docs/design/0001-journal-and-durable-offset.md` has every byte of the files and the reasons.
//!
//! Invariants:
//!   * `log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset`
//!   * what is below the durable offset survives power loss, or reads of it fail: it is never silently gone or changed
//!   * an append of several partitions becomes durable as a whole or not at all
//!   * after a failed flush nothing is acknowledged any more
//!
//! Not here: replication (`cluster`), topics, groups and the transaction coordinator (`broker`).

mod append;
mod blocks;
mod checkpoint;
mod compact;
mod config;
mod core;
mod damage;
mod ends;
mod epochs;
mod error;
mod files;
mod flush;
mod index;
mod journal;
mod log_dir;
mod manage;
mod measures;
mod open;
mod partition;
mod producers;
mod progress;
mod read;
mod recover;
mod replay;
mod room;
mod scan;
mod scrub;
mod segment;
mod segments;
mod snapshot;
mod sync;
mod tail;
mod threads;
mod truncate;

#[cfg(test)]
mod tests;

pub use append::{Append, Appended, Origin};
pub use compact::{CompactionReport, CompactionRequest};
pub use config::{FlushOn, FlushPolicy, LogConfig, PartitionConfig, Timestamps};
pub use core::OnDurable;
pub use ends::Ends;
pub use error::{LogError, TimestampRefusal};
pub use flush::Flushed;
pub use log_dir::{LogDir, OpenReport};
pub use partition::PartitionHealth;
pub use producers::{AbortedTransaction, ProducerDescription};
pub use scrub::{ScrubReport, SegmentCheck, SegmentDamage};
pub use segments::SegmentDescription;
pub use tail::{Slot, TailBatch};
