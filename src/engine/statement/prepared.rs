//! PREPARE, EXECUTE, DEALLOCATE. What drivers prepare by the protocol is the door's, and has names of its own.

use arrow::array::timezone::Tz;
use arrow::record_batch::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlparser::ast;

use super::done;
use super::insert_rows::one_row;
use crate::catalog::cast_type;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::TransactionStatus;
use crate::engine::outcome::Value;
use crate::engine::prepared::Prepared;
use crate::engine::session::Named;
use crate::engine::session::Session;
use crate::engine::text::read_text;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::sql::Name;
use crate::sql::Prepare;

pub(super) async fn prepare(session: &mut Session, prepare: &Prepare) -> Result<Outcome> {
    let key = key(&prepare.name);
    if session.prepared.contains_key(&key) {
        let message = format!("prepared statement \"{key}\" already exists");
        return Err(Error::new(SqlState::DUPLICATE_PREPARED_STATEMENT, message).at(prepare.name.position));
    }
    let most = session.engine.limits().prepared_statements_max;
    if most <= session.prepared.len() {
        let message = format!("a session may hold {most} prepared statements");
        let error = Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message);
        return Err(error.hint("DEALLOCATE some, or raise limits.prepared_statements_max."));
    }
    let rules = session.settings.compatibility();
    let is_interval = |told: &ast::DataType| matches!(told, ast::DataType::Interval { .. });
    let known = |told: &ast::DataType| match is_interval(told) {
        true => Ok(Some(SqlType::Text)),
        false => cast_type(told, rules).map(Some),
    };
    let known = prepare.types.iter().map(known).collect::<Result<Vec<_>>>()?;
    let intervals = (1..).zip(&prepare.types).filter(|(_, told)| is_interval(told)).map(|(number, _)| number);
    let statement = Prepared::of(prepare).with_intervals(&intervals.collect::<Vec<_>>());
    let Description { params, fields, .. } = session.describe(&statement, &known).await?;
    session.prepared.insert(key, Named { statement, types: params, fields });
    Ok(done("PREPARE"))
}

/// The columns that EXECUTE gives.
pub(super) fn fields(session: &Session, name: &Name) -> Result<Option<Vec<OutputField>>> {
    find(session, name).map(|named| named.fields.clone())
}

pub(super) fn execute<'a>(
    session: &'a mut Session,
    name: &'a Name,
    arguments: &'a [ast::Expr],
    parameters: &'a [Value],
) -> BoxFuture<'a, Result<Outcome>> {
    async move {
        let Named { statement, types, .. } = find(session, name)?.clone();
        if types.len() != arguments.len() {
            let message = format!("wrong number of parameters for prepared statement \"{}\"", key(name));
            let detail = format!("Expected {} parameters but got {}.", types.len(), arguments.len());
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).detail(detail).at(name.position));
        }
        let values = match constants(&types, arguments, session.zone()) {
            Some(values) => values,
            None => values(session, &types, arguments, parameters).await?,
        };
        session.check_may_write(&statement)?;
        let outcome = super::execute(session, &statement, &values).await?;
        session.block.wrote |= session.status == TransactionStatus::Open && super::takes_effect(&statement.statement);
        Ok(outcome)
    }
    .boxed()
}

/// The arguments as values of the parameters' types, if all are constants that mean the same without a plan.
fn constants(types: &[SqlType], arguments: &[ast::Expr], zone: Tz) -> Option<Vec<Value>> {
    types.iter().zip(arguments).map(|(told, argument)| constant(told, argument, zone)).collect()
}

