//! The rows of keys: at once where they lie in memory and are few, else by the threads of queries.

use std::iter;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::compute::concat_batches;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream;
use tokio::sync::mpsc;

use super::KeyRead;
use super::keys::Asked;
use super::keys::Keys;
use super::keys::Span;
use crate::engine::core::Engine;
use crate::engine::outcome::RowStream;
use crate::engine::read::lease::Lease;
use crate::engine::read::planned::BATCHES_AHEAD;
use crate::engine::read::planned::conform;
use crate::engine::read::planned::receive;
use crate::error::Error;
use crate::error::Result;
use crate::plan::execution_error;
use crate::state::KeyOrder;
use crate::state::OrderedRows;
use crate::state::Published;
use crate::state::ViewPart;
use crate::state::ViewSnapshot;

/// Whole keys that are read where the statement runs.
const KEYS_AT_ONCE: usize = 64;
/// Pages that are looked through where the statement runs.
const PAGES_AT_ONCE: usize = 2;
/// The same for rows in order, of which few are read.
const ORDERED_PAGES_AT_ONCE: usize = 16;

impl KeyRead {
    /// The rows that are asked for in a version of the view, which `published` pins as long as they are not all read.
    pub(in crate::engine) fn rows(
        &self,
        view: &ViewSnapshot,
        Asked { keys, limit }: Asked,
        published: &Arc<Published>,
        engine: &Engine,
    ) -> Result<RowStream> {
        let spans = match keys {
            Keys::Whole(keys) => match self.rows_in_memory(view, &keys)? {
                Some(mut rows) => {
                    rows.truncate(limit);
                    return Ok(stream::iter(rows.into_iter().map(Ok)).boxed());
                }
                None => keys.into_iter().map(Span::of_prefix).collect(),
            },
            Keys::Spans(spans) => spans,
        };
        let spans: Vec<Vec<ViewPart>> = spans.iter().map(|span| parts(view, span)).collect();
        let mut all = spans.iter().flatten();
        let pages = all.clone().map(ViewPart::pages).sum::<usize>();
        let pages_max = if self.order.is_some() { ORDERED_PAGES_AT_ONCE } else { PAGES_AT_ONCE };
        let is_near = pages <= pages_max && all.all(ViewPart::is_resident);
        let (columns, target) = (self.columns.clone(), Arc::clone(&self.target));
        match &self.order {
            None => {
                let batches = Batches { parts: spans.into_iter().flatten().collect(), columns, target, limit };
                read(batches.rows(), is_near, published, engine)
            }
            Some(order) => {
                let ordered = OrderedBatch { spans, columns, target, limit, order: order.keys };
                read(iter::once_with(move || ordered.rows()), is_near, published, engine)
            }
        }
    }

    /// A batch for each row, `None` if they are many or not in memory.
    fn rows_in_memory(&self, view: &ViewSnapshot, keys: &[Vec<u8>]) -> Result<Option<Vec<RecordBatch>>> {
        if KEYS_AT_ONCE < keys.len() {
            return Ok(None);
        }
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(found) = view.rows_in_memory(key, &self.columns) else { return Ok(None) };
            for columns in found {
                rows.push(row(columns, &self.target)?);
            }
        }
        Ok(Some(rows))
    }
}

/// One row with the columns' outgoing types.
fn row(columns: Vec<ArrayRef>, target: &SchemaRef) -> Result<RecordBatch> {
    let columns =
        columns.into_iter().zip(target.fields()).map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(column),
            false => cast(&column, field.data_type()).map_err(|error| execution_error(error.into())),
        });
    RecordBatch::try_new(Arc::clone(target), columns.collect::<Result<_>>()?)
        .map_err(|error| Error::internal("a row's columns do not fit").caused_by(error))
}

fn parts(view: &ViewSnapshot, span: &Span) -> Vec<ViewPart> {
    view.partitions().iter().flat_map(|partition| partition.parts(&span.from, span.to.as_deref(), 1)).collect()
}

/// Rows that are still to be read.
struct Batches {
    parts: Vec<ViewPart>,
    columns: Vec<usize>,
    target: SchemaRef,
    limit: usize,
}

impl Batches {
    /// The rows, page by page; a page is read when it is asked for.
    fn rows(self) -> impl Iterator<Item = Result<RecordBatch>> + Send {
        let Self { parts, columns, target, limit } = self;
        let mut left = limit;
        let mut batches = parts.into_iter().flat_map(move |part| part.batches(Some(columns.clone())));
        iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let batch = batches.next()?.map_err(Error::from).and_then(|batch| conform(&batch, &target));
            Some(batch.map(|batch| {
                let taken = batch.slice(0, batch.num_rows().min(left));
                left -= taken.num_rows();
                taken
            }))
        })
    }
}

/// The first rows in the order of their keys.
struct OrderedBatch {
    /// One behind the other; the parts of one are read side by side.
    spans: Vec<Vec<ViewPart>>,
    columns: Vec<usize>,
    target: SchemaRef,
    limit: usize,
    order: KeyOrder,
}

impl OrderedBatch {
    fn rows(self) -> Result<RecordBatch> {
        let mut found = Vec::new();
        let mut left = self.limit;
        for parts in &self.spans {
            if left == 0 {
                break;
            }
            let firsts = parts.iter().map(|part| part.first(&self.columns, left, self.order));
            let firsts = firsts.collect::<std::result::Result<Vec<_>, _>>()?;
            if let Some(batch) = merged(&firsts, left, self.order)? {
                left -= batch.num_rows();
                found.push(conform(&batch, &self.target)?);
            }
        }
        concat_batches(&self.target, &found).map_err(|error| execution_error(error.into()))
    }
}

/// The first rows of several, `None` of none.
fn merged(firsts: &[OrderedRows], count: usize, order: KeyOrder) -> Result<Option<RecordBatch>> {
    let batches: Vec<&RecordBatch> = firsts.iter().flat_map(|first| &first.rows).collect();
    let places = batches.iter().enumerate().flat_map(|(at, batch)| (0..batch.num_rows()).map(move |row| (at, row)));
    let mut rows: Vec<(&[u8], (usize, usize))> =
        firsts.iter().flat_map(|first| &first.keys).map(Vec::as_slice).zip(places).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    rows.sort_by(|(one, _), (other, _)| match order {
        KeyOrder::Rising => one.cmp(other),
        KeyOrder::Falling => other.cmp(one),
    });
    rows.truncate(count);
    let places: Vec<(usize, usize)> = rows.into_iter().map(|(_, place)| place).collect();
    interleave_record_batch(&batches, &places).map(Some).map_err(|error| execution_error(error.into()))
}

/// Rows that are read here if they are near, else by the threads of queries.
fn read(
    batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
    is_near: bool,
    published: &Arc<Published>,
    engine: &Engine,
) -> Result<RowStream> {
    if is_near {
        return Ok(stream::iter(batches.collect::<Vec<_>>()).boxed());
    }
    let (rows, taken) = mpsc::channel(BATCHES_AHEAD);
    let reading = async move {
        for batch in batches {
            let failed = batch.is_err();
            if rows.send(batch).await.is_err() || failed {
                return;
            }
        }
    };
    let lease = Lease::new(engine, Arc::clone(published));
    Ok(receive(taken, engine.query_threads()?.spawn(lease.over(reading))))
}
