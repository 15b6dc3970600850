//! PostgreSQL's rules for values that become texts, for dates beside intervals, and for digits that are written out.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Cast;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::lit;

use super::expression::is_text;
use crate::functions::interval_unit;
use crate::functions::with_places;
use crate::plan::functions::Functions;
use crate::plan::intervals::written_text;

/// Whether a cast to TEXT differs from Arrow's.
pub(super) fn has_own_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(_, _)
            | DataType::Timestamp(_, _)
            | DataType::Time64(_)
            | DataType::Interval(_)
            | DataType::Duration(_)
    )
}

/// `text || value`: the value as a cast writes it.
pub(super) fn joined(functions: &Functions, binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = (binary.left.get_type(schema)?, binary.right.get_type(schema)?);
    let written = |side: Box<Expr>, of: &DataType, beside: &DataType| match functions.scalar("__checked_cast_text") {
        Some(function) if has_own_text(of) && is_text(beside) => Box::new(function.call(vec![*side])),
        _ => side,
    };
    Ok(Expr::BinaryExpr(BinaryExpr {
        left: written(binary.left, &left, &right),
        op: binary.op,
        right: written(binary.right, &right, &left),
    }))
}

/// A call with its arguments as PostgreSQL takes them: CONCAT writes values as their types do, and ROUND keeps the digits that
/// are written out.
pub(super) fn called(functions: &Functions, mut function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    match function.name() {
        "concat" | "concat_ws" => {
            let Some(text_out) = functions.scalar("__text_out") else { return Ok(Expr::ScalarFunction(function)) };
            let written = |argument: Expr| {
                let data_type = argument.get_type(schema)?;
                let is_written = has_own_text(&data_type) || data_type == DataType::Boolean;
                Ok(if is_written { text_out.call(vec![argument]) } else { argument })
            };
            let args = function.args.into_iter().map(written).collect::<Result<_>>()?;
            Ok(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&function.func), args }))
        }
        "encode" | "sha224" | "sha256" | "sha384" | "sha512" => {
            let read = |argument: Expr| match (written_text(&argument), functions.scalar("__bytea_in")) {
                (Some(_), Some(read)) => read.call(vec![argument]),
                _ => argument,
            };
            // What is behind the first tells a format.
            let args = function.args.into_iter().enumerate();
            let args = args.map(|(place, argument)| if place == 0 { read(argument) } else { argument }).collect();
            Ok(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&function.func), args }))
        }
        "character_length" if function.args.len() == 1 && function.args[0].get_type(schema)? == DataType::Binary => {
            Ok(match functions.scalar("__byte_length") {
                Some(length) => length.call(function.args),
                None => Expr::ScalarFunction(function),
            })
        }
        // The digits of an integer's own 32 bits.
        "to_hex" if function.args.len() == 1 && function.args[0].get_type(schema)? == DataType::Int32 => {
            let bits = cast(function.args.swap_remove(0), DataType::Int64) & lit(i64::from(u32::MAX));
            Ok(Expr::ScalarFunction(ScalarFunction { func: function.func, args: vec![bits] }))
        }
        "regexp_like" | "regexp_count" | "regexp_instr" if 1 < function.args.len() => {
            function.args[1] = posix_pattern(functions, std::mem::take(&mut function.args[1]));
            Ok(Expr::ScalarFunction(function))
        }
        "date_part" if function.args.len() == 2 => with_fraction(functions, function, schema),
        "round" | "trunc" if function.args.len() == 2 => rounded(function, schema),
        _ => Ok(Expr::ScalarFunction(function)),
    }
}

/// A regular expression as PostgreSQL reads it; one that was made into one of the library's stays.
pub(super) fn posix_pattern(functions: &Functions, pattern: Expr) -> Expr {
    let is_read = matches!(&pattern, Expr::ScalarFunction(function) if function.name().ends_with("_pattern"));
    match functions.scalar("__posix_pattern") {
        Some(read) if !is_read => read.call(vec![pattern]),
        _ => pattern,
    }
}

