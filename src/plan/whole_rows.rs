//! `row_to_json(t)`, `json_agg(t)`, `count(t)`: a relation's name where a value stands is its row. Functions of JSON take it as a STRUCT.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::build::call;
use super::using::Names;
use crate::catalog::Compatibility;
use crate::sql::walk;

/// Functions that take a row.
const OF_ROWS: [&str; 9] = [
    "json_agg",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// A relation of FROM and its columns.
pub(super) type Relation = (ast::Ident, Vec<String>);

/// Writes the rows out that functions are called with.
pub(super) fn write_out(query: &mut ast::Query, names: &Names<'_>) {
    let flow = walk::walk_mut(query, |node| {
        if let walk::NodeMut::Select(select) = node {
            let relations = names.relations(select);
            let has_outer = select.from.iter().flat_map(|table| &table.joins).any(is_outer);
            if !relations.is_empty() {
                let flow = walk::expressions_mut(&mut select.projection, |expr| in_call(expr, &relations, has_outer));
                debug_assert!(flow.is_continue());
            }
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn is_outer(join: &ast::Join) -> bool {
    use ast::JoinOperator as Operator;
    !matches!(join.join_operator, Operator::Join(_) | Operator::Inner(_) | Operator::CrossJoin(_))
}

fn in_call(expr: &mut ast::Expr, relations: &[Relation], has_outer: bool) -> ControlFlow<()> {
    let ast::Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
    let name = function.name.to_string().to_lowercase();
    let ast::FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
    let is_count = name == "count" && !has_outer && list.duplicate_treatment.is_none();
    if !is_count && !OF_ROWS.contains(&name.as_str()) {
        return ControlFlow::Continue(());
    }
    for argument in &mut list.args {
        let ast::FunctionArg::Unnamed(argument) = argument else { continue };
        let ast::FunctionArgExpr::Expr(ast::Expr::Identifier(ident)) = argument else { continue };
        let Some((relation, columns)) = named(ident, relations) else { continue };
        *argument = match is_count {
            true => ast::FunctionArgExpr::Wildcard,
            false => ast::FunctionArgExpr::Expr(row(relation, columns)),
        };
    }
    ControlFlow::Continue(())
}

/// The relation that a name means, if it means no column.
fn named<'a>(ident: &ast::Ident, relations: &'a [Relation]) -> Option<&'a Relation> {
    let name = folded(ident);
    let is_column = relations.iter().any(|(_, columns)| columns.contains(&name));
    relations.iter().find(|(relation, _)| !is_column && folded(relation) == name)
}

fn row(relation: &ast::Ident, columns: &[String]) -> ast::Expr {
    let field = |name: &String| {
        let text = ast::Expr::value(ast::Value::SingleQuotedString(name.clone()));
        let column = ast::Ident::with_quote('"', name.clone());
        [text, ast::Expr::CompoundIdentifier(vec![relation.clone(), column])]
    };
    call("__struct", columns.iter().flat_map(field).collect())
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Postgres)
}
