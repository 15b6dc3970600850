//! SUM and AVG as aggregate functions of DataFusion. Arrow's durations are summed by DataFusion's own.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::AggregateUDFImpl;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::scalar::ScalarValue;

use super::DoubleSum;
use super::ExactSum;
use super::Total;
use super::TotalKind;
use super::TotalStyle;
use super::accumulate::One;
use super::distinct::Distinct;
use super::groups::Groups;
use super::interval_total::IntervalTotal;
use super::total::Number;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;

/// See the file's head.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TotalFunction {
    kind: TotalKind,
    style: TotalStyle,
    stock: Arc<AggregateUDF>,
    signature: Signature,
}

impl TotalFunction {
    /// The function under some rules.
    pub fn new(kind: TotalKind, style: TotalStyle) -> Self {
        let stock = match kind {
            TotalKind::Sum => sum_udaf(),
            TotalKind::Avg => avg_udaf(),
        };
        Self { kind, style, stock, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn total(&self, argument: &DataType) -> Result<Total> {
        Total::of_array(self.kind, self.style, argument).ok_or_else(|| self.does_not_exist(argument))
    }

    fn does_not_exist(&self, argument: &DataType) -> DataFusionError {
        let name = SqlType::postgres_name_of(argument);
        let message = format!("function {}({name}) does not exist", self.stock.name());
        let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("CAST the argument to a number.");
        DataFusionError::External(Box::new(error))
    }
}

impl AggregateUDFImpl for TotalFunction {
    fn name(&self) -> &str {
        match (self.style, self.kind) {
            (TotalStyle::Postgres, _) => self.stock.name(),
            (TotalStyle::Ksqldb, TotalKind::Sum) => "__ksql_sum",
            (TotalStyle::Ksqldb, TotalKind::Avg) => "__ksql_avg",
        }
    }

    /// The stock function's: under another name it would stay reachable, and come back under this one when functions are
    /// registered anew.
    fn aliases(&self) -> &[String] {
        match self.style {
            TotalStyle::Postgres => self.stock.aliases(),
            TotalStyle::Ksqldb => &[],
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return Err(DataFusionError::Plan(format!("{} takes one argument", self.stock.name())));
        };
        Ok(vec![match argument {
            DataType::Null | DataType::Int8 | DataType::Int16 | DataType::Int32 => DataType::Int32,
            DataType::UInt8 | DataType::UInt16 => DataType::Int32,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Int64,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Duration(_) => return self.stock.coerce_types(arguments),
            other => return Err(self.does_not_exist(other)),
        }])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Interval(_)] => Ok(DataType::Interval(IntervalUnit::MonthDayNano)),
            [DataType::Duration(_)] => self.stock.return_type(arguments),
            [argument] => Ok(self.total(argument)?.output().arrow()),
            _ => Err(DataFusionError::Plan(format!("{} takes one argument", self.stock.name()))),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let argument = args.expr_fields[0].data_type();
        if is_interval(argument) {
            let one: Box<dyn Accumulator> = Box::new(IntervalTotal::new(self.kind));
            return Ok(if args.is_distinct { Box::new(Distinct::new(one, argument.clone())) } else { one });
        }
        if argument.is_temporal() {
            return self.stock.accumulator(args);
        }
        let total = self.total(argument)?;
        let one: Box<dyn Accumulator> = match argument {
            DataType::Float64 => Box::new(One::<DoubleSum>::new(total)),
            _ => Box::new(One::<ExactSum>::new(total)),
        };
        Ok(if args.is_distinct { Box::new(Distinct::new(one, argument.clone())) } else { one })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let argument = args.input_fields[0].data_type();
        if is_interval(argument) && !args.is_distinct {
            return Ok(IntervalTotal::state_fields(args.name));
        }
        if argument.is_temporal() && !is_interval(argument) {
            return self.stock.state_fields(args);
        }
        let field = match args.is_distinct {
            true => Field::new_list(
                format_state_name(args.name, "values"),
                Field::new_list_field(argument.clone(), true),
                true,
            ),
            false => Field::new(format_state_name(args.name, "running"), DataType::Binary, true),
        };
        Ok(vec![Arc::new(field)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match args.expr_fields[0].data_type() {
            DataType::Interval(_) => false,
            argument if argument.is_temporal() => self.stock.groups_accumulator_supported(args),
            _ => !args.is_distinct,
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let argument = args.expr_fields[0].data_type();
        match argument {
            argument if argument.is_temporal() => self.stock.create_groups_accumulator(args),
            DataType::Float64 => Ok(Box::new(Groups::<DoubleSum>::new(self.total(argument)?))),
            argument => Ok(Box::new(Groups::<ExactSum>::new(self.total(argument)?))),
        }
    }

    fn default_value(&self, output: &DataType) -> Result<ScalarValue> {
        match self.style {
            TotalStyle::Postgres => ScalarValue::try_from(output),
            TotalStyle::Ksqldb => ScalarValue::new_zero(output),
        }
    }
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

/// A result as a value of the output's type.
pub(super) fn scalar(number: Number, output: &SqlType) -> Result<ScalarValue> {
    let array = super::groups::column(vec![number], output)?;
    ScalarValue::try_from_array(&array, 0)
}
