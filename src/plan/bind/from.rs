//! FROM and JOIN: which relations, under which names, joined how.

use std::sync::Arc;

use sqlparser::ast;

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
        check_kinds(&sources[0], &right, within.is_some(), joins.len(), rules)?;
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
    let not_there = |what: &str| {
        Err(Error::unsupported(format!("{what} joins are not there yet in standing queries"))
            .hint("Inner and left joins of a stream with a table are."))
    };
    let (kind, constraint) = match operator {
        Operator::Join(constraint) | Operator::Inner(constraint) => (JoinKind::Inner, constraint),
        Operator::Left(constraint) | Operator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        Operator::Right(_) | Operator::RightOuter(_) => return not_there("RIGHT"),
        Operator::FullOuter(_) => return not_there("FULL"),
        Operator::CrossJoin(_) => return not_there("CROSS"),
        _ => return not_there("such"),
    };
    match constraint {
        ast::JoinConstraint::On(on) => Ok((kind, on.clone())),
        ast::JoinConstraint::Using(names) => Ok((kind, using(names, left, right)?)),
        ast::JoinConstraint::Natural | ast::JoinConstraint::None => {
            Err(Error::new(SqlState::SYNTAX_ERROR, "a join of a standing query needs ON or USING"))
        }
    }
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

/// Only a stream with a table, for now.
fn check_kinds(
    left: &BoundSource,
    right: &BoundSource,
    within: bool,
    joins: usize,
    rules: Compatibility,
) -> Result<()> {
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
        (true, true) => Err(Error::unsupported("joins of two tables are not there yet in standing queries")),
        (true, false) if rules == Compatibility::Postgres && joins == 1 => Ok(()),
        (true, false) if rules == Compatibility::Ksqldb => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!(
                "Invalid join order: table-stream joins are not supported; only stream-table joins. Got {} JOIN {}.",
                left.relation.name, right.relation.name
            ),
        )
        .hint("Name the stream first.")),
        (true, false) => {
            Err(Error::unsupported("a stream among several joins that begin with a table is not there yet")
                .hint("Name the stream first."))
        }
    }
}
