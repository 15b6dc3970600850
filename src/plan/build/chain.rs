//! Long chains of our arithmetic functions, made flat.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::expr::ScalarFunction;

use crate::functions::Arithmetic;
use crate::functions::Chain;
use crate::functions::Operation;
use crate::functions::extend;
use crate::functions::started;

/// `left <function> right`: a call of `chain` if `left` is already a chain, or two calls deep.
pub fn joined(mut left: Expr, function: &ScalarUDF, right: Expr, chain: Option<&ScalarUDF>) -> Expr {
    let operation = operation(function);
    let (Some(operation), Some(chain)) = (operation, chain) else { return function.call(vec![left, right]) };
    if let Expr::ScalarFunction(ScalarFunction { func, args }) = &mut left
        && func.inner().downcast_ref::<Chain>().is_some()
        && extend(args, operation, &right)
    {
        return left;
    }
    if let Some((inner, second, b)) = call(&left)
        && let Some((a, first, other)) = call(inner)
    {
        let others = [(first, other.clone()), (second, b.clone()), (operation, right)];
        return chain.call(started(a.clone(), others));
    }
    function.call(vec![left, right])
}

fn operation(function: &ScalarUDF) -> Option<Operation> {
    function.inner().downcast_ref::<Arithmetic>().map(Arithmetic::operation)
}

/// A call of one operator: left, operator, right.
fn call(expr: &Expr) -> Option<(&Expr, Operation, &Expr)> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let [left, right] = args.as_slice() else { return None };
    Some((left, operation(func)?, right))
}
