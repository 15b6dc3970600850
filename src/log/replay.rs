//! Brings a partition's files to where the journal says that they were.
//!
//! Entries are applied in order. Each carries the hash of the block that was open before it, so that the bytes which
//! the journal no longer holds are checked on the way; those that it holds are written again.

use std::collections::BTreeMap;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::env::Disk;
use crate::model::LeaderEpoch;
use crate::model::Offset;

use super::LogError;
use super::blocks::BLOCK;
use super::journal::Entry;
use super::journal::EntryKind;
use super::journal::Payload;
use super::partition::Place;
use super::segment::Segment;

/// What replaying has found out so far.
pub(super) struct Replay<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
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
    /// Batches that the journal had to put right in the segments.
    pub(super) repaired: usize,
}

impl<'a> Replay<'a> {
    /// A replay over the segments that are there.
    pub(super) fn new(disk: &'a dyn Disk, dir: &'a Path, segments: Vec<Segment>) -> Self {
        Self {
            disk,
            dir,
            segments: segments.into_iter().map(|segment| (segment.base, segment)).collect(),
            hashed: BTreeMap::new(),
            known: None,
            log_start_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch::default(),
            bad_blocks: BTreeMap::new(),
            lost_from: None,
            repaired: 0,
        }
    }

    /// Applies the partition's entries, oldest first.
    pub(super) fn apply(&mut self, entries: &[(Entry, Payload)]) -> Result<(), LogError> {
        let deleted = entries.iter().rposition(|(entry, _)| entry.kind == EntryKind::Delete);
        let entries = &entries[deleted.map_or(0, |at| at + 1)..];
        let starts = entries.iter().filter_map(|(entry, _)| match entry.kind {
            EntryKind::LogStart | EntryKind::Trim => Some(entry.base_offset),
            EntryKind::Append | EntryKind::DurableTo | EntryKind::Truncate | EntryKind::Delete => None,
        });
        self.log_start_offset = starts.max().unwrap_or(Offset::ZERO);
        entries.iter().try_for_each(|(entry, payload)| self.entry(entry, *payload))
    }

    fn entry(&mut self, entry: &Entry, payload: Payload) -> Result<(), LogError> {
        self.leader_epoch = self.leader_epoch.max(entry.leader_epoch);
        match entry.kind {
            EntryKind::LogStart | EntryKind::Delete => return Ok(()),
            EntryKind::Trim => self.check_before(entry)?,
            EntryKind::Truncate => self.truncate(entry)?,
            EntryKind::Append | EntryKind::DurableTo => {
                // Its segment was removed when the log start passed it.
                let gone = !self.segments.contains_key(&entry.segment_base);
                if !gone || self.log_start_offset < entry.next_offset {
                    self.bytes(entry, payload)?;
                }
            }
        }
        self.known = Some(Place {
            offset: entry.next_offset,
            segment_base: entry.segment_base,
            position: entry.position + entry.span,
            open_hash: if entry.kind == EntryKind::Trim { entry.open_before } else { entry.open_after },
        });
        Ok(())
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

    fn truncate(&mut self, entry: &Entry) -> Result<(), LogError> {
        let later = self.segments.split_off(&Offset(entry.segment_base.0 + 1));
        later.values().try_for_each(|segment| segment.remove(self.disk))?;
        if let Some(segment) = self.segments.get_mut(&entry.segment_base) {
            segment.cut(self.disk, entry.position, entry.next_offset)?;
            self.hashed.insert(entry.segment_base, entry.position);
        }
        if self.lost_from.is_some_and(|lost| entry.next_offset <= lost) {
            self.lost_from = None;
        }
        Ok(())
    }

    fn bytes(&mut self, entry: &Entry, payload: Payload) -> Result<(), LogError> {
        if !self.segments.contains_key(&entry.segment_base) {
            let segment = Segment::create(self.disk, self.dir, entry.segment_base)?;
            self.segments.insert(entry.segment_base, segment);
        }
        self.check_before(entry)?;
        let segment = self.segments.get_mut(&entry.segment_base).expect("the segment is there by now");
        // It may have been sealed since; what the sidecar says of a short block is of no use while it is rebuilt.
        segment.blocks.reopen()?;
        let path = segment.file.path.clone();
        let mut found = vec![0; usize::try_from(entry.span).unwrap_or(0)];
        let read = segment.file.file.read_at(&mut found, entry.position).map_err(LogError::io("read", &path))?;
        found.truncate(read);
        let mut whole = true;
        match (entry.kind, payload) {
            (EntryKind::Append, Payload::Whole) => {
                self.repaired += usize::from(found[..] != entry.payload[..]);
                // Written even if it reads back right: after a failed sync the page cache may show what the disk lost,
                // and only a page that is dirty again is synced again.
                segment.put(&entry.payload, entry.position)?;
                found = entry.payload.to_vec();
                segment.blocks.extend(self.disk, &found)?;
            }
            (EntryKind::Append, Payload::Damaged { hash }) => {
                whole = xxh3_64(&found) == hash;
                segment.blocks.extend(self.disk, &found)?;
            }
            (_, payload) => {
                let filled = segment.blocks.extend(self.disk, &found)?;
                let filled: Vec<u8> = filled.iter().flat_map(|hash| hash.to_be_bytes()).collect();
                whole = payload != Payload::Whole || filled[..] == entry.payload[..];
            }
        }
        whole &= segment.blocks.open_hash() == entry.open_after;
        self.hashed.insert(entry.segment_base, entry.position + entry.span);
        if !whole && !self.bad_blocks.contains_key(&entry.segment_base) {
            let lost = self.lost_from.map_or(entry.base_offset, |lost| lost.min(entry.base_offset));
            self.lost_from = Some(lost);
        }
        Ok(())
    }
}
