//! Aggregates that standing queries alone have, by name: DataFusion's planner must know them to read a query.

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
use crate::functions::rowwise::not_accepted;

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// `CORRELATION(x, y)`, ksqlDB's name for CORR.
    Correlation,
    /// `STDDEV_SAMPLE(x)`, ksqlDB's name for STDDEV_SAMP.
    Deviation,
    /// `SUM_LIST(ARRAY)`: the sum of the elements.
    SumList,
}

/// See the file's head; the planner of standing queries reads the arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct StandingFunction {
    kind: Kind,
    signature: Signature,
}

impl StandingFunction {
    /// All of them.
    pub fn all() -> [Self; 3] {
        [Kind::Correlation, Kind::Deviation, Kind::SumList]
            .map(|kind| Self { kind, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl AggregateUDFImpl for StandingFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Correlation => "correlation",
            Kind::Deviation => "stddev_sample",
            Kind::SumList => "sum_list",
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 3]> = LazyLock::new(|| {
            [
                described("correlation(number, number) -> double precision", "Pearson's correlation, as CORR."),
                described("stddev_sample(number) -> double precision", "The standard deviation of a sample."),
                described("sum_list(number[]) -> number", "The sum of the elements of all arrays."),
            ]
        });
        Some(match self.kind {
            Kind::Correlation => &TOLD[0],
            Kind::Deviation => &TOLD[1],
            Kind::SumList => &TOLD[2],
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.kind, arguments) {
            (Kind::Correlation, [_, _]) | (Kind::Deviation, [_]) => Ok(DataType::Float64),
            (Kind::SumList, [DataType::List(item)]) => Ok(item.data_type().clone()),
            _ => Err(not_accepted(self.name(), arguments)),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let error = Error::unsupported(format!("{} is for standing queries only", self.name().to_uppercase()))
            .hint("CREATE TABLE .. AS SELECT .. keeps it; a SELECT has CORR and STDDEV_SAMP.");
        Err(DataFusionError::External(Box::new(error)))
    }
}
