//! The first rows of each partition in an order, with their rank.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;
use serde::Deserialize;
use serde::Serialize;

use super::only_input;
use super::order_of_equal;
use super::unaliased;
use crate::model::OperatorId;

/// What the column of ranks is called, unless a column has that name.
pub const RANK_COLUMN: &str = "__rank";

/// How rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// Each row has a number of its own; of equal ones the first that came is before the others.
    RowNumber,
    /// Equal rows have one rank, one more than the rows before them.
    Rank,
    /// Equal rows have one rank, one more than the rank before it.
    DenseRank,
}

impl Ranking {
    /// The function in SQL, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Ranking::RowNumber => "row_number",
            Ranking::Rank => "rank",
            Ranking::DenseRank => "dense_rank",
        }
    }

    /// The ranking of a function's name, in any case.
    pub fn of_word(word: &str) -> Option<Self> {
        [Ranking::RowNumber, Ranking::Rank, Ranking::DenseRank]
            .into_iter()
            .find(|ranking| ranking.as_str().eq_ignore_ascii_case(word))
    }
}

/// Which way an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The least comes first.
    Ascending,
    /// The greatest comes first.
    Descending,
}

/// Where nulls stand in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// Before all values.
    First,
    /// After all values.
    Last,
}

/// One item of an ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderItem {
    /// Of what.
    pub expr: Expr,
    /// Which way.
    pub direction: Direction,
    /// Where nulls stand.
    pub nulls: Nulls,
}

impl fmt::Display for OrderItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (direction, nulls) = words(self.direction, self.nulls);
        write!(f, "{} {direction} {nulls}", self.expr)
    }
}

/// An item's words in SQL.
pub fn words(direction: Direction, nulls: Nulls) -> (&'static str, &'static str) {
    let direction = match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let nulls = match nulls {
        Nulls::First => "NULLS FIRST",
        Nulls::Last => "NULLS LAST",
    };
    (direction, nulls)
}

/// What is kept of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopRows {
    /// Those that have a rank, in as many places as there are ranks: a fact that has lost its rank gets none again.
    Places,
    /// Those that have a rank, in their order: as many as are equal may have one.
    Ranked,
    /// All, in their order: a row that is taken back makes room for the next.
    All,
}

/// Whether the rank is a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RankColumn {
    /// The last column, BIGINT.
    Shown,
    /// Nobody asks for it: a row whose rank alone changes does not change.
    Hidden,
}

/// The rows of each partition whose rank is at most `limit`.
///
/// The schema is the input's columns, then the rank where it is shown. What goes out is always the row before and the row
/// after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopN {
    /// Names the changelog topic.
    pub id: OperatorId,
    /// Facts, or retractions with one row a key.
    pub input: LogicalPlan,
    /// How rows are counted.
    pub ranking: Ranking,
    /// Rows that are equal in this are counted together; empty for all rows.
    pub partition: Vec<Expr>,
    /// In which order they are counted.
    pub order: Vec<OrderItem>,
    /// The row's key, by which rows that are equal in the order are told apart; empty for facts, which go by arrival.
    pub key: Vec<Expr>,
    /// The greatest rank that stays, at least 1.
    pub limit: u64,
    /// What is kept.
    pub rows: TopRows,
    /// Whether the rank is a column.
    pub rank: RankColumn,
    /// See above.
    pub schema: DFSchemaRef,
}

/// The columns of an input, and the rank.
pub fn top_schema(input: &DFSchema, rank: RankColumn) -> Result<DFSchemaRef> {
    let mut fields: Vec<_> = input.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
    if rank == RankColumn::Shown {
        fields.push((None, Arc::new(Field::new(RANK_COLUMN, DataType::Int64, true))));
    }
    Ok(DFSchemaRef::new(DFSchema::new_with_metadata(fields, Default::default())?))
}

impl PartialOrd for TopN {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for TopN {
    fn name(&self) -> &str {
        "TopN"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// The partition, the order, the key.
    fn expressions(&self) -> Vec<Expr> {
        let order = self.order.iter().map(|item| &item.expr);
        self.partition.iter().chain(order).chain(&self.key).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TopN {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = only_input(inputs)?;
        let mut exprs = exprs.into_iter().map(unaliased);
        let mut next = || match exprs.next() {
            Some(expr) => Ok(expr),
            None => datafusion::common::internal_err!("a top-N was given too few expressions"),
        };
        let partition = self.partition.iter().map(|_| next()).collect::<Result<Vec<_>>>()?;
        let mut order = self.order.clone();
        for item in &mut order {
            item.expr = next()?;
        }
        let key = self.key.iter().map(|_| next()).collect::<Result<Vec<_>>>()?;
        let schema = top_schema(input.schema(), self.rank)?;
        Ok(Self { input, partition, order, key, schema, id: self.id.clone(), ..*self })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        // What `expressions` names is added by the rule that asks.
        let border = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < border).collect()])
    }
}
