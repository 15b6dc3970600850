//! NULL and `ARRAY[]` inside of `STRUCT(..)`, `ARRAY[..]` and `MAP(..)`: they take the type that the other side tells, and are
//! texts only where nobody tells one.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Fields;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::ScalarFunction;

use super::literals::meet;
use crate::functions::KSQL_ARRAY;

/// The expression, where a cast, or the other results of CASE and COALESCE, tell the types of what is inside of one of them.
pub(super) fn told(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr {
        Expr::Cast(mut cast) if is_made(&cast.expr) => {
            *cast.expr = typed(*cast.expr, cast.field.data_type())?;
            Expr::Cast(cast)
        }
        Expr::Case(mut case) => {
            let results = || case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr).map(AsRef::as_ref);
            if let Some(wanted) = agreed(results(), schema)? {
                let results = case.when_then_expr.iter_mut().map(|(_, then)| then).chain(&mut case.else_expr);
                for result in results {
                    **result = typed(std::mem::take(&mut **result), &wanted)?;
                }
            }
            Expr::Case(case)
        }
        Expr::ScalarFunction(mut function) if ["coalesce", "nvl"].contains(&function.name()) => {
            if let Some(wanted) = agreed(function.args.iter(), schema)? {
                function.args = each(function.args, |argument| typed(argument, &wanted))?;
            }
            Expr::ScalarFunction(function)
        }
        other => other,
    })
}

fn each(exprs: Vec<Expr>, change: impl Fn(Expr) -> Result<Expr>) -> Result<Vec<Expr>> {
    exprs.into_iter().map(change).collect()
}

/// Whether a call makes an array.
pub(super) fn is_array(function: &ScalarFunction) -> bool {
    ["__array", KSQL_ARRAY].contains(&function.name())
}

/// Whether an expression is written as a collection.
fn is_made(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if is_array(function) || ["__struct", "__map"].contains(&function.name()))
}

/// The type of all results, `None` if none of them is written as a collection.
fn agreed<'a>(results: impl Iterator<Item = &'a Expr> + Clone, schema: &DFSchema) -> Result<Option<DataType>> {
    if !results.clone().any(is_made) {
        return Ok(None);
    }
    let mut found = DataType::Null;
    for result in results {
        found = meet(&found, &open_type(result, schema)?);
    }
    Ok(Some(found))
}

/// The type of an expression, in which null is the type of what has none.
pub(super) fn open_type(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    match expr {
        Expr::ScalarFunction(function) if is_array(function) => {
            let mut item = DataType::Null;
            for element in &function.args {
                item = meet(&item, &open_type(element, schema)?);
            }
            Ok(DataType::new_list(item, true))
        }
        Expr::ScalarFunction(function) if function.name() == "__struct" => {
            let mut fields = Vec::with_capacity(function.args.len() / 2);
            for pair in function.args.chunks_exact(2) {
                fields.push(Field::new(name_of(&pair[0]).unwrap_or_default(), open_type(&pair[1], schema)?, true));
            }
            Ok(DataType::Struct(Fields::from(fields)))
        }
        other => other.get_type(schema),
    }
}

/// What is written as a collection with the types of `wanted` for what it leaves open.
fn typed(expr: Expr, wanted: &DataType) -> Result<Expr> {
    Ok(match (expr, wanted) {
        (Expr::Literal(ScalarValue::Null, _), wanted) => Expr::Literal(ScalarValue::try_new_null(wanted)?, None),
        (Expr::ScalarFunction(function), DataType::List(item)) if is_array(&function) => {
            if function.args.is_empty() {
                let nothing = ScalarValue::new_list_nullable(&[], item.data_type());
                return Ok(Expr::Literal(ScalarValue::List(nothing), None));
            }
            let args = each(function.args, |element| typed(element, item.data_type()))?;
            Expr::ScalarFunction(ScalarFunction { args, ..function })
        }
        (Expr::ScalarFunction(mut function), DataType::Struct(fields)) if function.name() == "__struct" => {
            for pair in function.args.chunks_exact_mut(2) {
                let field = name_of(&pair[0]).and_then(|name| fields.find(name));
                if let Some((_, field)) = field {
                    pair[1] = typed(std::mem::take(&mut pair[1]), field.data_type())?;
                }
            }
            Expr::ScalarFunction(function)
        }
        (Expr::ScalarFunction(mut function), DataType::Map(entries, _)) if function.name() == "__map" => {
            if let DataType::Struct(fields) = entries.data_type() {
                for (place, argument) in function.args.iter_mut().enumerate() {
                    *argument = typed(std::mem::take(argument), fields[place % 2].data_type())?;
                }
            }
            Expr::ScalarFunction(function)
        }
        (expr, _) => expr,
    })
}

/// The name of a field, which is written out.
pub(super) fn name_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(name, _) => name.try_as_str().flatten(),
        _ => None,
    }
}