/// The seconds of a time have a fraction, and so have those that an interval lasts.
fn with_fraction(functions: &Functions, function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let unit = match &function.args[0] {
        Expr::Literal(ScalarValue::Utf8(Some(unit)), _) => unit.to_lowercase(),
        _ => return Ok(Expr::ScalarFunction(function)),
    };
    if matches!(function.args[1].get_type(schema)?, DataType::Interval(_) | DataType::Duration(_)) {
        let unit = match unit.as_str() {
            "epoch" => "epoch",
            other => interval_unit(other).map_err(|error| DataFusionError::External(Box::new(error)))?,
        };
        let interval = function.args[1].clone();
        let (part, arguments) = match unit {
            "epoch" => ("__interval_epoch", vec![interval]),
            "second" => ("__interval_seconds", vec![interval]),
            "millisecond" => ("__interval_milliseconds", vec![interval]),
            other => ("__interval_field", vec![lit(other), interval]),
        };
        return Ok(match functions.scalar(part) {
            Some(part) => part.call(arguments),
            None => Expr::ScalarFunction(function),
        });
    }
    if let ("timezone" | "timezone_hour" | "timezone_minute", DataType::Timestamp(_, Some(zone))) =
        (unit.as_str(), function.args[1].get_type(schema)?)
    {
        return from_utc(functions, &function, &unit, &zone, schema);
    }
    if let Some(part) = calendar_part(functions, &unit, &function.args[1], schema)? {
        return Ok(part);
    }
    let per_unit = match unit.as_str() {
        "second" | "seconds" => 1e6,
        "millisecond" | "milliseconds" => 1e3,
        _ => return Ok(Expr::ScalarFunction(function)),
    };
    let is_time = matches!(function.args[1].get_type(schema)?, DataType::Timestamp(..) | DataType::Time64(_));
    if !is_time {
        return Ok(Expr::ScalarFunction(function));
    }
    let args = vec![lit("microsecond"), function.args[1].clone()];
    let micros = Expr::ScalarFunction(ScalarFunction { func: function.func, args });
    Ok(cast(micros, DataType::Float64) / lit(per_unit))
}

/// How far the clocks that an instant is told on are from UTC, in seconds, or the hours or the minutes of that.
fn from_utc(
    functions: &Functions,
    part: &ScalarFunction,
    unit: &str,
    zone: &Arc<str>,
    schema: &DFSchema,
) -> Result<Expr> {
    let instant = part.args[1].clone();
    let epoch = |time: Expr| {
        let args = vec![lit("epoch"), time];
        cast(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&part.func), args }), DataType::Int64)
    };
    let shown = shown_times(functions, vec![instant.clone()], zone, schema)?.pop().unwrap_or_else(|| instant.clone());
    let seconds = epoch(shown) - epoch(instant);
    Ok(match unit {
        "timezone_hour" => seconds / lit(3600_i64),
        "timezone_minute" => seconds % lit(3600_i64) / lit(60_i64),
        _ => seconds,
    })
}

/// The parts of a date or a timestamp that DataFusion does not know.
fn calendar_part(functions: &Functions, unit: &str, time: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let unit = match unit {
        "century" | "centuries" => "century",
        "decade" | "decades" => "decade",
        "millennium" | "millenniums" | "millennia" => "millennium",
        "julian" => "julian",
        _ => return Ok(None),
    };
    let shown = match time.get_type(schema)? {
        DataType::Date32 | DataType::Timestamp(_, None) => time.clone(),
        DataType::Timestamp(_, Some(zone)) => {
            shown_times(functions, vec![time.clone()], &zone, schema)?.pop().unwrap_or_else(|| time.clone())
        }
        _ => return Ok(None),
    };
    let shown = cast(shown, DataType::Timestamp(TimeUnit::Microsecond, None));
    Ok(functions.scalar("__calendar_part").map(|part| part.call(vec![lit(unit), shown])))
}

fn rounded(function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let places = match &function.args[1] {
        Expr::Literal(ScalarValue::Int32(Some(places)), _) => Some(*places),
        Expr::Literal(ScalarValue::Int64(Some(places)), _) => i32::try_from(*places).ok(),
        _ => None,
    };
    let (precision, scale) = match function.args[0].get_type(schema)? {
        DataType::Decimal128(precision, scale) => (precision, scale),
        integer if integer.is_integer() => (20, 0),
        _ => return Ok(Expr::ScalarFunction(function)),
    };
    let call = Expr::ScalarFunction(function);
    Ok(match places {
        Some(places) => cast(call, with_places(precision, scale, places)),
        None => call,
    })
}

