//! What PostgreSQL refuses for its types alone, before any row is read: operators that do not take their operands, casts that it
//! does not have, results that have no type in common. A text that is written out, and NULL, have no type of their own yet.
//!
//! Asked where a statement comes in. A query that was accepted is planned again as it was.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Case;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr::WindowFunctionParams;

use super::explicit::is_any_comparison;
use super::explicit::is_arithmetic;
use super::explicit::is_regular;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::intervals::written_text;
use crate::plan::pg_casts::Kind;
use crate::plan::pg_casts::assignable;
use crate::plan::pg_casts::castable;

/// PostgreSQL's hint for an operator that is not there.
pub(super) const NO_OPERATOR: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";

/// PostgreSQL's hint for a function that does not take such arguments.
pub(super) const NO_FUNCTION: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";

/// Functions of a text in their first argument, and what they are called: one of another type is no text, though it could be written.
const OF_TEXTS: [(&str, &str); 21] = [
    ("ascii", "ascii"),
    ("btrim", "btrim"),
    ("character_length", "length"),
    ("initcap", "initcap"),
    ("left", "left"),
    ("lower", "lower"),
    ("lpad", "lpad"),
    ("ltrim", "ltrim"),
    ("md5", "md5"),
    ("regexp_replace", "regexp_replace"),
    ("repeat", "repeat"),
    ("replace", "replace"),
    ("reverse", "reverse"),
    ("right", "right"),
    ("rpad", "rpad"),
    ("rtrim", "rtrim"),
    ("split_part", "split_part"),
    ("starts_with", "starts_with"),
    ("strpos", "strpos"),
    ("substr", "substr"),
    ("upper", "upper"),
];

/// The type of an operand, as far as it has one.
struct Operand {
    data_type: DataType,
    kind: Kind,
}

impl Operand {
    fn of(expr: &Expr, schema: &DFSchema) -> Result<Self> {
        let data_type = match expr {
            // The literals of a plan that is not ours yet.
            Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok() => DataType::Int32,
            expr => expr.get_type(schema)?,
        };
        let kind = if is_open(expr) { Kind::Unknown } else { Kind::of(&data_type) };
        Ok(Self { data_type, kind })
    }

    fn name(&self) -> String {
        match self.kind {
            Kind::Unknown => "unknown".to_string(),
            _ => SqlType::postgres_name_of(&self.data_type),
        }
    }
}

/// Whether nothing has told the type of an expression yet.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_open(&alias.expr),
        Expr::Literal(value, _) => value.data_type().is_null() || written_text(expr).is_some(),
        Expr::Placeholder(_) => true,
        _ => false,
    }
}

/// 42883 for an operator between types, in the words of PostgreSQL.
pub fn no_operator(sign: &str, left: &str, right: &str) -> DataFusionError {
    let message = format!("operator does not exist: {left} {sign} {right}");
    refused(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(NO_OPERATOR))
}

