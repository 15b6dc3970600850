//! `generate_series` of timestamps in microseconds: DataFusion counts them in nanoseconds, of which 64 bits hold the years 1678 to
//! 2261 only.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::ListBuilder;
use datafusion::arrow::array::PrimitiveArray;
use datafusion::arrow::array::TimestampMicrosecondBuilder;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::functions_nested::range::gen_series_udf;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::coerced::coerced_types;

/// `generate_series(timestamp, timestamp, interval) -> ARRAY<timestamp>`, with a zone if one of them has it; DataFusion's of what else
/// there is. Null gives null; immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Series {
    stock: Arc<ScalarUDF>,
    signature: Signature,
}

impl Series {
    pub fn new() -> Self {
        let stock = gen_series_udf();
        let signature = Signature::user_defined(stock.signature().volatility);
        Self { stock, signature }
    }
}

impl ScalarUDFImpl for Series {
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
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        if let [from, to, step] = arguments
            && let Some(time) = time_of(from, to)
            && (matches!(step, DataType::Interval(_) | DataType::Duration(_)) || step.is_string() || step.is_null())
        {
            return Ok(vec![time.clone(), time, DataType::Interval(IntervalUnit::MonthDayNano)]);
        }
        coerced_types(&self.stock, arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [time @ DataType::Timestamp(TimeUnit::Microsecond, _), _, _] => Ok(DataType::new_list(time.clone(), true)),
            _ => self.stock.return_type(arguments),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first().map(|field| field.data_type()) {
            Some(time @ DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Ok(Arc::new(Field::new(self.name(), DataType::new_list(time.clone(), true), true)))
            }
            _ => self.stock.return_field_from_args(args),
        }
    }

    fn is_strict(&self) -> bool {
        self.stock.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_time =
            |value: &ColumnarValue| matches!(value.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _));
        if args.args.len() != 3 || !args.args[..2].iter().all(is_time) {
            return self.stock.invoke_with_args(args);
        }
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        of_times(&arrays).map(ColumnarValue::Array)
    }
}

/// The type in which the ends of a series of timestamps meet; `None` for a series of something else.
fn time_of(from: &DataType, to: &DataType) -> Option<DataType> {
    let mut is_timestamp = false;
    let mut zone = None;
    for end in [from, to] {
        match end {
            DataType::Timestamp(_, of) => {
                is_timestamp = true;
                zone = zone.or_else(|| of.clone());
            }
            DataType::Date32 | DataType::Null => {}
            text if text.is_string() => {}
            _ => return None,
        }
    }
    is_timestamp.then_some(DataType::Timestamp(TimeUnit::Microsecond, zone))
}

fn of_times(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let (from, to) = (arrays[0].as_primitive::<TimestampMicrosecondType>(), arrays[1].as_primitive());
    let to: &PrimitiveArray<TimestampMicrosecondType> = to;
    let steps = arrays[2].as_primitive::<IntervalMonthDayNanoType>();
    let zone: Tz = from.timezone().unwrap_or("+00:00").parse()?;
    let values = TimestampMicrosecondBuilder::new().with_data_type(from.data_type().clone());
    let mut lists = ListBuilder::new(values);
    for ((from, to), step) in from.iter().zip(to).zip(steps) {
        let (Some(from), Some(to), Some(step)) = (from, to, step) else {
            lists.append_null();
            continue;
        };
        append(from, to, step, zone, lists.values())?;
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// Each step from the one before it, so that months which are short stay so.
fn append(
    from: i64,
    to: i64,
    step: IntervalMonthDayNano,
    zone: Tz,
    values: &mut TimestampMicrosecondBuilder,
) -> Result<()> {
    let after = |time: i64| TimestampMicrosecondType::add_month_day_nano(time, step, zone);
    let first = after(from);
    if first == Some(from) {
        let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, "step size cannot equal zero");
        return Err(DataFusionError::External(Box::new(error)));
    }
    let goes_down = first.is_some_and(|next| next < from);
    let mut next = Some(from);
    while let Some(time) = next.filter(|time| if goes_down { to <= *time } else { *time <= to }) {
        values.append_value(time);
        next = after(time);
    }
    Ok(())
}
