//! Brings a partition's files to where the journal says that they were.
//!
//! Entries are applied in order. Each carries the hash of the block that was open before it, so that the bytes which
//! the journal no longer holds are checked on the way; those that it holds are written again. Bytes that a later entry
//! cuts off are passed over: what stands there now is of after the cut.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use xxhash_rust::xxh3::Xxh3;

use crate::env::Disk;
use crate::model::LeaderEpoch;
use crate::model::Offset;

use super::LogError;
use super::blocks::BLOCK;
use super::journal::Cut;
use super::journal::Entry;
use super::journal::EntryKind;
use super::journal::Outline;
use super::journal::Payload;
use super::journal::Replayed;
use super::partition::Place;
use super::segment::Segment;

/// Bytes of a segment that are read at once.
const CHUNK: u64 = 256 << 10;

/// What replaying has found out so far.
pub(super) struct Replay<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
    outline: Outline,
    pub(super) segments: BTreeMap<Offset, Segment>,
    /// How far the block hashes of a segment are known.
    hashed: BTreeMap<Offset, u64>,
    /// The durable end; `None` if the journal does not know the partition.
    pub(super) known: Option<Place>,
    pub(super) log_start_offset: Offset,
    pub(super) leader_epoch: LeaderEpoch,
    /// Open blocks that are not what they were, by segment: what overlaps them is rotten.
    pub(super) bad_blocks: BTreeMap<Offset, Vec<u64>>,
    /// The first offset whose bytes are known to be lost.
    pub(super) lost_from: Option<Offset>,
    /// The last entry cut the partition: nothing was written after it.
    pub(super) ends_with_cut: bool,
    /// Batches that the journal had to put right in the segments.
    pub(super) repaired: usize,
}

impl<'a> Replay<'a> {
    /// A replay over the segments that are there.
    pub(super) fn new(disk: &'a dyn Disk, dir: PathBuf, segments: Vec<Segment>, outline: Outline) -> Self {
        Self {
            disk,
            dir,
            segments: segments.into_iter().map(|segment| (segment.base, segment)).collect(),
            hashed: BTreeMap::new(),
            known: None,
            log_start_offset: outline.log_start_offset,
            leader_epoch: LeaderEpoch::default(),
            bad_blocks: BTreeMap::new(),
            lost_from: None,
            ends_with_cut: false,
            repaired: 0,
            outline,
        }
    }

    /// Applies the partition's next entry.
    pub(super) fn apply(&mut self, replayed: &Replayed) -> Result<(), LogError> {
        let Replayed { number, entry, payload, .. } = replayed;
        if self.outline.deleted_at.is_some_and(|deleted| *number <= deleted) {
            return Ok(());
        }
        self.leader_epoch = self.leader_epoch.max(entry.leader_epoch);
        match entry.kind {
            EntryKind::LogStart | EntryKind::Delete => return Ok(()),
            EntryKind::Trim if self.is_cut_off(*number, entry) => {}
            EntryKind::Trim => self.check_before(entry)?,
            EntryKind::Truncate => self.truncate(*number, entry)?,
            EntryKind::Append | EntryKind::DurableTo => {
                // It may have been removed when the log start passed all of it.
                let end = self.outline.segment_ends.get(&entry.segment_base);
                let needed = end.is_some_and(|end| self.log_start_offset < *end);
                let kept = self.kept(*number, entry);
                if 0 < kept && (needed || self.segments.contains_key(&entry.segment_base)) {
                    self.bytes(entry, *payload, kept)?;
                }
            }
        }
        self.ends_with_cut = entry.kind == EntryKind::Truncate;
        self.known = Some(Place {
            offset: entry.next_offset,
            segment_base: entry.segment_base,
            position: entry.position + entry.span,
            open_hash: if entry.kind == EntryKind::Trim { entry.open_before } else { entry.open_after },
        });
        Ok(())
    }

    /// Whether a later entry cuts bytes before the entry's place.
    fn is_cut_off(&self, number: u64, entry: &Entry) -> bool {
        let place = (entry.segment_base, entry.position);
        let mut later = self.outline.cuts.iter().filter(|cut| number < cut.number);
        later.any(|cut| (cut.segment_base, cut.position) < place)
    }

    /// How many of the entry's bytes no later entry cuts off.
    fn kept(&self, number: u64, entry: &Entry) -> u64 {
        let later = self.outline.cuts.iter().filter(|cut| number < cut.number);
        let left = |cut: &Cut| match entry.segment_base.cmp(&cut.segment_base) {
            Ordering::Less => entry.span,
            Ordering::Equal => cut.position.saturating_sub(entry.position).min(entry.span),
            Ordering::Greater => 0,
        };
        later.map(left).min().unwrap_or(entry.span)
    }

