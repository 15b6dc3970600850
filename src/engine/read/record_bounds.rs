//! What conditions on `tidemill.records` say of where to read.

use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;
use datafusion::scalar::ScalarValue;

use crate::engine::records::RecordColumn;
use crate::model::EventTime;
use crate::model::Offset;

/// Partitions, offsets and times outside of which no record is asked for. A condition that is not understood bounds
/// nothing: rows are looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordBounds {
    partition: Range,
    offset: Range,
    /// Milliseconds.
    time: Range,
}

/// Numbers from `from` to `to`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    from: i64,
    to: i64,
}

impl Range {
    const ALL: Range = Range { from: i64::MIN, to: i64::MAX };

    fn narrow(&mut self, operator: Operator, value: i64) {
        if matches!(operator, Operator::Eq | Operator::GtEq) {
            self.from = self.from.max(value);
        }
        if matches!(operator, Operator::Eq | Operator::LtEq) {
            self.to = self.to.min(value);
        }
        match operator {
            Operator::Gt => self.from = self.from.max(value.saturating_add(1)),
            Operator::Lt => self.to = self.to.min(value.saturating_sub(1)),
            _ => {}
        }
    }
}

impl RecordBounds {
    /// The bounds that all of `filters` together set.
    pub(super) fn of(filters: &[Expr]) -> Self {
        let mut bounds = Self { partition: Range::ALL, offset: Range::ALL, time: Range::ALL };
        filters.iter().for_each(|filter| bounds.narrow(filter));
        bounds
    }

    /// Whether records of the partition can meet the conditions.
    pub(super) fn has_partition(&self, partition: i32) -> bool {
        (self.partition.from..=self.partition.to).contains(&i64::from(partition))
    }

    /// The first offset that can.
    pub(super) fn offset_from(&self) -> Offset {
        Offset(self.offset.from)
    }

    /// The offset after the last one that can.
    pub(super) fn offset_upto(&self) -> Offset {
        Offset(self.offset.to.saturating_add(1))
    }

    /// The earliest time of a record that can, if there is one.
    pub(super) fn time_from(&self) -> Option<EventTime> {
        (self.time.from != i64::MIN).then_some(EventTime(self.time.from))
    }

    fn narrow(&mut self, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.narrow(left);
                self.narrow(right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
                (column, Expr::Literal(value, _)) => self.compare(column, *op, value),
                (Expr::Literal(value, _), column) => {
                    if let Some(swapped) = op.swap() {
                        self.compare(column, swapped, value);
                    }
                }
                _ => {}
            },
            Expr::Between(between) if !between.negated => {
                if let (Expr::Literal(low, _), Expr::Literal(high, _)) = (between.low.as_ref(), between.high.as_ref()) {
                    self.compare(&between.expr, Operator::GtEq, low);
                    self.compare(&between.expr, Operator::LtEq, high);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, column: &Expr, operator: Operator, value: &ScalarValue) {
        let Expr::Column(column) = column else { return };
        let Some(column) = RecordColumn::ALL.into_iter().find(|known| known.name() == column.name) else { return };
        match column {
            RecordColumn::Partition => narrow_by_number(&mut self.partition, operator, value),
            RecordColumn::Offset => narrow_by_number(&mut self.offset, operator, value),
            RecordColumn::Timestamp => {
                // A bound between two milliseconds is moved out to the one before it.
                if let (
                    ScalarValue::TimestampMicrosecond(Some(micros), _),
                    Operator::Eq | Operator::Gt | Operator::GtEq,
                ) = (value, operator)
                {
                    self.time.narrow(Operator::GtEq, micros.div_euclid(1000));
                }
            }
            RecordColumn::Key | RecordColumn::Value | RecordColumn::Headers => {}
        }
    }
}

fn narrow_by_number(range: &mut Range, operator: Operator, value: &ScalarValue) {
    let number = match value {
        ScalarValue::Int32(number) => number.map(i64::from),
        ScalarValue::Int64(number) => *number,
        _ => None,
    };
    if let Some(number) = number {
        range.narrow(operator, number);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::col;
    use datafusion::prelude::lit;

    use super::*;

    #[test]
    fn conditions_narrow_what_is_read() {
        let filters = [
            lit(2i32).eq(col("partition")).and(col("offset").gt(lit(10i64))),
            col("offset").between(lit(3i64), lit(20i64)),
            lit(15i64).gt_eq(col("offset")),
            col("timestamp").gt(lit(ScalarValue::TimestampMicrosecond(Some(1_999), Some("UTC".into())))),
        ];
        let bounds = RecordBounds::of(&filters);
        assert_eq!([1, 2, 3].map(|partition| bounds.has_partition(partition)), [false, true, false]);
        assert_eq!((bounds.offset_from(), bounds.offset_upto()), (Offset(11), Offset(16)));
        assert_eq!(bounds.time_from(), Some(EventTime(1)));
    }

    #[test]
    fn what_is_not_understood_bounds_nothing() {
        let filters = [
            col("partition").eq(lit(2i32)).or(col("offset").gt(lit(10i64))),
            col("offset").not_between(lit(3i64), lit(20i64)),
            col("offset").not_eq(lit(3i64)),
            col("timestamp").lt(lit(ScalarValue::TimestampMicrosecond(Some(0), None))),
        ];
        assert_eq!(RecordBounds::of(&filters), RecordBounds::of(&[]));
    }
}
