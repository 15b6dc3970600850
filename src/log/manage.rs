//! What is done to a partition besides appending and reading.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::env::Disk;
use crate::env::OpenMode;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Reader;
use crate::protocol::Writer;

use super::FlushPolicy;
use super::LogError;
use super::PartitionConfig;
use super::Timestamps;
use super::compact::Compacted;
use super::core::Core;
use super::epochs::Epochs;
use super::files;
use super::files::Hashed;
use super::journal::ENTRY_HEADER;
use super::journal::Entry;
use super::journal::EntryKind;
use super::partition::Partition;
use super::partition::Place;
use super::partition::Queued;
use super::partition::State;
use super::producers::Producers;
use super::room::RoomFor;

impl Core {
    /// See `LogDir::create`.
    pub(super) fn create(&self, id: TopicPartition, config: PartitionConfig) -> Result<(), LogError> {
        self.check_running()?;
        let segment_bytes = config.segment_bytes.min(self.config.segment_bytes_max);
        let config = PartitionConfig { segment_bytes, ..config };
        let disk = &*self.env.disk;
        let dir = files::partition_dir(&self.dir, id);
        if let Ok(partition) = self.partition(id) {
            let mut state = partition.state.lock();
            if state.config != config {
                let path = dir.join(files::PARTITION_FILE);
                files::replace_hashed(disk, &path, Hashed::Partition, encode_config(&config))?;
                state.config = config;
            }
            return Ok(());
        }
        // Two that make the same partition would each empty what the other one has written.
        let _making = self.making.lock();
        match self.partition(id) {
            Ok(_) => return Ok(()),
            Err(LogError::UnknownPartition { .. }) => {}
            // What cannot be read must not be made anew over what is there.
            Err(error) => return Err(error),
        }
        let promise = self.promise(ENTRY_HEADER as u64, RoomFor::Server)?;
        disk.create_dir_all(&dir).map_err(LogError::io("create", &dir))?;
        let path = dir.join(files::PARTITION_FILE);
        files::write_hashed_durably(disk, &path, Hashed::Partition, encode_config(&config))?;
        disk.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
        disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        let partition = Arc::new(Partition::new(id, dir, State::empty(config)));
        let trim = partition.state.lock().trim(id);
        self.partitions.write().insert(id, partition.clone());
        // From here on the journal knows the partition: what it does not know of it was never acknowledged.
        self.enqueue(vec![Queued::about(partition, trim, 0, promise.keep(ENTRY_HEADER as u64))]);
        self.flush_once().map(|_| ())
    }

    /// See `LogDir::delete`.
    pub(super) fn delete(&self, id: TopicPartition) -> Result<(), LogError> {
        let Some(gone) = self.detach(id, files::DELETED)? else { return Ok(()) };
        self.env.disk.remove_dir_all(&gone).map_err(LogError::io("remove", &gone))
    }

    /// See `LogDir::set_aside`.
    pub(super) fn set_aside(&self, id: TopicPartition) -> Result<(), LogError> {
        self.detach(id, files::STRAY).map(|_| ())
    }

    /// Takes a partition out and renames its directory, durably; answers the new name.
    fn detach(&self, id: TopicPartition, suffix: &str) -> Result<Option<PathBuf>, LogError> {
        self.check_running()?;
        let _making = self.making.lock();
        let promise = self.promise(ENTRY_HEADER as u64, RoomFor::Server)?;
        let known = self.partitions.read().get(&id).cloned();
        let is_unreadable = self.unreadable.read().contains_key(&id);
        let unreadable = is_unreadable.then(|| Arc::new(self.stand_in(id)));
        let Some(partition) = known.or(unreadable) else { return Ok(None) };
        let disk = &*self.env.disk;
        let gone = partition.dir.with_file_name(format!("{id}{suffix}"));
        let mut state = partition.state.lock();
        // Before anything is forgotten: what stays in its place must stay known to the journal.
        disk.rename(&partition.dir, &gone).map_err(LogError::io("rename", &partition.dir))?;
        state.deleted = true;
        state.segments.clear();
        state.unjournaled = None;
        let truncations = state.truncations;
        // Whoever waits for an end of it waits no longer.
        partition.publish(&state);
        drop(state);
        self.partitions.write().remove(&id);
        self.unreadable.write().remove(&id);
        self.carried.lock().retain(|(carried, _)| *carried != id);
        self.pending.lock().due.retain(|(_, due)| due.id != id);
        self.tail.forget(id);
        disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        let entry = Entry::about(EntryKind::Delete, id);
        self.enqueue(vec![Queued::about(partition, entry, truncations, promise.keep(ENTRY_HEADER as u64))]);
        self.flush_once()?;
        Ok(Some(gone))
    }

