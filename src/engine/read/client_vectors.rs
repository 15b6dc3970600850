//! Numbers of columns and types in PostgreSQL's catalogs: texts here, taken for arrays by those who ask. With them go the
//! functions that unfold arrays, and fields of what they unfold.

use std::ops::ControlFlow;

use sqlparser::ast;

use crate::plan::call;
use crate::plan::number_elements;
use crate::sql::walk;

/// Columns of numbers of columns and types: here some are texts.
const VECTORS: [&str; 7] = ["conkey", "confkey", "indkey", "indoption", "indclass", "indcollation", "proargtypes"];

/// Functions that take them for arrays.
const OF_ARRAYS: [&str; 9] = [
    "array_contains",
    "array_has",
    "array_length",
    "array_lower",
    "array_upper",
    "cardinality",
    "generate_subscripts",
    "unnest",
    "_pg_expandarray",
];

/// Such columns as arrays where they are taken for arrays; their elements with numbers.
pub(super) fn rewrite(statement: &mut ast::Statement) {
    let flow = walk::walk_mut(statement, |node| {
        match node {
            walk::NodeMut::TableFactor(table) => {
                if let ast::TableFactor::UNNEST { array_exprs, .. } = table {
                    array_exprs.iter_mut().for_each(as_array);
                }
                number_elements(table);
            }
            walk::NodeMut::Expression(ast::Expr::Function(function)) => {
                let name = last_name(&function.name);
                if !OF_ARRAYS.contains(&name.as_str()) {
                    return ControlFlow::Continue(());
                }
                let ast::FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
                let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(first))) = list.args.first_mut() else {
                    return ControlFlow::Continue(());
                };
                as_array(first);
                let unfolded = match name.as_str() {
                    "generate_subscripts" => call("__ordinality", vec![first.clone()]),
                    "_pg_expandarray" => call("__with_numbers", vec![first.clone()]),
                    _ => return ControlFlow::Continue(()),
                };
                if let ast::Expr::Function(unnest) = call("unnest", vec![unfolded]) {
                    *function = unnest;
                }
            }
            walk::NodeMut::Expression(ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. }) => {
                as_array(right)
            }
            walk::NodeMut::Expression(expr @ ast::Expr::CompoundFieldAccess { .. }) => {
                if let Some(part) = field_of_row(expr).or_else(|| element_of_vector(expr)) {
                    *expr = part;
                }
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn as_array(expr: &mut ast::Expr) {
    let name = match expr {
        ast::Expr::Identifier(name) => Some(name),
        ast::Expr::CompoundIdentifier(names) => names.last_mut(),
        _ => None,
    };
    if name.is_some_and(|name| VECTORS.contains(&name.value.to_lowercase().as_str())) {
        *expr = call("__numbers", vec![expr.clone()]);
    }
}

/// `indoption[0]`: vectors begin at 0, arrays of constraints at 1.
fn element_of_vector(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::CompoundFieldAccess { root, access_chain } = expr else { return None };
    let (last, before) = access_chain.split_last()?;
    let ast::AccessExpr::Subscript(ast::Subscript::Index { index }) = last else { return None };
    let mut names = match root.as_ref() {
        ast::Expr::Identifier(name) => vec![name.clone()],
        ast::Expr::CompoundIdentifier(names) => names.clone(),
        _ => return None,
    };
    for access in before {
        let ast::AccessExpr::Dot(ast::Expr::Identifier(name)) = access else { return None };
        names.push(name.clone());
    }
    let name = names.last()?.value.to_lowercase();
    let vector = VECTORS.iter().find(|vector| name.ends_with(**vector))?;
    let index = match vector.starts_with("con") {
        false => ast::Expr::BinaryOp {
            left: Box::new(ast::Expr::Nested(Box::new(index.clone()))),
            op: ast::BinaryOperator::Plus,
            right: Box::new(ast::Expr::value(ast::Value::Number("1".to_string(), false))),
        },
        true => index.clone(),
    };
    let column = match names.as_slice() {
        [name] => ast::Expr::Identifier(name.clone()),
        _ => ast::Expr::CompoundIdentifier(names),
    };
    Some(call("array_element", vec![call("__numbers", vec![column]), index]))
}

/// `(keys).x`: a field of a row.
fn field_of_row(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::CompoundFieldAccess { root, access_chain } = expr else { return None };
    let [ast::AccessExpr::Dot(ast::Expr::Identifier(name))] = access_chain.as_slice() else { return None };
    let field = ast::Expr::value(ast::Value::SingleQuotedString(name.value.to_lowercase()));
    Some(call("get_field", vec![root.as_ref().clone(), field]))
}

/// A name without its schema, lower case.
pub(super) fn last_name(name: &ast::ObjectName) -> String {
    let name = name.to_string().to_lowercase();
    name.rsplit('.').next().unwrap_or_default().to_string()
}
