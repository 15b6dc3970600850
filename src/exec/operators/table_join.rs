//! Two tables joined by their keys: each change of a side, in the order of `__seq`, takes the row of its key back and
//! gives the new one.
//!
//! Both sides are kept whole: a later change of the other side needs the row, whether it met anything or not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::new_null_array;
use arrow::compute::concat_batches;
use arrow::compute::interleave;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::log_errors;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Ports;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::evaluate;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_VALUE;
use crate::format::RowKeys;
use crate::format::RowValues;

/// A side of a join of tables.
#[derive(Clone)]
pub struct TableSide {
    /// Its half of each pair of the condition.
    pub key: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether its rows without partner stay, with nulls.
    pub kept: bool,
    /// Its edge: upserts or retractions.
    pub layout: Layout,
}

/// Keeps table 0, since an operator has one changelog: side (0 or 1, a byte) and key -> the side's user columns and `__time`.
pub struct TableJoin {
    /// Left and right.
    pub sides: [TableSide; 2],
    /// The retract edge that goes out: left columns, then right ones.
    pub output: Layout,
}

/// Where the row is that a side has for a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nothing,
    Batch(usize),
    State(usize),
}

/// What a side brought in a round.
struct Slice {
    batch: RecordBatch,
    keys: Vec<Vec<u8>>,
    null_keys: Vec<bool>,
}

/// A row that a side has from now on, or `Nothing`.
struct Change {
    side: usize,
    row: usize,
    new: Place,
}

/// A row that goes out: what became of a change beside the other side's row.
struct Joined {
    places: [Place; 2],
    weight: i64,
    side: usize,
    row: usize,
}

/// The rows of keys that a round touches, as far as it has come.
#[derive(Default)]
struct Current<'a> {
    places: HashMap<(usize, &'a [u8]), Place>,
    stored: [Vec<Vec<u8>>; 2],
}

impl<'a> Current<'a> {
    fn get(&mut self, cx: &mut Cx<'_>, side: usize, key: &'a [u8]) -> Result<Place, ExecError> {
        if let Some(place) = self.places.get(&(side, key)) {
            return Ok(*place);
        }
        let place = match cx.table(0).get(&state_key(side, key))? {
            Some(value) => {
                self.stored[side].push(value.as_ref().to_vec());
                Place::State(self.stored[side].len() - 1)
            }
            None => Place::Nothing,
        };
        self.places.insert((side, key), place);
        Ok(place)
    }
}

fn state_key(side: usize, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(side as u8);
    bytes.extend_from_slice(key);
    bytes
}

impl Step for TableJoin {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, slices: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        if slices.iter().all(Vec::is_empty) {
            return Ok(Progress::Done);
        }
        let slices = [self.slice(cx, 0, &slices[0])?, self.slice(cx, 1, &slices[1])?];
        let mut current = Current::default();
        let mut rows = Vec::new();
        let mut touched: Vec<(usize, &[u8])> = Vec::new();
        for change in self.changes(&slices) {
            let (side, other) = (change.side, 1 - change.side);
            let key = slices[side].keys[change.row].as_slice();
            let old = current.get(cx, side, key)?;
            let met = if slices[side].null_keys[change.row] { Place::Nothing } else { current.get(cx, other, key)? };
            for (place, weight) in [(old, -1), (change.new, 1)] {
                let mut places = [met; 2];
                places[side] = place;
                if self.is_row(places) {
                    rows.push(Joined { places, weight, side, row: change.row });
                }
            }
            if old != change.new {
                current.places.insert((side, key), change.new);
                touched.push((side, key));
            }
        }
        let stored = [self.stored(0, &current)?, self.stored(1, &current)?];
        cx.emit(self.rows(&slices, &stored, &rows)?);
        self.apply(cx, &slices, &current, touched)?;
        Ok(Progress::Done)
    }
}

impl TableJoin {
    fn slice(&self, cx: &mut Cx<'_>, side: usize, batches: &[RecordBatch]) -> Result<Slice, ExecError> {
        let TableSide { key, layout, .. } = &self.sides[side];
        let batch = concat_batches(&layout.schema, batches)?;
        let mut errors = Vec::new();
        let columns: Vec<ArrayRef> =
            key.iter().map(|expr| evaluate(expr, &batch, &mut errors)).collect::<Result<_, _>>()?;
        log_errors(cx, layout, &batch, &errors, "row that meets nothing by a join key that failed");
        let keys = RowKeys::encode_rows(&columns, batch.num_rows())?;
        let null = |row: usize| columns.iter().any(|column| column.is_null(row));
        let null_keys = (0..batch.num_rows()).map(null).collect();
        Ok(Slice { batch, keys, null_keys })
    }

