//! Ranked rows: where those of a partition meet, what is kept of them, and the key of what comes of it.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use sqlparser::ast;

use super::expression::Expressions;
use super::expression::as_column;
use super::failure;
use super::foreign_join::consolidated;
use super::no_null;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_at;
use super::rows::column_named;
use crate::catalog::Format;
use crate::catalog::check_key;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundRank;
use crate::plan::bind::Purpose;
use crate::plan::bind::fold_name;
use crate::plan::edge::column_index;
use crate::plan::node::OrderItem;
use crate::plan::node::PseudoColumn;
use crate::plan::node::RANK_COLUMN;
use crate::plan::node::RankColumn;
use crate::plan::node::Ranking;
use crate::plan::node::Relocated;
use crate::plan::node::TopN;
use crate::plan::node::TopRows;
use crate::plan::node::plan_of;
use crate::plan::node::top_schema;
use crate::sql::walk;

/// Up to so many numbers a partition's order is one row of state.
const PLACES_MAX: u64 = 100;

/// What rows are ranked by, over their columns.
pub struct Ranks {
    /// `PARTITION BY`
    pub partition: Vec<Expr>,
    /// `ORDER BY`
    pub order: Vec<Expr>,
}

/// What tells rows apart before they are ranked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// Their key: there is one row of each.
    Key,
    /// Nothing but where they stand.
    Place,
}

/// The key of ranked rows.
pub enum Identity {
    /// That which they had before.
    Own,
    /// These columns.
    Columns(Vec<Expr>),
}

/// Ranked rows.
pub struct Ranked {
    rows: Rows,
    partition: Vec<Expr>,
    apart: Apart,
    /// Where rows lie that have the key which they had.
    home: Spread,
}

impl Ranks {
    /// What the query ranks rows by.
    pub fn plan(rank: &BoundRank, schema: &DFSchemaRef, expressions: &Expressions<'_>) -> Result<Self> {
        let plan = |expr: &ast::Expr| expressions.plan(expr, schema);
        Ok(Self {
            partition: rank.partition_by.iter().map(plan).collect::<Result<_>>()?,
            order: rank.order_by.iter().map(|item| plan(&item.expr)).collect::<Result<_>>()?,
        })
    }
}

impl Ranked {
    /// Ranks rows.
    pub fn new(rows: Rows, apart: Apart, rank: &BoundRank, ranks: Ranks, query: &BoundQuery) -> Result<Self> {
        let id = query.operator("top");
        check(query, rank, &ranks, rows.schema())?;
        let home = Spread::by(rows.key.clone(), Format::Json, rows.spread.partitions);
        let rows = together(rows, &ranks.partition, query, &id)?;
        let (kept, key) = match rows.changes {
            Changes::Retract | Changes::Upsert => (TopRows::All, rows.key.clone()),
            Changes::Append if rank.ranking == Ranking::RowNumber && rank.limit <= PLACES_MAX => {
                (TopRows::Places, Vec::new())
            }
            Changes::Append => (TopRows::Ranked, Vec::new()),
        };
        let shown = if is_shown(query) { RankColumn::Shown } else { RankColumn::Hidden };
        let order = ranks.order.into_iter().zip(&rank.order_by);
        let order =
            order.map(|(expr, item)| OrderItem { expr, direction: item.direction, nulls: item.nulls }).collect();
        let schema = top_schema(rows.schema(), shown).map_err(|error| failure::of_datafusion(error, None))?;
        let plan = plan_of(TopN {
            id,
            input: rows.plan,
            ranking: rank.ranking,
            partition: ranks.partition.clone(),
            order,
            key,
            limit: rank.limit,
            rows: kept,
            rank: shown,
            schema,
        });
        let rows = Rows { plan, changes: Changes::Retract, ..rows };
        Ok(Self { rows, partition: ranks.partition, apart, home })
    }

