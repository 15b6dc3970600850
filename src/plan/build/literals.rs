//! Where values meet in one list under ksqlDB's rules: those of `ARRAY[..]`, of `MAP(..)` and of IN. The first that tells a type
//! tells the kind of all. And texts beside an array: they are one.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Fields;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;

use super::comparison;
use super::expression::is_text;
use super::ksqldb_words::text_of;
use super::untyped;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::NestedIn;
use crate::functions::ksqldb_name;
use crate::model::SqlType;
use crate::plan::functions::Functions;

/// The elements of `ARRAY[..]` as those that are written out are read beside the others.
pub(super) fn of_array(
    functions: &Functions,
    mut function: ScalarFunction,
    schema: &DFSchema,
) -> Result<ScalarFunction> {
    alike(functions, function.args.iter_mut().collect(), schema)?;
    Ok(function)
}

/// The same of the keys and of the values of `MAP(key := value, ..)`, which stand in turns.
pub(super) fn of_map(functions: &Functions, mut function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for (place, element) in function.args.iter_mut().enumerate() {
        if place % 2 == 0 { keys.push(element) } else { values.push(element) }
    }
    alike(functions, keys, schema)?;
    alike(functions, values, schema)?;
    Ok(function)
}

/// The same of a value and the list behind its IN.
pub(super) fn of_list(functions: &Functions, mut list: InList, schema: &DFSchema) -> Result<InList> {
    let elements = std::iter::once(list.expr.as_mut()).chain(&mut list.list).collect();
    alike(functions, elements, schema)?;
    Ok(list)
}

/// What is written out becomes of the kind of the first element that tells one: texts are read as numbers, truths or times, and
/// numbers and truths are written as texts. Collections meet in what they hold, structs in all fields that one of them has.
fn alike(functions: &Functions, elements: Vec<&mut Expr>, schema: &DFSchema) -> Result<()> {
    let types = elements.iter().map(|element| untyped::open_type(element, schema)).collect::<Result<Vec<_>>>()?;
    let Some(first) = types.iter().find(|of| !of.is_null()) else { return Ok(()) };
    let met = types.iter().fold(DataType::Null, |met, of| meet(&met, of));
    for (element, of) in elements.into_iter().zip(&types) {
        if !of.is_null() || first.is_nested() {
            let expr = std::mem::take(element);
            *element = match first.is_nested() {
                true => held(functions, expr, of, &met, schema)?,
                false => beside(functions, expr, of, first, schema)?,
            };
        }
    }
    Ok(())
}

