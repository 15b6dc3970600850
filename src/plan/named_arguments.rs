//! `make_interval(days => 2)`: arguments by their names, in their places. The parser takes `=>` for a lambda's arrow.

use std::ops::ControlFlow;

use sqlparser::ast;

use crate::sql::walk;

/// The parameters of the functions that are called so.
const PARAMETERS: [(&str, [&str; 7]); 1] =
    [("make_interval", ["years", "months", "weeks", "days", "hours", "mins", "secs"])];

/// Gives each such call all its arguments; those that are left out are zero. A call that cannot be told stays as it is.
pub(super) fn in_their_places(root: &mut impl ast::VisitMut) {
    let flow = walk::expressions_mut(root, |expr| {
        if let ast::Expr::Function(function) = expr
            && let Some(arguments) = all_arguments(function)
            && let ast::FunctionArguments::List(list) = &mut function.args
        {
            list.args = arguments;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn all_arguments(function: &ast::Function) -> Option<Vec<ast::FunctionArg>> {
    let name = function.name.to_string().to_lowercase();
    let (_, parameters) = PARAMETERS.iter().find(|(known, _)| *known == name)?;
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let mut values: Vec<Option<ast::Expr>> = vec![None; parameters.len()];
    for (place, argument) in list.args.iter().enumerate() {
        let (place, value) = match named(argument)? {
            (None, value) => (place, value),
            (Some(name), value) => {
                (parameters.iter().position(|parameter| name.value.eq_ignore_ascii_case(parameter))?, value)
            }
        };
        if values.get_mut(place)?.replace(value.clone()).is_some() {
            return None;
        }
    }
    let zero = || ast::Expr::value(ast::Value::Number("0".to_string(), false));
    let argument =
        |value: Option<ast::Expr>| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value.unwrap_or_else(zero)));
    Some(values.into_iter().map(argument).collect())
}

/// An argument's name, if it has one, and its value.
fn named(argument: &ast::FunctionArg) -> Option<(Option<&ast::Ident>, &ast::Expr)> {
    match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Lambda(lambda))) => match &lambda.params {
            ast::OneOrManyWithParens::One(parameter) => Some((Some(&parameter.name), &lambda.body)),
            ast::OneOrManyWithParens::Many(_) => None,
        },
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => Some((None, value)),
        ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } => Some((Some(name), value)),
        ast::FunctionArg::ExprNamed {
            name: ast::Expr::Identifier(name),
            arg: ast::FunctionArgExpr::Expr(value),
            ..
        } => Some((Some(name), value)),
        _ => None,
    }
}