    /// Their columns: those that they had, and the rank if the query asks for it.
    pub fn schema(&self) -> &DFSchemaRef {
        self.rows.schema()
    }

    /// The rows that meet what else is asked of them, and their key: the first of those that tell them apart which the SELECT
    /// list has whole.
    pub fn finish(
        self,
        items: &[Expr],
        filter: Option<Expr>,
        query: &BoundQuery,
        warnings: &mut Vec<String>,
    ) -> Result<(Rows, Identity)> {
        let id = query.operator("top");
        let rank = query.rank.as_ref().ok_or_else(|| Error::internal("ranked rows of a query without a rank"))?;
        let identity = self.identity(items, rank, query)?;
        let Self { mut rows, partition, home, .. } = self;
        if let Some(filter) = filter {
            rows = rows.filtered(filter, &id)?;
        }
        match &identity {
            Identity::Own => {
                let key = rows.key.clone();
                let follows = partition.iter().flat_map(Expr::column_refs).all(|column| {
                    let column = Expr::Column(column.clone());
                    key.iter().any(|key| column_index(key, rows.schema()) == column_index(&column, rows.schema()))
                });
                // A row of one key may leave one task's partitions for another's.
                if home.partitions != 1 && !follows {
                    rows = consolidated(rows.exchanged(&id.inserted("back", 0), home)?, &id)?;
                }
            }
            Identity::Columns(columns) => {
                let told = query.key_format.filter(|format| format.lacks_null(columns.len()));
                if let Some(format) = told.filter(|_| !columns.is_empty()) {
                    warnings.push(no_null(format, "key"));
                    for column in columns {
                        rows = rows.filtered(Expr::IsNotNull(Box::new(column.clone())), &id)?;
                    }
                }
                rows.key.clone_from(columns);
            }
        }
        Ok((rows, identity))
    }

    fn identity(&self, items: &[Expr], rank: &BoundRank, query: &BoundQuery) -> Result<Identity> {
        let is_selected = |columns: &[Expr]| columns.iter().all(|column| items.contains(column));
        let mut candidates: Vec<Vec<Expr>> = Vec::new();
        if rank.ranking == Ranking::RowNumber && rank.limit == 1 {
            candidates.push(self.partition.clone());
        }
        if let Some(columns) = candidates.iter().find(|columns| is_selected(columns)) {
            return Ok(Identity::Columns(columns.clone()));
        }
        if self.apart == Apart::Key {
            // Columns of joined relations may stand for each other, and bounds of windows are added to a list without them.
            let is_plain = query.group_by.is_none()
                && matches!(query.sources.as_slice(), [source] if source.relation.window.is_none())
                && !matches!(query.purpose, Purpose::Push);
            let numbered = [self.partition.clone(), vec![column_named(RANK_COLUMN)]].concat();
            let is_numbered = rank.ranking == Ranking::RowNumber && is_selected(&numbered);
            return Ok(match is_plain && is_numbered && !is_selected(&self.rows.key) {
                true => Identity::Columns(numbered),
                false => Identity::Own,
            });
        }
        if rank.ranking == Ranking::RowNumber {
            candidates.push([self.partition.clone(), vec![column_named(RANK_COLUMN)]].concat());
        }
        candidates.extend(self.record_place(query));
        match candidates.into_iter().find(|columns| is_selected(columns)) {
            Some(columns) => Ok(Identity::Columns(columns)),
            None => Err(key_missing(rank, query)),
        }
    }

    /// The columns that tell the records of a stream apart, if the query asks for them.
    fn record_place(&self, query: &BoundQuery) -> Option<Vec<Expr>> {
        if query.sources.len() != 1 || query.group_by.is_some() {
            return None;
        }
        let schema = self.rows.schema();
        [PseudoColumn::RowPartition, PseudoColumn::RowOffset]
            .into_iter()
            .map(|column| {
                let name = fold_name(column.word(), false, query.semantics.compatibility);
                let place = schema.fields().iter().position(|field| *field.name() == name)?;
                Some(column_at(schema, place))
            })
            .collect()
    }
}

