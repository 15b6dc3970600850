//! Recovery of one partition: replay, then walk what no index vouches for.
//!
//! A partition with `flush = ack` ends where the journal says: what lies beyond was never acknowledged, and keeping some
//! of it would break the order of a flush group. Others keep whole batches beyond it, as Kafka does.
//!
//! Invariants:
//!   * a bad batch beyond the durable offset is cut; one below it is kept as it is, and reads from it fail
//!   * damage that was found once is found by every later start: a file in the partition's directory says where
//!   * what recovery leaves is durable up to its end, or damaged

use std::path::Path;
use std::path::PathBuf;

use crate::env::Disk;
use crate::env::OpenMode;
use crate::model::Offset;
use crate::model::TopicPartition;

use super::FlushPolicy;
use super::LogError;
use super::PartitionConfig;
use super::blocks::BLOCK;
use super::compact;
use super::compact::Compacted;
use super::damage;
use super::epochs::Epochs;
use super::files;
use super::files::Hashed;
use super::index::Decoded;
use super::index::Index;
use super::journal::Outline;
use super::journal::Replayed;
use super::manage;
use super::partition::Partition;
use super::partition::Place;
use super::partition::State;
use super::producers::Producers;
use super::replay::Replay;
use super::scan;
use super::scan::End;
use super::scan::ShortBlock;
use super::scan::Walk;
use super::segment::Segment;
use super::snapshot::Snapshot;
use super::snapshot::Within;

/// What recovery is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// The journal lost entries that had been durable, so the end that it knows may be too early.
    pub(super) journal_rotten: bool,
    /// A sync failed, and the machine may not have restarted since: what the journal does not hold may be in the page cache
    /// only, on pages that count as clean, so that no sync would write them.
    pub(super) sync_failed: bool,
    pub(super) producers_max: usize,
    /// The wall clock, in ms.
    pub(super) now_ms: i64,
    /// How many partitions are recovered at once.
    pub(super) threads: usize,
}

/// A recovered partition, and what recovery did to it.
pub(super) struct Recovered {
    pub(super) partition: Partition,
    pub(super) repaired: usize,
    pub(super) cut_bytes: u64,
}

/// Where the walk is.
struct Found {
    end: Offset,
    producers: Producers,
    producers_from: Offset,
    /// How a segment leads there, if it does and was not walked yet.
    within: Option<Within>,
    epochs: Epochs,
    corrupt_from: Option<Offset>,
    compacted: Compacted,
    /// The wall clock, in ms.
    now_ms: i64,
}

/// One partition while the journal is replayed.
pub(super) struct Recovery<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
    id: TopicPartition,
    /// `None` if its file cannot be read.
    config: Option<PartitionConfig>,
    /// Where an earlier start found damage.
    marked: Option<Offset>,
    replay: Replay<'a>,
}

impl<'a> Recovery<'a> {
    /// Opens what lies in `dir`.
    pub(super) fn begin(
        disk: &'a dyn Disk,
        dir: PathBuf,
        id: TopicPartition,
        outline: Outline,
    ) -> Result<Self, LogError> {
        compact::finish(disk, &dir)?;
        let config = files::read_hashed(disk, &dir.join(files::PARTITION_FILE), Hashed::Partition)?;
        let config = config.as_deref().and_then(manage::decode_config);
        let marked = damage::read(disk, &dir)?;
        let replay = Replay::new(disk, dir.clone(), open_segments(disk, &dir)?, outline);
        Ok(Self { disk, dir, id, config, marked, replay })
    }

    /// Applies the partition's next journal entry.
    pub(super) fn apply(&mut self, replayed: &Replayed) -> Result<(), LogError> {
        self.replay.apply(replayed)
    }

