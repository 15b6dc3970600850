//! A task made from its last commit: positions from its group, state from the cold store and the changelog after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use tracing::debug;
use tracing::info;

use super::FragmentSpec;
use super::Input;
use super::InputProgress;
use super::Reads;
use super::Task;
use super::Writer;
use super::relation_options;
use crate::broker::Client;
use crate::broker::CommittedOffset;
use crate::broker::Ends;
use crate::broker::Generation;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::catalog::Relation;
use crate::exec::Driver;
use crate::exec::ExecError;
use crate::exec::course::Restoring;
use crate::exec::lower::format_spec;
use crate::exec::step_exec::TableName;
use crate::exec::step_exec::TaskState;
use crate::format::Decoded;
use crate::format::Decoder;
use crate::format::RawRecord;
use crate::format::RowKeys;
use crate::format::RowOp;
use crate::memory::Memory;
use crate::memory::MemoryPool;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::PartitionId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::plan::relation_key;
use crate::protocol::OwnedHeaders;
use crate::state::ColdStores;
use crate::state::StateIdentity;
use crate::state::StateTable;
use crate::state::StoreExpectation;
use crate::state::StoreName;
use crate::state::StoreOwner;
use crate::state::ViewDelta;
use crate::state::ViewMemory;
use crate::state::ViewPartition;
use crate::state::open_store;

/// Offset, timestamp, key, value, headers.
type OwnedRecord = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, OwnedHeaders);

/// Bytes of one read of a changelog or a sink topic.
const READ_BYTES: usize = 1024 * 1024;

/// Makes a task from its last commit.
pub async fn restore(
    spec: &Arc<FragmentSpec>,
    partition: i32,
    client: &Arc<dyn Client>,
    stores: &Arc<dyn ColdStores>,
    memory: &Memory,
    restoring: &Restoring,
) -> Result<Task, ExecError> {
    debug!(query = %spec.query, fragment = spec.index, partition, "restoring state");
    let group = spec.query.group_of_reader(spec.reader);
    let generation = client.join(&group, &spec.member(partition)).await?;
    let committed = client.committed_offsets(&group).await?;
    let mut inputs = Vec::new();
    for leaf in (0..spec.leaves.len()).filter(|leaf| spec.leaves[*leaf].twin_of.is_none()) {
        let from = TopicPartition::new(spec.leaves[leaf].topic, partition);
        let ends = client.ends(from).await?;
        let end = ends.readable_end();
        let mut input = input(spec, leaf, from, ends, &committed)?;
        input.begin_before(end);
        inputs.push(input);
    }
    let mut opened = Vec::new();
    for (name, changelog) in &spec.tables {
        if let Some(topic) = changelog {
            let changelog = TopicPartition::new(*topic, partition);
            let table = open_table(spec, name, partition, changelog, client, stores, &memory.state).await?;
            restoring.expect(table.end.0 - table.position.0);
            opened.push((name.clone(), table));
        }
    }
    let mut tables = Vec::new();
    for (name, table) in opened {
        tables.push((name, table.filled(client, restoring).await?));
    }
    info!(query = %spec.query, fragment = spec.index, partition, "state restored");
    let task = task(spec, partition, generation, inputs, tables, &memory.state)?;
    task.tell_again();
    Ok(task)
}

/// A task that never commits, over all partitions of its leaves, from where `start` says.
pub fn transient(
    spec: &Arc<FragmentSpec>,
    stores: &Arc<dyn ColdStores>,
    memory: &Memory,
    start: impl Fn(TopicPartition, bool) -> Offset,
) -> Result<Task, ExecError> {
    let mut inputs = Vec::new();
    for (leaf, leaf_spec) in spec.leaves.iter().enumerate().filter(|(_, leaf)| leaf.twin_of.is_none()) {
        for partition in 0..leaf_spec.partitions {
            let from = TopicPartition::new(leaf_spec.topic, partition);
            let position = start(from, is_table(spec, leaf));
            let progress = InputProgress::default();
            let sets_time = sets_time(spec, leaf);
            let epoch = LeaderEpoch(-1);
            inputs.push(Input::new(leaf, from, sets_time, position, epoch, progress));
        }
    }
    let mut tables = Vec::new();
    for (name, _) in &spec.tables {
        let store = stores.open(&StoreName {
            owner: spec.query.into(),
            operator: name.0.clone(),
            partition: PartitionId(0),
        })?;
        let changelog = TopicPartition::new(crate::model::TopicId([0; 16]), 0);
        let identity = StateIdentity { owner: spec.query.into(), layout: spec.layout.clone(), changelog };
        tables.push((name.clone(), StateTable::new(identity, store, 0, &memory.state)));
    }
    task(spec, 0, Generation(0), inputs, tables, &memory.state)
}

