//! A stream looked up in a table: the condition taken apart, the stream brought to the table's partitions.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchemaRef;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::try_cast;
use datafusion::logical_expr::when;
use sqlparser::ast;

use super::expression::Expressions;
use super::expression::Typing;
use super::failure;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::stream_join;
use super::union;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions::ksqldb_name;
use crate::model::SqlType;
use crate::plan::bind::BoundQuery;
use crate::plan::edge::column_index;
use crate::plan::ksqldb_text::Columns;
use crate::plan::ksqldb_text::shown;
use crate::plan::node::Join;
use crate::plan::node::JoinKind;
use crate::plan::node::plan_of;

/// How far behind stream time a stream row may be and still meet the table's row of its own time: the default grace.
const HISTORY_MS: i64 = 5 * 60 * 1000;

/// Joins the `index`-th relation of FROM, a table, to the rows before it.
pub fn build(index: usize, left: Rows, right: Rows, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Rows> {
    let bound = &query.joins[index - 1];
    if let Some(span) = bound.span {
        return stream_join::build(index, left, right, query, span, expressions);
    }
    let table = &query.sources[index];
    let id = query.operator(&format!("join{index}"));
    if left.changes != Changes::Append {
        return Err(Error::unsupported("only streams can be joined with a table yet"));
    }
    let joined = left.schema().join(right.schema()).map_err(|error| failure::of_datafusion(error, None))?;
    let joined = DFSchemaRef::new(joined);
    let mut pairs: Vec<Option<Expr>> = vec![None; right.key.len()];
    let mut rest: Vec<&ast::Expr> = Vec::new();
    for condition in conjuncts(&bound.on) {
        match pair(condition, &table.alias, &right, &joined, expressions)? {
            Some((place, expr)) if pairs[place].is_none() => pairs[place] = Some(expr),
            _ => rest.push(condition),
        }
    }
    let Some(keys) = pairs.into_iter().collect::<Option<Vec<Expr>>>() else {
        return Err(not_by_key(&bound.on, query, index));
    };
    if let Some(first) = rest.first()
        && expressions.rules() == Compatibility::Ksqldb
    {
        return Err(failure::at(
            Error::unsupported("JOINs on multiple conditions are not yet supported")
                .hint("An inner join's further conditions can stand in WHERE."),
            first,
        ));
    }
    check_partitions(index, query, expressions)?;
    let mut left = left;
    if expressions.rules() == Compatibility::Ksqldb {
        for key in &keys {
            left = left.filtered(Expr::IsNotNull(Box::new(key.clone())), &id)?;
        }
    }
    // A row goes where the table's record of equal keys lies, which has the table's own names in its key.
    let names = right.key.iter().map(|key| key.qualified_name().1).collect();
    let wanted = Spread::named(keys.clone(), names, table.relation.formats.key, table.relation.partitions);
    let together = left.spread == wanted || (left.spread.partitions == 1 && wanted.partitions == 1);
    if !together {
        left = left.exchanged(&id, wanted)?;
    }
    let on = keys.into_iter().zip(right.key.iter().cloned()).collect::<Vec<_>>();
    let key = on.iter().map(|(left, _)| left.clone()).collect();
    let spread = left.spread.clone();
    let tells_time = table.relation.timestamp_column.is_some() && expressions.rules() == Compatibility::Postgres;
    let history_ms = tells_time.then_some(HISTORY_MS);
    let optional = Arc::clone(right.schema());
    let (id_, kind) = (id.clone(), bound.kind);
    let plan = plan_of(Join { id: id_, left: left.plan, right: right.plan, on, kind, history_ms, schema: joined });
    let mut rows = Rows { plan, spread, key, changes: Changes::Append };
    if bound.kind == JoinKind::Left {
        return rows.lacking_unless(&rest, &optional, expressions);
    }
    for condition in rest {
        let planned = expressions.condition(condition, rows.schema(), "JOIN/ON")?;
        rows = rows.filtered(planned, &id)?;
    }
    Ok(rows)
}

/// ksqlDB joins by key only what has as many partitions. A query that was accepted before this was asked runs on.
pub(super) fn check_partitions(index: usize, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<()> {
    let (left, right) = (&query.sources[0], &query.sources[index]);
    let counts = [left, right].map(|source| source.relation.partitions);
    let is_named = !left.is_inner_table() && !right.is_inner_table();
    let is_asked = expressions.rules() == Compatibility::Ksqldb && expressions.typing == Typing::Checked;
    if !is_asked || counts[0] == counts[1] || !is_named {
        return Ok(());
    }
    let message = format!(
        "Can't join `{left}` with `{right}` since the number of partitions don't match. `{left}` partitions = {}; `{right}` partitions = {}. Please repartition either one so that the number of partitions match.",
        counts[0],
        counts[1],
        left = left.alias,
        right = right.alias
    );
    Err(failure::at(Error::new(SqlState::INVALID_TABLE_DEFINITION, message), &query.joins[index - 1].on))
}

/// The conditions that AND holds together.
pub(super) fn conjuncts(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            let mut found = conjuncts(left);
            found.extend(conjuncts(right));
            found
        }
        ast::Expr::Nested(inner) => conjuncts(inner),
        other => vec![other],
    }
}