    /// An empty partition in the place of one that cannot be read.
    fn stand_in(&self, id: TopicPartition) -> Partition {
        Partition::new(id, files::partition_dir(&self.dir, id), State::empty(PartitionConfig::default()))
    }

    /// See `LogDir::set_high_watermark`.
    pub(super) fn set_high_watermark(&self, id: TopicPartition, offset: Offset) -> Result<(), LogError> {
        let partition = self.partition(id)?;
        let mut state = partition.state.lock();
        state.high_watermark = offset.min(state.log_end_offset).max(state.high_watermark);
        partition.publish(&state);
        Ok(())
    }

    /// See `LogDir::set_leader_epoch`.
    pub(super) fn set_leader_epoch(&self, id: TopicPartition, epoch: LeaderEpoch) -> Result<(), LogError> {
        let partition = self.partition(id)?;
        let mut state = partition.state.lock();
        let current = state.leader_epoch;
        if epoch < current {
            return Err(LogError::FencedLeaderEpoch { partition: id, current, found: epoch });
        }
        state.leader_epoch = epoch;
        partition.publish(&state);
        Ok(())
    }

    /// See `LogDir::delete_records`.
    pub(super) fn delete_records(&self, id: TopicPartition, before: Offset) -> Result<(), LogError> {
        let end = self.partition(id)?.state.lock().log_end_offset;
        if before == end {
            // A segment goes as a whole once another one follows it, and the durable end stands there.
            self.roll(id)?;
            self.flush_once()?;
        }
        self.advance_log_start(id, before)
    }

    /// See `LogDir::advance_log_start`.
    pub(super) fn advance_log_start(&self, id: TopicPartition, offset: Offset) -> Result<(), LogError> {
        let partition = self.partition(id)?;
        let mut state = partition.state.lock();
        let (start, end) = (state.log_start_offset, state.high_watermark);
        if end < offset {
            return Err(LogError::OutOfRange { partition: id, offset, start, end });
        }
        if offset <= start {
            return Ok(());
        }
        let promise = self.promise(ENTRY_HEADER as u64, RoomFor::Server)?;
        state.log_start_offset = offset;
        state.move_durable_end();
        state.producers.advance_start(offset);
        // A segment may go once the next one begins at or below the start; the durable end's segment stays.
        let durable = state.durable.segment_base;
        let covered = |pair: &[super::segment::Segment]| pair[1].base <= offset && pair[0].base < durable;
        let count = state.segments.windows(2).take_while(|pair| covered(pair)).count();
        let gone: Vec<_> = state.segments.drain(..count).collect();
        let entry = Entry { base_offset: offset, ..Entry::about(EntryKind::LogStart, id) };
        let truncations = state.truncations;
        partition.publish(&state);
        let promised = promise.keep(ENTRY_HEADER as u64);
        self.enqueue(vec![Queued::about(partition.clone(), entry, truncations, promised)]);
        drop(state);
        if gone.is_empty() {
            return Ok(());
        }
        partition.sync_snapshots(&*self.env.disk)?;
        // Until the journal says that the log starts later, a restart would miss these bytes and call it rot.
        self.flush_once()?;
        gone.iter().try_for_each(|segment| segment.remove(&*self.env.disk))
    }
}

