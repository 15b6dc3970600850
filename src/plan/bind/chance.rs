//! Functions whose answer is another one each time.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use crate::sql::walk;

/// Functions that draw lots, or read the clock.
pub const CHANCE: [&str; 5] = ["random", "uuid", "gen_random_uuid", "uuidv4", "clock_timestamp"];

/// The first of the functions `names` that an expression calls without arguments, with its place. With an argument it is another
/// function: UUID(bytes) is no chance.
pub fn called_bare(expr: &ast::Expr, names: &[&str]) -> Option<(String, Span)> {
    let flow = walk::expressions(expr, |expr| match expr {
        ast::Expr::Function(function) if !has_arguments(function) => {
            let name = function.name.to_string().to_lowercase();
            match names.contains(&name.as_str()) {
                true => ControlFlow::Break((name, function.name.span())),
                false => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    flow.break_value()
}

fn has_arguments(function: &ast::Function) -> bool {
    matches!(&function.args, ast::FunctionArguments::List(list) if !list.args.is_empty())
}