/// A cast to DOUBLE PRECISION or REAL of what they may have no room for; `None` for another cast.
pub(super) fn cast_to_float(functions: &Functions, float: &Cast, from: &DataType) -> Option<Expr> {
    let name = match float.field.data_type() {
        DataType::Float64 if is_text(from) => "__float8_in",
        DataType::Float32 if is_text(from) || matches!(from, DataType::Float64 | DataType::Decimal128(_, _)) => {
            "__float4_in"
        }
        _ => return None,
    };
    functions.scalar(name).map(|read| read.call(vec![float.expr.as_ref().clone()]))
}

/// Whether the answer depends on what clocks show at an instant.
pub(super) fn asks_clocks(function: &str) -> bool {
    matches!(function, "date_trunc" | "date_part" | "date_bin")
}

/// An instant whose type has the zone; anything else as it is.
pub(super) fn on_clocks_of(zone: &Arc<str>, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr.get_type(schema)? {
        DataType::Timestamp(unit, Some(of)) if of != *zone => {
            cast(expr, DataType::Timestamp(unit, Some(Arc::clone(zone))))
        }
        _ => expr,
    })
}

/// What clocks of the zone show at the instants among these; the others as they are.
pub(super) fn shown_times(
    functions: &Functions,
    times: Vec<Expr>,
    zone: &Arc<str>,
    schema: &DFSchema,
) -> Result<Vec<Expr>> {
    let shown = |time: Expr| {
        let is_instant = matches!(time.get_type(schema)?, DataType::Timestamp(_, Some(_)));
        Ok(match functions.scalar("__timezone").filter(|_| is_instant) {
            Some(timezone) => timezone.call(vec![zone_name(zone), time]),
            None => time,
        })
    };
    times.into_iter().map(shown).collect()
}

fn zone_name(zone: &Arc<str>) -> Expr {
    Expr::Literal(ScalarValue::Utf8(Some(zone.to_string())), None)
}

/// The day, the time or both that clocks of the zone show at an instant; `None` for a cast to another type.
pub(super) fn cast_of_instant(
    functions: &Functions,
    instant: &Cast,
    zone: &Arc<str>,
    schema: &DFSchema,
) -> Result<Option<Expr>> {
    let expr = instant.expr.as_ref().clone();
    Ok(match instant.field.data_type() {
        DataType::Timestamp(_, None) => {
            functions.scalar("__timezone").map(|timezone| timezone.call(vec![zone_name(zone), expr]))
        }
        DataType::Date32 | DataType::Time64(_) => {
            let local = on_clocks_of(zone, expr, schema)?;
            Some(cast(local, instant.field.data_type().clone()))
        }
        _ => None,
    })
}

/// The instant at which clocks of the zone show a time, or a day begins; `None` for a cast to another type.
pub(super) fn cast_to_instant(functions: &Functions, local: &Cast, zone: &Arc<str>) -> Option<Expr> {
    let DataType::Timestamp(_, Some(of)) = local.field.data_type() else { return None };
    let shown = cast(local.expr.as_ref().clone(), DataType::Timestamp(TimeUnit::Microsecond, None));
    let instant = functions.scalar("__timezone")?.call(vec![zone_name(zone), shown]);
    Some(cast(instant, DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(of)))))
}

/// A date plus or minus an interval is a timestamp.
pub(super) fn on_clocks(binary: BinaryExpr, schema: &DFSchema) -> Result<BinaryExpr> {
    if !matches!(binary.op, Operator::Plus | Operator::Minus) {
        return Ok(binary);
    }
    let timestamp = |expr: Box<Expr>| Box::new(cast(*expr, DataType::Timestamp(TimeUnit::Microsecond, None)));
    let (left, right) = (binary.left.get_type(schema)?, binary.right.get_type(schema)?);
    let BinaryExpr { left: first, op, right: second } = binary;
    Ok(match (left, right) {
        (DataType::Date32, DataType::Interval(_)) => BinaryExpr { left: timestamp(first), op, right: second },
        (DataType::Interval(_), DataType::Date32) if op == Operator::Plus => {
            BinaryExpr { left: first, op, right: timestamp(second) }
        }
        _ => BinaryExpr { left: first, op, right: second },
    })
}
