//! `INSERT INTO relation SELECT ..`: the query's columns brought to the relation's.

use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Cast;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;

use super::expression::Expressions;
use super::expression::as_column;
use super::failure;
use super::output::Arranged;
use super::output::Selected;
use super::type_rules;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::catalog::shown_column;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::plan::bind::BoundQuery;

/// The target's columns, each with the item that fills it; a column that none fills is null.
pub fn arranged(
    selected: &Selected,
    (query, expressions): (&BoundQuery, &Expressions<'_>),
    target: &Relation,
    named: &[String],
) -> Result<Arranged> {
    if target.window.is_some() {
        return Err(Error::unsupported("INSERT INTO a windowed relation is not there yet"));
    }
    if let Some(column) = target.columns.iter().find(|column| column.role.is_of_headers()) {
        let message = match query.semantics.compatibility {
            Compatibility::Postgres => format!("cannot insert into \"{}\" because it has header columns", target.name),
            Compatibility::Ksqldb => format!("Cannot insert into {} because it has header columns", target.name),
        };
        let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
        return Err(error.detail(format!("The headers of records give \"{}\".", column.name)));
    }
    let filled = filled_columns(selected, query, target, named)?;
    let schema = selected.rows.schema();
    let mut arranged = Arranged::default();
    for (index, column) in target.columns.iter().enumerate() {
        let expr = match filled.iter().position(|filled| *filled == index) {
            Some(item) => {
                let origin = &query.items[item].expr;
                let item = selected.items[item].clone();
                match query.semantics.compatibility {
                    Compatibility::Postgres => assigned(item, schema, column, expressions)
                        .map_err(|error| failure::of_datafusion(error, Some(origin)))?,
                    Compatibility::Ksqldb => {
                        let (expr, sql_type) = as_column(item, schema, origin)?;
                        let fits = fits_decimal(&expr, &sql_type, &column.sql_type);
                        match fits || widens(&sql_type, &column.sql_type) {
                            true if sql_type == column.sql_type => expr,
                            true => cast(expr, column.sql_type.arrow()),
                            false => return Err(failure::at(incompatible(selected, query, target)?, origin)),
                        }
                    }
                }
            }
            None if target.defaults.contains_key(&index) => {
                let message = format!("a query that runs on has no default for column \"{}\"", column.name);
                return Err(Error::unsupported(message).hint("Select a value for it."));
            }
            None => {
                let null = ScalarValue::try_new_null(&column.sql_type.arrow())
                    .map_err(|error| failure::of_datafusion(error, None))?;
                Expr::Literal(null, None)
            }
        };
        if column.role == ColumnRole::Key {
            arranged.key.push(arranged.columns.len());
        }
        arranged.exprs.push(expr);
        arranged.columns.push(column.clone());
    }
    Ok(arranged)
}

/// Per item of the SELECT list the column that it fills: by place, under ksqldb by name; there the names must come in their places too.
fn filled_columns(selected: &Selected, query: &BoundQuery, target: &Relation, named: &[String]) -> Result<Vec<usize>> {
    let place = |name: &str| target.columns.iter().position(|column| column.name == name);
    if !named.is_empty() {
        if named.len() != query.items.len() {
            let more = if named.len() < query.items.len() {
                "expressions than target columns"
            } else {
                "target columns than expressions"
            };
            return Err(Error::new(SqlState::SYNTAX_ERROR, format!("INSERT has more {more}")));
        }
        let unknown = |name: &String| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", target.name),
            )
        };
        return named.iter().map(|name| place(name).ok_or_else(|| unknown(name))).collect();
    }
    if query.semantics.compatibility == Compatibility::Postgres {
        if target.columns.len() < query.items.len() {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "INSERT has more expressions than target columns"));
        }
        return Ok((0..query.items.len()).collect());
    }
    let places: Option<Vec<usize>> = query.items.iter().map(|item| place(&item.name)).collect();
    match places {
        Some(places) if places.len() == target.columns.len() && keeps_order(&places, target) => Ok(places),
        _ => Err(incompatible(selected, query, target)?),
    }
}

/// Whether the values come in the order of the relation's columns; where the key stands among them does not matter.
fn keeps_order(places: &[usize], target: &Relation) -> bool {
    places.iter().filter(|place| target.columns[**place].role == ColumnRole::Value).is_sorted()
}

/// ksqlDB's words for a result that is not as its target.
fn incompatible(selected: &Selected, query: &BoundQuery, target: &Relation) -> Result<Error> {
    let mut result = Vec::with_capacity(query.items.len());
    for (item, expr) in query.items.iter().zip(&selected.items) {
        let (_, sql_type) = as_column(expr.clone(), selected.rows.schema(), &item.expr)?;
        let is_key = selected.keys.iter().any(|accepted| accepted.contains(expr));
        let role = if is_key { ColumnRole::Key } else { ColumnRole::Value };
        result.push(Column { name: item.name.clone(), sql_type, role });
    }
    let list = |columns: &[Column]| {
        let (keys, values): (Vec<&Column>, Vec<&Column>) =
            columns.iter().partition(|column| column.role == ColumnRole::Key);
        keys.into_iter().chain(values).map(shown_column).collect::<Vec<_>>().join(", ")
    };
    let message = format!(
        "Incompatible schema between results and sink.\nResult schema is {}\nSink schema is {}",
        list(&result),
        list(&target.columns)
    );
    Ok(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

/// A value as PostgreSQL assigns it to a column.
fn assigned(
    value: Expr,
    schema: &DFSchema,
    column: &Column,
    expressions: &Expressions<'_>,
) -> datafusion::common::Result<Expr> {
    let wanted = column.sql_type.arrow();
    if expressions.checks_types() {
        type_rules::check_assigned(&value, schema, &wanted, &column.name)?;
    }
    match value.get_type(schema)? == wanted {
        true => Ok(value),
        false => Ok(expressions.cast(Cast::new(Box::new(value), wanted), schema)?.data),
    }
}

/// Whether ksqlDB takes one type for the other.
fn widens(from: &SqlType, to: &SqlType) -> bool {
    from == to || matches!((from, to), (SqlType::Int, SqlType::BigInt))
}

/// Whether ksqlDB widens what is given to a decimal: a decimal with no more digits on either side of the point, or a whole
/// number that is written out and has no more before it.
fn fits_decimal(expr: &Expr, from: &SqlType, to: &SqlType) -> bool {
    let SqlType::Decimal { precision, scale } = to else { return false };
    let whole_digits = i32::from(*precision) - i32::from(*scale);
    match (from, expr) {
        (SqlType::Decimal { precision: given, scale: fraction }, _) => {
            fraction <= scale && i32::from(*given) - i32::from(*fraction) <= whole_digits
        }
        (SqlType::Int | SqlType::BigInt, Expr::Literal(value, _)) => {
            let digits = value.to_string().trim_start_matches('-').len();
            i32::try_from(digits).is_ok_and(|digits| digits <= whole_digits)
        }
        _ => false,
    }
}
