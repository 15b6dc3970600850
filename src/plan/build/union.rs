//! Streams beside each other: the columns in which their types meet, and the rows of all in these columns.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchemaRef;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::cast;
use sqlparser::ast;

use super::expression::Expressions;
use super::expression::as_column;
use super::failure;
use super::from;
use super::inner_table;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_at;
use super::union_of_tables;
use super::volatile;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::RelationKind;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::plan::bind::BoundItem;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundSource;
use crate::plan::edge::column_index;
use crate::plan::functions::Functions;
use crate::plan::node::Union;
use crate::plan::node::plan_of;

/// The most digits that a DECIMAL has.
const DECIMAL_DIGITS_MAX: u8 = 38;

/// One branch: its stream's rows, and its list as expressions over them.
struct Branch {
    rows: Rows,
    items: Vec<Expr>,
}

impl Branch {
    fn build(query: &BoundQuery, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Self> {
        let rows = from::of_stream(query, id, expressions)?;
        // Groups may stand above: what is asked for here must not depend on when.
        volatile::check(query, &rows, true)?;
        let schema = Arc::clone(rows.schema());
        let items = query.items.iter().map(|item| expressions.plan(&item.expr, &schema)).collect::<Result<_>>()?;
        Ok(Self { rows, items })
    }

    /// The same of a query that makes a table.
    fn of_table(query: &BoundQuery, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Self> {
        let selected = inner_table::placed(query, id, expressions)?;
        Ok(Self { rows: selected.rows, items: selected.items })
    }

    /// The type of an item; `None` where it is a text or a NULL that nobody told the type of.
    fn type_of(&self, place: usize, item: &BoundItem) -> Result<Option<SqlType>> {
        if is_untold(&item.expr) {
            return Ok(None);
        }
        as_column(self.items[place].clone(), self.rows.schema(), &item.expr).map(|(_, sql_type)| Some(sql_type))
    }

    /// The places of the stream's key in the list, in the key's order; empty if it is not there as a whole.
    fn key(&self) -> Vec<usize> {
        let place = |key: &Expr| self.items.iter().position(|item| item == key);
        self.rows.key.iter().map(place).collect::<Option<_>>().unwrap_or_default()
    }

    /// The rows in the columns of the union.
    fn project(self, source: &BoundSource, query: &BoundQuery) -> Result<Rows> {
        let schema = Arc::clone(self.rows.schema());
        let qualifier = TableReference::bare(source.alias.as_str());
        let mut projected = Vec::with_capacity(self.items.len());
        for ((item, column), bound) in self.items.iter().zip(&source.relation.columns).zip(&query.items) {
            let wanted = column.sql_type.arrow();
            let expr = typed(item.clone(), &wanted, &schema, &bound.expr)?;
            projected.push(expr.alias_qualified(Some(qualifier.clone()), &column.name));
        }
        let place = |key: &Expr| {
            let place = self.items.iter().position(|item| item == key)?;
            // A key of another type has other bytes.
            let same = key.get_type(&schema).ok()? == source.relation.columns[place].sql_type.arrow();
            same.then_some(place)
        };
        let keys: Option<Vec<usize>> = self.rows.spread.keys.as_ref().and_then(|keys| keys.iter().map(place).collect());
        let plan = LogicalPlanBuilder::from(self.rows.plan)
            .project(projected)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| failure::of_datafusion(error, None))?;
        let spread = self.rows.spread;
        // A document of several columns has their names in it, which need not be the same.
        let keys = keys.filter(|keys| spread.format != Format::Json || keys.len() < 2);
        let keys = keys.map(|keys| keys.into_iter().map(|key| column_at(plan.schema(), key)).collect());
        let key = key_of(source, plan.schema());
        Ok(Rows { spread: spread.told_by(keys), key, plan, changes: Changes::Append })
    }
}

fn key_of(source: &BoundSource, schema: &DFSchemaRef) -> Vec<Expr> {
    source.relation.key_columns().into_iter().map(|column| column_at(schema, column)).collect()
}

/// An expression in the type of its column.
pub(super) fn typed(expr: Expr, wanted: &DataType, schema: &DFSchemaRef, origin: &ast::Expr) -> Result<Expr> {
    let found = expr.get_type(schema).map_err(|error| failure::of_datafusion(error, Some(origin)))?;
    Ok(if found == *wanted { expr } else { cast(expr, wanted.clone()) })
}

/// The columns in which branches meet, which are streams or tables.
pub fn columns(branches: &[BoundQuery], kind: RelationKind, functions: &Functions) -> Result<Vec<Column>> {
    let id = OperatorId::new("union");
    let expressions = Expressions::new(functions, Compatibility::Postgres);
    let branch = |query| match kind {
        RelationKind::Stream => Branch::build(query, &id, &expressions),
        RelationKind::Table => Branch::of_table(query, &id, &expressions),
    };
    let built = branches.iter().map(branch).collect::<Result<Vec<_>>>()?;
    let keys: Vec<Vec<usize>> = match kind {
        RelationKind::Stream => built.iter().map(Branch::key).collect(),
        // The rows of different tables may have equal keys.
        RelationKind::Table => vec![Vec::new()],
    };
    let key = if keys.iter().all(|key| *key == keys[0]) { keys[0].as_slice() } else { &[] };
    let mut columns: Vec<Column> = Vec::with_capacity(branches[0].items.len());
    for (place, item) in branches[0].items.iter().enumerate() {
        let mut met: Option<SqlType> = None;
        for (branch, query) in built.iter().zip(branches) {
            let item = &query.items[place];
            met = match (met, branch.type_of(place, item)?) {
                (Some(one), Some(other)) => Some(meet(&one, &other).ok_or_else(|| no_type(&one, &other, item))?),
                (one, other) => one.or(other),
            };
        }
        let role = if key.contains(&place) { ColumnRole::Key } else { ColumnRole::Value };
        if columns.iter().any(|before| before.name == item.name) {
            let message = format!("column \"{}\" specified more than once", item.name);
            let error = Error::new(SqlState::DUPLICATE_COLUMN, message).hint("Give one of them another name with AS.");
            return Err(failure::at(error, &item.expr));
        }
        columns.push(Column { name: item.name.clone(), sql_type: met.unwrap_or(SqlType::Text), role });
    }
    Ok(columns)
}

fn no_type(one: &SqlType, other: &SqlType, item: &BoundItem) -> Error {
    let message = format!("UNION types {} and {} cannot be matched", one.postgres_name(), other.postgres_name());
    failure::at(Error::new(SqlState::DATATYPE_MISMATCH, message).hint("CAST one of them."), &item.expr)
}

/// Whether it is a text or a NULL as it was written, which takes the type of what it meets.
fn is_untold(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_untold(inner),
        ast::Expr::Value(value) => matches!(value.value, ast::Value::Null | ast::Value::SingleQuotedString(_)),
        _ => false,
    }
}