fn task(
    spec: &Arc<FragmentSpec>,
    partition: i32,
    generation: Generation,
    mut inputs: Vec<Input>,
    tables: Vec<(TableName, StateTable)>,
    pool: &MemoryPool,
) -> Result<Task, ExecError> {
    // A round takes equal times in this order: a stream row meets the table row that was written before it, if only just.
    inputs.sort_by_key(|input| !is_table(spec, input.leaf));
    for input in &mut inputs {
        input.reads_first = spec.leaves[input.leaf].reads_first;
        input.is_awaited = !is_relocated(spec, input.leaf);
    }
    if 1 < inputs.len() {
        inputs.iter_mut().for_each(|input| input.roots = spec.leaves[input.leaf].roots());
    }
    let state = TaskState { partition, tables, late: spec.late.clone(), ..TaskState::default() };
    let driver = Driver::new(&spec.root, state)?;
    Ok(Task::new(Arc::clone(spec), partition, generation, inputs, driver, pool.clone()))
}

/// A table's side sets no stream time, unless there is nothing else. What was relocated sets none.
fn sets_time(spec: &FragmentSpec, leaf: usize) -> bool {
    let is_stream = |leaf: usize| !is_table(spec, leaf) && !is_relocated(spec, leaf);
    is_stream(leaf) || (is_table(spec, leaf) && !(0..spec.leaves.len()).any(is_stream))
}

fn is_relocated(spec: &FragmentSpec, leaf: usize) -> bool {
    matches!(spec.leaves[leaf].reads, Reads::Relocated)
}

fn is_table(spec: &FragmentSpec, leaf: usize) -> bool {
    matches!(&spec.leaves[leaf].reads, Reads::Relation(reads) if reads.as_table)
}

fn input(
    spec: &FragmentSpec,
    leaf: usize,
    partition: TopicPartition,
    ends: Ends,
    committed: &HashMap<TopicPartition, CommittedOffset>,
) -> Result<Input, ExecError> {
    let sets_time = sets_time(spec, leaf);
    let Some(committed) = committed.get(&partition) else {
        let (position, mut progress) = (ends.log_start_offset, InputProgress::default());
        expect(spec, leaf, &mut progress);
        if let Reads::Relation(reads) = &spec.leaves[leaf].reads
            && sets_time
            && position == Offset::ZERO
        {
            // Of a topic that lost its beginning the last word of a query that stands still may be lost.
            reads.awaited.iter().for_each(|query| progress.expect(Writer::Query(*query)));
        }
        return Ok(Input::new(leaf, partition, sets_time, position, LeaderEpoch(-1), progress));
    };
    let position = committed.offset;
    // A table's reader must see every deletion.
    let first = if is_table(spec, leaf) { ends.tombstones_from } else { Offset::ZERO }.max(ends.log_start_offset);
    if position < first || ends.log_end_offset < position {
        return Err(ExecError::InputGap {
            input: partition.to_string(),
            position: position.0,
            log_start: first.0,
            log_end: ends.log_end_offset.0,
        });
    }
    let mut progress: InputProgress = serde_json::from_str(&committed.metadata)
        .map_err(|_| ExecError::InternalRecord("the metadata of a committed offset"))?;
    expect(spec, leaf, &mut progress);
    let mut input = Input::new(leaf, partition, sets_time, position, committed.leader_epoch, progress);
    input.begin_at(ends.log_start_offset);
    Ok(input)
}

/// A repartition's reader waits for all tasks that write it.
fn expect(spec: &FragmentSpec, leaf: usize, progress: &mut InputProgress) {
    let producers = u32::try_from(spec.leaves[leaf].producers()).unwrap_or(0);
    (0..producers).for_each(|producer| progress.expect(Writer::Exchange(producer)));
}

/// A state table as its store has it, and what its changelog has beyond that.
struct OpenedTable {
    table: StateTable,
    changelog: TopicPartition,
    position: Offset,
    end: Offset,
}