/// The place in the table's key that an equality is about, and the left side's expression for it.
fn pair(
    condition: &ast::Expr,
    table: &str,
    right: &Rows,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<(usize, Expr)>> {
    let ast::Expr::BinaryOp { left: one, op: ast::BinaryOperator::Eq, right: other } = condition else {
        return Ok(None);
    };
    let one = (expressions.plan(one, joined)?, one.as_ref());
    let other = (expressions.plan(other, joined)?, other.as_ref());
    for ((mine, origin), (theirs, _)) in [(&one, &other), (&other, &one)] {
        let of_table =
            |relation: &Option<TableReference>| relation.as_ref().is_some_and(|found| found.table() == table);
        let columns = mine.column_refs();
        if columns.is_empty() || columns.iter().any(|column| of_table(&column.relation)) {
            continue;
        }
        let Some(index) = column_index(theirs, right.schema()) else { continue };
        let Some(place) = right.key.iter().position(|key| column_index(key, right.schema()) == Some(index)) else {
            continue;
        };
        let agreed = agreed_type(mine.clone(), &right.key[place], joined, origin, condition, expressions.rules())?;
        return Ok(Some((place, agreed)));
    }
    Ok(None)
}

/// The stream's expression in the type of the table's key: equal values must have equal bytes.
pub(super) fn agreed_type(
    mine: Expr,
    key: &Expr,
    joined: &DFSchemaRef,
    origin: &ast::Expr,
    condition: &ast::Expr,
    rules: Compatibility,
) -> Result<Expr> {
    let type_of = |expr: &Expr| {
        let data_type = expr.get_type(joined).map_err(|error| failure::of_datafusion(error, Some(origin)))?;
        Ok::<_, Error>(SqlType::from_arrow(&data_type).map(|found| (found, data_type)))
    };
    let (Some((mine_type, mine_arrow)), Some((key_type, key_arrow))) = (type_of(&mine)?, type_of(key)?) else {
        return Err(failure::at(Error::unsupported("a join by such a type is not there yet"), origin));
    };
    if mine_arrow == key_arrow {
        return Ok(mine);
    }
    let widens = mine_type == key_type || matches!((&mine_type, &key_type), (SqlType::Int, SqlType::BigInt));
    if rules == Compatibility::Postgres && widens {
        return Ok(cast(mine, key_arrow));
    }
    if rules == Compatibility::Postgres
        && let Some(wide) = comparable(&mine_type, &key_type)
    {
        return narrowed(mine, &key_arrow, &wide.arrow()).map_err(|error| failure::of_datafusion(error, Some(origin)));
    }
    let message = match rules {
        Compatibility::Ksqldb => types_differ(condition, origin, &mine_arrow, &key_arrow),
        Compatibility::Postgres => {
            let [mine, theirs] = told_apart(&mine_type, &key_type);
            format!("a join by key needs one type on both sides, not {mine} and {theirs}")
        }
    };
    Err(failure::at(
        Error::new(SqlState::DATATYPE_MISMATCH, message).hint(format!("CAST {} to {key_type}.", origin)),
        origin,
    ))
}

/// The type in which two exact numbers are compared, if they are such and it has all their digits.
pub(super) fn comparable(one: &SqlType, other: &SqlType) -> Option<SqlType> {
    let is_exact = |of: &SqlType| matches!(of, SqlType::Int | SqlType::BigInt | SqlType::Decimal { .. });
    if !is_exact(one) || !is_exact(other) {
        return None;
    }
    let wide = union::meet(one, other)?;
    // A type that had to be cut to the most digits would not have all.
    let holds = |of: &SqlType| union::meet(of, &wide).as_ref() == Some(&wide);
    (holds(one) && holds(other)).then_some(wide)
}

/// A number in the type of a key, and null, which meets nothing, where that has no such number.
fn narrowed(mine: Expr, key: &DataType, wide: &DataType) -> datafusion::common::Result<Expr> {
    if key == wide {
        return Ok(cast(mine, key.clone()));
    }
    let as_key = try_cast(mine.clone(), key.clone());
    when(cast(as_key.clone(), wide.clone()).eq(cast(mine, wide.clone())), as_key).end()
}

/// Two types as PostgreSQL names them, with what else differs where that is one name.
pub(super) fn told_apart(one: &SqlType, other: &SqlType) -> [String; 2] {
    let names = [one, other].map(|sql_type| sql_type.postgres_name().to_string());
    if names[0] == names[1] { [one, other].map(|sql_type| sql_type.to_string()) } else { names }
}

/// ksqlDB's words for a condition whose sides have two types; `mine` is the type of the side `origin`.
pub(super) fn types_differ(condition: &ast::Expr, origin: &ast::Expr, mine: &DataType, other: &DataType) -> String {
    let of = |side: &ast::Expr| if side == origin { ksqldb_name(mine) } else { ksqldb_name(other) };
    let text = |side: &ast::Expr| shown(side, Columns::Qualified);
    let condition = match condition {
        ast::Expr::BinaryOp { left, right, .. } => {
            format!("{}{{{}}} = {}{{{}}}", text(left), of(left), text(right), of(right))
        }
        other => text(other),
    };
    format!("Invalid join condition: types don't match. Got {condition}.")
}

/// A condition of a join as ksqlDB's messages show it: an equality without brackets.
pub(super) fn in_words(on: &ast::Expr) -> String {
    match on {
        ast::Expr::BinaryOp { left, op, right } => {
            format!("{} {op} {}", shown(left, Columns::Qualified), shown(right, Columns::Qualified))
        }
        other => shown(other, Columns::Qualified),
    }
}

/// By what a table can be joined.
pub(super) fn key_hint(table: &Relation) -> String {
    if table.row_key().is_some() {
        return format!("\"{}\" has no PRIMARY KEY.", table.name);
    }
    let columns: Vec<&str> = table.key_columns().into_iter().map(|at| table.columns[at].name.as_str()).collect();
    format!("The primary key of \"{}\" is ({}).", table.name, columns.join(", "))
}

fn not_by_key(on: &ast::Expr, query: &BoundQuery, index: usize) -> Error {
    let table = &query.sources[index];
    let error = match query.semantics.compatibility {
        Compatibility::Ksqldb => Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "Invalid join condition: stream-table joins require to join on the table's primary key. Got {}.",
                in_words(on)
            ),
        ),
        Compatibility::Postgres => {
            Error::unsupported("a stream can be joined with a table only by the table's whole primary key yet")
        }
    };
    failure::at(error.hint(key_hint(&table.relation)), on)
}
