//! Where a standing query may ask for the time or for chance.

use sqlparser::ast;

use super::rows::Changes;
use super::rows::Rows;
use crate::error::Error;
use crate::error::Result;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundRank;
use crate::plan::bind::CHANCE;
use crate::plan::bind::called_bare;
use crate::plan::bind::position;

const TIME: [&str; 11] = [
    "now",
    "current_timestamp",
    "localtimestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "age",
    "unix_timestamp",
    "unix_date",
];

/// Refuses functions whose answer would depend on when a row is taken back or looked at again. `aggregates`: whether the
/// query does.
pub fn check(query: &BoundQuery, rows: &Rows, aggregates: bool) -> Result<()> {
    let appended = rows.changes == Changes::Append;
    let plain = !aggregates && query.rank.is_none();
    for item in &query.items {
        if !(appended && plain) {
            refuse(&item.expr, &CHANCE, "only in the SELECT list of a query over streams without GROUP BY")?;
        }
        // A row that is taken back later must be judged as it was when it came.
        if rows.changes == Changes::Retract || !(appended || plain) {
            refuse(&item.expr, &TIME, "only over streams, or in a SELECT list over a table without WHERE")?;
        }
    }
    let groups = query.group_by.iter().chain(&query.partition_by).flatten();
    let others = query.filter.iter().chain(&query.having).chain(query.joins.iter().map(|join| &join.on)).chain(groups);
    for expr in others {
        refuse(expr, &CHANCE, "only in the SELECT list of a query over streams without GROUP BY")?;
        if !appended {
            refuse(expr, &TIME, "only over streams, or in a SELECT list over a table without WHERE")?;
        }
    }
    if let Some(having) = &query.having {
        refuse(having, &TIME, "not in HAVING")?;
    }
    // A row must keep its place in the order.
    for expr in query.rank.iter().flat_map(BoundRank::expressions) {
        refuse(expr, &CHANCE, "not in what rows are ranked by, nor in what ranked rows must meet")?;
        refuse(expr, &TIME, "not in what rows are ranked by, nor in what ranked rows must meet")?;
    }
    Ok(())
}

fn refuse(expr: &ast::Expr, names: &[&str], allowed: &str) -> Result<()> {
    let Some((name, span)) = called_bare(expr, names) else { return Ok(()) };
    let error = Error::unsupported(format!("{name}() cannot stand here in a standing query"))
        .hint(format!("It may stand {allowed}."));
    Err(match position(span) {
        Some(position) => error.at(position),
        None => error,
    })
}