    /// Finds out what the segments hold.
    pub(super) fn finish(mut self, told: Told) -> Result<Recovered, LogError> {
        let (disk, replay) = (self.disk, &mut self.replay);
        if replay.known.is_none() && self.config.is_some() {
            // Whoever was making it did not come to the end: what it was told may be in the page cache only.
            files::sync(disk, &self.dir.join(files::PARTITION_FILE))?;
        }
        let ack = self.config.is_some_and(|config| config.flush == FlushPolicy::Ack) && !told.journal_rotten;
        let journal_is_all = (ack || replay.ends_with_cut) && self.marked.is_none();
        let ends_there = replay.known.filter(|_| journal_is_all);
        let mut segments: Vec<Segment> = std::mem::take(&mut replay.segments).into_values().collect();
        let opened = segments.len();
        let mut cut_bytes = 0;
        if let Some(end) = ends_there {
            cut_bytes += cut_beyond(disk, &mut segments, end)?;
        }
        if self.marked.is_none() {
            remove_below(disk, &mut segments, replay.log_start_offset)?;
        }
        let mut found = Found::start(disk, &self.dir, &segments, ends_there.map(|place| place.offset), told.now_ms)?;
        let bounds = Known { replay, ends_there, marked: self.marked.is_some(), told };
        found.walk(disk, &mut segments, &bounds)?;
        found.settle(disk, &mut segments, &mut self.replay, self.marked)?;
        if found.corrupt_from.is_none()
            && let Some(last) = segments.last_mut()
            && last.length < last.reserved()
        {
            let (length, end) = (last.length, found.end);
            cut_bytes += trailing_bytes(last)?;
            last.cut(disk, length, end)?;
        }
        let mut removed = remove_snapshots_after(disk, &self.dir, found.end)?;
        removed |= segments.len() < opened;
        if found.end < found.producers_from {
            // The snapshot is of records that did not survive.
            (found.producers, found.epochs) = scan::producers(disk, &self.dir, &segments, told.producers_max)?;
        }
        match found.corrupt_from {
            Some(offset) if self.marked != Some(offset) => damage::mark(disk, &self.dir, offset)?,
            Some(_) | None => {}
        }
        found.compacted = compact::compacted(disk, &self.dir, found.end)?;
        Ok(self.recovered(found, segments, cut_bytes, removed))
    }

    fn recovered(self, found: Found, segments: Vec<Segment>, cut_bytes: u64, entries_dirty: bool) -> Recovered {
        let replay = self.replay;
        let mut state = State::empty(self.config.unwrap_or_default());
        state.log_start_offset = match (replay.known, segments.first()) {
            (None, Some(first)) => replay.log_start_offset.max(first.base),
            // Segments begin at or before the start, or what lies between is lost.
            (Some(_), _) | (None, None) => replay.log_start_offset,
        };
        state.log_end_offset = found.end.max(state.log_start_offset);
        state.high_watermark = state.log_start_offset;
        state.durable = match (found.corrupt_from, segments.last()) {
            (None, Some(last)) => end_of(last, found.end),
            (None, None) => Place { offset: state.log_end_offset, ..Place::START },
            (Some(_), _) => replay.known.unwrap_or(Place::START),
        };
        // Else somebody could wait for ever for an end that nobody will flush.
        assert!(
            found.corrupt_from.is_some() || state.durable.offset == state.log_end_offset,
            "recovery of {} ends at {} and not at {}",
            self.id,
            state.durable.offset,
            state.log_end_offset
        );
        let latest = found.epochs.latest();
        state.leader_epoch = latest.map_or(replay.leader_epoch, |latest| latest.max(replay.leader_epoch));
        state.epochs = found.epochs;
        state.producers = found.producers;
        state.producers.advance_start(state.log_start_offset);
        state.corrupt_from = found.corrupt_from;
        state.compacted = found.compacted;
        state.segments = segments;
        state.entries_dirty = entries_dirty;
        let partition = Partition::new(self.id, self.dir, state);
        Recovered { partition, repaired: replay.repaired, cut_bytes }
    }
}

/// Where a log ends whose last segment this is.
fn end_of(last: &Segment, offset: Offset) -> Place {
    Place { offset, segment_base: last.base, position: last.length, open_hash: last.blocks.open_hash() }
}

/// What bounds the walk through one segment.
struct Bounds {
    /// The byte at which the journal says that the log ends, if it ends here.
    limit: Option<u64>,
    /// The base offset of the next segment, if there is one.
    next_base: Option<Offset>,
    /// Blocks that are known to be damaged.
    bad: Vec<u64>,
    /// The block in which the journal's durable end lies, if it lies here. The journal vouches for what lies before that end,
    /// and what the sidecar says is of bytes behind it, too, which a power loss may have taken.
    open_block: Option<u64>,
    /// From which byte on batches are written again.
    rewrite_from: u64,
}