    /// Both sides' changes in the order of their places. Rows of one change of one key are one: what it was is known.
    fn changes(&self, slices: &[Slice; 2]) -> Vec<Change> {
        let seqs = [0, 1].map(|side| self.sides[side].layout.seqs(&slices[side].batch).values());
        let mut last: HashMap<(usize, i64, &[u8]), usize> = HashMap::new();
        for (side, slice) in slices.iter().enumerate() {
            for (row, key) in slice.keys.iter().enumerate() {
                last.insert((side, seqs[side][row], key), row);
            }
        }
        let mut order: Vec<(i64, usize, usize)> =
            last.into_iter().map(|((side, seq, _), row)| (seq, side, row)).collect();
        order.sort_unstable();
        let has_value = |side: usize, row: usize| {
            let TableSide { layout, .. } = &self.sides[side];
            match layout.changes {
                Changes::Retract => 0 < layout.weights(&slices[side].batch).value(row),
                Changes::Append | Changes::Upsert => layout.ops(&slices[side].batch).value(row) == OP_VALUE,
            }
        };
        let change = |(_, side, row)| Change {
            side,
            row,
            new: if has_value(side, row) { Place::Batch(row) } else { Place::Nothing },
        };
        order.into_iter().map(change).collect()
    }

    /// Whether two sides of a key make a row.
    fn is_row(&self, places: [Place; 2]) -> bool {
        match places.map(|place| place != Place::Nothing) {
            [true, true] => true,
            [true, false] => self.sides[0].kept,
            [false, true] => self.sides[1].kept,
            [false, false] => false,
        }
    }

    /// User columns and `__time`, which follows them.
    fn kept_schema(&self, side: usize) -> SchemaRef {
        let layout = &self.sides[side].layout;
        Arc::new(Schema::new(layout.schema.fields()[..=layout.users()].to_vec()))
    }

    fn stored(&self, side: usize, current: &Current<'_>) -> Result<RecordBatch, ExecError> {
        let rows: Vec<&[u8]> = current.stored[side].iter().map(Vec::as_slice).collect();
        Ok(RowValues::decode(&rows, &self.kept_schema(side))?)
    }

    /// The rows that go out, at the later time of the two sides and with the place of the change.
    fn rows(&self, slices: &[Slice; 2], stored: &[RecordBatch; 2], rows: &[Joined]) -> Result<RecordBatch, ExecError> {
        let mut columns = Vec::with_capacity(self.output.schema.fields().len());
        for side in [0, 1] {
            let at: Vec<(usize, usize)> = rows
                .iter()
                .map(|joined| match joined.places[side] {
                    Place::Nothing => (0, 0),
                    Place::Batch(row) => (1, row),
                    Place::State(row) => (2, row),
                })
                .collect();
            for index in 0..self.sides[side].layout.users() {
                let (here, there) = (slices[side].batch.column(index), stored[side].column(index));
                let nothing = new_null_array(here.data_type(), 1);
                columns.push(interleave(&[nothing.as_ref(), here.as_ref(), there.as_ref()], &at)?);
            }
        }
        let times = [0, 1].map(|side| self.sides[side].layout.times(&slices[side].batch));
        let stored_times = [0, 1].map(|side| self.sides[side].layout.times(&stored[side]));
        let time = |joined: &Joined| {
            let other = 1 - joined.side;
            let own = times[joined.side].value(joined.row);
            match joined.places[other] {
                Place::Nothing => own,
                Place::Batch(row) => own.max(times[other].value(row)),
                Place::State(row) => own.max(stored_times[other].value(row)),
            }
        };
        let clocks = [0, 1].map(|side| self.sides[side].layout.clocks(&slices[side].batch));
        let seqs = [0, 1].map(|side| self.sides[side].layout.seqs(&slices[side].batch));
        let of_change = |columns: &[&Int64Array; 2], joined: &Joined| columns[joined.side].value(joined.row);
        columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(time))));
        columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of_change(&clocks, row)))));
        columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of_change(&seqs, row)))));
        columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.weight))));
        Ok(RecordBatch::try_new(Arc::clone(&self.output.schema), columns)?)
    }

    /// The tables as they are after the round.
    fn apply(
        &self,
        cx: &mut Cx<'_>,
        slices: &[Slice; 2],
        current: &Current<'_>,
        mut touched: Vec<(usize, &[u8])>,
    ) -> Result<(), ExecError> {
        touched.sort_unstable();
        touched.dedup();
        let values = [0, 1].map(|side| user_columns(&slices[side].batch, &self.kept_schema(side)));
        let [left, right] = values;
        let values = [RowValues::encode(&left?)?, RowValues::encode(&right?)?];
        for (side, key) in touched {
            match current.places[&(side, key)] {
                Place::Batch(row) => cx.table(0).put(state_key(side, key), values[side][row].clone())?,
                // A round's changes put nothing back from the state: what is not in its rows is gone.
                Place::Nothing | Place::State(_) => cx.table(0).delete(state_key(side, key))?,
            }
        }
        Ok(())
    }
}
