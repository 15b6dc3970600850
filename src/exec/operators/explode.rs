//! Rows of a stream, each as often as its longest list has elements, side by side.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::ListArray;
use arrow::array::RecordBatch;
use arrow::array::UInt64Array;
use arrow::compute::take;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::log_errors;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::evaluate;

/// Rows of one batch that goes out, about.
const BATCH_ROWS: usize = 8192;

/// Rows whose lists are computed at once, at most.
const ROWS_COMPUTED_MAX: usize = 64;

/// Elements of the lists that are computed at once, about: a list can be far longer than what it is made of.
const ELEMENTS_COMPUTED: usize = 64 * 1024;

/// See the file's head.
pub struct Explode {
    /// Arrays; one that fails is null, which has no elements.
    lists: Vec<Arc<dyn PhysicalExpr>>,
    /// The edge that comes in: appended rows.
    input: Layout,
    /// The edge that goes out: the same columns, then those of the elements.
    output: Layout,
    /// Rows that still come, and those of them whose lists are computed.
    rest: Option<RecordBatch>,
    part: Option<Part>,
    /// Rows whose lists the next part computes.
    together: usize,
}

/// Rows with their lists, as far as they have gone out.
struct Part {
    batch: RecordBatch,
    lists: Vec<ListArray>,
    row: usize,
    place: usize,
}

impl Part {
    /// The next elements, of how many rows and which of theirs: a batch, or fewer at the end.
    fn places(&mut self) -> Vec<(u64, usize)> {
        let mut places = Vec::new();
        while self.row < self.batch.num_rows() {
            let longest = self.lists.iter().map(|list| length(list, self.row)).max().unwrap_or(0);
            let upto = longest.min(self.place + BATCH_ROWS - places.len());
            places.extend((self.place..upto).map(|place| (self.row as u64, place)));
            if upto < longest {
                self.place = upto;
                break;
            }
            (self.row, self.place) = (self.row + 1, 0);
        }
        places
    }

    /// How many rows of this kind have lists that may be computed at once.
    fn together(&self) -> usize {
        let elements: usize = self.lists.iter().map(|list| list.values().len()).sum();
        let rows = ELEMENTS_COMPUTED.saturating_mul(self.batch.num_rows()) / elements.max(1);
        rows.clamp(1, ROWS_COMPUTED_MAX)
    }
}

impl Explode {
    /// Each row of `input` as often as its longest list has elements, which stand behind its columns in `output`.
    pub fn new(lists: Vec<Arc<dyn PhysicalExpr>>, input: Layout, output: Layout) -> Self {
        let is_there = lists.iter().all(|list| list.downcast_ref::<Column>().is_some());
        let together = if is_there { usize::MAX } else { 1 };
        Self { lists, input, output, rest: None, part: None, together }
    }

    /// The next rows with their lists.
    fn next_part(&mut self, cx: &mut Cx<'_>) -> Result<Option<Part>, ExecError> {
        let Some(rest) = self.rest.take() else { return Ok(None) };
        let count = self.together.min(rest.num_rows());
        let batch = rest.slice(0, count);
        self.rest = (count < rest.num_rows()).then(|| rest.slice(count, rest.num_rows() - count));
        let mut errors = Vec::new();
        let lists = self.lists.iter().map(|expr| {
            let list = evaluate(expr, &batch, &mut errors)?;
            list.as_list_opt::<i32>().cloned().ok_or_else(|| ExecError::UnknownNode(list.data_type().to_string()))
        });
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        log_errors(cx, &self.input, &batch, &errors, "list without elements, it failed");
        let part = Part { batch, lists, row: 0, place: 0 };
        if self.together != usize::MAX {
            self.together = part.together();
        }
        Ok(Some(part))
    }

