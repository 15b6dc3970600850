//! MIN and MAX: DataFusion's, but for doubles in groups, which it begins with the greatest finite one, and for intervals, of
//! which it compares the months first, not how long they are.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::error::Result;
use datafusion::functions_aggregate::min_max::max_udaf;
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::AggregateUDFImpl;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::EmitTo;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::logical_expr::SetMonotonicity;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::scalar::ScalarValue;

use super::groups::passes;
use crate::functions::arithmetic::interval_micros;

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extreme {
    /// `MIN`
    Least,
    /// `MAX`
    Greatest,
}

impl Extreme {
    /// Whether `value` takes the place of `best`, in PostgreSQL's order: NaN is above all else.
    pub fn is_better(self, value: f64, best: f64) -> bool {
        let order = value.partial_cmp(&best).unwrap_or_else(|| value.is_nan().cmp(&best.is_nan()));
        match self {
            Extreme::Least => order.is_lt(),
            Extreme::Greatest => order.is_gt(),
        }
    }
}

/// See the file's head.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ExtremeFunction {
    extreme: Extreme,
    stock: Arc<AggregateUDF>,
}

impl ExtremeFunction {
    /// The function.
    pub fn new(extreme: Extreme) -> Self {
        let stock = match extreme {
            Extreme::Least => min_udaf(),
            Extreme::Greatest => max_udaf(),
        };
        Self { extreme, stock }
    }
}

impl AggregateUDFImpl for ExtremeFunction {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Ok(Box::new(Intervals { extreme: self.extreme, best: None }))
            }
            _ => self.stock.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.stock.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !matches!(args.return_field.data_type(), DataType::Interval(_)) && self.stock.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            DataType::Float64 => Ok(Box::new(Doubles { extreme: self.extreme, best: Vec::new() })),
            _ => self.stock.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            DataType::Interval(_) => self.accumulator(args),
            _ => self.stock.create_sliding_accumulator(args),
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.stock.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.stock.inner().set_monotonicity(data_type)
    }
}

/// The best of intervals; of those that are equally long the last.
#[derive(Debug)]
struct Intervals {
    extreme: Extreme,
    best: Option<IntervalMonthDayNano>,
}

impl Accumulator for Intervals {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
            let is_better = self.best.is_none_or(|best| {
                let order = interval_micros(value).cmp(&interval_micros(best));
                match self.extreme {
                    Extreme::Least => order.is_le(),
                    Extreme::Greatest => order.is_ge(),
                }
            });
            if is_better {
                self.best = Some(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::IntervalMonthDayNano(self.best))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

/// The best of each group.
struct Doubles {
    extreme: Extreme,
    best: Vec<Option<f64>>,
}

impl Doubles {
    fn take(&mut self, values: &ArrayRef, groups: &[usize], filter: Option<&BooleanArray>) {
        let values = values.as_primitive::<Float64Type>();
        for (row, group) in groups.iter().enumerate() {
            if !values.is_valid(row) || !passes(filter, row) {
                continue;
            }
            let (best, value) = (&mut self.best[*group], values.value(row));
            if best.is_none_or(|best| self.extreme.is_better(value, best)) {
                *best = Some(value);
            }
        }
    }
}

impl GroupsAccumulator for Doubles {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.best.resize(total_num_groups, None);
        self.take(&values[0], group_indices, opt_filter);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from(emit_to.take_needed(&mut self.best))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<Float64Type>();
        let kept = values.iter().enumerate().map(|(row, value)| value.filter(|_| passes(opt_filter, row)));
        Ok(vec![Arc::new(Float64Array::from_iter(kept))])
    }

    fn size(&self) -> usize {
        self.best.capacity() * size_of::<Option<f64>>()
    }
}
