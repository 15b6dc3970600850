//! ksqlDB's units of time, which stand as bare words where functions take them: `DATEADD(DAYS, 1, day)`.

use std::ops::ControlFlow;

use sqlparser::ast;

use crate::sql::walk;

/// The functions whose first argument is a unit.
const FUNCTIONS: [&str; 6] = ["dateadd", "datesub", "timeadd", "timesub", "timestampadd", "timestampsub"];

const UNITS: [&str; 5] = ["DAYS", "HOURS", "MINUTES", "SECONDS", "MILLISECONDS"];

/// Makes units texts, so that nobody takes them for columns.
pub fn as_texts(root: &mut impl ast::VisitMut) {
    let flow = walk::expressions_mut(root, |expr| {
        if let ast::Expr::Function(function) = expr
            && FUNCTIONS.iter().any(|name| function.name.to_string().eq_ignore_ascii_case(name))
            && let ast::FunctionArguments::List(list) = &mut function.args
            && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(first))) = list.args.first_mut()
            && let ast::Expr::Identifier(ident) = first
            && ident.quote_style.is_none()
            && is_unit(&ident.value)
        {
            *first = ast::Expr::value(ast::Value::SingleQuotedString(ident.value.to_uppercase()));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn is_unit(word: &str) -> bool {
    let word = word.to_uppercase();
    UNITS.iter().any(|unit| *unit == word || unit.strip_suffix('S') == Some(word.as_str()))
}