/// What is known of a partition before its segments are walked.
struct Known<'a> {
    replay: &'a Replay<'a>,
    /// Where the log ends, if the journal says it.
    ends_there: Option<Place>,
    /// An earlier start found damage: nothing is cut.
    marked: bool,
    told: Told,
}

impl Found {
    fn start(
        disk: &dyn Disk,
        dir: &Path,
        segments: &[Segment],
        end: Option<Offset>,
        now_ms: i64,
    ) -> Result<Self, LogError> {
        let first = segments.first().map_or(Offset::ZERO, |first| first.base);
        let (from, snapshot) = scan::newest_snapshot(disk, dir, first, end.unwrap_or(Offset(i64::MAX)))?;
        let Snapshot { producers, epochs, within } = snapshot;
        let end = first;
        Ok(Self {
            end,
            producers,
            producers_from: from,
            within,
            epochs,
            corrupt_from: None,
            compacted: Compacted::default(),
            now_ms,
        })
    }

    /// Walks the segments from first to last. What follows the end of the log is removed, unless it had been durable:
    /// then it is kept, and the log is corrupt from there.
    fn walk(&mut self, disk: &dyn Disk, segments: &mut Vec<Segment>, known: &Known<'_>) -> Result<(), LogError> {
        let Known { replay, ends_there, marked, told: Told { producers_max, journal_rotten, sync_failed, .. } } =
            *known;
        let durable = replay.known.map_or(Offset::ZERO, |place| place.offset);
        let mut index = 0;
        while index < segments.len() {
            let limit = ends_there.filter(|end| end.segment_base == segments[index].base).map(|end| end.position);
            let next_base = segments.get(index + 1).map(|next| next.base);
            let bad = replay.bad_blocks.get(&segments[index].base).cloned().unwrap_or_default();
            let ends_here = replay.known.filter(|known| known.segment_base == segments[index].base && !journal_rotten);
            let open_block = ends_here.map(|known| known.position / BLOCK);
            let rewrite_from = match replay.known {
                _ if !sync_failed => u64::MAX,
                Some(known) if segments[index].base < known.segment_base => u64::MAX,
                Some(known) if segments[index].base == known.segment_base => known.position,
                Some(_) | None => 0,
            };
            let bounds = Bounds { limit, next_base, bad, open_block, rewrite_from };
            let end = self.segment(disk, &mut segments[index], bounds, producers_max)?;
            index += 1;
            // An append that could not begin a segment has left its file, and what came later went on in the one before.
            while end == End::Clean && segments.get(index).is_some_and(|next| next.is_left_over(self.end)) {
                segments.remove(index).remove(disk)?;
                segments[index - 1].blocks.reopen()?;
            }
            let next_base = segments.get(index).map(|next| next.base);
            if end == End::Clean && next_base.is_none_or(|next| next == self.end) {
                continue;
            }
            // A damaged journal does not tell what was durable.
            let perhaps = (journal_rotten && end == End::Bad) || (replay.known.is_none() && next_base.is_some());
            let was_durable = self.end < durable || marked || perhaps;
            if was_durable {
                self.corrupt_from = Some(self.end);
                self.end = durable.max(segments.last().map_or(self.end, |last| last.base));
                break;
            }
            for later in segments.drain(index..) {
                later.remove(disk)?;
            }
            // It may have been sealed, and grows again.
            segments[index - 1].blocks.reopen()?;
        }
        Ok(())
    }

