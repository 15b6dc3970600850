//! DataFusion's functions that PostgreSQL has too, with PostgreSQL's errors for arguments that have no answer.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::functions::math;
use datafusion::functions::string;
use datafusion::functions::unicode;
use datafusion::functions_nested::range::range_udf;
use datafusion::functions_nested::repeat::array_repeat_udf;
use datafusion::functions_nested::resize::array_resize_udf;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;

use super::guard::CALL_BYTES_MAX;
use super::guard::Guard;
use super::guard::ITEMS_MAX;
use super::series::Series;
use crate::error::Error;
use crate::error::SqlState;

const MICROS_PER_DAY: f64 = 86_400e6;

/// A function of DataFusion and what it shall refuse. Its own `simplify` is left out: it would go round the guard.
///
/// Under ksqlDB's rules doubles have answers for all: there the functions of doubles stand without guard, as `__ksql_<name>`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Guarded {
    name: String,
    stock: Arc<ScalarUDF>,
    guard: Option<Guard>,
}

impl Guarded {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let of_doubles = [
            (math::log2(), Guard::Logarithm),
            (math::log10(), Guard::Logarithm),
            (math::power(), Guard::Power),
            (math::exp(), Guard::Exponential),
            (math::sinh(), Guard::Exponential),
            (math::cosh(), Guard::Exponential),
            (math::degrees(), Guard::Exponential),
            (math::asin(), Guard::Inverse),
            (math::acos(), Guard::Inverse),
            (math::atanh(), Guard::Inverse),
            (math::acosh(), Guard::AreaCosine),
        ];
        let others = [
            // ksqlDB's rules have these three of their own, in `ksqldb::logarithm`.
            (math::ln(), Guard::Logarithm),
            (math::log(), Guard::Logarithm),
            (math::sqrt(), Guard::SquareRoot),
            (math::factorial(), Guard::Factorial),
            (array_resize_udf(), Guard::Size),
            (array_repeat_udf(), Guard::Times),
            (Arc::new(ScalarUDF::new_from_impl(Series::new())), Guard::Series),
            (range_udf(), Guard::Series),
            (string::chr(), Guard::Character),
            (string::repeat(), Guard::Repeat),
            (string::split_part(), Guard::Field),
            (unicode::substr(), Guard::Substring),
        ];
        let ksqldb = of_doubles.iter().map(|(stock, _)| Self {
            name: format!("__ksql_{}", stock.name()),
            stock: Arc::clone(stock),
            guard: None,
        });
        let ksqldb: Vec<Self> = ksqldb.collect();
        let guarded = of_doubles.into_iter().chain(others).map(|(stock, guard)| Self {
            name: stock.name().to_string(),
            stock,
            guard: Some(guard),
        });
        guarded.chain(ksqldb).collect()
    }
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        match self.guard {
            Some(_) => self.stock.aliases(),
            None => &[],
        }
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

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.stock.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.stock.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(guard) = self.guard else { return self.stock.invoke_with_args(args) };
        if guard == Guard::Series {
            args.args.iter().try_for_each(goes_one_way)?;
        }
        let filling = guard.filling();
        let looked_at = if filling.is_some() { &args.args[1..2] } else { &args.args[..] };
        let arguments =
            looked_at.iter().map(|value| numbers_of(value, args.number_rows)).collect::<Result<Vec<_>>>()?;
        // What is put into an array has a size too.
        let filling = filling.and_then(|place| args.args.get(place)).filter(|filling| filling.data_type().is_nested());
        let weights = filling.map(|filling| numbers_of(filling, args.number_rows)).transpose()?;
        let (mut items, mut bytes) = (0.0, 0.0);
        for_rows(&arguments, |at, row| {
            let weight =
                weights.as_ref().filter(|weights| weights.is_valid(at)).map_or(1.0, |weights| weights.value(at));
            items += guard.items(row) * weight.max(1.0);
            bytes += guard.bytes(row);
            let too_much = || match bytes {
                _ if ITEMS_MAX < items => Some(too_many(self.name())),
                bytes if CALL_BYTES_MAX < bytes => Some(too_long(self.name())),
                _ => None,
            };
            guard.refuses(row).or_else(too_much)
        })?;
        let answer = self.stock.invoke_with_args(args)?;
        if guard.may_overflow() {
            let mut told = arguments;
            told.push(numbers(&answer.to_array(told[0].len())?)?);
            for_rows(&told, |_, row| out_of_range(row))?;
        }
        Ok(answer)
    }
}

