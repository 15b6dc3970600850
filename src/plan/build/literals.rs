//! What is written out in `ARRAY[..]` and `MAP(..)` as ksqlDB reads it beside the others. And texts beside an array: they are one.

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

/// The elements of `ARRAY[..]` as those that are written out are read beside the others.
pub(super) fn of_array(mut function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    alike(function.args.iter_mut().collect(), schema)?;
    Ok(function)
}

/// The same of the keys and of the values of `MAP(key := value, ..)`, which stand in turns.
pub(super) fn of_map(mut function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for (place, element) in function.args.iter_mut().enumerate() {
        if place % 2 == 0 { keys.push(element) } else { values.push(element) }
    }
    alike(keys, schema)?;
    alike(values, schema)?;
    Ok(function)
}

/// What is written out becomes of the type of the first element that tells one: texts are read as numbers or truths, and
/// numbers and truths are written as texts.
fn alike(elements: Vec<&mut Expr>, schema: &DFSchema) -> Result<()> {
    let mut first = DataType::Null;
    for element in &elements {
        first = element.get_type(schema)?;
        if !first.is_null() {
            break;
        }
    }
    for element in elements {
        let Expr::Literal(value, _) = &*element else { continue };
        let read = match value.try_as_str().flatten() {
            Some(text) if first.is_numeric() => Some(number(text).ok_or_else(|| not_read("INTEGER", text))?),
            Some(text) if first == DataType::Boolean => {
                let truth = text.trim().to_ascii_lowercase().parse().map_err(|_| not_read("BOOLEAN", text))?;
                Some(ScalarValue::Boolean(Some(truth)))
            }
            None if is_text(&first) && !value.is_null() && is_plain(&value.data_type()) => {
                Some(value.cast_to(&DataType::Utf8)?)
            }
            _ => None,
        };
        if let Some(read) = read {
            *element = Expr::Literal(read, None);
        }
    }
    Ok(())
}

fn is_plain(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

fn not_read(name: &str, text: &str) -> DataFusionError {
    let message = format!("invalid input syntax for type {name}: \"{text}\"");
    DataFusionError::External(Box::new(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)))
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