/// The type in which values of two types meet: the first's, but for numbers, which widen, and for what collections hold.
pub(super) fn meet(one: &DataType, other: &DataType) -> DataType {
    match (one, other) {
        (DataType::Null, other) => other.clone(),
        (DataType::List(one), DataType::List(other)) => {
            DataType::new_list(meet(one.data_type(), other.data_type()), true)
        }
        (DataType::Struct(fields), DataType::Struct(others)) => {
            let shared = fields.iter().map(|field| match others.find(field.name()) {
                Some((_, other)) => Field::new(field.name(), meet(field.data_type(), other.data_type()), true),
                None => field.as_ref().clone(),
            });
            let added = others.iter().filter(|other| fields.find(other.name()).is_none());
            DataType::Struct(shared.chain(added.map(|other| other.as_ref().clone())).collect())
        }
        (DataType::Map(one, sorted), DataType::Map(other, _)) => match (one.data_type(), other.data_type()) {
            (DataType::Struct(of_one), DataType::Struct(of_other)) => {
                let half = |(one, other): (&FieldRef, &FieldRef)| {
                    one.as_ref().clone().with_data_type(meet(one.data_type(), other.data_type()))
                };
                let halves: Fields = of_one.iter().zip(of_other).map(half).collect();
                let entries = one.as_ref().clone().with_data_type(DataType::Struct(halves));
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => DataType::Map(Arc::clone(one), *sorted),
        },
        (one, other) if one.is_numeric() && other.is_numeric() && (one.is_floating() || other.is_floating()) => {
            DataType::Float64
        }
        (one, other) if one.is_numeric() && other.is_numeric() => {
            type_union_coercion(one, other).unwrap_or_else(|| one.clone())
        }
        (one, _) => one.clone(),
    }
}

/// A collection as one of the type in which it meets others; also what such a one holds.
fn held(functions: &Functions, expr: Expr, of: &DataType, wanted: &DataType, schema: &DFSchema) -> Result<Expr> {
    let part = |part: Expr, wanted: &DataType| {
        let of = untyped::open_type(&part, schema)?;
        held(functions, part, &of, wanted, schema)
    };
    match (expr, wanted) {
        (expr, wanted) if of.is_nested() != wanted.is_nested() && !of.is_null() => {
            Err(not_alike(&expr, of, wanted, schema))
        }
        (Expr::ScalarFunction(mut function), DataType::List(item)) if untyped::is_array(&function) => {
            if function.args.is_empty() {
                let nothing = ScalarValue::new_list_nullable(&[], item.data_type());
                return Ok(Expr::Literal(ScalarValue::List(nothing), None));
            }
            function.args =
                function.args.into_iter().map(|element| part(element, item.data_type())).collect::<Result<_>>()?;
            Ok(Expr::ScalarFunction(function))
        }
        (Expr::ScalarFunction(mut function), DataType::Map(entries, _)) if function.name() == "__map" => {
            if let DataType::Struct(halves) = entries.data_type() {
                for (place, element) in function.args.iter_mut().enumerate() {
                    *element = part(std::mem::take(element), halves[place % 2].data_type())?;
                }
            }
            Ok(Expr::ScalarFunction(function))
        }
        (Expr::ScalarFunction(function), DataType::Struct(fields)) if function.name() == "__struct" => {
            let mut given: Vec<(Expr, Expr)> = Vec::with_capacity(function.args.len() / 2);
            let mut halves = function.args.into_iter();
            while let (Some(name), Some(value)) = (halves.next(), halves.next()) {
                given.push((name, value));
            }
            let mut args = Vec::with_capacity(2 * fields.len());
            for field in fields {
                let place = given.iter().position(|(name, _)| untyped::name_of(name) == Some(field.name().as_str()));
                let value = match place {
                    Some(place) => given.swap_remove(place).1,
                    None => Expr::Literal(ScalarValue::Null, None),
                };
                args.extend([lit(field.name().as_str()), part(value, field.data_type())?]);
            }
            Ok(Expr::ScalarFunction(ScalarFunction { func: function.func, args }))
        }
        (expr, wanted) if of == wanted => Ok(expr),
        (expr, DataType::Null) => Ok(expr),
        (Expr::Literal(value, _), wanted) if value.is_null() => {
            Ok(Expr::Literal(ScalarValue::try_new_null(wanted)?, None))
        }
        (expr, wanted) if wanted.is_nested() => Ok(cast(expr, wanted.clone())),
        (expr, wanted) => match beside(functions, expr, of, wanted, schema)? {
            Expr::Literal(value, metadata) => Ok(Expr::Literal(value.cast_to(wanted)?, metadata)),
            expr if expr.get_type(schema)? == *wanted => Ok(expr),
            expr => Ok(cast(expr, wanted.clone())),
        },
    }
}

/// A value as one of the kind of `first`.
fn beside(functions: &Functions, expr: Expr, of: &DataType, first: &DataType, schema: &DFSchema) -> Result<Expr> {
    let is_day = |of: &DataType| matches!(of, DataType::Timestamp(..) | DataType::Date32);
    let fits = of.is_null()
        || of == first
        || of.is_numeric() && first.is_numeric()
        || is_text(of) && is_text(first)
        || is_day(of) && is_day(first);
    if fits {
        return Ok(expr);
    }
    let read = match &expr {
        Expr::Literal(value, _) => match value.try_as_str().flatten() {
            Some(text) if first.is_numeric() => Some(number(text).ok_or_else(|| not_read("INTEGER", text))?),
            Some(text) if *first == DataType::Boolean => {
                Some(ScalarValue::Boolean(Some(truth(text).ok_or_else(|| not_read("BOOLEAN", text))?)))
            }
            None if is_text(first) && !value.is_null() && is_plain(&value.data_type()) => {
                Some(value.cast_to(&DataType::Utf8)?)
            }
            _ => None,
        },
        _ => None,
    };
    if let Some(read) = read {
        return Ok(Expr::Literal(read, None));
    }
    let as_time = comparison::beside(functions, expr.clone(), of, first);
    if as_time == expr { Err(not_alike(&expr, of, first, schema)) } else { Ok(as_time) }
}

/// A text as a truth: a word for one, or its beginning.
fn truth(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |words: [&str; 2]| !text.is_empty() && words.iter().any(|word| word.starts_with(&text));
    match (begins(["true", "yes"]), begins(["false", "no"])) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

fn not_alike(expr: &Expr, of: &DataType, first: &DataType, schema: &DFSchema) -> DataFusionError {
    let message =
        format!("operator does not exist: {} = {} ({})", ksqldb_name(first), ksqldb_name(of), text_of(expr, schema));
    let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("You might need to add explicit type casts.");
    DataFusionError::External(Box::new(error))
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