async fn open_table(
    spec: &FragmentSpec,
    name: &TableName,
    partition: i32,
    changelog: TopicPartition,
    client: &Arc<dyn Client>,
    stores: &Arc<dyn ColdStores>,
    pool: &MemoryPool,
) -> Result<OpenedTable, ExecError> {
    let ends = client.ends(changelog).await?;
    let end = ends.readable_end();
    let expected = StoreExpectation {
        owner: spec.query.into(),
        layout: spec.layout.clone(),
        changelog,
        start: ends.log_start_offset,
        kept: ends.log_start_offset.max(ends.tombstones_from)..=end,
    };
    let store_name =
        StoreName { owner: spec.query.into(), operator: name.0.clone(), partition: PartitionId(partition) };
    let opened = open_store(stores.as_ref(), &store_name, &expected)?;
    let identity = StateIdentity { owner: spec.query.into(), layout: spec.layout.clone(), changelog };
    // A quarter of the pool: half is for the stores' own caches, the rest for what is not committed.
    let table = StateTable::new(identity, opened.store, pool.limit() / 4, pool);
    Ok(OpenedTable { table, changelog, position: opened.restore_from, end })
}

impl OpenedTable {
    /// The table with all that its changelog has.
    async fn filled(mut self, client: &Arc<dyn Client>, restoring: &Restoring) -> Result<StateTable, ExecError> {
        while self.position < self.end {
            let mut changes: Vec<(Bytes, Option<Bytes>)> = Vec::new();
            let next = read(client, self.changelog, self.position, self.end, |record| {
                let key = Bytes::copy_from_slice(record.key.unwrap_or_default());
                changes.push((key, record.value.map(Bytes::copy_from_slice)));
            })
            .await?;
            restoring.passed(next.0 - self.position.0);
            self.position = next;
            self.table.restore(changes, next)?;
        }
        Ok(self.table)
    }
}

