//! Rows on their way in: which of them count, their groups, and what is aggregated.

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::BooleanArray;
use arrow::array::RecordBatch;
use arrow::compute::filter;
use arrow::compute::filter_record_batch;
use bytes::Bytes;

use super::AggregateSpec;
use super::CallSpec;
use super::Windows;
use super::accumulate::RankedBy;
use super::accumulate::Reader;
use super::distinct::Distinct;
use super::keys;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Side;
use crate::exec::expressions::RowError;
use crate::exec::expressions::evaluate;
use crate::exec::expressions::holds;
use crate::exec::layout::OP_VALUE;
use crate::exec::operators::log_errors;
use crate::format::KeyWriter;
use crate::functions::Collect;
use crate::model::EventTime;
use crate::model::StreamTime;
use crate::plan::AggregateFunction;
use crate::state::KEY_BYTES_MAX;

/// Rows that count: with a value and a whole group.
pub(super) struct Accepted {
    /// The rows.
    pub batch: RecordBatch,
    /// The group's columns.
    pub group: Vec<ArrayRef>,
    /// Stream time at each row; of groups without windows none.
    pub clocks: Vec<i64>,
}

/// Distinct keys, and which of them each row has.
pub(super) struct Keyed {
    /// Each once, in the order in which they came.
    pub keys: Vec<Bytes>,
    /// An index into `keys` per row.
    pub of_row: Vec<usize>,
}

/// What the aggregates take of each row.
pub(super) struct Values {
    arguments: Vec<Option<ArrayRef>>,
    filters: Vec<Option<BooleanArray>>,
    takes: Vec<Takes>,
}

/// What a call takes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Its argument.
    Value,
    /// The elements of its argument.
    Items,
    /// Its argument, and its place among others.
    Ranked(RankedBy),
}

impl Takes {
    fn of(call: &CallSpec) -> Self {
        match call.function {
            AggregateFunction::SumList | AggregateFunction::Correlation => Takes::Items,
            AggregateFunction::Collect(Collect::TopRows { .. }) => Takes::Ranked(match call.counts {
                None => RankedBy::FirstField,
                Some(_) => RankedBy::AllFields,
            }),
            _ => Takes::Value,
        }
    }

    fn reader(self, argument: &ArrayRef) -> Result<Reader<'_>, ExecError> {
        match self {
            Takes::Value => Reader::new(argument),
            Takes::Items => Reader::of_items(argument),
            Takes::Ranked(by) => Reader::of_ranked(argument, by),
        }
    }
}

impl Accepted {
    /// Without the rows for which `late` says that no window takes them; these are told beside the output.
    pub(super) fn on_time(self, cx: &mut Cx<'_>, late: &[bool]) -> Result<Self, ExecError> {
        if !late.contains(&true) {
            return Ok(self);
        }
        let late = BooleanArray::from(late.to_vec());
        cx.side(Side::Late, &filter_record_batch(&self.batch, &late)?)?;
        self.kept(&late.iter().map(|late| late == Some(false)).collect::<Vec<_>>())
    }

    fn kept(self, kept: &[bool]) -> Result<Self, ExecError> {
        if !kept.contains(&false) {
            return Ok(self);
        }
        let clocks = self.clocks.iter().zip(kept).filter(|(_, kept)| **kept).map(|(clock, _)| *clock).collect();
        let kept = BooleanArray::from(kept.to_vec());
        let group = self.group.iter().map(|column| filter(column, &kept)).collect::<Result<_, _>>()?;
        Ok(Self { batch: filter_record_batch(&self.batch, &kept)?, group, clocks })
    }

    /// The rows' keys in state: `columns` makes key columns of the group's. A row whose key state cannot hold is left out,
    /// as one whose group failed is.
    pub(super) fn keyed(
        self,
        cx: &mut Cx<'_>,
        spec: &AggregateSpec,
        columns: impl Fn(&Self) -> Vec<ArrayRef>,
    ) -> Result<(Self, Keyed), ExecError> {
        let limit = KEY_BYTES_MAX - keys::OVERHEAD_BYTES;
        let columns = columns(&self);
        let writer = KeyWriter::new(&columns)?;
        let rows = self.batch.num_rows();
        let distinct = Distinct::of(&columns, rows)?;
        let (mut keys, mut key) = (Vec::with_capacity(distinct.first_rows.len()), Vec::new());
        for row in &distinct.first_rows {
            key.clear();
            writer.write(*row, &mut key)?;
            keys.push(Bytes::copy_from_slice(&key));
        }
        if keys.iter().all(|key| key.len() <= limit) {
            return Ok((self, Keyed { keys, of_row: distinct.of_row }));
        }
        let mut errors = Vec::new();
        let mut keyed = Keyed { keys: Vec::new(), of_row: Vec::with_capacity(rows) };
        let mut places = vec![None; keys.len()];
        for (row, number) in distinct.of_row.into_iter().enumerate() {
            let key = &keys[number];
            if limit < key.len() {
                let reason = format!("{} bytes are over the limit of {limit}", key.len());
                errors.push(RowError { row, reason });
                continue;
            }
            let place = *places[number].get_or_insert_with(|| {
                keyed.keys.push(key.clone());
                keyed.keys.len() - 1
            });
            keyed.of_row.push(place);
        }
        log_errors(cx, &spec.input, &self.batch, &errors, "row left out by a group that is too long");
        let mut kept = vec![true; rows];
        errors.iter().for_each(|error| kept[error.row] = false);
        Ok((self.kept(&kept)?, keyed))
    }
}

