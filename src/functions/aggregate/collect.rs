//! `COLLECT_LIST`, `COLLECT_SET`, `TOPK`, `TOPKDISTINCT`, `HISTOGRAM`, `COUNT_DISTINCT` and `ATTR`.
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
use crate::functions::rowwise::not_accepted;
use crate::model::SqlType;
use crate::model::StructField;

/// Which values of a group's rows are kept, and what is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collect {
    /// `COLLECT_LIST(x)`: all, nulls too, in the order in which rows are taken in.
    List,
    /// `COLLECT_SET(x)`: each once, null too, in the order in which they come first.
    Set,
    /// `TOPK(x, k)`: the greatest, down from the greatest.
    TopK {
        /// How many.
        k: u32,
    },
    /// `TOPK(x, y, .., k)`: the rows with the greatest `x`, each as a struct, down from the greatest; of equal ones the first.
    TopRows {
        /// How many.
        k: u32,
    },
    /// `TOPKDISTINCT(x, k)`: the greatest, each once.
    TopKDistinct {
        /// How many.
        k: u32,
    },
    /// `HISTOGRAM(text)`: how often each came; of more than 1,000 the first.
    Histogram,
    /// `COUNT_DISTINCT(x)`: how many there are, exactly; nulls do not count.
    CountDistinct,
    /// `ATTR(x)`: the value if all rows have the same, null among them, else null.
    Attr,
    /// `EARLIEST_BY_OFFSET(x, n [, BOOLEAN ignores nulls])`: the first.
    Earliest {
        /// How many.
        n: u32,
        /// Whether nulls are no values.
        ignores_nulls: bool,
    },
    /// `LATEST_BY_OFFSET(x, n [, BOOLEAN ignores nulls])`: the last.
    Latest {
        /// How many.
        n: u32,
        /// Whether nulls are no values.
        ignores_nulls: bool,
    },
}

impl Collect {
    /// The name in SQL, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Collect::List => "collect_list",
            Collect::Set => "collect_set",
            Collect::TopK { .. } | Collect::TopRows { .. } => "topk",
            Collect::TopKDistinct { .. } => "topkdistinct",
            Collect::Histogram => "histogram",
            Collect::CountDistinct => "count_distinct",
            Collect::Attr => "attr",
            Collect::Earliest { .. } => "earliest_by_offset",
            Collect::Latest { .. } => "latest_by_offset",
        }
    }

    /// The type of the result, `None` for an argument that is not taken.
    pub fn result(self, argument: &SqlType) -> Option<SqlType> {
        match self {
            Collect::Histogram => {
                let of = SqlType::Map(Box::new(SqlType::Text), Box::new(SqlType::BigInt));
                (*argument == SqlType::Text).then_some(of)
            }
            Collect::CountDistinct => Some(SqlType::BigInt),
            Collect::Attr => Some(argument.clone()),
            Collect::TopK { .. } | Collect::TopKDistinct { .. } if argument.is_nested() => None,
            Collect::TopRows { .. } => match argument {
                SqlType::Struct(fields) if fields.first().is_some_and(|first| !first.sql_type.is_nested()) => {
                    Some(SqlType::Array(Box::new(argument.clone())))
                }
                _ => None,
            },
            _ => Some(SqlType::Array(Box::new(argument.clone()))),
        }
    }
}

/// The names of the fields of a row that `TOPK` of several columns keeps, which are ksqlDB's.
pub fn top_row_names() -> impl Iterator<Item = String> {
    std::iter::once("sort_col".to_string()).chain((0..).map(|number: usize| format!("col{number}")))
}

/// The row that `TOPK` keeps of columns of these types.
fn row_of(columns: &[DataType]) -> Option<SqlType> {
    let fields = columns.iter().zip(top_row_names());
    let fields = fields.map(|(column, name)| Some(StructField { name, sql_type: SqlType::from_arrow(column)? }));
    fields.collect::<Option<Vec<_>>>().map(SqlType::Struct)
}

/// One of the functions as DataFusion's planner knows it; the planner of standing queries reads the arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CollectFunction {
    kind: Collect,
    signature: Signature,
}

impl CollectFunction {
    /// Those that have a name of their own.
    pub fn all() -> [Self; 7] {
        [
            Collect::List,
            Collect::Set,
            Collect::TopK { k: 1 },
            Collect::TopKDistinct { k: 1 },
            Collect::Histogram,
            Collect::CountDistinct,
            Collect::Attr,
        ]
        .map(|kind| Self { kind, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl AggregateUDFImpl for CollectFunction {
    fn name(&self) -> &str {
        self.kind.as_str()
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[(&str, Documentation); 7]> = LazyLock::new(|| {
            [
                ("collect_list", "any) -> any[]", "All values, NULLs too, in the order in which they come."),
                ("collect_set", "any) -> any[]", "Each value once, in the order in which they come first."),
                (
                    "topk",
                    "any, [any, ..] int) -> any[]",
                    "The k greatest values; of several columns structs, by the first.",
                ),
                ("topkdistinct", "any, int) -> any[]", "The k greatest values, each once."),
                ("histogram", "text) -> map<text, bigint>", "How often each text came; of more than 1,000 the first."),
                ("count_distinct", "any) -> bigint", "How many different values there are, exactly."),
                ("attr", "any) -> any", "The value if all rows have the same, else NULL."),
            ]
            .map(|(name, usage, about)| (name, described(&format!("{name}({usage}"), about)))
        });
        TOLD.iter().find(|(name, _)| *name == self.name()).map(|(_, told)| told)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let (kind, argument) = match (self.kind, arguments) {
            (Collect::TopK { k }, [columns @ .., _]) if 1 < columns.len() => (Collect::TopRows { k }, row_of(columns)),
            (kind, _) => (kind, arguments.first().and_then(SqlType::from_arrow)),
        };
        let result = argument.and_then(|argument| kind.result(&argument));
        result.map(|result| result.arrow()).ok_or_else(|| not_accepted(self.name(), arguments))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let error = Error::unsupported(format!("{} is for standing queries only", self.name().to_uppercase()))
            .hint("CREATE TABLE .. AS SELECT .. keeps it.");
        Err(DataFusionError::External(Box::new(error)))
    }
}
