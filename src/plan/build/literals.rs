//! Texts that are written out among numbers: ksqlDB reads them as numbers in `ARRAY[..]`. And those beside an array: they are one.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::expr::ScalarFunction;

use super::expression::is_text;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::NestedIn;
use crate::model::SqlType;

/// The elements with texts read as numbers, if the first of them that tells a type is a number.
pub(super) fn as_numbers(mut function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    let mut first = DataType::Null;
    for element in &function.args {
        first = element.get_type(schema)?;
        if !first.is_null() {
            break;
        }
    }
    if !first.is_numeric() {
        return Ok(function);
    }
    for element in &mut function.args {
        let Expr::Literal(value, _) = &*element else { continue };
        if !is_text(&value.data_type()) {
            continue;
        }
        let Some(text) = value.try_as_str().flatten() else { continue };
        let number = number(text).ok_or_else(|| {
            let message = format!("invalid input syntax for type INTEGER: \"{text}\"");
            DataFusionError::External(Box::new(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)))
        })?;
        *element = Expr::Literal(number, None);
    }
    Ok(function)
}

/// The number that a text tells, of the narrowest type.
fn number(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    if let Ok(value) = text.parse::<i64>() {
        return Some(match i32::try_from(value) {
            Ok(value) => ScalarValue::Int32(Some(value)),
            Err(_) => ScalarValue::Int64(Some(value)),
        });
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    // As ksqlDB's numbers with a point or an exponent are, it is exact where it is whole.
    let whole = value.fract() == 0.0 && value.abs() < f64::from(i32::MAX);
    Some(match whole {
        true => ScalarValue::Decimal128(Some(value as i128), 10, 0),
        false => ScalarValue::Float64(Some(value)),
    })
}

/// A comparison with a text that is written out beside an array read as such an array.
pub(super) fn as_nested(binary: BinaryExpr, schema: &DFSchema) -> Result<BinaryExpr> {
    let read = |side: Box<Expr>, other: &Expr| -> Result<Box<Expr>> {
        let is_written = matches!(&*side, Expr::Literal(value, _) if is_text(&value.data_type()));
        let target = SqlType::from_arrow(&other.get_type(schema)?).filter(SqlType::is_nested);
        Ok(match target {
            Some(target) if is_written => Box::new(ScalarUDF::new_from_impl(NestedIn::new(target)).call(vec![*side])),
            _ => side,
        })
    };
    let left = read(binary.left.clone(), &binary.right)?;
    let right = read(binary.right, &binary.left)?;
    Ok(BinaryExpr { left, op: binary.op, right })
}
