//! The writing half of a repartition: rows by the hash of their key, as Arrow slices, and a marker at every cut.
//!
//! The marker goes to every partition, rows or not: readers learn stream time and frontier of this producer from it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::array::UInt32Array;
use arrow::compute::concat_batches;
use arrow::compute::take_record_batch;
use datafusion::physical_expr::PhysicalExpr;

use super::log_errors;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::evaluate;
use crate::exec::slice::HEADER_CARRIED;
use crate::exec::slice::HEADER_PRODUCER;
use crate::exec::slice::HEADER_SCHEMA;
use crate::format::Encoder;
use crate::format::encode_slice;
use crate::format::schema_id;
use crate::model::TopicPartition;
use crate::protocol::partition_for_key;

/// Bytes of one slice, at most about; batches of the log hold at least this.
const SLICE_BYTES_MAX: usize = 256 * 1024;

/// What an exchange is.
#[derive(Clone)]
pub struct ExchangeSpec {
    /// The key; empty sends everything to partition 0.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    /// Writes the key columns alone, in the key's format.
    pub encoder: Option<Arc<Encoder>>,
    /// The repartition topic's partitions.
    pub partitions: Vec<TopicPartition>,
    /// The edge.
    pub layout: Layout,
}

/// Which rows are not sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stays {
    /// None.
    Nothing,
    /// Those of a partition.
    OfPartition(usize),
    /// Those of a partition, and wherever they belong all that have a key.
    OfPartitionAndKeyed(usize),
}

impl Stays {
    /// The partition whose rows stay.
    fn partition(self) -> Option<usize> {
        match self {
            Stays::Nothing => None,
            Stays::OfPartition(partition) | Stays::OfPartitionAndKeyed(partition) => Some(partition),
        }
    }
}

/// Gathers rows by partition until the cut.
pub struct Exchange {
    spec: ExchangeSpec,
    gathered: Vec<Vec<RecordBatch>>,
}

impl Exchange {
    /// Nothing gathered yet.
    pub fn new(spec: ExchangeSpec) -> Self {
        let gathered = vec![Vec::new(); spec.partitions.len()];
        Self { spec, gathered }
    }

    /// The partition of each row; a row whose key fails goes nowhere.
    fn partitions(&self, cx: &mut Cx<'_>, batch: &RecordBatch, stays: Stays) -> Result<Vec<Option<usize>>, ExecError> {
        let Some(encoder) = &self.spec.encoder else { return Ok(vec![Some(0); batch.num_rows()]) };
        let mut errors = Vec::new();
        let keys = self.spec.keys.iter().map(|expr| evaluate(expr, batch, &mut errors));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_, _>>()?;
        log_errors(cx, &self.spec.layout, batch, &errors, "row left out by a key that failed");
        let keyless = |row: usize| keys.iter().all(|key| key.is_null(row));
        let moving: Vec<bool> = match stays {
            Stays::Nothing | Stays::OfPartition(_) => Vec::new(),
            Stays::OfPartitionAndKeyed(here) => {
                let moving: Vec<bool> = (0..batch.num_rows()).map(keyless).collect();
                if !moving.contains(&true) {
                    return Ok(vec![Some(here); batch.num_rows()]);
                }
                moving
            }
        };
        let names = (0..keys.len()).map(|index| format!("k{index}"));
        let keys = RecordBatch::try_from_iter_with_nullable(names.zip(keys).map(|(name, key)| (name, key, true)))?;
        let count = self.spec.partitions.len() as i32;
        let mut partitions: Vec<Option<usize>> = encoder
            .encode_keys(&keys)?
            .iter()
            .map(|key| Some(partition_for_key(key.as_deref().unwrap_or_default(), count).0 as usize))
            .collect();
        for error in errors {
            partitions[error.row] = None;
        }
        for row in (0..moving.len()).filter(|row| !moving[*row]) {
            partitions[row] = stays.partition();
        }
        Ok(partitions)
    }

    /// Gathers rows, but hands back those that stay.
    pub(super) fn gather(
        &mut self,
        cx: &mut Cx<'_>,
        batch: RecordBatch,
        stays: Stays,
    ) -> Result<Option<RecordBatch>, ExecError> {
        let here = stays.partition();
        let partitions = self.partitions(cx, &batch, stays)?;
        if here.is_some() && partitions.iter().all(|partition| *partition == here) {
            return Ok(Some(batch));
        }
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.spec.partitions.len()];
        for (row, partition) in partitions.into_iter().enumerate() {
            if let Some(partition) = partition {
                rows[partition].push(row as u32);
            }
        }
        let mut back = None;
        for (partition, rows) in rows.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let part = match rows.len() == batch.num_rows() {
                true => batch.clone(),
                false => take_record_batch(&batch, &UInt32Array::from(rows))?,
            };
            if Some(partition) == here {
                back = Some(part);
                continue;
            }
            cx.hold(part.get_array_memory_size());
            self.gathered[partition].push(part);
        }
        Ok(back)
    }

    /// Writes what was gathered.
    pub(super) fn write_gathered(&mut self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        for index in 0..self.gathered.len() {
            let parts = std::mem::take(&mut self.gathered[index]);
            if !parts.is_empty() {
                let rows = concat_batches(&self.spec.layout.schema, &parts)?;
                self.write(cx, self.spec.partitions[index], &rows)?;
            }
        }
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_>, partition: TopicPartition, rows: &RecordBatch) -> Result<(), ExecError> {
        let slice = encode_slice(rows)?;
        let carried = cx.headers_of_slice(self.spec.layout.seqs(rows).values());
        if SLICE_BYTES_MAX < slice.len() + carried.len() && 1 < rows.num_rows() {
            let half = rows.num_rows() / 2;
            self.write(cx, partition, &rows.slice(0, half))?;
            return self.write(cx, partition, &rows.slice(half, rows.num_rows() - half));
        }
        let schema = schema_id(&self.spec.layout.schema).to_be_bytes();
        let producer = (cx.partition() as u32).to_be_bytes();
        let times = self.spec.layout.times(rows).values();
        let latest = times.iter().copied().max().unwrap_or_default();
        let headers: [(&[u8], Option<&[u8]>); 3] =
            [(HEADER_SCHEMA, Some(&schema)), (HEADER_PRODUCER, Some(&producer)), (HEADER_CARRIED, Some(&carried))];
        let headers = if carried.is_empty() { &headers[..2] } else { &headers[..] };
        cx.output().batch(partition).append(latest, None, Some(&slice), headers);
        Ok(())
    }
}

impl Step for Exchange {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        self.gather(cx, batch, Stays::Nothing)?;
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        self.write_gathered(cx)?;
        let marker = cx.marker().encode();
        for partition in &self.spec.partitions {
            cx.output().batch(*partition).append(marker.0, None, Some(&marker.1), &[]);
        }
        Ok(Progress::Done)
    }
}