fn constant(told: &SqlType, argument: &ast::Expr, zone: Tz) -> Option<Value> {
    let (value, sign) = match argument {
        ast::Expr::Value(value) => (&value.value, ""),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match expr.as_ref() {
            ast::Expr::Value(value) if matches!(value.value, ast::Value::Number(..)) => (&value.value, "-"),
            _ => return None,
        },
        _ => return None,
    };
    match (value, told) {
        (ast::Value::Null, _) => Value::try_from(&told.arrow()).ok(),
        (ast::Value::Boolean(value), SqlType::Boolean) => Some(Value::Boolean(Some(*value))),
        (ast::Value::SingleQuotedString(text), SqlType::Text) => Some(Value::Utf8(Some(text.clone()))),
        (
            ast::Value::SingleQuotedString(text),
            SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz,
        ) => read_text(told, text, zone).ok(),
        (ast::Value::Number(digits, _), _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match told {
            SqlType::Int => format!("{sign}{digits}").parse().ok().map(|value| Value::Int32(Some(value))),
            SqlType::BigInt => format!("{sign}{digits}").parse().ok().map(|value| Value::Int64(Some(value))),
            SqlType::Decimal { .. } => read_text(told, &format!("{sign}{digits}"), zone).ok(),
            _ => None,
        },
        (ast::Value::Number(digits, _), SqlType::Decimal { .. }) if is_plain(digits) => {
            read_text(told, &format!("{sign}{digits}"), zone).ok()
        }
        _ => None,
    }
}

/// Digits with a point among them.
fn is_plain(digits: &str) -> bool {
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.split_once('.').is_some_and(|(whole, fraction)| are_digits(whole) && are_digits(fraction))
}

/// The arguments as values of the parameters' types. A decimal keeps its own digits, so it comes by way of its text.
async fn values(
    session: &Session,
    types: &[SqlType],
    arguments: &[ast::Expr],
    parameters: &[Value],
) -> Result<Vec<Value>> {
    let wanted = |told: &SqlType| match told {
        SqlType::Decimal { .. } => SqlType::Text,
        other => other.clone(),
    };
    let items: Vec<(SqlType, &ast::Expr)> = types.iter().map(wanted).zip(arguments).collect();
    let row: RecordBatch = one_row(session, &items, parameters).await?;
    let read = |(told, column): (&SqlType, &arrow::array::ArrayRef)| {
        let value = Value::try_from_array(column, 0);
        let value = value.map_err(|error| Error::internal("an argument").caused_by(error))?;
        match (told, &value) {
            (SqlType::Decimal { .. }, Value::Utf8(Some(text))) => read_text(told, text, session.zone()),
            (SqlType::Decimal { .. }, _) => {
                Value::try_from(&told.arrow()).map_err(|error| Error::internal("a null of a decimal").caused_by(error))
            }
            _ => Ok(value),
        }
    };
    types.iter().zip(row.columns()).map(read).collect()
}

/// Names that the door prepared by the protocol never come here: it forgets them itself.
pub(super) fn deallocate(session: &mut Session, name: Option<&Name>) -> Result<Outcome> {
    let Some(name) = name else {
        session.prepared.clear();
        return Ok(done("DEALLOCATE ALL"));
    };
    find(session, name)?;
    session.prepared.remove(&key(name));
    Ok(done("DEALLOCATE"))
}

fn find<'a>(session: &'a Session, name: &Name) -> Result<&'a Named> {
    let key = key(name);
    session.prepared.get(&key).ok_or_else(|| {
        let message = format!("prepared statement \"{key}\" does not exist");
        Error::new(SqlState::INVALID_SQL_STATEMENT_NAME, message).at(name.position)
    })
}

fn key(name: &Name) -> String {
    if name.quoted { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::text::utc;

    fn told(sql_type: SqlType, argument: &str) -> Option<Value> {
        let dialect = crate::sql::TidemillDialect;
        let parsed = sqlparser::parser::Parser::new(&dialect).try_with_sql(argument).expect("it is text").parse_expr();
        constant(&sql_type, &parsed.expect("it is an expression"), utc())
    }

    #[test]
    fn constants_of_the_type_of_a_parameter_need_no_plan() {
        let decimal = SqlType::Decimal { precision: 10, scale: 2 };
        assert_eq!(told(SqlType::Int, "-7"), Some(Value::Int32(Some(-7))));
        assert_eq!(told(SqlType::BigInt, "7"), Some(Value::Int64(Some(7))));
        assert_eq!(told(SqlType::Text, "'it''s'"), Some(Value::Utf8(Some("it's".to_string()))));
        assert_eq!(told(SqlType::Boolean, "true"), Some(Value::Boolean(Some(true))));
        assert_eq!(told(SqlType::Text, "NULL"), Some(Value::Utf8(None)));
        assert!(matches!(told(decimal.clone(), "1.505"), Some(Value::Decimal128(Some(1505), _, 3))));
        assert!(told(SqlType::Date, "'2024-02-29'").is_some());
        // What has to be read otherwise, or is an error, is the planner's.
        for (of, argument) in [
            (SqlType::Int, "2147483648"),
            (SqlType::Int, "1.5"),
            (SqlType::Int, "'1'"),
            (SqlType::Text, "1"),
            (SqlType::Date, "'2024-02-30'"),
            (SqlType::Double, "1"),
            (decimal, "1e2"),
            (SqlType::BigInt, "1 + 1"),
        ] {
            assert_eq!(told(of, argument), None, "{argument}");
        }
    }
}
