//! Which types ksqlDB's casts, arithmetic and CASE take, and how many digits its decimals that are written out have.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Case;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;

use super::expression::is_text;
use super::failure;
use super::ksqldb_words::text_of;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::ksqldb_name;

fn refused(state: SqlState, message: String) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(state, message)))
}

/// Refuses a cast that ksqlDB has not.
pub(super) fn check_cast(from: &DataType, to: &DataType) -> Result<()> {
    let is_time = |of: &DataType| matches!(of, DataType::Timestamp(..) | DataType::Date32 | DataType::Time64(_));
    let takes = match from {
        DataType::Null => true,
        // Texts are read; what is no such text is null.
        from if is_text(from) => !to.is_nested(),
        from if from == to => true,
        _ if is_text(to) => true,
        DataType::Timestamp(..) => is_time(to),
        DataType::Date32 => matches!(to, DataType::Timestamp(..)),
        from if from.is_numeric() => to.is_numeric(),
        from if from.is_nested() => to.is_nested(),
        _ => false,
    };
    if takes {
        return Ok(());
    }
    let message = format!("Cast of {} to {} is not supported", ksqldb_name(from), ksqldb_name(to));
    Err(refused(SqlState::CANNOT_COERCE, message))
}

/// Refuses arithmetic on others than numbers, and times for which the operator decides; `+` also joins texts. What is
/// written as NULL is no number.
pub(super) fn check_arithmetic(
    binary: &BinaryExpr,
    (left, right): (&DataType, &DataType),
    schema: &DFSchema,
) -> Result<()> {
    let text =
        |of: &Expr, data_type: &DataType| if data_type.is_null() { "null".to_owned() } else { text_of(of, schema) };
    let shown = format!("({} {} {})", text(&binary.left, left), binary.op, text(&binary.right, right));
    if left.is_null() || right.is_null() {
        let message = format!(
            "Error processing expression: {shown}. Arithmetic on types {} and {} are not supported.",
            type_name(left),
            type_name(right)
        );
        return Err(refused(SqlState::UNDEFINED_FUNCTION, message));
    }
    let both = |is: fn(&DataType) -> bool| is(left) && is(right);
    let joins = matches!(binary.op, Operator::Plus | Operator::StringConcat);
    let computes = binary.op != Operator::StringConcat;
    if joins && both(is_text) || computes && (both(DataType::is_numeric) || both(DataType::is_temporal)) {
        return Ok(());
    }
    let message = format!(
        "Error processing expression: {shown}. Unsupported arithmetic types. {} {}",
        base_name(left),
        base_name(right)
    );
    Err(refused(SqlState::UNDEFINED_FUNCTION, message))
}

/// Functions whose arguments must be of one type; only numbers widen.
const MEETS: [&str; 2] = ["coalesce", "nullif"];

/// Refuses calls and `||` that would have what is no text read as one: DataFusion writes numbers and truths as texts, ksqlDB
/// does not.
pub(super) fn check_texts(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::ScalarFunction(function) => check_call(function, schema),
        Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
            let (left, right) = (binary.left.get_type(schema)?, binary.right.get_type(schema)?);
            if left.is_null() || right.is_null() { Ok(()) } else { check_arithmetic(binary, (&left, &right), schema) }
        }
        _ => Ok(()),
    }
}

