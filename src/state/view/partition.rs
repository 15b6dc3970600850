//! One partition of a view: a version, and the next version after a commit.
//!
//! A version is leaves in key order. A commit adds its rows to the leaves that they belong to; a fold writes leaves'
//! rows into new pages, in the partition's cold store. What a fold has not written yet is read again from the view's
//! topic at the next start.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::BinaryArray;
use arrow::array::RecordBatch;
use arrow::array::RecordBatchOptions;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::leaf::Bounds;
use super::leaf::FOLD_ENTRIES;
use super::leaf::KeyOrder;
use super::leaf::Known;
use super::leaf::Leaf;
use super::leaf::fold;
use super::page::PAGE_ROWS;
use super::pages::PageStore;
use super::pages::Placed;
use super::pages::ViewMemory;
use super::run::Entry;
use super::run::Run;
use super::run::WarmBatch;
use crate::model::Offset;
use crate::state::ColdStores;
use crate::state::StateError;
use crate::state::StateIdentity;
use crate::state::StoreExpectation;
use crate::state::StoreName;
use crate::state::StoreVerdict;
use crate::state::open_store;

/// Leaves whose pages are written in one step.
const FOLD_LEAVES_MAX: usize = 4;
/// What a changed row weighs in memory, about, where it is not looked at.
const ROW_BYTES: usize = 128;
/// Neighbours that have at most so many rows together become one page.
const SMALL_ROWS: usize = PAGE_ROWS / 4;

/// What a commit changes in one partition of a view. Tombstones come first; of a repeated key the last row counts.
#[derive(Debug, Clone)]
pub struct ViewDelta {
    /// The key of each row, encoded.
    pub keys: Vec<Vec<u8>>,
    /// The new rows, with all columns of the view.
    pub rows: RecordBatch,
    /// Keys whose rows are gone.
    pub tombstones: Vec<Vec<u8>>,
}

impl ViewDelta {
    /// No change.
    pub fn empty(schema: SchemaRef) -> Self {
        Self { keys: Vec::new(), rows: RecordBatch::new_empty(schema), tombstones: Vec::new() }
    }

    /// Keys that it names.
    pub fn changes(&self) -> usize {
        self.keys.len() + self.tombstones.len()
    }
}

/// One version of one partition of a view. Cheap to clone; never changes.
#[derive(Clone)]
pub struct ViewPartition {
    /// In key order, never empty; the first begins at the empty key.
    leaves: Vec<Arc<Leaf>>,
    pages: Arc<PageStore>,
    /// The end of the view's topic that it reflects.
    upto: Offset,
}

/// Neighbouring leaves of one version of a partition, and the keys that are wanted of them.
#[derive(Clone)]
pub struct ViewPart {
    leaves: Vec<Arc<Leaf>>,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl ViewPart {
    /// The most pages that have to be looked through.
    pub fn pages(&self) -> usize {
        self.leaves.len()
    }

    /// Rows that it has, at most.
    pub fn rows_max(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.rows_max()).sum()
    }

    /// Whether all of it is in memory. A page may go before it is asked for; then it is read again.
    pub fn is_resident(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.is_resident())
    }

    /// The first `count` rows as `order` has them, with the columns of `projection`. Reads no page behind those that they are in.
    pub fn first(&self, projection: &[usize], count: usize, order: KeyOrder) -> Result<OrderedRows, StateError> {
        let mut found = OrderedRows::default();
        let mut leaves = self.leaves.iter();
        let bounds = Bounds { from: &self.from, to: self.to.as_deref() };
        while found.keys.len() < count {
            let next = match order {
                KeyOrder::Rising => leaves.next(),
                KeyOrder::Falling => leaves.next_back(),
            };
            let Some(leaf) = next else { break };
            if let Some((keys, rows)) = leaf.first(bounds, projection, count - found.keys.len(), order)? {
                found.keys.extend(keys);
                found.rows.push(rows);
            }
        }
        Ok(found)
    }

    /// The rows, leaf by leaf, only the columns of `projection` if it is given. A page is read when it is asked for.
    pub fn batches(
        self,
        projection: Option<Vec<usize>>,
    ) -> impl Iterator<Item = Result<RecordBatch, StateError>> + Send {
        let Self { leaves, from, to } = self;
        leaves.into_iter().flat_map(move |leaf| {
            match leaf.rows(Bounds { from: &from, to: to.as_deref() }, projection.as_deref()) {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        })
    }
}

/// Rows in the order of their keys, the key of each beside it.
#[derive(Debug, Default)]
pub struct OrderedRows {
    /// The keys.
    pub keys: Vec<Vec<u8>>,
    /// The rows, in one batch or several.
    pub rows: Vec<RecordBatch>,
}

