//! A `CREATE .. AS SELECT` as ksqlDB's errors show it: every name written out, an item on each line.

use sqlparser::ast;

use super::bind::BoundQuery;
use super::bind::Purpose;
use super::ksqldb_text::Columns;
use super::ksqldb_text::shown;
use super::request::StandingRequest;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::sql::Emit;

/// The error; one about a half of the record that a format cannot hold has the statement behind its message.
pub fn with_statement(error: Error, query: &BoundQuery, request: &StandingRequest) -> Error {
    let is_about_format = error.message().contains(" format does not support schema.\n");
    if request.semantics.compatibility == Compatibility::Postgres || !is_about_format {
        return error;
    }
    match text_of(query, &request.options) {
        Some(statement) => {
            let message = format!("{}\nStatement: {statement}", error.message());
            error.reworded(message)
        }
        None => error,
    }
}

/// The text, of a query over one relation whose clauses are those of most.
fn text_of(query: &BoundQuery, options: &str) -> Option<String> {
    let (kind, name) = match &query.purpose {
        Purpose::Stream { name } => ("STREAM", name),
        Purpose::Table { name } => ("TABLE", name),
        Purpose::MaterializedView { .. } | Purpose::Insert { .. } | Purpose::Push => return None,
    };
    let [source] = query.sources.as_slice() else { return None };
    if query.window.is_some() || query.rank.is_some() || !source.queries.is_empty() {
        return None;
    }
    let with = if options.is_empty() { String::new() } else { format!(" WITH ({options})") };
    let show = |expr: &ast::Expr| shown(expr, Columns::Qualified);
    let list = |exprs: &[ast::Expr]| exprs.iter().map(show).collect::<Vec<_>>().join(", ");
    let items: Vec<String> = query.items.iter().map(|item| format!("  {} {}", show(&item.expr), item.name)).collect();
    let mut lines = vec![format!("CREATE {kind} {name}{with} AS SELECT"), items.join(",\n")];
    lines.push(format!("FROM {} {}", source.relation.name, source.alias));
    lines.extend(query.filter.iter().map(|filter| format!("WHERE {}", show(filter))));
    lines.extend(query.partition_by.iter().map(|exprs| format!("PARTITION BY {}", list(exprs))));
    lines.extend(query.group_by.iter().map(|exprs| format!("GROUP BY {}", list(exprs))));
    lines.extend(query.having.iter().map(|having| format!("HAVING {}", show(having))));
    let emit = if query.emit == Emit::Final { "FINAL" } else { "CHANGES" };
    lines.push(format!("EMIT {emit}"));
    Some(lines.join("\n"))
}
