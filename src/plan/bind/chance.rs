//! Functions whose answer is another one each time.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use crate::sql::walk;

/// Functions that draw lots, or read the clock.
pub const CHANCE: [&str; 5] = ["random", "uuid", "gen_random_uuid", "uuidv4", "clock_timestamp"];

/// The first of the functions `names` that an expression calls without arguments, with its place. With an argument it is another
/// function: UUID(bytes) is no chance. `age` is of now with one argument.
pub fn called_bare(expr: &ast::Expr, names: &[&str]) -> Option<(String, Span)> {
    let flow = walk::expressions(expr, |expr| match expr {
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let bare = if name == "age" { 1 } else { 0 };
            match names.contains(&name.as_str()) && arguments(function) == bare {
                true => ControlFlow::Break((name, function.name.span())),
                false => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    flow.break_value()
}

fn arguments(function: &ast::Function) -> usize {
    match &function.args {
        ast::FunctionArguments::List(list) => list.args.len(),
        ast::FunctionArguments::None | ast::FunctionArguments::Subquery(_) => 0,
    }
}