    /// Decides what the end of the walk means.
    fn settle(
        &mut self,
        disk: &dyn Disk,
        segments: &mut Vec<Segment>,
        replay: &mut Replay<'_>,
        marked: Option<Offset>,
    ) -> Result<(), LogError> {
        let start = replay.log_start_offset;
        let durable = replay.known.map_or(Offset::ZERO, |place| place.offset);
        let passed = replay.known.is_some() && durable <= start && marked.is_none();
        if passed && (self.end < start || self.corrupt_from.is_some()) {
            // All that was durable lies below the log start: what is left of it is nobody's loss, and the log begins anew.
            for segment in segments.drain(..) {
                segment.remove(disk)?;
            }
            (self.end, self.corrupt_from, replay.lost_from) = (start, None, None);
        }
        let first = segments.first().map_or(start, |first| first.base);
        if replay.known.is_some() && start < first {
            // Its first segments are gone, and nobody has moved the log's start.
            replay.lost_from = Some(start);
        }
        if self.end < durable.max(start) && self.corrupt_from.is_none() {
            // The journal knows of offsets that no segment holds.
            self.corrupt_from = Some(self.end);
        }
        self.corrupt_from = [self.corrupt_from, replay.lost_from, marked].into_iter().flatten().min();
        if let Some(corrupt_from) = self.corrupt_from {
            // At least one record is damaged: who comes to it gets an error, and does not wait for one to be appended.
            self.end = self.end.max(durable).max(start).max(corrupt_from.plus(1));
        }
        Ok(())
    }

    /// Finds out what a segment holds: from its index, or batch by batch.
    fn segment(
        &mut self,
        disk: &dyn Disk,
        segment: &mut Segment,
        bounds: Bounds,
        producers_max: usize,
    ) -> Result<End, LogError> {
        self.end = segment.base;
        if let Some(next) = bounds.next_base.filter(|next| bounds.bad.is_empty() && *next <= self.producers_from)
            && bounds.rewrite_from == u64::MAX
            && segment_by_index(disk, segment, next)?
        {
            self.end = next;
            return Ok(End::Clean);
        }
        let limit = bounds.limit.unwrap_or(segment.reserved());
        segment.restore_blocks(disk, limit)?;
        let from = self.begin_within(segment, &bounds.bad, limit.min(bounds.rewrite_from));
        let mut bad_by_sidecar = scan::bad_blocks(segment, from, limit)?;
        if bounds.next_base.is_some() {
            if let ShortBlock::Bad { number } = scan::short_block(disk, segment)? {
                bad_by_sidecar.push(number);
            }
        } else {
            // It was sealed by an append that was never acknowledged, and grows again.
            segment.blocks.reopen()?;
        }
        let mut bad = bounds.bad;
        bad.extend(bad_by_sidecar.into_iter().filter(|number| Some(*number) != bounds.open_block));
        let file = segment.file.clone();
        let mut walk = Walk::new(&file, from, limit, self.end);
        let end = loop {
            let position = walk.position;
            let batch = match walk.next()? {
                Ok(batch) => batch,
                Err(end) => break end,
            };
            let blocks = position / BLOCK..=(walk.position - 1) / BLOCK;
            if bad.iter().any(|number| blocks.contains(number)) {
                break End::Bad;
            }
            if bounds.rewrite_from <= position {
                segment.put(batch.bytes(), position)?;
            }
            segment.note(&batch, position);
            segment.length = walk.position;
            self.end = walk.expected();
            if self.producers_from <= batch.base_offset() {
                self.epochs.add(batch.leader_epoch(), batch.base_offset());
                self.producers.record(&batch, producers_max);
            }
        };
        let length = segment.length;
        segment.restore_blocks(disk, length)?;
        let short = bounds.limit.is_some_and(|limit| length < limit);
        let end = if short { End::Bad } else { end };
        segment.guess_times(self.now_ms);
        if end == End::Clean && bounds.next_base == Some(self.end) {
            segment.seal(disk)?;
        }
        Ok(end)
    }
}

impl Found {
    /// Where the walk through a segment begins: at its start, or at a batch before the checkpoint in it. All that the checkpoint
    /// covers was synced before it was written; the block that was open then is walked again, since no sidecar has its hash.
    fn begin_within(&mut self, segment: &mut Segment, bad: &[u64], limit: u64) -> u64 {
        let leads = |within: &mut Within| within.segment_base == segment.base && within.position <= limit;
        let Some(Within { index, position, .. }) = self.within.take_if(leads) else { return 0 };
        let open_block = position - position % BLOCK;
        let Some((offset, from)) = index.batch_before(open_block) else { return 0 };
        if segment.reserved() < position || bad.iter().any(|number| *number < from / BLOCK) {
            return 0;
        }
        segment.index = index;
        segment.index.truncate(from);
        (segment.length, segment.next_offset, segment.checkpoint) = (from, offset, position);
        self.end = offset;
        from
    }
}