fn refused(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn mismatch(message: String) -> DataFusionError {
    refused(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

/// The name that PostgreSQL has for an operator.
pub(super) fn sign(op: Operator) -> String {
    match op {
        Operator::NotEq => "<>".to_string(),
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => "=".to_string(),
        Operator::BitwiseXor => "#".to_string(),
        other => other.to_string(),
    }
}

/// 42804 for a value whose type PostgreSQL does not assign to a column of another.
pub fn not_assignable(column: &str, wanted: &DataType, found: &DataType) -> Error {
    let [wanted, found] = [wanted, found].map(SqlType::postgres_name_of);
    let message = format!("column \"{column}\" is of type {wanted} but expression is of type {found}");
    Error::new(SqlState::DATATYPE_MISMATCH, message).hint("You will need to rewrite or cast the expression.")
}

/// Refuses a value that is no column's of that type.
pub(super) fn check_assigned(value: &Expr, schema: &DFSchema, wanted: &DataType, column: &str) -> Result<()> {
    let operand = Operand::of(value, schema)?;
    if operand.kind == Kind::Unknown || assignable(&operand.data_type, wanted) {
        return Ok(());
    }
    Err(refused(not_assignable(column, wanted, &operand.data_type)))
}

/// Refuses one node, whose parts have their types.
pub(super) fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::BinaryExpr(binary) => check_binary(binary, schema),
        Expr::Between(Between { expr, negated, low, high }) => {
            let (first, second) = if *negated { ("<", ">") } else { (">=", "<=") };
            comparable(expr, first, low, schema)?;
            comparable(expr, second, high, schema)
        }
        Expr::InList(among) => {
            let sign = if among.negated { "<>" } else { "=" };
            among.list.iter().try_for_each(|item| comparable(&among.expr, sign, item, schema))
        }
        Expr::InSubquery(among) => {
            let Some(field) = among.subquery.subquery.schema().fields().first() else { return Ok(()) };
            let value = Operand { data_type: field.data_type().clone(), kind: Kind::of(field.data_type()) };
            are_comparable(&Operand::of(&among.expr, schema)?, "=", &value)
        }
        Expr::Like(like) => {
            let not = if like.negated { "!" } else { "" };
            let any_case = if like.case_insensitive { "*" } else { "" };
            texts(&like.expr, &format!("{not}~~{any_case}"), &like.pattern, schema)
        }
        Expr::Not(inner) => truth(inner, "NOT", schema),
        Expr::IsTrue(inner) => truth(inner, "IS TRUE", schema),
        Expr::IsFalse(inner) => truth(inner, "IS FALSE", schema),
        Expr::IsUnknown(inner) => truth(inner, "IS UNKNOWN", schema),
        Expr::IsNotTrue(inner) => truth(inner, "IS NOT TRUE", schema),
        Expr::IsNotFalse(inner) => truth(inner, "IS NOT FALSE", schema),
        Expr::IsNotUnknown(inner) => truth(inner, "IS NOT UNKNOWN", schema),
        Expr::Negative(inner) => {
            let operand = Operand::of(inner, schema)?;
            match operand.kind {
                Kind::Number | Kind::Span | Kind::Unknown | Kind::Other => Ok(()),
                _ => Err(refused(
                    Error::new(SqlState::UNDEFINED_FUNCTION, format!("operator does not exist: - {}", operand.name()))
                        .hint("No operator matches the given name and argument type. You might need to add an explicit type cast."),
                )),
            }
        }
        Expr::Cast(cast) => {
            let (from, to) = (Operand::of(&cast.expr, schema)?, cast.field.data_type());
            if from.kind == Kind::Unknown || castable(&from.data_type, to) {
                return Ok(());
            }
            let message = format!("cannot cast type {} to {}", from.name(), SqlType::postgres_name_of(to));
            Err(refused(Error::new(SqlState::CANNOT_COERCE, message)))
        }
        Expr::Case(case) => check_case(case, schema),
        Expr::ScalarFunction(function) => check_call(function, schema),
        Expr::AggregateFunction(aggregate) => {
            let AggregateFunctionParams { args, filter, .. } = &aggregate.params;
            check_aggregate(aggregate.func.name(), args, filter.as_deref(), schema)
        }
        Expr::WindowFunction(window) => {
            let WindowFunctionParams { args, filter, .. } = &window.params;
            check_aggregate(window.fun.name(), args, filter.as_deref(), schema)
        }
        _ => Ok(()),
    }
}

fn check_binary(binary: &BinaryExpr, schema: &DFSchema) -> Result<()> {
    let BinaryExpr { left, op, right } = binary;
    if is_any_comparison(*op) {
        return comparable(left, &sign(*op), right, schema);
    }
    if matches!(op, Operator::And | Operator::Or) {
        let word = op.to_string();
        truth(left, &word, schema)?;
        return truth(right, &word, schema);
    }
    if is_regular(*op) {
        return texts(left, &sign(*op), right, schema);
    }
    let (first, second) = (Operand::of(left, schema)?, Operand::of(right, schema)?);
    let has_operator = match op {
        op if is_arithmetic(*op) => computes(*op, &first, &second)?,
        Operator::StringConcat => {
            let is_text = |of: &Operand| matches!(of.kind, Kind::Text | Kind::Unknown | Kind::Array | Kind::Other);
            is_text(&first) || is_text(&second) || first.kind == Kind::Bytes && second.kind == Kind::Bytes
        }
        _ => true,
    };
    if has_operator { Ok(()) } else { Err(no_operator(&sign(*op), &first.name(), &second.name())) }
}

/// Whether there is such an operator of arithmetic.
fn computes(op: Operator, left: &Operand, right: &Operand) -> Result<bool> {
    use Kind::Clock;
    use Kind::Date;
    use Kind::Number;
    use Kind::Span;
    let is_whole = |of: &Operand| matches!(of.data_type, DataType::Int8 | DataType::Int16 | DataType::Int32);
    Ok(match (op, left.kind, right.kind) {
        (_, Kind::Unknown | Kind::Other, _) | (_, _, Kind::Unknown | Kind::Other) => true,
        (Operator::Modulo, Number, Number) => !left.data_type.is_floating() && !right.data_type.is_floating(),
        (_, Number, Number) => true,
        (Operator::Plus, Clock, Clock) => {
            let message = format!("operator is not unique: {} + {}", left.name(), right.name());
            return Err(refused(
                Error::new(SqlState("42725"), message)
                    .hint("Could not choose a best candidate operator. You might need to add explicit type casts."),
            ));
        }
        (Operator::Plus | Operator::Minus, Date, Number) => is_whole(right),
        (Operator::Plus, Number, Date) => is_whole(left),
        (Operator::Plus, Date, Clock) | (Operator::Plus, Clock, Date) => true,
        (Operator::Plus | Operator::Minus, Span | Clock, Span) | (Operator::Plus, Span, Clock) => true,
        (Operator::Plus | Operator::Minus, moment, Span) | (Operator::Plus, Span, moment) => moment.is_moment(),
        (Operator::Minus, one, other) if one.is_moment() => other.is_moment(),
        (Operator::Minus, Clock, Clock) => true,
        (Operator::Multiply | Operator::Divide, Span, Number) | (Operator::Multiply, Number, Span) => true,
        _ => false,
    })
}

/// Refuses a comparison of what has no common type.
fn comparable(left: &Expr, sign: &str, right: &Expr, schema: &DFSchema) -> Result<()> {
    are_comparable(&Operand::of(left, schema)?, sign, &Operand::of(right, schema)?)
}

fn are_comparable(left: &Operand, sign: &str, right: &Operand) -> Result<()> {
    let is_json = |of: &Operand| of.kind == Kind::Json;
    // PostgreSQL compares no JSON, of which one value has many texts.
    match !is_json(left) && !is_json(right) && meet(left.kind, right.kind)
        || matches!((left.kind, right.kind), (Kind::Clock, Kind::Span) | (Kind::Span, Kind::Clock))
    {
        true => Ok(()),
        false => Err(no_operator(sign, &left.name(), &right.name())),
    }
}

/// Whether values of two kinds have a type in common.
fn meet(one: Kind, other: Kind) -> bool {
    let is_open = |kind: Kind| matches!(kind, Kind::Unknown | Kind::Other);
    one == other || is_open(one) || is_open(other) || one.is_moment() && other.is_moment()
}

/// The columns that a join finds equal, or that stand in the place of each other.
pub(super) fn check_equal(left: (&Expr, &DFSchema), right: (&Expr, &DFSchema)) -> Result<()> {
    are_comparable(&Operand::of(left.0, left.1)?, "=", &Operand::of(right.0, right.1)?)
}

fn texts(left: &Expr, sign: &str, right: &Expr, schema: &DFSchema) -> Result<()> {
    let (left, right) = (Operand::of(left, schema)?, Operand::of(right, schema)?);
    let is_text = |of: &Operand| matches!(of.kind, Kind::Text | Kind::Unknown | Kind::Other);
    match is_text(&left) && is_text(&right) || left.kind == Kind::Bytes {
        true => Ok(()),
        false => Err(no_operator(sign, &left.name(), &right.name())),
    }
}

fn truth(expr: &Expr, place: &str, schema: &DFSchema) -> Result<()> {
    let operand = Operand::of(expr, schema)?;
    match operand.kind {
        Kind::Boolean | Kind::Unknown => Ok(()),
        _ => Err(mismatch(format!("argument of {place} must be type boolean, not type {}", operand.name()))),
    }
}

fn check_case(case: &Case, schema: &DFSchema) -> Result<()> {
    for (when, _) in &case.when_then_expr {
        match &case.expr {
            Some(operand) => comparable(operand, "=", when, schema)?,
            None => truth(when, "CASE/WHEN", schema)?,
        }
    }
    // The type of ELSE is asked first.
    let results = case.else_expr.iter().map(AsRef::as_ref);
    matched("CASE", results.chain(case.when_then_expr.iter().map(|(_, then)| then.as_ref())), schema)
}

fn check_call(function: &ScalarFunction, schema: &DFSchema) -> Result<()> {
    match (function.name(), function.args.as_slice()) {
        ("nullif", [left, right]) => comparable(left, "=", right, schema),
        (name @ ("coalesce" | "greatest" | "least"), arguments) => {
            matched(&name.to_uppercase(), arguments.iter(), schema)
        }
        (name, [first, ..]) if let Some((_, shown)) = OF_TEXTS.iter().find(|(known, _)| *known == name) => {
            match Operand::of(first, schema)?.kind {
                Kind::Text | Kind::Unknown | Kind::Bytes | Kind::Other => Ok(()),
                _ => Err(no_function(shown, &function.args, schema)?),
            }
        }
        ("date_part" | "date_trunc", [_, time])
            if matches!(Operand::of(time, schema)?.kind, Kind::Text | Kind::Number | Kind::Boolean) =>
        {
            let name = if function.name() == "date_part" { "pg_catalog.extract" } else { "date_trunc" };
            Err(no_function(name, &function.args, schema)?)
        }
        _ => Ok(()),
    }
}

/// 42883 for a call.
fn no_function(name: &str, arguments: &[Expr], schema: &DFSchema) -> Result<DataFusionError> {
    let types =
        arguments.iter().map(|argument| Ok(Operand::of(argument, schema)?.name())).collect::<Result<Vec<_>>>()?;
    let message = format!("function {name}({}) does not exist", types.join(", "));
    Ok(refused(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(NO_FUNCTION)))
}

/// Aggregates of what PostgreSQL has no such aggregate of.
fn check_aggregate(name: &str, arguments: &[Expr], filter: Option<&Expr>, schema: &DFSchema) -> Result<()> {
    if let Some(filter) = filter {
        truth(filter, "FILTER", schema)?;
    }
    let is_refused = match (name, arguments) {
        ("min" | "max", [value]) => {
            matches!(Operand::of(value, schema)?.kind, Kind::Boolean | Kind::Bytes | Kind::Json | Kind::Jsonb)
        }
        ("sum" | "avg", [value]) => matches!(Operand::of(value, schema)?.kind, Kind::Json | Kind::Jsonb),
        ("count", [_, _, ..]) => true,
        _ => false,
    };
    if is_refused { Err(no_function(name, arguments, schema)?) } else { Ok(()) }
}

/// Refuses values that have no type in common.
fn matched<'a>(what: &str, values: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> Result<()> {
    let operands = values.map(|value| Operand::of(value, schema)).collect::<Result<Vec<_>>>()?;
    all_match(what, operands.iter())
}

fn all_match<'a>(what: &str, operands: impl Iterator<Item = &'a Operand>) -> Result<()> {
    let mut told = operands.filter(|operand| operand.kind != Kind::Unknown);
    let Some(first) = told.next() else { return Ok(()) };
    match told.find(|operand| !meet(first.kind, operand.kind)) {
        None => Ok(()),
        Some(other) => Err(mismatch(format!("{what} types {} and {} cannot be matched", first.name(), other.name()))),
    }
}

/// The types of one column of the queries of a UNION, of which those are open that are written out.
pub(super) fn check_union<'a>(column: impl Iterator<Item = (&'a DataType, bool)>) -> Result<()> {
    let operand = |(data_type, is_open): (&DataType, bool)| Operand {
        data_type: data_type.clone(),
        kind: if is_open { Kind::Unknown } else { Kind::of(data_type) },
    };
    let operands: Vec<Operand> = column.map(operand).collect();
    all_match("UNION", operands.iter())
}
