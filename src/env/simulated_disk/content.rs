//! A file's bytes: what the process sees, what the disk holds, and the changes between them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::tree::Dice;

/// The unit of memory and of room on the disk.
pub(super) const PAGE_BYTES: u64 = 4096;
/// The unit that a power loss keeps or loses whole.
const SECTOR_BYTES: u64 = 512;

/// Sparse bytes; clones share pages until one is written.
#[derive(Clone, Default)]
pub(super) struct Content {
    length: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE_BYTES as usize]>>,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Room that the pages take, in bytes.
    pub(super) fn page_bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE_BYTES
    }

    /// Reads up to the end; bytes never written are zero.
    pub(super) fn read(&self, buffer: &mut [u8], byte_offset: u64) -> usize {
        let end = self.length.min(byte_offset.saturating_add(buffer.len() as u64));
        let count = end.saturating_sub(byte_offset) as usize;
        for (page, within, target) in pieces(byte_offset, count) {
            match self.pages.get(&page) {
                Some(bytes) => buffer[target.clone()].copy_from_slice(&bytes[within..within + target.len()]),
                None => buffer[target].fill(0),
            }
        }
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], byte_offset: u64) {
        for (page, within, source) in pieces(byte_offset, bytes.len()) {
            let target = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE_BYTES as usize]));
            Arc::make_mut(target)[within..within + source.len()].copy_from_slice(&bytes[source]);
        }
        self.length = self.length.max(byte_offset + bytes.len() as u64);
    }

    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.pages.split_off(&length.div_ceil(PAGE_BYTES));
            if let Some(last) = self.pages.get_mut(&(length / PAGE_BYTES)) {
                Arc::make_mut(last)[(length % PAGE_BYTES) as usize..].fill(0);
            }
        }
        self.length = length;
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length as usize];
        self.read(&mut bytes, 0);
        bytes
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { byte_offset, bytes } => self.write(bytes, *byte_offset),
            Change::Length(length) => self.set_length(*length),
            Change::Reserve(length) => self.set_length(self.length.max(*length)),
        }
    }
}

/// Where `count` bytes from `byte_offset` lie: page, place within the page, place within the bytes.
fn pieces(byte_offset: u64, count: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let at = byte_offset + done as u64;
        let within = (at % PAGE_BYTES) as usize;
        let length = (PAGE_BYTES as usize - within).min(count - done);
        let piece = (at / PAGE_BYTES, within, done..done + length);
        done += length;
        Some(piece)
    })
}

/// A change of a file that no sync has covered yet.
#[derive(Clone)]
enum Change {
    Write { byte_offset: u64, bytes: Arc<[u8]> },
    Length(u64),
    Reserve(u64),
}

/// A file: the page cache, the durable bytes, and the unsynced changes that lead from one to the other.
#[derive(Clone, Default)]
pub(super) struct FileNode {
    cache: Content,
    durable: Content,
    unsynced: Vec<Change>,
    reserved_to: u64,
    synced_by: Option<u64>,
    /// Something was lost, and no sync of the file has told so yet.
    lost: bool,
}

impl FileNode {
    pub(super) fn cache(&self) -> &Content {
        &self.cache
    }

    pub(super) fn durable(&self) -> &Content {
        &self.durable
    }