/// Refuses what has no order, and what nobody could keep.
fn check(query: &BoundQuery, rank: &BoundRank, ranks: &Ranks, schema: &DFSchemaRef) -> Result<()> {
    if matches!(query.purpose, Purpose::Insert { .. }) {
        return Err(Error::unsupported("INSERT of ranked rows is not there yet in standing queries")
            .hint("CREATE TABLE .. AS SELECT makes a table of them."));
    }
    for (expr, item) in ranks.order.iter().zip(&rank.order_by) {
        let (_, sql_type) = as_column(expr.clone(), schema, &item.expr)?;
        if sql_type.is_nested() {
            let message = format!("ranks by a value of type {} are not there yet", sql_type.postgres_name());
            return Err(failure::at(Error::unsupported(message), &item.expr));
        }
    }
    for (expr, origin) in ranks.partition.iter().zip(&rank.partition_by) {
        let (_, sql_type) = as_column(expr.clone(), schema, origin)?;
        check_key(&origin.to_string(), &sql_type, query.semantics.compatibility)
            .map_err(|error| failure::at(error, origin))?;
    }
    Ok(())
}

/// The rows of a partition in one task.
fn together(rows: Rows, partition: &[Expr], query: &BoundQuery, id: &OperatorId) -> Result<Rows> {
    let schema = Arc::clone(rows.schema());
    let has_double = |expr: &Expr| expr.get_type(&schema).ok() == Some(SqlType::Double.arrow());
    let is_spread = rows.spread.keys.as_ref().is_some_and(|keys| {
        // Equal doubles may have other bytes, by which whoever wrote the input spread them.
        !keys.is_empty() && keys.iter().all(|key| partition.contains(key) && !has_double(key))
    });
    if rows.spread.partitions == 1 || is_spread {
        let rows = rows.normalised(id)?;
        return if query.strays_meet { rows.relocated(id, Relocated::All) } else { Ok(rows) };
    }
    let partitions = if partition.is_empty() { 1 } else { query.partitions.unwrap_or(rows.spread.partitions) };
    rows.exchanged(id, Spread::by(partition.to_vec(), Format::Json, partitions))
}

/// Whether the query says anything of the rank but its limit.
fn is_shown(query: &BoundQuery) -> bool {
    let filter = query.rank.iter().flat_map(|rank| &rank.filter);
    query.items.iter().map(|item| &item.expr).chain(filter).any(|expr| {
        let flow = walk::expressions(expr, |part| match part {
            ast::Expr::Identifier(ident) if ident.value == RANK_COLUMN => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        flow.is_break()
    })
}

fn key_missing(rank: &BoundRank, query: &BoundQuery) -> Error {
    let name = match &query.purpose {
        Purpose::Stream { name } | Purpose::Table { name } | Purpose::MaterializedView { name } => name.clone(),
        Purpose::Insert { .. } | Purpose::Push => "the query".to_string(),
    };
    let partition: Vec<String> = rank.partition_by.iter().map(crate::plan::bind::postgres_name).collect();
    let error = Error::new(
        SqlState::INVALID_TABLE_DEFINITION,
        format!("the SELECT list of \"{name}\" lacks what tells its ranked rows apart"),
    );
    match (rank.ranking, rank.limit) {
        (Ranking::RowNumber, 1) => error.hint(format!("Write SELECT {}, ..", partition.join(", "))),
        (Ranking::RowNumber, _) => {
            error.hint(format!("Write SELECT {}, with the number of the row.", partition.join(", ")))
        }
        (Ranking::Rank | Ranking::DenseRank, _) => error
            .detail("Rows of a stream that are equal in the order have one rank.")
            .hint("Use ROW_NUMBER, or select ROWPARTITION and ROWOFFSET."),
    }
}
