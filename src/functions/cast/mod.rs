//! CAST where the rules of values differ from Arrow's: ksqlDB's, and PostgreSQL's from doubles and decimals.

mod checked;
mod ksqldb;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

pub use checked::CheckedCast;
pub use ksqldb::KsqlCast;

/// What a value is cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    Text,
    Boolean,
    Int,
    BigInt,
    Double,
    Decimal,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 6] =
        [Target::Text, Target::Boolean, Target::Int, Target::BigInt, Target::Double, Target::Decimal];

    fn arrow(self) -> DataType {
        match self {
            Target::Text => DataType::Utf8,
            Target::Boolean => DataType::Boolean,
            Target::Int => DataType::Int32,
            Target::BigInt => DataType::Int64,
            Target::Double => DataType::Float64,
            // The arguments say which.
            Target::Decimal => DataType::Decimal128(38, 10),
        }
    }
}

/// The same values in one of the types that our columns have.
fn plain(values: ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => cast(&values, &DataType::Utf8)?,
        DataType::Float32 => cast(&values, &DataType::Float64)?,
        _ => values,
    })
}

#[cfg(test)]
mod tests;
