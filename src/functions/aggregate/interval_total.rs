//! SUM and AVG of intervals: months, days and time are summed apart, and a mean hands what is left of a month on to its days.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::scalar::ScalarValue;

use super::TotalKind;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::arithmetic::interval_by;

const NANOS_PER_MICRO: i64 = 1000;
/// The parts of the state.
const PARTS: [&str; 4] = ["months", "days", "micros", "count"];

/// A total in the making.
#[derive(Debug)]
pub(super) struct IntervalTotal {
    kind: TotalKind,
    months: i64,
    days: i64,
    micros: i64,
    count: i64,
}

impl IntervalTotal {
    pub(super) fn new(kind: TotalKind) -> Self {
        Self { kind, months: 0, days: 0, micros: 0, count: 0 }
    }

    /// What a partial total is handed on as.
    pub(super) fn state_fields(name: &str) -> Vec<FieldRef> {
        PARTS.iter().map(|part| Arc::new(Field::new(format_state_name(name, part), DataType::Int64, true))).collect()
    }

    /// Adds, or takes back with `sign` -1.
    fn add(&mut self, [months, days, micros, count]: [i64; 4], sign: i64) -> Result<()> {
        let sum = |sum: i64, value: i64| sum.checked_add(value.checked_mul(sign)?);
        let sums = || {
            Some((sum(self.months, months)?, sum(self.days, days)?, sum(self.micros, micros)?, sum(self.count, count)?))
        };
        (self.months, self.days, self.micros, self.count) = sums().ok_or_else(out_of_range)?;
        Ok(())
    }

    fn take(&mut self, values: &ArrayRef, sign: i64) -> Result<()> {
        for value in values.as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
            let parts = [i64::from(value.months), i64::from(value.days), value.nanoseconds / NANOS_PER_MICRO, 1];
            self.add(parts, sign)?;
        }
        Ok(())
    }

    fn total(&self) -> Option<IntervalMonthDayNano> {
        let nanos = self.micros.checked_mul(NANOS_PER_MICRO)?;
        Some(IntervalMonthDayNano::new(i32::try_from(self.months).ok()?, i32::try_from(self.days).ok()?, nanos))
    }
}

impl Accumulator for IntervalTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(ScalarValue::IntervalMonthDayNano(None));
        }
        let total = self.total().ok_or_else(out_of_range)?;
        let told = match self.kind {
            TotalKind::Sum => total,
            TotalKind::Avg => interval_by(total, self.count as f64).map_err(external)?,
        };
        Ok(ScalarValue::IntervalMonthDayNano(Some(told)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok([self.months, self.days, self.micros, self.count].map(ScalarValue::from).to_vec())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let parts: Vec<_> = states.iter().map(|part| part.as_primitive::<Int64Type>()).collect();
        for row in 0..parts[0].len() {
            self.add([0, 1, 2, 3].map(|part| parts[part].value(row)), 1)?;
        }
        Ok(())
    }
}

fn out_of_range() -> DataFusionError {
    external(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range"))
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
