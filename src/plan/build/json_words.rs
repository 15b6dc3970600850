//! Functions of JSON in words that types can be asked of: aggregates of documents as documents of what `array_agg` gathers, and what is
//! written out as the document that a function takes.

use sqlparser::ast;

use super::reworded::call;

/// Functions of a document, whether it is JSONB, and which argument it is.
const OF_DOCUMENTS: [(&str, bool, usize); 17] = [
    ("json_extract_path", false, 0),
    ("json_extract_path_text", false, 0),
    ("json_strip_nulls", false, 0),
    ("json_typeof", false, 0),
    ("jsonb_array_length", true, 0),
    ("jsonb_exists", true, 0),
    ("jsonb_exists_all", true, 0),
    ("jsonb_exists_any", true, 0),
    ("jsonb_extract_path", true, 0),
    ("jsonb_extract_path_text", true, 0),
    ("jsonb_insert", true, 0),
    ("jsonb_insert", true, 2),
    ("jsonb_pretty", true, 0),
    ("jsonb_set", true, 0),
    ("jsonb_set", true, 2),
    ("jsonb_strip_nulls", true, 0),
    ("jsonb_typeof", true, 0),
];

/// A call in other words, `None` if it has none.
pub(super) fn reworded(name: &str, function: &ast::Function, arguments: &[&ast::Expr]) -> Option<ast::Expr> {
    let gathered = |gather: ast::Expr| {
        let mut aggregate = function.clone();
        aggregate.name = ast::ObjectName::from(vec![ast::Ident::new("array_agg")]);
        if let ast::FunctionArguments::List(list) = &mut aggregate.args {
            list.args = vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(gather))];
        }
        Some(call(&format!("__{name}"), vec![ast::Expr::Function(aggregate)]))
    };
    match (name, arguments) {
        ("json_agg" | "jsonb_agg", [value]) => gathered((*value).clone()),
        ("json_object_agg" | "jsonb_object_agg", [key, value]) => {
            let text = |text: &str| ast::Expr::value(ast::Value::SingleQuotedString(text.to_string()));
            gathered(call("__struct", vec![text("name"), (*key).clone(), text("value"), (*value).clone()]))
        }
        (name, arguments) => with_documents(name, function, arguments),
    }
}

/// A call whose documents are written out, with them as such.
fn with_documents(name: &str, function: &ast::Function, arguments: &[&ast::Expr]) -> Option<ast::Expr> {
    let of_name = |(known, _, _): &&(&str, bool, usize)| *known == name;
    let mut typed: Vec<ast::Expr> = arguments.iter().map(|argument| (*argument).clone()).collect();
    for (_, is_binary, at) in OF_DOCUMENTS.iter().filter(of_name) {
        if let Some(argument) = typed.get_mut(*at) {
            *argument = as_document(argument, *is_binary);
        }
    }
    let changed = typed.iter().zip(arguments).any(|(typed, argument)| typed != *argument);
    changed.then(|| {
        let mut function = function.clone();
        if let ast::FunctionArguments::List(list) = &mut function.args {
            let argument = |expr| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr));
            list.args = typed.into_iter().map(argument).collect();
        }
        ast::Expr::Function(function)
    })
}

/// What is written out, and a parameter, as the document that they are; anything else as it is.
pub fn as_document(expr: &ast::Expr, is_binary: bool) -> ast::Expr {
    let ast::Expr::Value(value) = expr else { return expr.clone() };
    if !matches!(value.value, ast::Value::SingleQuotedString(_) | ast::Value::Placeholder(_)) {
        return expr.clone();
    }
    ast::Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(expr.clone()),
        data_type: if is_binary { ast::DataType::JSONB } else { ast::DataType::JSON },
        array: false,
        format: None,
    }
}