impl Partition {
    /// Makes its snapshots durable: what they say of producers can be made again only from segments that are about to go.
    fn sync_snapshots(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let paths = disk.read_dir(&self.dir).map_err(LogError::io("list", &self.dir))?;
        for path in paths.iter().filter(|path| files::number_of_file(path, "snapshot").is_some()) {
            match disk.open(path, OpenMode::ReadWrite) {
                Ok(file) => file.sync_data().map_err(LogError::io("sync", path))?,
                // A newer one has taken its place.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(LogError::io("open", path)(error)),
            }
        }
        disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))
    }

    /// A partition with its ends as its state has them.
    pub(super) fn new(id: TopicPartition, dir: PathBuf, state: State) -> Self {
        let ends = watch::Sender::new(state.ends());
        Self { id, dir, state: Mutex::new(state), ends }
    }
}

impl State {
    /// A durable end between two segments may as well stand at the start of the second: then the first is free to go.
    pub(super) fn move_durable_end(&mut self) {
        let end = self.durable.offset;
        if self.segments.last().is_some_and(|last| last.base == end) {
            self.durable = Place { offset: end, segment_base: end, ..Place::START };
        }
    }

    /// A partition without records.
    pub(super) fn empty(config: PartitionConfig) -> Self {
        Self {
            config,
            segments: Vec::new(),
            log_start_offset: Offset::ZERO,
            log_end_offset: Offset::ZERO,
            high_watermark: Offset::ZERO,
            durable: Place::START,
            leader_epoch: LeaderEpoch::default(),
            epochs: Epochs::default(),
            producers: Producers::default(),
            unjournaled: None,
            corrupt_from: None,
            compacted: Compacted::default(),
            truncations: 0,
            deleted: false,
            entries_dirty: false,
            snapshot_due: false,
            unsynced_snapshots: Vec::new(),
            spare_snapshot: None,
        }
    }
}

/// Version 1 ended with the largest batch.
const CONFIG_VERSION: i16 = 2;

/// What a partition was told, as its file has it.
pub(super) fn encode_config(config: &PartitionConfig) -> Vec<u8> {
    let (kind, interval) = match config.flush {
        FlushPolicy::Ack => (0, 0),
        FlushPolicy::Interval(interval) => (1, i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)),
        FlushPolicy::Os => (2, 0),
    };
    let mut writer = Writer::new();
    let (own_time, before_max_ms, after_max_ms) = match config.timestamps {
        Timestamps::Create { before_max_ms, after_max_ms } => (0, before_max_ms, after_max_ms),
        Timestamps::Append => (1, 0, 0),
    };
    writer.i16(CONFIG_VERSION);
    writer.i8(kind);
    writer.i64(interval);
    writer.i64(i64::try_from(config.segment_bytes).unwrap_or(i64::MAX));
    writer.u32(config.batch_bytes_max);
    writer.i64(i64::try_from(config.index_bytes_max).unwrap_or(i64::MAX));
    writer.i8(own_time);
    writer.i64(before_max_ms);
    writer.i64(after_max_ms);
    writer.finish()
}

/// What a partition's file says; `None` if it is of another version.
pub(super) fn decode_config(bytes: &[u8]) -> Option<PartitionConfig> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok()?;
    if !(1..=CONFIG_VERSION).contains(&version) {
        return None;
    }
    let (kind, interval) = (reader.i8().ok()?, reader.i64().ok()?);
    let flush = match kind {
        0 => FlushPolicy::Ack,
        1 => FlushPolicy::Interval(std::time::Duration::from_millis(u64::try_from(interval).ok()?)),
        2 => FlushPolicy::Os,
        _ => return None,
    };
    let segment_bytes = u64::try_from(reader.i64().ok()?).ok()?;
    let batch_bytes_max = reader.u32().ok()?;
    let config = PartitionConfig { flush, segment_bytes, batch_bytes_max, ..PartitionConfig::default() };
    if version == 1 {
        return Some(config);
    }
    let index_bytes_max = u64::try_from(reader.i64().ok()?).ok()?;
    let (own_time, before_max_ms, after_max_ms) = (reader.i8().ok()?, reader.i64().ok()?, reader.i64().ok()?);
    let timestamps = match own_time {
        0 => Timestamps::Create { before_max_ms, after_max_ms },
        1 => Timestamps::Append,
        _ => return None,
    };
    Some(PartitionConfig { index_bytes_max, timestamps, ..config })
}
