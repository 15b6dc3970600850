//! Which types ksqlDB's casts, arithmetic and CASE take, and how many digits its decimals that are written out have.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Case;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;

use super::expression::is_text;
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
        // Texts of all kinds are read; what is no such text is null.
        from if is_text(from) => true,
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
        let name = |of: &DataType| if of.is_null() { "null".to_owned() } else { ksqldb_name(of) };
        let message = format!(
            "Error processing expression: {shown}. Arithmetic on types {} and {} are not supported.",
            name(left),
            name(right)
        );
        return Err(refused(SqlState::UNDEFINED_FUNCTION, message));
    }
    let is_number = |of: &DataType| of.is_numeric() || of.is_temporal();
    let joins = binary.op == Operator::Plus && is_text(left) && is_text(right);
    if joins || is_number(left) && is_number(right) {
        return Ok(());
    }
    let message = format!(
        "Error processing expression: {shown}. Unsupported arithmetic types. {} {}",
        base_name(left),
        base_name(right)
    );
    Err(refused(SqlState::UNDEFINED_FUNCTION, message))
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
    for result in results {
        if !result.get_type(schema)?.is_null() {
            return Ok(());
        }
    }
    let message = "Invalid Case expression. All case branches have NULL type";
    Err(refused(SqlState::DATATYPE_MISMATCH, message.to_owned()))
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
