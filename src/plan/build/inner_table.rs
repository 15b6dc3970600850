//! A sub-query's rows as those of a table that nobody sees: its list, and what of its key the list lacks.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlanBuilder;

use super::Whole;
use super::expression::Expressions;
use super::expression::as_column;
use super::failure;
use super::output::Selected;
use super::output::shown;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_at;
use super::whole;
use crate::catalog::Format;
use crate::error::Result;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::plan::bind::BoundItem;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundSource;
use crate::plan::functions::Functions;

/// The columns of a sub-query's list.
pub fn columns(query: &BoundQuery, functions: &Functions) -> Result<Vec<Column>> {
    let expressions = Expressions::new(functions, query.semantics.compatibility);
    let Whole { query, selected, .. } = whole(query, None, &expressions, &mut Vec::new())?;
    let key = key_of(&selected);
    let items = query.items.iter().zip(&selected.items);
    let column = |(item, expr): (&BoundItem, &Expr)| {
        let (_, sql_type) = as_column(expr.clone(), selected.rows.schema(), &item.expr)?;
        let role = if key.contains(expr) { ColumnRole::Key } else { ColumnRole::Value };
        Ok(Column { name: item.name.clone(), sql_type, role })
    };
    items.map(column).collect()
}

/// What a query below another selects, with operators that are called after its place.
pub(super) fn placed(table: &BoundQuery, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Selected> {
    let placed = BoundQuery { place: Some(id.clone()), ..table.clone() };
    // Its key is written nowhere, so that there is nothing to tell of its format.
    Ok(whole(&placed, None, expressions, &mut Vec::new())?.selected)
}

/// The rows of a source that is the query `table`.
pub fn build(source: &BoundSource, table: &BoundQuery, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Rows> {
    let selected = placed(table, id, expressions)?;
    let below = Arc::clone(selected.rows.schema());
    let mut names: Vec<String> = source.relation.columns.iter().map(|column| column.name.clone()).collect();
    let mut exprs = Vec::with_capacity(names.len());
    for (item, expr) in table.items.iter().zip(&selected.items) {
        exprs.push(as_column(expr.clone(), &below, &item.expr)?.0);
    }
    let key = key_of(&selected);
    for expr in &key {
        if !exprs.contains(expr) {
            names.push(free_name(&shown(expr), &names));
            exprs.push(expr.clone());
        }
    }
    let qualifier = TableReference::bare(source.alias.as_str());
    let named =
        exprs.iter().zip(&names).map(|(expr, name)| expr.clone().alias_qualified(Some(qualifier.clone()), name));
    let plan = LogicalPlanBuilder::from(selected.rows.plan)
        .project(named)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| failure::of_datafusion(error, None))?;
    let again = |below: &Expr| exprs.iter().position(|expr| expr == below).map(|place| column_at(plan.schema(), place));
    let key: Vec<Expr> = key.iter().filter_map(&again).collect();
    let spread = match selected.rows.spread {
        // The format is that of what was read, and need not carry the key.
        spread if spread.partitions == 1 => Spread::by(key.clone(), Format::Json, 1),
        spread => {
            let by = spread.keys.as_ref().and_then(|keys| keys.iter().map(&again).collect());
            spread.told_by(by)
        }
    };
    Ok(Rows { spread, key, changes: selected.rows.changes, plan })
}

/// The columns that tell its rows apart.
pub(super) fn key_of(selected: &Selected) -> Vec<Expr> {
    let bounds = selected.window.iter().flat_map(|(window, start, end)| match window.size_ms {
        Some(_) => vec![start.clone()],
        None => vec![start.clone(), end.clone()],
    });
    selected.keys.iter().map(|accepted| accepted[0].clone()).chain(bounds).collect()
}

/// A name that no other column has.
fn free_name(wanted: &str, taken: &[String]) -> String {
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let mut names = std::iter::once(wanted.to_string()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}
