//! The SQL standard's `FETCH FIRST n ROWS ONLY` as the LIMIT that it means.

use sqlparser::ast;

use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;

/// Turns the clause into LIMIT, in this query and in those of its WITH, FROM and UNION.
pub(super) fn as_limit(query: &mut ast::Query) -> Result<()> {
    for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        as_limit(&mut table.query)?;
    }
    in_body(&mut query.body)?;
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        return Err(Error::unsupported("FETCH FIRST .. WITH TIES and PERCENT are not there yet")
            .hint("FETCH FIRST n ROWS ONLY is."));
    }
    let one = || ast::Expr::value(ast::Value::Number("1".to_string(), false));
    let wanted = Some(fetch.quantity.unwrap_or_else(one));
    query.limit_clause = Some(match query.limit_clause.take() {
        None => ast::LimitClause::LimitOffset { limit: wanted, offset: None, limit_by: Vec::new() },
        Some(ast::LimitClause::LimitOffset { limit: None, offset, limit_by }) => {
            ast::LimitClause::LimitOffset { limit: wanted, offset, limit_by }
        }
        Some(_) => return Err(Error::new(SqlState::SYNTAX_ERROR, "multiple LIMIT clauses not allowed")),
    });
    Ok(())
}

fn in_body(body: &mut ast::SetExpr) -> Result<()> {
    match body {
        ast::SetExpr::Query(query) => as_limit(query),
        ast::SetExpr::SetOperation { left, right, .. } => {
            in_body(left)?;
            in_body(right)
        }
        ast::SetExpr::Select(select) => {
            let relations = select.from.iter_mut().flat_map(|from| {
                let joined = from.joins.iter_mut().map(|join| &mut join.relation);
                std::iter::once(&mut from.relation).chain(joined)
            });
            for relation in relations {
                if let ast::TableFactor::Derived { subquery, .. } = relation {
                    as_limit(subquery)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
