//! A whole view at one commit, over all its partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::leaf::Known;
use super::partition::ViewPartition;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::state::StateError;

/// The next offset of each root source that is not yet reflected.
pub type Frontier = BTreeMap<TopicPartition, Offset>;

/// A view as one commit left it.
#[derive(Clone)]
pub struct ViewSnapshot {
    schema: SchemaRef,
    pub(super) partitions: Vec<ViewPartition>,
    pub(super) frontiers: Vec<Frontier>,
}

impl ViewSnapshot {
    pub(super) fn new(schema: SchemaRef, partitions: Vec<ViewPartition>) -> Self {
        Self { frontiers: vec![Frontier::new(); partitions.len()], partitions, schema }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows, one for each key; reads all pages.
    pub fn row_count(&self) -> Result<usize, StateError> {
        self.partitions.iter().map(ViewPartition::row_count).sum()
    }

    /// Memory that the view takes.
    pub fn bytes(&self) -> usize {
        self.partitions.iter().map(ViewPartition::bytes).sum()
    }

    /// The partitions, each a share of the rows.
    pub fn partitions(&self) -> &[ViewPartition] {
        &self.partitions
    }

    /// The row of an encoded key, whichever partition holds it.
    pub fn get(&self, key: &[u8]) -> Result<Option<RecordBatch>, StateError> {
        self.partitions.iter().find_map(|partition| partition.get(key).transpose()).transpose()
    }

    /// The rows of an encoded key, each as the columns at `columns`, one value each; `None` if a page of theirs is not in
    /// memory. More than one only where writers put one key into several partitions.
    pub fn rows_in_memory(&self, key: &[u8], columns: &[usize]) -> Option<Vec<Vec<ArrayRef>>> {
        let mut rows = Vec::new();
        for partition in &self.partitions {
            match partition.known(key, columns) {
                Known::Row(row) => rows.push(row),
                Known::Absent => {}
                Known::Unread => return None,
            }
        }
        Some(rows)
    }

    /// All rows, page by page, in no order; only the columns of `projection` if it is given.
    pub fn batches<'a>(
        &'a self,
        projection: Option<&'a [usize]>,
    ) -> impl Iterator<Item = Result<RecordBatch, StateError>> + 'a {
        self.partitions.iter().flat_map(move |partition| partition.batches(projection))
    }

    /// All rows at once, as `batches`.
    pub fn scan(&self, projection: Option<&[usize]>) -> Result<Vec<RecordBatch>, StateError> {
        self.batches(projection).collect()
    }

    /// Up to where the view reflects each root source: the least that any partition reports.
    pub fn frontier(&self) -> Frontier {
        let mut least = Frontier::new();
        for (source, offset) in self.frontiers.iter().flatten() {
            least.entry(*source).and_modify(|seen| *seen = (*seen).min(*offset)).or_insert(*offset);
        }
        least
    }

    /// This view with one partition's changes.
    pub(super) fn with(mut self: Arc<Self>, partition: usize, next: ViewPartition, frontier: Frontier) -> Arc<Self> {
        let snapshot = Arc::make_mut(&mut self);
        snapshot.partitions[partition] = next;
        snapshot.frontiers[partition].extend(frontier);
        self
    }
}