impl Values {
    /// What reads the arguments.
    pub(super) fn readers(&self) -> Result<Vec<Reader<'_>>, ExecError> {
        let with_how = self.arguments.iter().zip(&self.takes);
        let readers = with_how.map(|(argument, takes)| match argument {
            None => Ok(Reader::Nothing),
            Some(argument) => takes.reader(argument),
        });
        readers.collect()
    }

    /// What a call takes.
    pub(super) fn argument(&self, call: usize) -> Option<&ArrayRef> {
        self.arguments[call].as_ref()
    }

    /// A call's FILTER, as it says of each row whether it is let in.
    pub(super) fn filter(&self, call: usize) -> Option<&BooleanArray> {
        self.filters[call].as_ref()
    }

    /// Whether a call's FILTER lets a row in.
    pub(super) fn passes(&self, call: usize, row: usize) -> bool {
        self.filter(call).is_none_or(|filter| filter.value(row))
    }
}

impl AggregateSpec {
    /// The rows that count. Under `own_time` they move the operator's stream time.
    pub(super) fn accept(&self, cx: &mut Cx<'_>, batch: RecordBatch) -> Result<Accepted, ExecError> {
        let mut errors = Vec::new();
        let group = self.group.iter().map(|expr| evaluate(expr, &batch, &mut errors));
        let group: Vec<ArrayRef> = group.collect::<Result<_, _>>()?;
        log_errors(cx, &self.input, &batch, &errors, "row left out by a group that failed");
        let drops_null = self.null_drops && group.iter().any(|column| 0 < column.null_count());
        if errors.is_empty() && !drops_null && !self.own_time && !self.input.has_no_value(&batch) {
            // Without windows nothing asks what time it is at a row.
            let clocks = self.window.as_ref().map_or_else(Vec::new, |_| self.input.clocks(&batch).values().to_vec());
            return Ok(Accepted { batch, group, clocks });
        }
        let mut kept = vec![true; batch.num_rows()];
        for error in &errors {
            kept[error.row] = false;
        }
        if self.input.changes != Changes::Retract {
            let ops = self.input.ops(&batch).values();
            kept.iter_mut().zip(ops).for_each(|(kept, op)| *kept &= *op == OP_VALUE);
        }
        if self.null_drops {
            for column in group.iter().filter(|column| 0 < column.null_count()) {
                kept.iter_mut().enumerate().for_each(|(row, kept)| *kept &= column.is_valid(row));
            }
        }
        let clocks = match self.own_time {
            true => self.own_clocks(cx, self.input.times(&batch).values(), &kept)?,
            false if self.window.is_none() => Vec::new(),
            false => self.input.clocks(&batch).values().to_vec(),
        };
        Accepted { batch, group, clocks }.kept(&kept)
    }

    /// The operator's own stream time at each row, which only kept rows move.
    fn own_clocks(&self, cx: &mut Cx<'_>, times: &[i64], kept: &[bool]) -> Result<Vec<i64>, ExecError> {
        let mut now = StreamTime(number(cx, keys::OWN_TIME)?.map(EventTime));
        let mut clocks = Vec::with_capacity(times.len());
        for (time, kept) in times.iter().zip(kept) {
            if *kept {
                now = now.advance(EventTime(*time));
            }
            clocks.push(now.0.map_or(i64::MIN, |time| time.0));
        }
        if let Some(EventTime(now)) = now.0 {
            cx.table(0).put(Bytes::from_static(keys::OWN_TIME), now.to_be_bytes().to_vec())?;
        }
        Ok(clocks)
    }

    /// The stream time by which windows close.
    pub(super) fn now(&self, cx: &mut Cx<'_>) -> Result<Option<i64>, ExecError> {
        match self.own_time {
            true => number(cx, keys::OWN_TIME),
            false => Ok(cx.stream_time().0.map(|time| time.0)),
        }
    }

    /// The number of the first of `rows` rows in the order in which the operator took them. Only the values of
    /// windows that are merged which have an order need it; else all are 0.
    pub(super) fn first_arrival(&self, cx: &mut Cx<'_>, rows: usize) -> Result<i64, ExecError> {
        let ordered = self
            .calls
            .iter()
            .any(|call| matches!(call.function, AggregateFunction::ByOffset(..) | AggregateFunction::Collect(_)));
        if !ordered || !matches!(self.window, Some(Windows::Hopping(_) | Windows::Session(_))) {
            return Ok(0);
        }
        let first = number(cx, keys::ARRIVALS)?.unwrap_or(0);
        let next = first.saturating_add(i64::try_from(rows).unwrap_or(i64::MAX));
        cx.table(0).put(Bytes::from_static(keys::ARRIVALS), next.to_be_bytes().to_vec())?;
        Ok(first)
    }

    /// What the aggregates take of rows.
    pub(super) fn values(&self, cx: &mut Cx<'_>, batch: &RecordBatch) -> Result<Values, ExecError> {
        let mut errors = Vec::new();
        let (mut arguments, mut filters) = (Vec::new(), Vec::new());
        for call in &self.calls {
            arguments.push(call.argument.as_ref().map(|expr| evaluate(expr, batch, &mut errors)).transpose()?);
            filters.push(call.filter.as_ref().map(|expr| holds(expr, batch, &mut errors)).transpose()?);
        }
        log_errors(cx, &self.input, batch, &errors, "value left out of an aggregate, it failed");
        Ok(Values { arguments, filters, takes: self.calls.iter().map(Takes::of).collect() })
    }
}

/// A number that the operator keeps for itself.
fn number(cx: &mut Cx<'_>, key: &'static [u8]) -> Result<Option<i64>, ExecError> {
    match cx.table(0).get(key)?.as_deref().map(<[u8; 8]>::try_from) {
        None => Ok(None),
        Some(Ok(bytes)) => Ok(Some(i64::from_be_bytes(bytes))),
        Some(Err(_)) => Err(ExecError::InternalRecord("a number that an operator keeps")),
    }
}