/// The type that has the values of both.
pub(super) fn meet(one: &SqlType, other: &SqlType) -> Option<SqlType> {
    if one == other {
        return Some(one.clone());
    }
    match (one, other) {
        (SqlType::Double, number) | (number, SqlType::Double) => digits(number).map(|_| SqlType::Double),
        (SqlType::Int, SqlType::BigInt) | (SqlType::BigInt, SqlType::Int) => Some(SqlType::BigInt),
        (SqlType::Date, SqlType::Timestamp) | (SqlType::Timestamp, SqlType::Date) => Some(SqlType::Timestamp),
        (SqlType::Date | SqlType::Timestamp, SqlType::TimestampTz)
        | (SqlType::TimestampTz, SqlType::Date | SqlType::Timestamp) => Some(SqlType::TimestampTz),
        (one, other) => {
            let ((before, scale), (before_other, scale_other)) = (digits(one)?, digits(other)?);
            let scale = scale.max(scale_other);
            let precision = before.max(before_other).saturating_add(scale.unsigned_abs()).min(DECIMAL_DIGITS_MAX);
            Some(SqlType::Decimal { precision, scale })
        }
    }
}

/// The digits of a number before and behind the point; a DOUBLE has none.
fn digits(sql_type: &SqlType) -> Option<(u8, i8)> {
    match sql_type {
        SqlType::Int => Some((10, 0)),
        SqlType::BigInt => Some((19, 0)),
        SqlType::Double => Some((0, 0)),
        SqlType::Decimal { precision, scale } => Some((precision.saturating_sub(scale.unsigned_abs()), *scale)),
        _ => None,
    }
}

/// The rows of all branches, in the partitions of the first.
pub fn build(source: &BoundSource, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Rows> {
    if source.relation.is_table() {
        return union_of_tables::build(source, id, expressions);
    }
    let mut branches = Vec::with_capacity(source.queries.len());
    for (number, query) in source.queries.iter().enumerate() {
        let id = id.inserted("branch", number);
        let rows = Branch::build(query, &id, expressions)?.project(source, query)?;
        branches.push(match branches.first() {
            Some(first) => in_partitions_of(first, rows, &id)?,
            None => rows,
        });
    }
    let spread = match branches.as_slice() {
        [first, rest @ ..] if rest.iter().all(|rows: &Rows| rows.spread == first.spread) => first.spread.clone(),
        [first, ..] => first.spread.clone().told_by(None),
        [] => return Err(Error::internal("a union of nothing")),
    };
    let key = branches[0].key.clone();
    let plans = branches.into_iter().map(|rows| rows.plan).collect();
    let union = Union::of(id.clone(), plans).map_err(|error| failure::of_datafusion(error, None))?;
    Ok(Rows { plan: plan_of(union), spread, key, changes: Changes::Append })
}

/// The rows of a branch, sent on if its stream has another number of partitions.
pub(super) fn in_partitions_of(first: &Rows, rows: Rows, id: &OperatorId) -> Result<Rows> {
    if rows.spread.partitions == first.spread.partitions {
        return Ok(rows);
    }
    let schema = Arc::clone(rows.schema());
    let wanted = match &first.spread.keys {
        Some(_) => first.spread.clone(),
        None => {
            let plain = |column: &Expr| {
                column_index(column, &schema).is_some_and(|index| !schema.field(index).data_type().is_nested())
            };
            let all = (0..schema.fields().len()).map(|index| column_at(&schema, index));
            let by = if rows.key.is_empty() { all.filter(plain).collect() } else { rows.key.clone() };
            Spread::by(by, Format::Json, first.spread.partitions)
        }
    };
    rows.exchanged(id, wanted)
}
