//! The rows of a batch, decoded once for all who read it while it is in memory.
//!
//! What was decoded lies in the batch's own slot in the log's hot tail, so topic, partition and offset are told by where it
//! lies; beside it stands the decoder, told by all that it follows from. Two relations of one declaration over a topic share
//! their rows too. Columns are built when they are first asked for, and then all that any live reader uses.
//!
//! Invariants:
//!   * which records become rows, and why the others do not, is the same for every reader: all declared types are checked,
//!     whichever columns are built
//!   * a column that a reader uses is built in what it gets; the others may be null
//!   * what is kept in slots is bounded by the pool `decode`; what goes is decoded again
//!
//! A reader waits while another one decodes the batch that it wants: it needs just that. Nobody waits under that lock.

use std::any::Any;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arrow::array::Array;
use parking_lot::Mutex;

use crate::broker::TailBatch;
use crate::exec::ExecError;
use crate::exec::carried::RowHeaders;
use crate::format::CodecOptions;
use crate::format::Decoded;
use crate::format::Decoder;
use crate::format::FormatError;
use crate::format::FormatSpec;
use crate::format::RawRecord;
use crate::memory::Held;
use crate::memory::MemoryPool;
use crate::model::Column;

/// What one batch takes besides its columns.
const ENTRY_BYTES: usize = 512;

/// All that rows follow from, besides their records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Declaration {
    /// Declared columns.
    pub columns: Vec<Column>,
    /// The key's format.
    pub key: FormatSpec,
    /// The value's format.
    pub value: FormatSpec,
    /// The rules of reading them.
    pub options: CodecOptions,
}

/// The decoders of a node.
#[derive(Clone)]
pub struct Decoders(Arc<Pool>);

struct Pool {
    by_declaration: Mutex<HashMap<Declaration, Weak<SharedDecoder>>>,
    /// Where columns in slots are counted.
    memory: MemoryPool,
    /// What lies in slots, oldest first.
    kept: Mutex<VecDeque<Weak<Entry>>>,
    decoded: AtomicU64,
    given: AtomicU64,
}

/// How many records were read, and how many were decoded for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeCounts {
    /// Records that were decoded; of a batch that was decoded anew for another column, each time.
    pub decoded: u64,
    /// Records that readers got.
    pub given: u64,
    /// Bytes of columns that are kept for the next reader.
    pub kept_bytes: usize,
}

/// One decoder and how many live readers use each of what it builds.
struct SharedDecoder {
    id: Arc<Declaration>,
    decoder: Decoder,
    /// For each column and, last, for the headers of records.
    readers: Mutex<Vec<usize>>,
}

/// What one decoder made of one batch.
struct Entry {
    decoder: Arc<Declaration>,
    made: Mutex<Option<Made>>,
}

struct Made {
    rows: Arc<Decoded>,
    /// The headers of its records, if they were asked for and there are any.
    headers: Option<Arc<RowHeaders>>,
    /// As `SharedDecoder::readers`.
    built: Vec<bool>,
    /// As long as it lies in a slot.
    _held: Held,
}

/// What lies in a batch's slot: an entry for each decoder.
type SlotOf = Mutex<Vec<Arc<Entry>>>;

impl Decoders {
    /// Of a node, whose columns in slots are counted in this pool.
    pub fn new(memory: &MemoryPool) -> Self {
        let (by_declaration, kept) = (Mutex::default(), Mutex::default());
        let (decoded, given) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Pool { by_declaration, memory: memory.clone(), kept, decoded, given }))
    }

    /// A reader of `used` columns, given by their places in the declaration.
    pub fn reader(&self, declaration: Declaration, used: &[usize]) -> Result<Reader, FormatError> {
        let mut known = self.0.by_declaration.lock();
        let decoder = match known.get(&declaration).and_then(Weak::upgrade) {
            Some(decoder) => decoder,
            None => {
                let Declaration { columns, key, value, options } = &declaration;
                let made = Arc::new(SharedDecoder {
                    decoder: Decoder::new(columns, *key, *value, options)?,
                    readers: Mutex::new(vec![0; columns.len() + 1]),
                    id: Arc::new(declaration.clone()),
                });
                known.retain(|_, decoder| 0 < decoder.strong_count());
                known.insert(declaration, Arc::downgrade(&made));
                made
            }
        };
        let mut reader = Reader { pool: Arc::clone(&self.0), decoder, used: Vec::new() };
        reader.use_more(used);
        Ok(reader)
    }

    /// What was read and decoded so far.
    pub fn counts(&self) -> DecodeCounts {
        DecodeCounts {
            decoded: self.0.decoded.load(Ordering::Relaxed),
            given: self.0.given.load(Ordering::Relaxed),
            kept_bytes: self.0.memory.used(),
        }
    }
}

impl SharedDecoder {
    /// What live readers use and is not built.
    fn wanted(&self, built: &[bool]) -> Vec<usize> {
        let readers = self.readers.lock();
        (0..readers.len()).filter(|place| 0 < readers[*place] && !built[*place]).collect()
    }
}

/// Reads a relation's batches for one leaf. While it lives its columns are built for all.
pub struct Reader {
    pool: Arc<Pool>,
    decoder: Arc<SharedDecoder>,
    used: Vec<usize>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut readers = self.decoder.readers.lock();
        self.used.iter().for_each(|place| readers[*place] -= 1);
    }
}