/// Reads one fetch from `position`, up to `end`; returns the next position.
async fn read(
    client: &Arc<dyn Client>,
    partition: TopicPartition,
    position: Offset,
    end: Offset,
    mut each: impl FnMut(RawRecord<'_>),
) -> Result<Offset, ExecError> {
    let at = Position { partition, offset: position, leader_epoch: None };
    let fetched = client.fetch(at, Isolation::ReadCommitted, READ_BYTES, Duration::ZERO).await?;
    for tail in &fetched.batches {
        let payload = tail.batch.payload().map_err(|_| ExecError::InternalRecord("a batch"))?;
        for record in payload.records() {
            let record = record.map_err(|_| ExecError::InternalRecord("a record"))?;
            if position <= record.offset && record.offset < end {
                let (offset, timestamp) = (record.offset.0, record.timestamp);
                let (key, value, headers) = (record.key, record.value, record.headers);
                each(RawRecord { offset, timestamp, key, value, headers });
            }
        }
    }
    // A fetch below the readable end that moves nothing would be read for ever.
    if fetched.next <= position {
        return Err(ExecError::InternalRecord("a fetch that does not move on"));
    }
    Ok(fetched.next.min(end))
}

/// A partition of a view: what its store holds, and what its topic has beyond that.
pub async fn restore_view(
    owner: StoreOwner,
    relation: &Relation,
    partition: i32,
    client: &Arc<dyn Client>,
    stores: &Arc<dyn ColdStores>,
    memory: &Arc<ViewMemory>,
    restoring: &Restoring,
) -> Result<ViewPartition, ExecError> {
    let from = TopicPartition::new(relation.topic_id, partition);
    let ends = client.ends(from).await?;
    let end = ends.readable_end();
    let expected = StoreExpectation {
        owner,
        layout: view_layout(relation),
        changelog: from,
        start: ends.log_start_offset,
        kept: ends.log_start_offset.max(ends.tombstones_from)..=end,
    };
    let name = StoreName { owner, operator: OperatorId::new(VIEW_STORE), partition: PartitionId(partition) };
    let schema = Arc::new(view_schema(relation));
    let opened = ViewPartition::open(stores.as_ref(), &name, &expected, &schema, memory)?;
    let (mut view, mut position) = (opened.partition, opened.replay_from);
    let read_again = end.0.saturating_sub(position.0);
    info!(view = %relation.name, partition, verdict = ?opened.verdict, read_again, "restoring view");
    let reader = ViewReader::new(relation, client)?;
    restoring.expect(end.0 - position.0);
    while position < end {
        let (next, delta) = reader.read(partition, position, end).await?;
        restoring.passed(next.0 - position.0);
        position = next;
        view = match delta {
            None => view.reflecting(position),
            Some(delta) => view.apply(&delta)?.reflecting(position).with_room(delta.changes())?,
        };
    }
    Ok(view)
}

/// Whether the rows of a view have their event time with them, as a last column: those of a table without a query whose
/// rows have a time to live.
pub fn keeps_time(relation: &Relation) -> bool {
    relation.ttl_ms.is_some() && relation.query.is_none()
}

fn view_schema(relation: &Relation) -> Schema {
    let mut fields: Vec<Field> = relation.columns.iter().map(|column| column.field()).collect();
    if keeps_time(relation) {
        fields.push(Field::new("__time", DataType::Int64, false));
    }
    Schema::new(fields)
}

/// Reads the topic of a view, or of a table, as changes of its rows.
pub struct ViewReader {
    client: Arc<dyn Client>,
    topic: TopicId,
    /// The columns of the key, by index.
    key: Vec<usize>,
    decoder: Decoder,
    /// With a last column for the event time, if it is kept.
    schema: SchemaRef,
}

impl ViewReader {
    /// A reader of a relation's topic.
    pub fn new(relation: &Relation, client: &Arc<dyn Client>) -> Result<Self, ExecError> {
        let (key, value) = (format_spec(relation.formats.key), format_spec(relation.formats.value));
        let decoder = Decoder::new(&relation.columns, key, value, &relation_options(relation))?;
        Ok(Self {
            client: Arc::clone(client),
            topic: relation.topic_id,
            key: relation_key(relation),
            decoder,
            schema: Arc::new(view_schema(relation)),
        })
    }

    /// One fetch of a partition from `position`, up to `end`: the position after it, and what it changes, `None` for
    /// nothing. Records that are no rows are passed over.
    pub async fn read(
        &self,
        partition: i32,
        position: Offset,
        end: Offset,
    ) -> Result<(Offset, Option<ViewDelta>), ExecError> {
        let from = TopicPartition::new(self.topic, partition);
        let mut records: Vec<OwnedRecord> = Vec::new();
        let next = read(&self.client, from, position, end, |record| {
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let headers = record.headers.to_owned();
            records.push((record.offset, record.timestamp, owned(record.key), owned(record.value), headers));
        })
        .await?;
        let raw = records.iter().map(|(offset, timestamp, key, value, headers)| RawRecord {
            offset: *offset,
            timestamp: *timestamp,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: headers.as_headers(),
        });
        let decoded = self.decoder.decode(raw);
        let delta = match decoded.op.is_empty() {
            true => None,
            false => Some(view_delta(&self.key, &self.timed(&decoded)?, &decoded.op)?),
        };
        Ok((next, delta))
    }

    /// The rows as the view has them.
    fn timed(&self, decoded: &Decoded) -> Result<RecordBatch, ExecError> {
        if self.schema.fields().len() == decoded.rows.num_columns() {
            return Ok(decoded.rows.clone());
        }
        let mut columns = decoded.rows.columns().to_vec();
        columns.push(Arc::new(Int64Array::new(decoded.event_times.clone(), None)));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The store of a view among those of its query; operators' ids begin with a number.
const VIEW_STORE: &str = "view";

/// What a view's pages look like; those of another layout cannot be read.
fn view_layout(relation: &Relation) -> String {
    let columns: Vec<String> =
        relation.columns.iter().map(|column| format!("{:?} {:?}", column.name, column.field().data_type())).collect();
    let timed = if keeps_time(relation) { " timed" } else { "" };
    format!("view 1{timed} {:?} {}", relation_key(relation), columns.join(" "))
}

/// The rows of a slice of a view's topic as one change.
fn view_delta(key: &[usize], all: &RecordBatch, ops: &[RowOp]) -> Result<ViewDelta, ExecError> {
    let columns: Vec<_> = key.iter().map(|at| Arc::clone(all.column(*at))).collect();
    let keys = RowKeys::encode_rows(&columns, ops.len())?;
    let mut last: HashMap<&[u8], usize> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        last.insert(key, row);
    }
    let mut rows: Vec<usize> = last.into_values().collect();
    rows.sort_unstable();
    let (kept, gone): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|row| ops[*row] == RowOp::Value);
    let indices = arrow::array::UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
    Ok(ViewDelta {
        keys: kept.iter().map(|row| keys[*row].clone()).collect(),
        rows: arrow::compute::take_record_batch(all, &indices)?,
        tombstones: gone.iter().map(|row| keys[*row].clone()).collect(),
    })
}
