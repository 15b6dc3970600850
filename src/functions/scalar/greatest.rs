//! ksqlDB's `GREATEST` and `LEAST`: nulls do not count, and the first two argument types must agree.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::Extreme;
use crate::functions::described::described;
use crate::functions::rowwise::ksqldb_name;
use crate::functions::rowwise::not_accepted;

/// `__ksql_greatest(any, ..) -> any`, and `__ksql_least`; null only if all are. Immutable.
///
/// Numbers meet in the widest of their types, texts are read as the times that they stand beside. 42725 for arguments of which
/// one is of another type than the others, 42883 for kinds that do not compare.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Greatest {
    extreme: Extreme,
    signature: Signature,
}

impl Greatest {
    pub fn new(extreme: Extreme) -> Self {
        Self { extreme, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Greatest {
    fn name(&self) -> &str {
        match self.extreme {
            Extreme::Greatest => "__ksql_greatest",
            Extreme::Least => "__ksql_least",
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 2]> = LazyLock::new(|| {
            [
                described("greatest(any ...) -> any", "The greatest; NULLs do not count."),
                described("least(any ...) -> any", "The least; NULLs do not count."),
            ]
        });
        Some(&TOLD[usize::from(self.extreme == Extreme::Least)])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let met = met(arguments, self.name())?;
        Ok(vec![met; arguments.len()])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let mut best: ArrayRef = Arc::clone(&arrays[0]);
        for array in &arrays[1..] {
            let better = match self.extreme {
                Extreme::Greatest => cmp::gt(array, &best)?,
                Extreme::Least => cmp::lt(array, &best)?,
            };
            let taken = |row: usize| match best.is_null(row) {
                true => array.is_valid(row),
                false => better.is_valid(row) && better.value(row),
            };
            let taken: BooleanArray = (0..array.len()).map(|row| Some(taken(row))).collect();
            best = zip(&taken, array, &best)?;
        }
        Ok(ColumnarValue::Array(best))
    }
}

/// The one type of all arguments.
fn met(arguments: &[DataType], name: &str) -> Result<DataType> {
    let mut met: Option<DataType> = None;
    let mut mixed = false;
    for argument in arguments.iter().map(plain).filter(|argument| !argument.is_null()) {
        met = Some(match met {
            None => argument,
            Some(met) if met == argument => met,
            Some(DataType::Decimal128(p1, s1)) if matches!(argument, DataType::Decimal128(..)) => {
                let DataType::Decimal128(p2, s2) = argument else { return Err(not_accepted(name, arguments)) };
                let scale = s1.max(s2);
                let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
                DataType::Decimal128(u8::try_from(whole + i16::from(scale)).unwrap_or(u8::MAX).min(38), scale)
            }
            Some(met) if met.is_numeric() && argument.is_numeric() => {
                mixed = true;
                wider(met, argument)
            }
            Some(DataType::Utf8) if is_time(&argument) => argument,
            Some(met) if is_time(&met) && argument == DataType::Utf8 => met,
            Some(_) => return Err(not_accepted(name, arguments)),
        });
    }
    match met {
        _ if arguments.is_empty() => Err(not_accepted(name, arguments)),
        // Only DOUBLE takes all numbers; of the others several would do.
        Some(met) if !mixed || met == DataType::Float64 => Ok(met),
        _ => Err(ambiguous(name, arguments)),
    }
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::Float32 => DataType::Float64,
        DataType::Int8 | DataType::Int16 => DataType::Int32,
        other => other.clone(),
    }
}

fn wider(left: DataType, right: DataType) -> DataType {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int32 => 0,
        DataType::Int64 => 1,
        DataType::Decimal128(..) => 2,
        _ => 3,
    };
    if rank(&left) < rank(&right) { right } else { left }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Time64(TimeUnit::Microsecond) | DataType::Timestamp(..))
}

fn ambiguous(name: &str, arguments: &[DataType]) -> DataFusionError {
    let shown = |argument: &DataType| if argument.is_null() { "null".to_owned() } else { ksqldb_name(argument) };
    let list: Vec<String> = arguments.iter().map(shown).collect();
    let name = name.strip_prefix("__ksql_").unwrap_or(name);
    let message =
        format!("Function '{name}' cannot be resolved due to ambiguous method parameters ({}).", list.join(", "));
    let error = Error::new(SqlState("42725"), message).hint("CAST the arguments to one type.");
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_meet_where_only_one_takes_them_all() {
        let decimal = DataType::Decimal128;
        for (arguments, wanted) in [
            (vec![DataType::Int32, DataType::Null], Some(DataType::Int32)),
            (vec![DataType::Int32, DataType::Int64], None),
            (vec![DataType::Int32, decimal(4, 2)], None),
            (vec![DataType::Int32, decimal(4, 2), DataType::Float64], Some(DataType::Float64)),
            (vec![decimal(9, 2), decimal(7, 6)], Some(decimal(13, 6))),
            (vec![DataType::Utf8, DataType::Date32], Some(DataType::Date32)),
            (vec![DataType::Utf8, DataType::Int32], None),
            (vec![DataType::Null], None),
            (vec![], None),
        ] {
            assert_eq!(met(&arguments, "greatest").ok(), wanted, "{arguments:?}");
        }
    }
}
