//! What ksqlDB wants of a query that is read once and reads a table: different columns, values that a key can have and, where
//! scans are switched off, that its condition tells the whole key.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::ksqldb_text::Columns;
use super::ksqldb_text::shown;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::sql::Select;
use crate::sql::walk;

/// More alternatives than these are not taken apart: a condition of nested AND and OR can have very many.
const ALTERNATIVES_MAX: usize = 1_000;

/// Whether a table may be read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scans {
    /// It may.
    Allowed,
    /// Only by its keys.
    Refused,
}

/// Refuses what ksqlDB refuses; a query of several relations, or of none that is kept, is not looked at.
pub fn check_pull_keys(select: &Select, catalog: &Catalog, scans: Scans) -> Result<()> {
    let ast::SetExpr::Select(body) = select.ast.body.as_ref() else { return Ok(()) };
    let [ast::TableWithJoins { relation: ast::TableFactor::Table { name, .. }, joins }] = body.from.as_slice() else {
        return Ok(());
    };
    let relation = match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) if joins.is_empty() => catalog.relation(&folded(ident)),
        _ => None,
    };
    let Some(relation) = relation.filter(|relation| relation.is_table()) else { return Ok(()) };
    check_list(&body.projection, relation)?;
    if let Some(selection) = &body.selection {
        check_values(selection, relation)?;
    }
    match scans {
        Scans::Allowed => Ok(()),
        Scans::Refused => check_keys(body.selection.as_ref(), relation),
    }
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Ksqldb)
}

/// The column that an expression is.
fn column<'r>(expr: &ast::Expr, relation: &'r Relation) -> Option<&'r Column> {
    let ident = match expr {
        ast::Expr::Nested(inner) => return column(inner, relation),
        ast::Expr::Identifier(ident) => ident,
        ast::Expr::CompoundIdentifier(parts) => parts.last()?,
        _ => return None,
    };
    let name = folded(ident);
    relation.columns.iter().find(|column| column.name == name)
}

fn key<'r>(expr: &ast::Expr, relation: &'r Relation) -> Option<&'r Column> {
    column(expr, relation).filter(|column| column.role == ColumnRole::Key)
}

/// The columns of an answer have different names.
fn check_list(list: &[ast::SelectItem], relation: &Relation) -> Result<()> {
    let mut seen = HashSet::new();
    for item in list {
        let (expr, name) = match item {
            ast::SelectItem::UnnamedExpr(expr) => match column(expr, relation) {
                Some(column) => (expr, column.name.clone()),
                None => continue,
            },
            ast::SelectItem::ExprWithAlias { expr, alias } => (expr, folded(alias)),
            _ => continue,
        };
        if seen.insert(name.clone()) {
            continue;
        }
        let sql_type = column(expr, relation).map(|column| format!(" {}", column.sql_type.ksqldb_name()));
        let message = format!("Duplicate value columns found in schema: `{name}`{}", sql_type.unwrap_or_default());
        return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).hint("Give one of them another name with AS."));
    }
    Ok(())
}

/// What a key is looked for in has values that it can have.
fn check_values(selection: &ast::Expr, relation: &Relation) -> Result<()> {
    let flow = walk::expressions(selection, |part| {
        let ast::Expr::InList { expr, list, negated: false } = part else { return ControlFlow::Continue(()) };
        let Some(key) = key(expr, relation) else { return ControlFlow::Continue(()) };
        match list.iter().find_map(|value| no_key(value, key)) {
            Some(error) => ControlFlow::Break(error),
            None => ControlFlow::Continue(()),
        }
    });
    flow.break_value().map_or(Ok(()), Err)
}