impl Reader {
    /// Uses these columns too.
    pub fn use_more(&mut self, used: &[usize]) {
        let mut readers = self.decoder.readers.lock();
        for place in used {
            if !self.used.contains(place) {
                self.used.push(*place);
                readers[*place] += 1;
            }
        }
    }

    /// Uses the headers of records too, besides the columns that they give.
    pub fn use_headers(&mut self) {
        self.use_more(&[self.headers_place()]);
    }

    /// Headers stand behind the columns.
    fn headers_place(&self) -> usize {
        self.decoder.id.columns.len()
    }

    /// What it uses: columns and, behind them, headers.
    pub fn used(&self) -> &[usize] {
        &self.used
    }

    /// The rows of a batch, and the headers of its records if they are used and there are any. Columns that nobody uses are
    /// null.
    pub fn read(&self, tail: &TailBatch) -> Result<(Arc<Decoded>, Option<Arc<RowHeaders>>), ExecError> {
        let slot = tail.slot.get_or_init(|| Arc::new(SlotOf::default()) as Arc<dyn Any + Send + Sync>);
        let slot = slot.downcast_ref::<SlotOf>().expect("only readers of ours use the slots");
        let entry = self.entry(slot);
        let mut made = entry.made.lock();
        let built = made.as_ref().map(|made| made.built.clone());
        let built = built.unwrap_or_else(|| vec![false; self.headers_place() + 1]);
        let mut grown = false;
        if made.is_none() || self.used.iter().any(|place| !built[*place]) {
            *made = Some(self.decode(tail, made.take(), &built)?);
            grown = true;
        }
        let (rows, headers) = {
            let made = made.as_ref().expect("it was made above");
            let uses_headers = self.used.contains(&self.headers_place());
            (Arc::clone(&made.rows), made.headers.clone().filter(|_| uses_headers))
        };
        drop(made);
        self.pool.given.fetch_add((rows.offsets.len() + rows.bad.len()) as u64, Ordering::Relaxed);
        if grown {
            self.pool.keep(&entry);
        }
        Ok((rows, headers))
    }

    fn entry(&self, slot: &SlotOf) -> Arc<Entry> {
        let mut entries = slot.lock();
        let id = &self.decoder.id;
        let known = entries.iter().find(|entry| Arc::ptr_eq(&entry.decoder, id) || entry.decoder == *id);
        match known {
            Some(entry) => Arc::clone(entry),
            None => {
                let entry = Arc::new(Entry { decoder: Arc::clone(id), made: Mutex::default() });
                entries.push(Arc::clone(&entry));
                entry
            }
        }
    }

    /// Decodes a batch for all live readers, beside what is built of it.
    fn decode(&self, tail: &TailBatch, before: Option<Made>, built: &[bool]) -> Result<Made, ExecError> {
        let payload = tail.batch.payload().map_err(|_| ExecError::InternalRecord("a batch"))?;
        let records =
            payload.records().collect::<Result<Vec<_>, _>>().map_err(|_| ExecError::InternalRecord("a record"))?;
        let raw = records.iter().map(|record| RawRecord {
            offset: record.offset.0,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        let wanted = self.decoder.wanted(built);
        let mut headers = match wanted.contains(&self.headers_place()) {
            true => RowHeaders::of_records(&records),
            false => None,
        };
        let mut rows = match &before {
            // Headers are not in what is decoded.
            Some(before) if wanted == [self.headers_place()] => before.rows.as_ref().clone(),
            _ => {
                self.pool.decoded.fetch_add(records.len() as u64, Ordering::Relaxed);
                self.decoder.decoder.decode_columns(raw, &wanted)
            }
        };
        if let Some(before) = before {
            headers = headers.or(before.headers);
            let column = |place: usize| match built[place] {
                true => Arc::clone(before.rows.rows.column(place)),
                false => Arc::clone(rows.rows.column(place)),
            };
            let columns = (0..self.headers_place()).map(column).collect();
            rows.rows = arrow::array::RecordBatch::try_new(rows.rows.schema(), columns)?;
        }
        let built: Vec<bool> = (0..built.len()).map(|place| built[place] || wanted.contains(&place)).collect();
        let columns = rows.rows.columns().iter().zip(&built).filter(|(_, built)| **built);
        let bytes = columns.map(|(column, _)| column.get_array_memory_size()).sum::<usize>() + ENTRY_BYTES;
        let bytes = bytes + headers.as_ref().map_or(0, |headers| headers.size_in_bytes());
        Ok(Made { rows: Arc::new(rows), headers, built, _held: self.pool.memory.hold(bytes) })
    }
}

impl Pool {
    /// Keeps what was made for the next reader; while the pool is full, what was kept longest goes.
    fn keep(&self, entry: &Arc<Entry>) {
        self.kept.lock().push_back(Arc::downgrade(entry));
        while self.memory.is_full() {
            let Some(oldest) = self.kept.lock().pop_front() else { break };
            // Not under the lock: a reader may be at it.
            if let Some(entry) = oldest.upgrade() {
                *entry.made.lock() = None;
            }
        }
        // Batches that have left the tail took their columns along.
        let mut kept = self.kept.lock();
        while kept.front().is_some_and(|oldest| oldest.strong_count() == 0) {
            kept.pop_front();
        }
    }
}