/// Takes length, index and next offset from the index file, if it is whole and leads to the next segment, and the sidecar
/// guards the segment to its end: the replay of the journal takes that guard away, and a walk seals the segment again.
fn segment_by_index(disk: &dyn Disk, segment: &mut Segment, next_base: Offset) -> Result<bool, LogError> {
    let bytes = files::read_hashed(disk, &segment.file.path.with_extension("index"), Hashed::Index)?;
    let Some(decoded) = bytes.as_deref().and_then(Index::decode) else { return Ok(false) };
    let Decoded { index, next_offset, length, appended_at_ms } = decoded;
    if next_offset != next_base || segment.reserved() < length {
        return Ok(false);
    }
    if !length.is_multiple_of(BLOCK) && scan::short_block(disk, segment)? != (ShortBlock::Whole { end: length }) {
        return Ok(false);
    }
    segment.restore_blocks(disk, length)?;
    segment.index = index;
    segment.length = length;
    segment.next_offset = next_offset;
    segment.appended_at_ms = appended_at_ms;
    Ok(true)
}

fn open_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Segment>, LogError> {
    let paths = disk.read_dir(dir).map_err(LogError::io("list", dir))?;
    let bases = paths.iter().filter_map(|path| files::number_of_file(path, "log"));
    bases.map(|base| Segment::open(disk, dir, Offset(base))).collect()
}

/// Removes what lies beyond the end that the journal knows; returns how many bytes of batches that may have been.
fn cut_beyond(disk: &dyn Disk, segments: &mut Vec<Segment>, end: Place) -> Result<u64, LogError> {
    let keep = segments.iter().take_while(|segment| segment.base <= end.segment_base).count();
    let mut cut = 0;
    for segment in segments.drain(keep..) {
        cut += segment.reserved();
        segment.remove(disk)?;
    }
    Ok(cut)
}

/// Bytes behind the last batch that are not reserved room.
fn trailing_bytes(segment: &Segment) -> Result<u64, LogError> {
    let room = segment.reserved().saturating_sub(segment.length).min(256 << 10) as usize;
    let (zeros, mut bytes) = (vec![0; room], vec![0; room]);
    let path = &segment.file.path;
    let (mut position, mut found) = (segment.length, 0);
    while position < segment.reserved() {
        let read = segment.file.file.read_at(&mut bytes, position).map_err(LogError::io("read", path))?;
        // Mostly all of it is zero, which a comparison of the whole tells fastest.
        if bytes[..read] != zeros[..read]
            && let Some(last) = bytes[..read].iter().rposition(|byte| *byte != 0)
        {
            found = position + last as u64 + 1 - segment.length;
        }
        if read == 0 {
            break;
        }
        position += read as u64;
    }
    Ok(found)
}

/// Removes what the log start has passed and retention did not get to: it could be all that a power loss left.
fn remove_below(disk: &dyn Disk, segments: &mut Vec<Segment>, start: Offset) -> Result<(), LogError> {
    let passed = segments.windows(2).take_while(|pair| pair[1].base <= start).count();
    segments.drain(..passed).try_for_each(|segment| segment.remove(disk))
}

/// Removes snapshots of offsets that the log does not have; whether there were any.
fn remove_snapshots_after(disk: &dyn Disk, dir: &Path, end: Offset) -> Result<bool, LogError> {
    let mut removed = false;
    for path in disk.read_dir(dir).map_err(LogError::io("list", dir))? {
        if files::number_of_file(&path, "snapshot").is_some_and(|offset| end.0 < offset) {
            disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Cuts the torn group off a journal file, so that no later start takes it for rot.
pub(super) fn cut_journal(disk: &dyn Disk, path: &Path, position: u64) -> Result<(), LogError> {
    let file = disk.open(path, OpenMode::ReadWrite).map_err(LogError::io("open", path))?;
    file.set_len(position).map_err(LogError::io("cut", path))?;
    file.sync_data().map_err(LogError::io("sync", path))
}