    /// Room that the file takes on the disk, in bytes.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.cache.page_bytes().max(self.reserved_to.next_multiple_of(PAGE_BYTES))
    }

    pub(super) fn write(&mut self, bytes: &[u8], byte_offset: u64) {
        self.change(Change::Write { byte_offset, bytes: Arc::from(bytes) });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        self.reserved_to = self.reserved_to.min(length);
        self.change(Change::Length(length));
    }

    pub(super) fn reserve(&mut self, length: u64) {
        self.reserved_to = self.reserved_to.max(length);
        self.change(Change::Reserve(length));
    }

    fn change(&mut self, change: Change) {
        self.cache.apply(&change);
        self.unsynced.push(change);
    }

    /// Makes all changes durable; `call` is the number of the call that did it.
    pub(super) fn sync(&mut self, call: u64) {
        for change in self.unsynced.drain(..) {
            self.durable.apply(&change);
        }
        self.synced_by = Some(call);
    }

    /// A failed sync: the pages count as clean, so no later sync writes them.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    /// Whether there is something to sync.
    pub(super) fn is_dirty(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// Loses what was not synced; the next sync of the file tells so.
    pub(super) fn lose(&mut self) {
        self.unsynced.clear();
        self.lost = true;
    }

    /// Whether something was lost that no sync has told of; tells it once.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    /// The sync that made `range` durable, `None` if a part of it is not, or is not what the process sees.
    pub(super) fn covered_by(&self, range: Range<u64>) -> Option<u64> {
        let mut seen = vec![0; (range.end - range.start) as usize];
        let mut held = seen.clone();
        self.cache.read(&mut seen, range.start);
        let held_count = self.durable.read(&mut held, range.start);
        (held_count == held.len() && held == seen).then_some(self.synced_by).flatten()
    }

    /// Flips one bit of the medium, and of what the process sees of it.
    pub(super) fn flip_bit(&mut self, byte_offset: u64, bit: u8) {
        for content in [&mut self.cache, &mut self.durable] {
            let mut byte = [0];
            if content.read(&mut byte, byte_offset) == 1 {
                content.write(&[byte[0] ^ (1 << bit)], byte_offset);
            }
        }
    }

    /// Keeps what the disk holds, and of the unsynced changes what the dice say.
    pub(super) fn lose_power(&mut self, dice: &mut Dice) {
        let unsynced = std::mem::take(&mut self.unsynced);
        match dice.below(4) {
            0 => {}
            1 => unsynced.iter().for_each(|change| self.durable.apply(change)),
            2 => self.keep_torn_prefix(&unsynced, dice),
            _ => unsynced.iter().for_each(|change| self.keep_sectors(change, dice)),
        }
        self.cache = self.durable.clone();
        // What came through is on the medium, whoever synced it.
        self.synced_by.get_or_insert(0);
        self.reserved_to = self.reserved_to.min(self.cache.length);
    }

    fn keep_torn_prefix(&mut self, unsynced: &[Change], dice: &mut Dice) {
        let whole = dice.below(unsynced.len() as u64 + 1) as usize;
        unsynced[..whole].iter().for_each(|change| self.durable.apply(change));
        if let Some(Change::Write { byte_offset, bytes }) = unsynced.get(whole) {
            let sectors: Vec<Range<usize>> = sectors(*byte_offset, bytes.len()).collect();
            let kept = dice.below(sectors.len() as u64 + 1) as usize;
            for sector in &sectors[..kept] {
                self.durable.write(&bytes[sector.clone()], byte_offset + sector.start as u64);
            }
        }
    }

    /// Each sector by itself, and the length by itself: a length that grew without its data reads as zeros.
    fn keep_sectors(&mut self, change: &Change, dice: &mut Dice) {
        let Change::Write { byte_offset, bytes } = change else {
            if dice.coin() {
                self.durable.apply(change);
            }
            return;
        };
        if dice.coin() {
            let end = byte_offset + bytes.len() as u64;
            self.durable.set_length(self.durable.length.max(end));
        }
        for sector in sectors(*byte_offset, bytes.len()) {
            let at = byte_offset + sector.start as u64;
            if at + sector.len() as u64 <= self.durable.length && dice.coin() {
                self.durable.write(&bytes[sector], at);
            }
        }
    }
}

/// The parts of `count` bytes from `byte_offset` that lie in one sector each.
fn sectors(byte_offset: u64, count: usize) -> impl Iterator<Item = Range<usize>> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let within = (byte_offset + done as u64) % SECTOR_BYTES;
        let piece = done..count.min(done + (SECTOR_BYTES - within) as usize);
        done = piece.end;
        Some(piece)
    })
}