/// A partition as its cold store has it.
pub struct OpenedView {
    /// The rows that need not be read again.
    pub partition: ViewPartition,
    /// What was found.
    pub verdict: StoreVerdict,
    /// The offset of the view's topic from which on it must be read again.
    pub replay_from: Offset,
}

impl ViewPartition {
    /// What the store holds of a partition; nothing, and an empty store, unless it is what `expected` says.
    pub fn open(
        stores: &dyn ColdStores,
        name: &StoreName,
        expected: &StoreExpectation,
        schema: &SchemaRef,
        memory: &Arc<ViewMemory>,
    ) -> Result<OpenedView, StateError> {
        let opened = open_store(stores, name, expected)?;
        let identity =
            StateIdentity { owner: expected.owner, layout: expected.layout.clone(), changelog: expected.changelog };
        let open =
            || PageStore::open(Arc::clone(schema), Arc::clone(&opened.store), identity.clone(), Arc::clone(memory));
        let found = open().and_then(|(pages, placed)| Ok((pages.covered()?, pages, placed)));
        let (verdict, replay_from) = match &found {
            // Changes after the position may be in the pages already, but never what the topic does not have.
            Ok((Some(covered), ..)) if expected.kept.end() < covered => (StoreVerdict::Ahead, expected.start),
            Ok(_) => (opened.verdict, opened.restore_from),
            Err(StateError::Corrupt { .. }) => (StoreVerdict::Corrupt, expected.start),
            Err(_) => (opened.verdict, opened.restore_from),
        };
        let (pages, placed) = match found {
            Ok((_, pages, placed)) if verdict != StoreVerdict::Ahead => (pages, placed),
            Ok(_) | Err(StateError::Corrupt { .. }) => {
                tracing::info!(store = %name, ?verdict, "a view is restored from its topic");
                opened.store.wipe()?;
                open()?
            }
            Err(error) => return Err(error),
        };
        let mut leaves: Vec<Arc<Leaf>> = placed.into_iter().map(leaf).collect();
        if leaves.first().is_none_or(|first| !first.low.is_empty()) {
            leaves.insert(0, Arc::new(Leaf::new(Bytes::new(), None)));
        }
        Ok(OpenedView { partition: Self { leaves, pages, upto: replay_from }, verdict, replay_from })
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        self.pages.schema()
    }

    /// Rows, one for each key; reads all pages.
    pub fn row_count(&self) -> Result<usize, StateError> {
        self.batches(Some(&[])).try_fold(0, |count, batch| Ok(count + batch?.num_rows()))
    }

    /// Memory that this version takes, what it shares with others included.
    pub fn bytes(&self) -> usize {
        let warm: HashMap<*const (), usize> = self.warm().collect();
        warm.values().sum::<usize>() + self.leaves.iter().map(|leaf| leaf.page_bytes()).sum::<usize>()
    }

    /// The batches of rows in memory that no page has, with their bytes; one may come more than once.
    pub(super) fn warm(&self) -> impl Iterator<Item = (*const (), usize)> {
        self.leaves.iter().flat_map(|leaf| leaf.batches())
    }

