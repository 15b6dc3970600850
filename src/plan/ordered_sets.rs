//! `percentile_cont(..)`, `percentile_disc(..)` and `mode()` `WITHIN GROUP (ORDER BY ..)`: functions of the sorted values of a
//! group, which `array_agg` gathers. NULLs are no values.

use sqlparser::ast;

use super::build::call;

/// The functions, and those over a sorted list that stand for them.
const FUNCTIONS: [(&str, &str); 3] =
    [("percentile_cont", "__percentile_cont"), ("percentile_disc", "__percentile_disc"), ("mode", "__mode")];

/// The call in other words, if it is one of them.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let name = function.name.to_string().to_lowercase();
    let (_, of_list) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
    let ([sorted], None) = (function.within_group.as_slice(), &function.over) else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let fractions = list.args.iter().map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let fractions = fractions.collect::<Option<Vec<_>>>()?;
    let mut gathered = call("array_agg", vec![sorted.expr.clone()]);
    if let ast::Expr::Function(gathered) = &mut gathered {
        if let ast::FunctionArguments::List(list) = &mut gathered.args {
            list.clauses.push(ast::FunctionArgumentClause::OrderBy(vec![sorted.clone()]));
        }
        let is_value = ast::Expr::IsNotNull(Box::new(ast::Expr::Nested(Box::new(sorted.expr.clone()))));
        gathered.filter = Some(Box::new(match &function.filter {
            None => is_value,
            Some(filter) => ast::Expr::BinaryOp {
                left: Box::new(is_value),
                op: ast::BinaryOperator::And,
                right: Box::new(ast::Expr::Nested(filter.clone())),
            },
        }));
    }
    Some(call(of_list, std::iter::once(gathered).chain(fractions).collect()))
}
