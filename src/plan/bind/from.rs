//! FROM and JOIN: which relations, under which names, joined how.

use std::sync::Arc;

use sqlparser::ast;

use super::BoundJoin;
use super::BoundSource;
use super::scope::at;
use super::scope::fold;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::node::JoinKind;

/// What FROM says.
pub struct From {
    /// The relations, in order.
    pub sources: Vec<BoundSource>,
    /// How each but the first joins.
    pub joins: Vec<(JoinKind, ast::Expr)>,
    /// The columns of USING, folded: a bare mention means the first relation's.
    pub merged: Vec<String>,
}

/// Binds FROM and its joins.
pub fn bind(select: &ast::Select, catalog: &Catalog, rules: Compatibility) -> Result<From> {
    let [from] = select.from.as_slice() else {
        return Err(match select.from.is_empty() {
            true => Error::unsupported("a standing query needs a FROM clause"),
            false => Error::unsupported("several relations in FROM are not there yet in standing queries")
                .hint("Write JOIN .. ON .."),
        });
    };
    let mut sources = vec![source(&from.relation, catalog, rules)?];
    let mut joins = Vec::with_capacity(from.joins.len());
    let mut merged = Vec::new();
    for join in &from.joins {
        let mut table = join.relation.clone();
        let within = crate::sql::take_within(&mut table)?;
        let right = source(&table, catalog, rules)?;
        if sources.iter().any(|source| source.alias == right.alias) {
            return Err(Error::new(
                SqlState("42712"),
                format!("table name \"{}\" specified more than once", right.alias),
            )
            .hint("Give one of them another name with AS."));
        }
        if rules == Compatibility::Ksqldb && sources.iter().any(|source| source.relation.id == right.relation.id) {
            return Err(Error::unsupported(format!(
                "Can not join '{0}' to '{0}': self joins are not yet supported.",
                right.relation.name
            )));
        }
        merged.extend(using_columns(&join.join_operator, rules));
        joins.push(operator(&join.join_operator, &sources, &right)?);
        check_kinds(&sources, &right, within.is_some(), rules)?;
        check_sides(joins[joins.len() - 1].0, &sources, &right)?;
        sources.push(right);
    }
    swap_table_stream(&mut sources, &joins);
    Ok(From { sources, joins, merged })
}

/// `table JOIN stream` is `stream JOIN table` when no side is preserved.
fn swap_table_stream(sources: &mut [BoundSource], joins: &[(JoinKind, ast::Expr)]) {
    if let ([first, second], [(JoinKind::Inner, _)]) = (&mut *sources, joins)
        && first.relation.is_table()
        && !second.relation.is_table()
    {
        std::mem::swap(first, second);
    }
}

fn source(table: &ast::TableFactor, catalog: &Catalog, rules: Compatibility) -> Result<BoundSource> {
    let ast::TableFactor::Table { name, alias, args, version, sample, with_ordinality, .. } = table else {
        return Err(Error::unsupported("subqueries in FROM are not there yet in standing queries"));
    };
    if args.is_some() || version.is_some() || sample.is_some() || *with_ordinality {
        return Err(Error::unsupported("table functions and samples are not there yet in standing queries"));
    }
    let ident = match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) if name.0.len() <= 3 => ident,
        _ => return Err(Error::unsupported(format!("cannot read from {name}"))),
    };
    let folded = fold(ident, rules);
    let relation: Arc<Relation> = catalog.relation(&folded).cloned().ok_or_else(|| {
        let message = match rules {
            Compatibility::Postgres => format!("relation \"{folded}\" does not exist"),
            Compatibility::Ksqldb => format!("{folded} does not exist."),
        };
        let error = Error::new(SqlState::UNDEFINED_TABLE, message);
        let error = match catalog.nearest_relation(&folded) {
            Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
            None => error,
        };
        at(error, ident.span)
    })?;
    let alias = match alias {
        Some(alias) if alias.columns.is_empty() => fold(&alias.name, rules),
        Some(_) => return Err(Error::unsupported("column aliases in FROM are not there yet in standing queries")),
        None => folded,
    };
    Ok(BoundSource { alias, relation, pseudo: Vec::new() })
}

fn operator(operator: &ast::JoinOperator, left: &[BoundSource], right: &BoundSource) -> Result<(JoinKind, ast::Expr)> {
    use ast::JoinOperator as Operator;
    let (kind, constraint) = match operator {
        Operator::Join(constraint) | Operator::Inner(constraint) => (JoinKind::Inner, constraint),
        Operator::Left(constraint) | Operator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        Operator::Right(constraint) | Operator::RightOuter(constraint) => (JoinKind::Right, constraint),
        Operator::FullOuter(constraint) => (JoinKind::Full, constraint),
        Operator::CrossJoin(_) => return Err(not_there("CROSS")),
        _ => return Err(not_there("such")),
    };
    match constraint {
        ast::JoinConstraint::On(on) => Ok((kind, on.clone())),
        ast::JoinConstraint::Using(_) if kind.keeps_right() => {
            Err(Error::unsupported("USING is not there yet in RIGHT and FULL joins of standing queries")
                .hint("Write ON."))
        }
        ast::JoinConstraint::Using(names) => Ok((kind, using(names, left, right)?)),
        ast::JoinConstraint::Natural | ast::JoinConstraint::None => {
            Err(Error::new(SqlState::SYNTAX_ERROR, "a join of a standing query needs ON or USING"))
        }
    }
}