    /// Rows with the elements at these places of their lists.
    fn rows(&self, part: &Part, places: &[(u64, usize)]) -> Result<RecordBatch, ExecError> {
        let rows = UInt64Array::from_iter_values(places.iter().map(|(row, _)| *row));
        let users = self.input.users();
        let repeated = |column: &ArrayRef| take(column, &rows, None);
        let (user, system) = part.batch.columns().split_at(users);
        let mut columns: Vec<ArrayRef> = user.iter().map(repeated).collect::<Result<_, _>>()?;
        for list in &part.lists {
            let element = |(row, place): &(u64, usize)| {
                let row = *row as usize;
                let first = list.value_offsets()[row] as usize;
                (*place < length(list, row)).then_some((first + place) as u64)
            };
            let elements: UInt64Array = places.iter().map(element).collect();
            columns.push(take(list.values(), &elements, None)?);
        }
        columns.extend(system.iter().map(repeated).collect::<Result<Vec<_>, _>>()?);
        Ok(RecordBatch::try_new(Arc::clone(&self.output.schema), columns)?)
    }
}

/// Of a null 0.
fn length(list: &ListArray, row: usize) -> usize {
    if list.is_null(row) { 0 } else { list.value_length(row) as usize }
}

impl Step for Explode {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        self.rest = Some(batch);
        self.resume(cx)
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        let part = match self.part.take() {
            Some(part) => Some(part),
            None => self.next_part(cx)?,
        };
        let Some(mut part) = part else { return Ok(Progress::Done) };
        let places = part.places();
        cx.emit(self.rows(&part, &places)?);
        self.part = (part.row < part.batch.num_rows()).then_some(part);
        Ok(if self.part.is_some() || self.rest.is_some() { Progress::More } else { Progress::Done })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatchOptions;
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::DataType;
    use arrow::datatypes::Field;
    use arrow::datatypes::Schema;

    use super::*;

    /// Rows with two lists of these lengths.
    fn part(lengths: &[(usize, usize)]) -> Part {
        let list = |lengths: Vec<usize>| {
            let values = arrow::array::Int64Array::from(vec![0; lengths.iter().sum()]);
            let item = Arc::new(Field::new_list_field(DataType::Int64, true));
            ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(values), None)
        };
        let lists = vec![
            list(lengths.iter().map(|(left, _)| *left).collect()),
            list(lengths.iter().map(|(_, right)| *right).collect()),
        ];
        let options = RecordBatchOptions::new().with_row_count(Some(lengths.len()));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).expect("rows");
        Part { batch, lists, row: 0, place: 0 }
    }

    #[test]
    fn elements_go_out_batch_by_batch_and_a_long_list_in_several() {
        let mut long = part(&[(1, 2), (0, 0), (0, 2 * BATCH_ROWS), (3, 0)]);
        let pieces: Vec<Vec<(u64, usize)>> = (0..3).map(|_| long.places()).collect();
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [BATCH_ROWS, BATCH_ROWS, 5]);
        assert_eq!(pieces[0][..3], [(0, 0), (0, 1), (2, 0)]);
        assert_eq!(pieces[2], [(2, 2 * BATCH_ROWS - 2), (2, 2 * BATCH_ROWS - 1), (3, 0), (3, 1), (3, 2)]);
        assert!(long.places().is_empty());
        let mut full = part(&[(BATCH_ROWS, 0), (1, 1)]);
        assert_eq!((full.places().len(), full.places(), full.places()), (BATCH_ROWS, vec![(1, 0)], vec![]));
    }

    #[test]
    fn lists_are_computed_together_as_long_as_they_are_short() {
        assert_eq!(part(&[(3, 0)]).together(), ROWS_COMPUTED_MAX);
        assert_eq!(part(&[(0, 0)]).together(), ROWS_COMPUTED_MAX);
        assert_eq!(part(&[(ELEMENTS_COMPUTED / 2, 0), (0, 0)]).together(), 4);
        assert_eq!(part(&[(2 * ELEMENTS_COMPUTED, 0)]).together(), 1);
    }
}
