//! DataFusion's errors in PostgreSQL's codes and words.

use arrow::error::ArrowError;
use datafusion::common::Column;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::error::Error;
use crate::error::Position;
use crate::error::SqlState;
use crate::sql::nearest;

/// What a user is told of an error of planning or running a pull query.
pub(super) fn from_datafusion(error: DataFusionError) -> Error {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let told = from_datafusion(*inner);
            match diagnostic.span.and_then(|span| u32::try_from(span.start.column).ok()) {
                Some(column) if 0 < column => told.at(Position(column)),
                _ => told,
            }
        }
        DataFusionError::Context(_, inner) => from_datafusion(*inner),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => from_datafusion(first),
            None => Error::internal("an empty collection of errors"),
        },
        DataFusionError::Shared(shared) => from_reference(&shared),
        DataFusionError::External(boxed) => from_external(boxed),
        DataFusionError::ArrowError(inner, _) => from_arrow(&inner),
        DataFusionError::SchemaError(inner, _) => from_schema(&inner),
        other => from_reference(&other),
    }
}

/// The same for an error that others hold too.
fn from_reference(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => from_reference(inner),
        DataFusionError::Shared(inner) => from_reference(inner),
        DataFusionError::External(boxed) => match boxed.downcast_ref::<Error>() {
            Some(own) => own.clone(),
            None => Error::internal(boxed.to_string()),
        },
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::SchemaError(inner, _) => from_schema(inner),
        DataFusionError::SQL(inner, _) => Error::new(SqlState::SYNTAX_ERROR, one_line(&inner.to_string())),
        DataFusionError::NotImplemented(message) => Error::unsupported(one_line(message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(SqlState::OUT_OF_MEMORY, one_line(message)),
        DataFusionError::Plan(message) => from_plan(message),
        DataFusionError::Execution(message) => from_execution(message),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_reference(first),
            None => Error::internal("an empty collection of errors"),
        },
        other => Error::internal(one_line(&other.strip_backtrace())),
    }
}

fn from_external(boxed: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match boxed.downcast::<Error>() {
        Ok(own) => *own,
        Err(other) => Error::internal(one_line(&other.to_string())),
    }
}

fn from_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "number out of range"),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => from_cast(message),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
            Some(own) => own.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => from_reference(inner),
                None => Error::internal(one_line(&inner.to_string())),
            },
        },
        ArrowError::ComputeError(message) => from_execution(message),
        ArrowError::InvalidArgumentError(message) => {
            Error::new(SqlState::INVALID_PARAMETER_VALUE, lower_first(&one_line(message)))
        }
        other => Error::internal(one_line(&other.to_string())),
    }
}

/// A text or number that does not fit the type it is cast to.
fn from_cast(message: &str) -> Error {
    let message = lower_first(&one_line(message));
    if message.contains("out of range") || message.contains("overflow") || message.contains("too large") {
        return Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message);
    }
    let times = ["date", "time", "timestamp"];
    if times.iter().any(|word| message.to_lowercase().contains(word)) {
        return Error::new(SqlState::INVALID_DATETIME_FORMAT, message);
    }
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let error =
                Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", field.flat_name()));
            let error = match field.spans.first().and_then(|span| u32::try_from(span.start.column).ok()) {
                Some(column) if 0 < column => error.at(Position(column)),
                _ => error,
            };
            match nearest(&field.name, valid_fields.iter().map(Column::name)) {
                Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            Error::new(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
                .hint("Name one of them with AS.")
        }
    }
}

/// DataFusion's planner tells by text alone.
fn from_plan(message: &str) -> Error {
    let message = one_line(message);
    if let Some(name) = between(&message, "table '", "' not found") {
        let name = name.rsplit('.').next().unwrap_or(name);
        return Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
    }
    if let Some(name) = between(&message, "Invalid function '", "'") {
        let error = Error::new(SqlState::UNDEFINED_FUNCTION, format!("function \"{name}\" does not exist"));
        return match between(&message, "Did you mean '", "'") {
            Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
            None => error,
        };
    }
    let has = |part: &str| message.contains(part);
    let state = if has("GROUP BY") || has("could not be resolved from available columns") {
        SqlState::GROUPING_ERROR
    } else if has("No function matches") || has("failed to match any signature") {
        SqlState::UNDEFINED_FUNCTION
    } else if has("coerce") || has("type") {
        SqlState::DATATYPE_MISMATCH
    } else if has("No value found for placeholder") || has("Placeholder") {
        SqlState::UNDEFINED_PARAMETER
    } else {
        // PostgreSQL's class for all that is wrong with a statement, where no closer code is known.
        SqlState("42000")
    };
    Error::new(state, lower_first(&message))
}

fn from_execution(message: &str) -> Error {
    let message = one_line(message);
    let lower = message.to_lowercase();
    let state = if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Error::new(SqlState::DIVISION_BY_ZERO, "division by zero");
    } else if lower.contains("overflow") || lower.contains("out of range") {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE
    } else if lower.contains("cast") || lower.contains("parse") {
        SqlState::INVALID_TEXT_REPRESENTATION
    } else {
        SqlState::INVALID_PARAMETER_VALUE
    };
    Error::new(state, lower_first(&message))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn one_line(message: &str) -> String {
    let first = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let prefixes = ["Error during planning: ", "Execution error: ", "Arrow error: ", "SQL error: "];
    prefixes.iter().fold(first, |message, prefix| message.strip_prefix(prefix).map_or(message.clone(), str::to_string))
}

fn lower_first(message: &str) -> String {
    let mut characters = message.trim_end_matches('.').chars();
    let first = characters.next().map(|first| first.to_lowercase().collect::<String>()).unwrap_or_default();
    first + characters.as_str()
}
