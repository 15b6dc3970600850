//! `SELECT set_config('name', 'value', is_local)`: a SET inside of a SELECT, as clients and dumps write it.

use std::borrow::Cow;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::set;
use crate::engine::outcome::Value;
use crate::engine::read::is_named;
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::Select;
use crate::sql::SetScope;
use crate::sql::walk;

const NAME: &str = "set_config";

/// Sets what a query's calls with constants set, in their order, and puts the values in their place. A call with other arguments
/// stays.
pub(super) fn applied<'a>(session: &mut Session, select: &'a Select, parameters: &[Value]) -> Result<Cow<'a, Select>> {
    let is_called = walk::expressions(select.ast.as_ref(), |expression: &ast::Expr| match expression {
        ast::Expr::Function(function) if is_named(&function.name, NAME) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if is_called.is_continue() {
        return Ok(Cow::Borrowed(select));
    }
    let mut changed = select.clone();
    name_items(&mut changed.ast);
    let flow = walk::expressions_mut(changed.ast.as_mut(), |expression| {
        let Some((name, value, local)) = call(expression, parameters) else { return ControlFlow::Continue(()) };
        let scope = if local { SetScope::Block } else { SetScope::Session };
        // Outside of a block it would last for this statement alone.
        if let Err(error) = set::execute(session, scope, &name, Some(&value)) {
            return ControlFlow::Break(error);
        }
        let told = session.settings.get(&name).unwrap_or(value);
        *expression = ast::Expr::value(ast::Value::SingleQuotedString(told));
        ControlFlow::Continue(())
    });
    if let ControlFlow::Break(error) = flow {
        return Err(error);
    }
    changed.text = changed.ast.to_string();
    Ok(Cow::Owned(changed))
}

/// A column keeps the function's name when a text takes its place.
fn name_items(query: &mut ast::Query) {
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        if let ast::SelectItem::UnnamedExpr(expr @ ast::Expr::Function(_)) = item
            && let ast::Expr::Function(function) = &*expr
            && is_named(&function.name, NAME)
        {
            *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias: ast::Ident::new(NAME) };
        }
    }
}

/// Name, value, and whether it is for the block alone.
fn call(expression: &ast::Expr, parameters: &[Value]) -> Option<(String, String, bool)> {
    let ast::Expr::Function(function) = expression else { return None };
    if !is_named(&function.name, NAME) {
        return None;
    }
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let argument = |at: usize| match list.args.get(at)? {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => constant(expr, parameters),
        _ => None,
    };
    let local = matches!(argument(2)?.to_lowercase().as_str(), "true" | "t" | "on" | "1" | "yes");
    (list.args.len() == 3).then_some((argument(0)?, argument(1)?, local))
}

/// The text of a constant or of a parameter.
fn constant(expression: &ast::Expr, parameters: &[Value]) -> Option<String> {
    match expression {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            ast::Value::Boolean(truth) => Some(truth.to_string()),
            ast::Value::Placeholder(name) => {
                let place = name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?;
                match parameters.get(place)? {
                    Value::Utf8(text) | Value::LargeUtf8(text) | Value::Utf8View(text) => text.clone(),
                    Value::Boolean(truth) => truth.map(|truth| truth.to_string()),
                    _ => None,
                }
            }
            _ => None,
        },
        ast::Expr::Cast { expr, .. } => constant(expr, parameters),
        ast::Expr::Nested(inner) => constant(inner, parameters),
        _ => None,
    }
}
