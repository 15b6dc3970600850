//! `+ - * / %` under both rules of values.
//!
//! * `__checked_*`: PostgreSQL's. Integers overflow with 22003, every division by zero is 22012.
//! * `__ksql_*`: Java's. Integers wrap, doubles follow IEEE, decimals have ksqlDB's precision and scale.
//!
//! Both: a null operand gives null; immutable.

mod chain;
mod checked;
mod decimal;
mod interval;
mod interval_calendar;
mod interval_order;
mod interval_part;
mod ksqldb;
mod time_between;
mod time_plus;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::columnwise::columnwise;
pub use chain::Chain;
pub use chain::extend;
pub use chain::started;
pub use interval::IntervalScale;
pub use interval::interval_by;
pub use interval_calendar::IntervalFunction;
pub use interval_calendar::interval_of_text;
pub use interval_calendar::interval_unit;
pub use interval_order::IntervalMicros;
pub use interval_order::interval_micros;
pub use interval_part::IntervalPart;
pub use time_between::TimeBetween;
pub use time_plus::TimePlus;

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 5] =
        [Operation::Add, Operation::Subtract, Operation::Multiply, Operation::Divide, Operation::Modulo];

    /// Its sign in a chain.
    fn sign(self) -> char {
        match self {
            Operation::Add => '+',
            Operation::Subtract => '-',
            Operation::Multiply => '*',
            Operation::Divide => '/',
            Operation::Modulo => '%',
        }
    }

    fn of_sign(sign: char) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.sign() == sign)
    }
}

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rules {
    /// PostgreSQL's.
    Checked,
    /// ksqlDB's.
    Ksqldb,
}

/// An operator under some rules.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    rules: Rules,
    operation: Operation,
    signature: Signature,
}

impl Arithmetic {
    /// The function of an operator under some rules.
    pub fn new(rules: Rules, operation: Operation) -> Self {
        Self { rules, operation, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The operator.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        match (self.rules, self.operation) {
            (Rules::Checked, Operation::Add) => "__checked_add",
            (Rules::Checked, Operation::Subtract) => "__checked_sub",
            (Rules::Checked, Operation::Multiply) => "__checked_mul",
            (Rules::Checked, Operation::Divide) => "__checked_div",
            (Rules::Checked, Operation::Modulo) => "__checked_mod",
            (Rules::Ksqldb, Operation::Add) => "__ksql_add",
            (Rules::Ksqldb, Operation::Subtract) => "__ksql_sub",
            (Rules::Ksqldb, Operation::Multiply) => "__ksql_mul",
            (Rules::Ksqldb, Operation::Divide) => "__ksql_div",
            (Rules::Ksqldb, Operation::Modulo) => "__ksql_mod",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = arguments else {
            return Err(DataFusionError::Plan(format!("{} takes two arguments", self.name())));
        };
        common_types(left, right)
            .map(|(left, right)| vec![left, right])
            .ok_or_else(|| DataFusionError::Plan(format!("{} does not take {left} and {right}", self.name())))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        return_type(self.rules, self.operation, &arguments[0], &arguments[1])
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(DataFusionError::Plan(format!("{} takes two arguments", self.name())));
        };
        columnwise(&args, |rows| {
            let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
            apply(self.rules, self.operation, &left, &right, args.return_field.data_type())
        })
    }
}

/// The type of the answer, of operands that have met.
fn return_type(rules: Rules, operation: Operation, left: &DataType, right: &DataType) -> Result<DataType> {
    match rules {
        Rules::Checked => checked::return_type(operation, left, right),
        Rules::Ksqldb => Ok(ksqldb::return_type(operation, left, right)),
    }
}

/// The answer for each row.
fn apply(rules: Rules, operation: Operation, left: &ArrayRef, right: &ArrayRef, output: &DataType) -> Result<ArrayRef> {
    match rules {
        Rules::Checked => checked::apply(operation, left, right, output),
        Rules::Ksqldb => ksqldb::apply(operation, left, right, output),
    }
}

/// The types in which two numbers meet: INT, BIGINT, two decimals of their own precision, or DOUBLE.
fn common_types(left: &DataType, right: &DataType) -> Option<(DataType, DataType)> {
    let meet = match (kind(left)?, kind(right)?) {
        (Kind::Double, _) | (_, Kind::Double) => (DataType::Float64, DataType::Float64),
        (Kind::Decimal, _) | (_, Kind::Decimal) => (as_decimal(left), as_decimal(right)),
        (Kind::BigInt, _) | (_, Kind::BigInt) => (DataType::Int64, DataType::Int64),
        (Kind::Int, Kind::Int) => (DataType::Int32, DataType::Int32),
    };
    Some(meet)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    BigInt,
    Decimal,
    Double,
}

fn kind(data_type: &DataType) -> Option<Kind> {
    match data_type {
        DataType::Null | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            Some(Kind::Int)
        }
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Some(Kind::BigInt),
        DataType::Decimal32(_, _) | DataType::Decimal64(_, _) | DataType::Decimal128(_, _) => Some(Kind::Decimal),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(Kind::Double),
        _ => None,
    }
}

/// ksqlDB's and SQL's view of an integer as a decimal.
fn as_decimal(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(19, 0),
        _ => DataType::Decimal128(10, 0),
    }
}

fn division_by_zero() -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")))
}

fn out_of_range(data_type: &DataType) -> DataFusionError {
    let name = match data_type {
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Decimal128(_, _) => "numeric",
        _ => "double precision",
    };
    let message = format!("{name} out of range");
    DataFusionError::External(Box::new(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)))
}

/// Arrow's arithmetic errors as SQL's.
fn of_arrow(error: ArrowError, data_type: &DataType) -> DataFusionError {
    match error {
        ArrowError::DivideByZero => division_by_zero(),
        ArrowError::ArithmeticOverflow(_) => out_of_range(data_type),
        other => DataFusionError::ArrowError(Box::new(other), None),
    }
}

#[cfg(test)]
mod tests;
