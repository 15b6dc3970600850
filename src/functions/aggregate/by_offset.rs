//! `EARLIEST_BY_OFFSET` and `LATEST_BY_OFFSET`: the first or last value in the order in which rows are taken in.
//!
//! A query that is read once takes rows in no order, so that only standing queries have them.

use std::sync::LazyLock;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::AggregateUDFImpl;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::function::AccumulatorArgs;

use crate::error::Error;
use crate::functions::described::described;

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OffsetEnd {
    /// `EARLIEST_BY_OFFSET`
    Earliest,
    /// `LATEST_BY_OFFSET`
    Latest,
}

impl OffsetEnd {
    /// The function's name.
    pub fn as_str(self) -> &'static str {
        match self {
            OffsetEnd::Earliest => "earliest_by_offset",
            OffsetEnd::Latest => "latest_by_offset",
        }
    }
}

/// `earliest_by_offset(any [, BOOLEAN ignores nulls]) -> any`, nulls ignored unless told; the planner of standing queries
/// reads the arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ByOffsetFunction {
    end: OffsetEnd,
    signature: Signature,
}

impl ByOffsetFunction {
    /// The function.
    pub fn new(end: OffsetEnd) -> Self {
        Self { end, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for ByOffsetFunction {
    fn name(&self) -> &str {
        self.end.as_str()
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 2]> = LazyLock::new(|| {
            [
                described(
                    "earliest_by_offset(any [, int] [, boolean]) -> any",
                    "The first value that came, or the first n; NULLs count only if the last argument is false.",
                ),
                described(
                    "latest_by_offset(any [, int] [, boolean]) -> any",
                    "The last value that came, or the last n; NULLs count only if the last argument is false.",
                ),
            ]
        });
        Some(&TOLD[usize::from(self.end == OffsetEnd::Latest)])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(argument) => Ok(argument.clone()),
            None => Err(DataFusionError::Plan(format!("{} takes an argument", self.name()))),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let error = Error::unsupported(format!("{} is for standing queries only", self.name().to_uppercase()))
            .hint("CREATE TABLE .. AS SELECT .. keeps it.");
        Err(DataFusionError::External(Box::new(error)))
    }
}