    /// Checks the open block before an entry, unless all of it came from the journal.
    fn check_before(&mut self, entry: &Entry) -> Result<(), LogError> {
        let Some(segment) = self.segments.get_mut(&entry.segment_base) else { return Ok(()) };
        if self.hashed.get(&entry.segment_base) == Some(&entry.position) {
            return Ok(());
        }
        segment.restore_blocks(self.disk, entry.position)?;
        self.hashed.insert(entry.segment_base, entry.position);
        if segment.blocks.open_hash() != entry.open_before {
            self.bad_blocks.entry(entry.segment_base).or_default().push(entry.position / BLOCK);
        }
        Ok(())
    }

    /// The files are not touched: either they were cut before anything else was written, or nothing was, and the end is here.
    fn truncate(&mut self, number: u64, entry: &Entry) -> Result<(), LogError> {
        self.hashed.retain(|base, _| *base < entry.segment_base);
        if !self.is_cut_off(number, entry) {
            self.check_before(entry)?;
        }
        if self.lost_from.is_some_and(|lost| entry.next_offset <= lost) {
            self.lost_from = None;
        }
        Ok(())
    }

    /// Brings the first `kept` bytes of an entry to where they were.
    fn bytes(&mut self, entry: &Entry, payload: Payload, kept: u64) -> Result<(), LogError> {
        if !self.segments.contains_key(&entry.segment_base) {
            let segment = Segment::create(self.disk, &self.dir, entry.segment_base)?;
            self.segments.insert(entry.segment_base, segment);
        }
        self.check_before(entry)?;
        let segment = self.segments.get_mut(&entry.segment_base).expect("the segment is there by now");
        // It may have been sealed since; what the sidecar says of a short block is of no use while it is rebuilt.
        segment.blocks.reopen()?;
        let mut whole = true;
        match (entry.kind, payload) {
            (EntryKind::Append, Payload::Whole) => {
                let mut found = Vec::new();
                read_chunks(segment, entry.position..entry.position + entry.span, |_, bytes| {
                    found.extend_from_slice(bytes);
                    Ok(())
                })?;
                self.repaired += usize::from(found[..] != entry.payload[..]);
                // Written even if it reads back right: after a failed sync the page cache may show what the disk lost,
                // and only a page that is dirty again is synced again.
                segment.put(&entry.payload, entry.position)?;
                segment.blocks.extend(self.disk, &entry.payload)?;
            }
            (EntryKind::Append, Payload::Damaged { hash }) => {
                let mut found = Xxh3::new();
                read_chunks(segment, entry.position..entry.position + kept, |segment, bytes| {
                    found.update(bytes);
                    segment.blocks.extend(self.disk, bytes).map(|_| ())
                })?;
                whole = found.digest() == hash || kept < entry.span;
            }
            (_, payload) => {
                let mut filled = Vec::new();
                read_chunks(segment, entry.position..entry.position + kept, |segment, bytes| {
                    let hashes = segment.blocks.extend(self.disk, bytes)?;
                    filled.extend(hashes.iter().flat_map(|hash| hash.to_be_bytes()));
                    Ok(())
                })?;
                whole = payload != Payload::Whole || entry.payload.starts_with(&filled);
                whole &= kept < entry.span || payload != Payload::Whole || filled.len() == entry.payload.len();
            }
        }
        if kept == entry.span {
            whole &= segment.blocks.open_hash() == entry.open_after;
            self.hashed.insert(entry.segment_base, entry.position + entry.span);
        } else {
            self.hashed.remove(&entry.segment_base);
        }
        // What the log start has passed is nobody's loss.
        let counts = self.log_start_offset < entry.next_offset && !self.bad_blocks.contains_key(&entry.segment_base);
        if !whole && counts {
            let lost = self.lost_from.map_or(entry.base_offset, |lost| lost.min(entry.base_offset));
            self.lost_from = Some(lost);
        }
        Ok(())
    }
}

/// Hands these bytes of a segment to `each`, a chunk at a time; fewer if the file ends before.
fn read_chunks(
    segment: &mut Segment,
    range: Range<u64>,
    mut each: impl FnMut(&mut Segment, &[u8]) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let mut chunk = vec![0; usize::try_from(CHUNK.min(range.end - range.start)).unwrap_or(0)];
    let mut position = range.start;
    while position < range.end {
        let wanted = (range.end - position).min(CHUNK) as usize;
        let path = &segment.file.path;
        let read = segment.file.file.read_at(&mut chunk[..wanted], position).map_err(LogError::io("read", path))?;
        if read == 0 {
            break;
        }
        each(segment, &chunk[..read])?;
        position += read as u64;
    }
    Ok(())
}