/// What is wrong with a value that is written out for a key.
fn no_key(value: &ast::Expr, key: &Column) -> Option<Error> {
    let ast::Expr::Value(written) = value else { return None };
    let is_number = matches!(key.sql_type, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. });
    let message = match &written.value {
        ast::Value::Null => format!("Primary key columns can not be NULL: ({} = null)", key.name),
        ast::Value::SingleQuotedString(text) if is_number => format!(
            "'{text}' can not be converted to the type of the key column: {} {} KEY",
            key.name,
            key.sql_type.ksqldb_name()
        ),
        _ => return None,
    };
    Some(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

/// Each alternative of the condition tells the whole key.
fn check_keys(selection: Option<&ast::Expr>, relation: &Relation) -> Result<()> {
    let refused = |message: String| {
        let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
        Err(error.hint("SET ksql_query_pull_table_scan_enabled = on reads the whole table."))
    };
    let Some(selection) = selection else { return refused("Missing WHERE clause.".to_owned()) };
    let keys: Vec<&Column> = relation.columns.iter().filter(|column| column.role == ColumnRole::Key).collect();
    for alternative in alternatives(selection) {
        for wanted in &keys {
            let about = |condition: &&&ast::Expr| is_about(condition, wanted, relation);
            let conditions: Vec<&&ast::Expr> = alternative.iter().filter(about).collect();
            match conditions.as_slice() {
                [] if 1 < keys.len() => {
                    return refused("Multi-column sources must specify every key in the WHERE clause.".to_owned());
                }
                [] => {
                    let shown: Vec<String> = alternative.iter().map(|part| shown(part, Columns::Bare)).collect();
                    let message = format!("WHERE clause missing key column for disjunct: {}", shown.join(" AND "));
                    return refused(message);
                }
                [only] => check_condition(only).or_else(refused)?,
                _ => {
                    let message = "A comparison condition on the key column cannot be combined with other comparisons such as an IN predicate";
                    return refused(message.to_owned());
                }
            }
        }
    }
    Ok(())
}

/// The conditions that must hold together, for each way in which the whole can hold.
fn alternatives(expr: &ast::Expr) -> Vec<Vec<&ast::Expr>> {
    use ast::BinaryOperator as Operator;
    match expr {
        ast::Expr::Nested(inner) => alternatives(inner),
        ast::Expr::BinaryOp { left, op: Operator::Or, right } => {
            let mut all = alternatives(left);
            all.extend(alternatives(right));
            all.truncate(ALTERNATIVES_MAX);
            all
        }
        ast::Expr::BinaryOp { left, op: Operator::And, right } => {
            let (left, right) = (alternatives(left), alternatives(right));
            let mut all: Vec<Vec<&ast::Expr>> = Vec::new();
            for one in &left {
                all.extend(right.iter().map(|other| one.iter().chain(other).copied().collect::<Vec<_>>()));
                if ALTERNATIVES_MAX < all.len() {
                    break;
                }
            }
            all
        }
        other => vec![vec![other]],
    }
}

/// Whether a condition compares a column itself.
fn is_about(condition: &ast::Expr, wanted: &Column, relation: &Relation) -> bool {
    let is_it = |expr: &ast::Expr| key(expr, relation).is_some_and(|key| key.name == wanted.name);
    match condition {
        ast::Expr::BinaryOp { left, op, right } => is_comparison(op) && (is_it(left) || is_it(right)),
        ast::Expr::InList { expr, negated: false, .. } => is_it(expr),
        _ => false,
    }
}

fn is_comparison(op: &ast::BinaryOperator) -> bool {
    use ast::BinaryOperator as Op;
    matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq)
}

/// What is wrong with a condition of a key, which is compared with values that are known beforehand.
fn check_condition(condition: &ast::Expr) -> std::result::Result<(), String> {
    if let ast::Expr::BinaryOp { op: ast::BinaryOperator::NotEq, .. } = condition {
        return Err("Bound on key columns must currently be '='.".to_owned());
    }
    let mut columns = 0;
    let flow = walk::expressions(condition, |part| {
        columns += usize::from(matches!(part, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_)));
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    match columns {
        1 => Ok(()),
        _ => Err("A comparison must be between a key column and a resolvable expression.".to_owned()),
    }
}