    /// The row of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<RecordBatch>, StateError> {
        self.leaves[self.leaf_of(key)].get(key)
    }

    /// What memory tells of the row of `key`.
    pub(super) fn known(&self, key: &[u8], columns: &[usize]) -> Known {
        self.leaves[self.leaf_of(key)].known(key, columns)
    }

    /// All rows, leaf by leaf, only the columns of `projection` if it is given.
    pub fn batches<'a>(
        &'a self,
        projection: Option<&'a [usize]>,
    ) -> impl Iterator<Item = Result<RecordBatch, StateError>> + 'a {
        self.range(&[], None, projection)
    }

    /// The rows with keys from `from` (inclusive) to `to` (exclusive), in no order within a leaf.
    pub fn range<'a>(
        &'a self,
        from: &'a [u8],
        to: Option<&'a [u8]>,
        projection: Option<&'a [usize]>,
    ) -> impl Iterator<Item = Result<RecordBatch, StateError>> + 'a {
        let first = self.leaf_of(from);
        let count = self.leaves[first..].partition_point(|leaf| to.is_none_or(|to| leaf.low.as_ref() < to));
        self.leaves[first..first + count].iter().flat_map(move |leaf| {
            match leaf.rows(Bounds { from, to }, projection) {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// The leaves that rows with keys from `from` to `to` are in, in up to `count` parts of about the same size.
    pub fn parts(&self, from: &[u8], to: Option<&[u8]>, count: usize) -> Vec<ViewPart> {
        let first = self.leaf_of(from);
        let leaves = self.leaves[first..].partition_point(|leaf| to.is_none_or(|to| leaf.low.as_ref() < to)).max(1);
        let part = |leaves: &[Arc<Leaf>]| ViewPart {
            leaves: leaves.to_vec(),
            from: from.to_vec(),
            to: to.map(<[u8]>::to_vec),
        };
        self.leaves[first..first + leaves].chunks(leaves.div_ceil(count.max(1))).map(part).collect()
    }

    fn leaf_of(&self, key: &[u8]) -> usize {
        self.leaves.partition_point(|leaf| leaf.low.as_ref() <= key).saturating_sub(1)
    }

    /// This version, said to reflect the view's topic up to `upto`.
    pub fn reflecting(self, upto: Offset) -> Self {
        Self { upto: self.upto.max(upto), ..self }
    }

    /// The version after `delta`, whose records lie behind what this one reflects; this one stays as it is.
    pub fn apply(&self, delta: &ViewDelta) -> Result<Self, StateError> {
        if delta.rows.num_rows() != delta.keys.len() || !self.has_columns_of(&delta.rows) {
            return Err(StateError::Misfit { rows: delta.rows.num_rows(), keys: delta.keys.len() });
        }
        let pool = self.pages.memory().pool();
        let mut next = self.clone();
        if delta.changes() == 0 {
            return Ok(next);
        }
        // The view's own column names, whatever the operator called them.
        let options = RecordBatchOptions::new().with_row_count(Some(delta.keys.len()));
        let rows =
            RecordBatch::try_new_with_options(Arc::clone(self.schema()), delta.rows.columns().to_vec(), &options)?;
        let keys = |keys: &[Vec<u8>]| BinaryArray::from_iter_values(keys);
        let gone = WarmBatch::new(keys(&delta.tombstones), rows.slice(0, 0), pool);
        let live = WarmBatch::new(keys(&delta.keys), rows, pool);
        let run = Run { batches: vec![Arc::new(gone), Arc::new(live)], entries: in_key_order(delta) };
        let mut from = 0;
        while from < run.entries.len() {
            let at = next.leaf_of(run.key(from));
            let end = next.leaves.get(at + 1);
            let upto = end.map_or(run.entries.len(), |end| run.between(&[], Some(&end.low)).end);
            next.leaves[at] = Arc::new(next.leaves[at].with(run.part(from..upto), self.upto, pool)?);
            from = upto;
        }
        Ok(next)
    }

    fn has_columns_of(&self, rows: &RecordBatch) -> bool {
        let ours = self.schema().fields().iter().map(|field| field.data_type());
        ours.eq(rows.schema_ref().fields().iter().map(|field| field.data_type()))
    }

    /// Leaves with changes.
    pub(super) fn changed_leaves(&self) -> usize {
        self.leaves.iter().filter(|leaf| 0 < leaf.changes()).count()
    }

    /// The end of the view's topic that it reflects.
    pub fn upto(&self) -> Offset {
        self.upto
    }

    /// This version after `rows` changes that nobody was shown, with rows in pages as far as memory calls for it.
    pub fn with_room(self, rows: usize) -> Result<Self, StateError> {
        let memory = Arc::clone(self.memory());
        let due = self.leaves_due(rows);
        let mut next = self.folded(due)?.unwrap_or(self);
        memory.evict();
        while memory.pool().is_full() {
            let Some(folded) = next.folded(FOLD_LEAVES_MAX)? else { break };
            next = folded;
            memory.evict();
        }
        Ok(next)
    }

    /// How many of the leaves with the oldest changes are to be folded after `rows` more changes, so that neither memory nor
    /// what a start has to read again grows without end. Little by little: a commit that pays for all would take long.
    pub(super) fn leaves_due(&self, rows: usize) -> usize {
        let changed = self.changed_leaves();
        let Some(since) = self.leaves.iter().map(|leaf| leaf.since).min() else { return 0 };
        let (memory, behind) = (self.memory(), u64::try_from(self.upto.0.saturating_sub(since.0)).unwrap_or(0));
        let share = |part: usize, whole: usize| changed.saturating_mul(part).div_ceil(whole.max(1));
        let of_replay = match behind < memory.replay_max() / 2 {
            true => 0,
            false => share(rows, usize::try_from(memory.replay_max() / 2).unwrap_or(usize::MAX)),
        };
        let pool = memory.pool();
        let of_memory = match pool.used() < pool.limit() / 2 {
            true => 0,
            // Rows weigh differently; the pool is looked at once more when it is full.
            false => share(rows.saturating_mul(ROW_BYTES), pool.limit() / 4),
        };
        of_replay.max(of_memory).min(changed)
    }

    /// The version in which leaves with many changes, and the `oldest` of those with changes, are written into pages; `None`
    /// if there is nothing to do. Whoever gets it must go on from it: the store has its pages.
    pub(super) fn folded(&self, oldest: usize) -> Result<Option<Self>, StateError> {
        let mut chosen: Vec<usize> = Vec::new();
        let mut others: Vec<(Offset, usize)> = Vec::new();
        for (at, leaf) in self.leaves.iter().enumerate() {
            match leaf.changes() {
                0 => {}
                changes if FOLD_ENTRIES <= changes => chosen.push(at),
                _ => others.push((leaf.since, at)),
            }
        }
        if oldest < others.len() {
            others.select_nth_unstable(oldest);
        }
        chosen.extend(others.iter().take(oldest).map(|(_, at)| *at));
        chosen.sort_unstable();
        let mut next = None;
        // From the end, so that the places before stay what they are.
        for part in chosen.rchunks(FOLD_LEAVES_MAX) {
            match next.as_ref().unwrap_or(self).with_folded(part) {
                Ok(folded) => next = Some(folded),
                Err(error) if next.is_none() => return Err(error),
                Err(error) => {
                    // What is written is kept: the store knows the pages before it no more.
                    tracing::warn!(%error, "rows of a view stay in memory");
                    break;
                }
            }
        }
        Ok(next)
    }

    /// The version in which these leaves are pages.
    fn with_folded(&self, chosen: &[usize]) -> Result<Self, StateError> {
        let mut leaves = self.leaves.clone();
        let (mut old, mut new) = (Vec::new(), Vec::new());
        // Leaf numbers, and how many pages take their place.
        let mut places: Vec<(std::ops::Range<usize>, usize)> = Vec::new();
        for at in chosen {
            if places.last().is_some_and(|(taken, _)| *at < taken.end) {
                continue;
            }
            let group = self.neighbours(*at);
            let pages = fold(&self.leaves[group.clone()])?;
            old.extend(
                self.leaves[group.clone()].iter().filter_map(|leaf| Some((leaf.low.clone(), leaf.page.clone()?))),
            );
            places.push((group, pages.len()));
            new.extend(pages);
        }
        let replay_from = self.replay_from_without(&places);
        let mut placed = self.pages.replace(&old, new, replay_from, self.upto)?;
        for (group, count) in places.into_iter().rev() {
            let mut made: Vec<Arc<Leaf>> = placed.split_off(placed.len() - count).into_iter().map(leaf).collect();
            if made.is_empty() && group.start == 0 {
                made.push(Arc::new(Leaf::new(Bytes::new(), None)));
            }
            leaves.splice(group, made);
        }
        tracing::debug!(leaves = chosen.len(), "view folded");
        Ok(Self { leaves, ..self.clone() })
    }

    /// A leaf and those after it that fit into one page with it, if it is small.
    fn neighbours(&self, at: usize) -> std::ops::Range<usize> {
        let mut rows = self.leaves[at].rows_max();
        let mut end = at + 1;
        while rows <= SMALL_ROWS && end < self.leaves.len() {
            rows += self.leaves[end].rows_max();
            if PAGE_ROWS / 2 < rows {
                break;
            }
            end += 1;
        }
        at..end
    }

    /// The least offset of a change that is in no page once these leaves are.
    fn replay_from_without(&self, folded: &[(std::ops::Range<usize>, usize)]) -> Offset {
        let is_folded = |at: &usize| folded.iter().any(|(group, _)| group.contains(at));
        let rest = (0..self.leaves.len()).filter(|at| !is_folded(at));
        rest.map(|at| self.leaves[at].since).min().map_or(self.upto, |since| since.min(self.upto))
    }

    pub(super) fn memory(&self) -> &Arc<ViewMemory> {
        self.pages.memory()
    }
}

fn leaf((low, page): Placed) -> Arc<Leaf> {
    Arc::new(Leaf::new(low, Some(page)))
}

/// The entries of a delta, of which its tombstones are batch 0 and its rows batch 1.
fn in_key_order(delta: &ViewDelta) -> Vec<Entry> {
    let key = |entry: &Entry| -> &[u8] {
        if entry.live { &delta.keys[entry.row as usize] } else { &delta.tombstones[entry.row as usize] }
    };
    let gone = (0..delta.tombstones.len() as u32).map(|row| Entry { batch: 0, row, live: false });
    let live = (0..delta.keys.len() as u32).map(|row| Entry { batch: 1, row, live: true });
    let mut entries: Vec<Entry> = gone.chain(live).collect();
    // Stable: of a repeated key the last stays last.
    entries.sort_by(|one, other| key(one).cmp(key(other)));
    let mut last: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match last.last_mut() {
            Some(before) if key(before) == key(&entry) => *before = entry,
            _ => last.push(entry),
        }
    }
    last
}