fn check_call(function: &ScalarFunction, schema: &DFSchema) -> Result<()> {
    let mut fields = Vec::with_capacity(function.args.len());
    for argument in &function.args {
        fields.push(argument.to_field(schema)?.1);
    }
    let name = function.name();
    let shown = name.strip_prefix("__ksql_").or_else(|| name.strip_prefix("__")).unwrap_or(name);
    let not_accepted = || {
        let types: Vec<String> = fields.iter().map(|field| type_name(field.data_type())).collect();
        let message = format!("Function '{shown}' does not accept parameters ({}).", types.join(", "));
        refused(SqlState::UNDEFINED_FUNCTION, message)
    };
    let taken = match fields_with_udf(&fields, function.func.as_ref()) {
        Ok(taken) => taken,
        // Of these errors nobody would know the types; all others are told elsewhere.
        Err(error) if failure::tells_no_types(&error) => return Err(not_accepted()),
        Err(_) => return Ok(()),
    };
    // LEN is of bytes too.
    let takes = |given: &DataType| is_text(given) || given.is_null() || is_bytes(given) && function.name() == "len";
    let becomes_text = |(given, taken): (&FieldRef, &FieldRef)| is_text(taken.data_type()) && !takes(given.data_type());
    let types = || fields.iter().map(|field| field.data_type()).filter(|data_type| !data_type.is_null());
    let mixes = MEETS.contains(&function.name()) && types().any(is_text) && !types().all(is_text);
    if !mixes && !fields.iter().zip(&taken).any(becomes_text) {
        return Ok(());
    }
    Err(not_accepted())
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::BinaryView)
}

fn type_name(data_type: &DataType) -> String {
    if data_type.is_null() { "null".to_owned() } else { ksqldb_name(data_type) }
}

/// The name of a type without its arguments.
fn base_name(data_type: &DataType) -> String {
    let name = ksqldb_name(data_type).to_uppercase();
    name.split(['(', '<']).next().unwrap_or_default().to_owned()
}

/// A condition of CASE is a truth, and one of its results at least tells their type.
pub(super) fn check_case(case: &Case, schema: &DFSchema) -> Result<()> {
    if case.expr.is_none() {
        for (when, _) in &case.when_then_expr {
            let found = when.get_type(schema)?;
            if !matches!(found, DataType::Boolean | DataType::Null) {
                let name = ksqldb_name(&found);
                let message =
                    format!("WHEN operand type should be boolean.\nType for '{}' is {name}", text_of(when, schema));
                return Err(refused(SqlState::DATATYPE_MISMATCH, message));
            }
        }
    }
    let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    let types = results.map(|result| result.get_type(schema)).collect::<Result<Vec<_>>>()?;
    let mut told = types.iter().filter(|data_type| !data_type.is_null());
    let Some(first) = told.next() else {
        let message = "Invalid Case expression. All case branches have NULL type";
        return Err(refused(SqlState::DATATYPE_MISMATCH, message.to_owned()));
    };
    let meets = |other: &DataType| {
        let (one, other) = (base_name(first), base_name(other));
        first.is_nested() || one == other
    };
    let is_number = first.is_numeric();
    if told.all(|other| meets(other) || is_number && other.is_numeric()) {
        return Ok(());
    }
    let types: Vec<String> = types.iter().map(type_name).collect();
    let message = format!(
        "Invalid Case expression. Type for all 'THEN' clauses should be the same.\nThey are {}.",
        types.join(", ")
    );
    Err(refused(SqlState::DATATYPE_MISMATCH, message))
}

/// CASE of which one result at least is a double has no decimals: DataFusion would make decimals of all.
pub(super) fn with_doubles(mut case: Case, schema: &DFSchema) -> Result<Case> {
    let mut results: Vec<&mut Box<Expr>> =
        case.when_then_expr.iter_mut().map(|(_, then)| then).chain(&mut case.else_expr).collect();
    let types = results.iter().map(|result| result.get_type(schema)).collect::<Result<Vec<_>>>()?;
    if types.iter().any(DataType::is_floating) {
        for (result, of) in results.iter_mut().zip(&types) {
            if matches!(of, DataType::Decimal128(..)) {
                ***result = cast(std::mem::take(&mut ***result), DataType::Float64);
            }
        }
    }
    Ok(case)
}

/// The precision of a decimal that is written out: one below 1 has a digit before its point too.
pub(super) fn digits(value: i128, precision: u8, scale: i8) -> u8 {
    let scale = u8::try_from(scale).unwrap_or(0);
    let is_below_one = value.unsigned_abs() < 10_u128.pow(u32::from(scale));
    match is_below_one && 0 < scale && scale < 38 {
        true => precision.max(scale + 1),
        false => precision,
    }
}
