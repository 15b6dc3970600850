//! Calls over windows in words that DataFusion reads: `lag(x, n, y)` and `lead(x, n, y)` whose default is told by the row, where its
//! own take constants, and `ntile`, which is INT.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::build::call;
use crate::sql::walk;

/// Rewords all calls below `root`, but not those in queries inside it.
pub(super) fn reword(root: &mut impl ast::VisitMut) {
    let flow = walk::own_expressions_mut(root, |expr| {
        if let Some(new) = told_by_row(expr).or_else(|| tile(expr)) {
            *expr = new;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// Whether there is a row so far off is asked by itself: its value may be NULL too.
fn told_by_row(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let name = function.name.to_string().to_lowercase();
    function.over.as_ref().filter(|_| ["lag", "lead"].contains(&name.as_str()))?;
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let arguments: Option<Vec<&ast::Expr>> = list.args.iter().map(plain).collect();
    let [value, places, default] = arguments?[..] else { return None };
    if is_constant(default) || !is_constant(places) {
        return None;
    }
    let over = |arguments: Vec<ast::Expr>| match call(&name, arguments) {
        ast::Expr::Function(called) => ast::Expr::Function(ast::Function { args: called.args, ..function.clone() }),
        other => other,
    };
    let truth = |is: bool| ast::Expr::value(ast::Value::Boolean(is));
    let condition = over(vec![truth(true), places.clone(), truth(false)]);
    let result = over(vec![value.clone(), places.clone()]);
    Some(ast::Expr::Case {
        case_token: ast::helpers::attached_token::AttachedToken::empty(),
        end_token: ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![ast::CaseWhen { condition, result }],
        else_result: Some(Box::new(default.clone())),
    })
}

fn tile(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let is_tile = function.over.is_some() && function.name.to_string().eq_ignore_ascii_case("ntile");
    let (kind, data_type) = (ast::CastKind::Cast, ast::DataType::Int(None));
    is_tile.then(|| ast::Expr::Cast { kind, expr: Box::new(expr.clone()), data_type, array: false, format: None })
}

fn plain(argument: &ast::FunctionArg) -> Option<&ast::Expr> {
    match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_constant(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(value) => !matches!(value.value, ast::Value::Placeholder(_)),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => is_constant(expr),
        _ => false,
    }
}