/// Fails at the first row without null that is refused; it is told with its place.
fn for_rows(arguments: &[Float64Array], mut refuses: impl FnMut(usize, &[f64]) -> Option<Error>) -> Result<()> {
    let mut row = Vec::with_capacity(arguments.len());
    for at in 0..arguments.first().map_or(0, Array::len) {
        row.clear();
        row.extend(arguments.iter().filter(|values| values.is_valid(at)).map(|values| values.value(at)));
        if row.len() == arguments.len()
            && let Some(error) = refuses(at, &row)
        {
            return Err(DataFusionError::External(Box::new(error)));
        }
    }
    Ok(())
}

/// The error of arrays that would be too long together.
pub(in crate::functions) fn too_many(name: &str) -> Error {
    let message = format!("{name} would make arrays of more than {ITEMS_MAX} items at a time");
    let error = Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message);
    match name {
        "generate_series" => error.hint("FROM generate_series(..) with plain values makes rows as they are read."),
        _ => error,
    }
}

/// The error of texts that would be too long together.
pub(super) fn too_long(name: &str) -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
        .detail(format!("{name} would make texts of more than {CALL_BYTES_MAX} bytes at a time."))
}

/// Refuses an interval of which a part goes forth and another back: a series of such steps may never end.
fn goes_one_way(step: &ColumnarValue) -> Result<()> {
    if !matches!(step.data_type(), DataType::Interval(_)) {
        return Ok(());
    }
    let parts = cast(&step.to_array(1)?, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let is_mixed = |part: IntervalMonthDayNano| {
        let signs = [i64::from(part.months).signum(), i64::from(part.days).signum(), part.nanoseconds.signum()];
        signs.contains(&1) && signs.contains(&-1)
    };
    match parts.as_primitive::<IntervalMonthDayNanoType>().iter().flatten().any(is_mixed) {
        false => Ok(()),
        true => {
            let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, "step cannot go both ways")
                .hint("Give all parts of the interval one sign.");
            Err(DataFusionError::External(Box::new(error)))
        }
    }
}

/// As `numbers`; of a value for all rows only one is made.
fn numbers_of(value: &ColumnarValue, rows: usize) -> Result<Float64Array> {
    match value {
        ColumnarValue::Array(values) => numbers(values),
        ColumnarValue::Scalar(one) => {
            let one = numbers(&one.to_array()?)?;
            Ok(std::iter::repeat_n(one.is_valid(0).then(|| one.value(0)), rows).collect())
        }
    }
}

/// Finite arguments and, behind them, a result that is not, or that is zero although the first of them is not.
fn out_of_range(row: &[f64]) -> Option<Error> {
    let (result, arguments) = row.split_last()?;
    let refused =
        |what: &str| Some(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("value out of range: {what}")));
    match *result {
        _ if !arguments.iter().all(|argument| argument.is_finite()) => None,
        result if result.is_infinite() => refused("overflow"),
        0.0 if arguments.first().is_some_and(|first| *first != 0.0) => refused("underflow"),
        _ => None,
    }
}

/// A column as doubles: a text as its length in bytes, a list as that in items, times and intervals as microseconds, a month
/// being 30 days.
fn numbers(values: &ArrayRef) -> Result<Float64Array> {
    let values = match values.data_type() {
        DataType::Utf8 | DataType::Utf8View => length(values)?,
        DataType::Interval(_) => {
            let parts = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let micros = |part: IntervalMonthDayNano| {
                (f64::from(part.months) * 30.0 + f64::from(part.days)) * MICROS_PER_DAY + part.nanoseconds as f64 / 1e3
            };
            return Ok(parts.as_primitive::<IntervalMonthDayNanoType>().unary(micros));
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            let times = cast(values, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            cast(&times, &DataType::Int64)?
        }
        other if other.is_nested() => length(values)?,
        _ => Arc::clone(values),
    };
    Ok(cast(&values, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}
