//! `TIMESTAMP(0)`, `TIME(3)`: times with so many digits of their seconds.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::datatypes::Time64MicrosecondType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::columnwise::columnwise;
use crate::functions::rowwise::not_accepted;

/// Digits of a second that there are at most.
const DIGITS_MAX: u32 = 6;
/// 2000-01-01, from where PostgreSQL counts: halves go away from it.
const MICROS_OF_2000: i64 = 946_684_800_000_000;

/// `__to_precision(time, INT) -> time`: a timestamp, an instant or a time of day, rounded to so many digits of its seconds; null gives
/// null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Precision {
    signature: Signature,
}

impl Precision {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Precision {
    fn name(&self) -> &str {
        "__to_precision"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let time = match arguments {
            [DataType::Timestamp(_, zone), _] => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            [DataType::Time64(_) | DataType::Time32(_), _] => DataType::Time64(TimeUnit::Microsecond),
            _ => return Err(not_accepted("__to_precision", arguments)),
        };
        Ok(vec![time, DataType::Int32])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let times = args.args[0].to_array(rows)?;
            // The type tells how many, in each row.
            let digits = args.args[1].to_array(1)?;
            let digits =
                u32::try_from(digits.as_primitive::<Int32Type>().value(0)).unwrap_or(DIGITS_MAX).min(DIGITS_MAX);
            Ok(match times.data_type() {
                of_type @ DataType::Timestamp(..) => {
                    let times = times.as_primitive::<TimestampMicrosecondType>();
                    let rounded =
                        times.unary::<_, TimestampMicrosecondType>(|micros| rounded(micros, MICROS_OF_2000, digits));
                    Arc::new(rounded.with_data_type(of_type.clone()))
                }
                _ => {
                    let times = times.as_primitive::<Time64MicrosecondType>();
                    Arc::new(times.unary::<_, Time64MicrosecondType>(|micros| rounded(micros, 0, digits)))
                }
            })
        })
    }
}

/// Halves go away from `origin`; what is beyond the type stays.
fn rounded(micros: i64, origin: i64, digits: u32) -> i64 {
    let unit = 10_i64.pow(DIGITS_MAX - digits);
    let Some(since) = micros.checked_sub(origin) else { return micros };
    let whole = (i128::from(since.abs()) + i128::from(unit / 2)) / i128::from(unit) * i128::from(unit);
    i64::try_from(i128::from(origin) + whole * i128::from(since.signum())).unwrap_or(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_away_from_the_origin() {
        for (micros, digits, wanted) in [
            (600_000, 0, 1_000_000),
            (500_000, 0, 1_000_000),
            (499_999, 0, 0),
            (123_500, 3, 124_000),
            (123_456, 6, 123_456),
            (-500_000, 0, -1_000_000),
            (i64::MAX, 0, i64::MAX),
        ] {
            assert_eq!(rounded(micros, 0, digits), wanted, "{micros} to {digits}");
        }
        assert_eq!(rounded(500_000, MICROS_OF_2000, 0), 0);
    }
}
