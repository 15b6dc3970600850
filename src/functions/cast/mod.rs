//! CAST where the rules of values differ from Arrow's: ksqlDB's, and PostgreSQL's from doubles and decimals.

mod checked;
mod float;
mod java_text;
mod ksqldb;
mod rounded;
mod text_out;
mod timestamp;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

pub use checked::CheckedCast;
pub use float::FloatIn;
pub use ksqldb::KsqlCast;
pub use rounded::RoundedIn;
pub use text_out::TextOut;
pub use timestamp::TimestampIn;

/// The type that a value is cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CastTarget {
    /// VARCHAR.
    Text,
    /// BOOLEAN.
    Boolean,
    /// INT, 32 bits.
    Int,
    /// BIGINT, 64 bits.
    BigInt,
    /// DOUBLE.
    Double,
    /// DECIMAL of any precision and scale.
    Decimal,
}

impl CastTarget {
    /// All of them.
    pub const ALL: [CastTarget; 6] = [
        CastTarget::Text,
        CastTarget::Boolean,
        CastTarget::Int,
        CastTarget::BigInt,
        CastTarget::Double,
        CastTarget::Decimal,
    ];

    fn arrow(self) -> DataType {
        match self {
            CastTarget::Text => DataType::Utf8,
            CastTarget::Boolean => DataType::Boolean,
            CastTarget::Int => DataType::Int32,
            CastTarget::BigInt => DataType::Int64,
            CastTarget::Double => DataType::Float64,
            // The arguments say which.
            CastTarget::Decimal => DataType::Decimal128(38, 10),
        }
    }
}

/// The same values in one of the types that our columns have.
fn plain(values: ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Utf8View => cast(&values, &DataType::Utf8)?,
        DataType::Float32 => cast(&values, &DataType::Float64)?,
        _ => values,
    })
}

#[cfg(test)]
mod tests;