fn not_there(what: &str) -> Error {
    Error::unsupported(format!("{what} joins are not there yet in standing queries"))
        .hint("Inner and left joins of a stream with a table are.")
}

/// The key of rows that come of a FULL join under ksqlDB's rules, which name it ROWKEY: whichever side is there.
pub fn rowkey(joins: &[BoundJoin], rules: Compatibility) -> Option<ast::Expr> {
    let [.., BoundJoin { kind: JoinKind::Full, on: ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } }] =
        joins
    else {
        return None;
    };
    (rules == Compatibility::Ksqldb).then(|| either(left, right))
}

/// `COALESCE(one, other)`
pub fn either(one: &ast::Expr, other: &ast::Expr) -> ast::Expr {
    let argument = |expr: &ast::Expr| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr.clone()));
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new("COALESCE")]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(one), argument(other)],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn using_columns(operator: &ast::JoinOperator, rules: Compatibility) -> Vec<String> {
    use ast::JoinOperator as Operator;
    let constraint = match operator {
        Operator::Join(constraint)
        | Operator::Inner(constraint)
        | Operator::Left(constraint)
        | Operator::LeftOuter(constraint) => constraint,
        _ => return Vec::new(),
    };
    let ast::JoinConstraint::Using(names) = constraint else { return Vec::new() };
    let folded = |name: &ast::ObjectName| match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) => Some(fold(ident, rules)),
        _ => None,
    };
    names.iter().filter_map(folded).collect()
}

/// `USING (a, b)` as `ON left.a = right.a AND left.b = right.b`.
fn using(names: &[ast::ObjectName], left: &[BoundSource], right: &BoundSource) -> Result<ast::Expr> {
    let mut on: Option<ast::Expr> = None;
    for name in names {
        let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.last() else {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "USING takes names of columns"));
        };
        let qualified =
            |alias: &str| ast::Expr::CompoundIdentifier(vec![ast::Ident::with_quote('"', alias), ident.clone()]);
        let pair = ast::Expr::BinaryOp {
            left: Box::new(qualified(&left[0].alias)),
            op: ast::BinaryOperator::Eq,
            right: Box::new(qualified(&right.alias)),
        };
        on = Some(match on {
            None => pair,
            Some(before) => {
                ast::Expr::BinaryOp { left: Box::new(before), op: ast::BinaryOperator::And, right: Box::new(pair) }
            }
        });
    }
    on.ok_or_else(|| Error::new(SqlState::SYNTAX_ERROR, "USING needs a column"))
}

/// Rows of the right without partner stay only in a join of tables.
fn check_sides(kind: JoinKind, sources: &[BoundSource], right: &BoundSource) -> Result<()> {
    match kind {
        JoinKind::Inner | JoinKind::Left => Ok(()),
        _ if sources[0].relation.is_table() && right.relation.is_table() => Ok(()),
        JoinKind::Right => Err(not_there("RIGHT")),
        JoinKind::Full => Err(not_there("FULL")),
    }
}

/// Only a stream with tables, or tables, for now.
fn check_kinds(sources: &[BoundSource], right: &BoundSource, within: bool, rules: Compatibility) -> Result<()> {
    let left = &sources[0];
    let streams = sources[1..].iter().any(|source| !source.relation.is_table());
    if right.relation.window.is_some() || left.relation.window.is_some() {
        return Err(Error::unsupported("joins of windowed relations are not there yet in standing queries"));
    }
    match (left.relation.is_table(), right.relation.is_table()) {
        (false, true) if within => Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "WITHIN is for joins of two streams, and this one is of a stream with a table",
        )),
        (false, true) => Ok(()),
        (false, false) if !within => Err(Error::unsupported("a join of two streams needs WITHIN")
            .hint("Say how far apart in time two rows may be: JOIN .. WITHIN 1 HOUR ON ..")),
        (false, false) => Err(Error::unsupported("joins of two streams are not there yet in standing queries")),
        (true, true) if within => {
            Err(Error::new(SqlState::SYNTAX_ERROR, "WITHIN is for joins of two streams, and this one is of two tables"))
        }
        (true, true) if !streams => Ok(()),
        (true, false) if rules == Compatibility::Postgres && sources.len() == 1 => Ok(()),
        (true, false) if rules == Compatibility::Ksqldb => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!(
                "Invalid join order: table-stream joins are not supported; only stream-table joins. Got {} JOIN {}.",
                left.relation.name, right.relation.name
            ),
        )
        .hint("Name the stream first.")),
        (true, _) => Err(Error::unsupported("a stream among several joins that begin with a table is not there yet")
            .hint("Name the stream first.")),
    }
}
