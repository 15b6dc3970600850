//! The rows of keys: at once where they lie in memory and are few, else by the threads of queries.

use std::iter;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream;
use tokio::sync::mpsc;

use super::KeyRead;
use super::keys::Keys;
use super::keys::Span;
use crate::engine::outcome::RowStream;
use crate::engine::read::planned::BATCHES_AHEAD;
use crate::engine::read::planned::conform;
use crate::engine::read::planned::receive;
use crate::env::Pool;
use crate::error::Error;
use crate::error::Result;
use crate::plan::execution_error;
use crate::state::ViewPart;
use crate::state::ViewSnapshot;

/// Whole keys that are read where the statement runs.
const KEYS_AT_ONCE: usize = 64;
/// Pages that are looked through where the statement runs.
const PAGES_AT_ONCE: usize = 2;

impl KeyRead {
    /// The rows of `keys` in a version of the view; `threads` is asked for if they are not read at once.
    pub(in crate::engine) fn rows<'a>(
        &self,
        view: &ViewSnapshot,
        keys: Keys,
        threads: impl FnOnce() -> Result<&'a Pool>,
    ) -> Result<RowStream> {
        let limit = self.limit.unwrap_or(usize::MAX);
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
        let parts: Vec<ViewPart> = spans.iter().flat_map(|span| parts(view, span)).collect();
        let is_near = parts.iter().map(ViewPart::pages).sum::<usize>() <= PAGES_AT_ONCE;
        let batches = Batches { parts, columns: self.columns.clone(), target: Arc::clone(&self.target), limit };
        if is_near && batches.parts.iter().all(ViewPart::is_resident) {
            let rows = batches.rows().collect::<Vec<_>>();
            return Ok(stream::iter(rows).boxed());
        }
        Ok(batches.apart(threads()?))
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

    /// The rows as the threads of queries read them.
    fn apart(self, threads: &Pool) -> RowStream {
        let (rows, taken) = mpsc::channel(BATCHES_AHEAD);
        let reading = threads.spawn(async move {
            for batch in self.rows() {
                let failed = batch.is_err();
                if rows.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        receive(taken, reading)
    }
}
