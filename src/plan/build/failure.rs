//! DataFusion's planning errors as PostgreSQL would say them, with the place in the statement.

use datafusion::common::DataFusionError;
use datafusion::common::SchemaError;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use crate::error::Error;
use crate::error::SqlState;
use crate::plan::bind::position;

/// The error, pointing at an expression.
pub fn at(error: Error, origin: &ast::Expr) -> Error {
    match position(origin.span()) {
        Some(position) => error.at(position),
        None => error,
    }
}

/// The user's error for one of DataFusion's planner.
pub fn of_datafusion(error: DataFusionError, origin: Option<&ast::Expr>) -> Error {
    let translated = translate(&error);
    let translated = match origin {
        Some(origin) => at(translated, origin),
        None => translated,
    };
    translated.caused_by(error)
}

fn translate(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => of_schema(schema),
        DataFusionError::Plan(message) => of_message(message),
        DataFusionError::NotImplemented(message) => Error::unsupported(one_line(message)),
        DataFusionError::Diagnostic(_, inner) => translate(inner),
        // Our own functions and rules say what they mean themselves.
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::internal(one_line(&inner.to_string())),
        },
        DataFusionError::SQL(parser, _) => Error::new(SqlState::SYNTAX_ERROR, one_line(&parser.to_string())),
        DataFusionError::ArrowError(arrow, _) => {
            Error::new(SqlState::INVALID_TEXT_REPRESENTATION, one_line(&arrow.to_string()))
        }
        DataFusionError::Execution(message) => Error::new(SqlState::INVALID_PARAMETER_VALUE, one_line(message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(SqlState::OUT_OF_MEMORY, one_line(message)),
        other => Error::internal(one_line(&other.strip_backtrace())),
    }
}

fn of_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let error = Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", field.name));
            let names = valid_fields.iter().map(|field| field.name.as_str());
            match crate::sql::nearest(&field.name, names) {
                Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            Error::new(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
        }
    }
}

/// DataFusion has one kind for most of what a user can do wrong; the words tell them apart.
fn of_message(message: &str) -> Error {
    let line = one_line(message);
    let lower = line.to_lowercase();
    let state = if lower.contains("invalid function") || lower.contains("no function matches") {
        SqlState::UNDEFINED_FUNCTION
    } else if lower.contains("cannot infer common")
        || lower.contains("cannot coerce arithmetic")
        || lower.contains("common argument type")
        || lower.contains("failed to coerce arguments")
        || lower.contains("does not support")
    {
        SqlState::UNDEFINED_FUNCTION
    } else if lower.contains("table") && (lower.contains("not found") || lower.contains("doesn't exist")) {
        SqlState::UNDEFINED_TABLE
    } else if lower.contains("group by") && lower.contains("column") {
        SqlState::GROUPING_ERROR
    } else if lower.contains("unsupported cast") || lower.contains("cannot automatically convert") {
        SqlState("42846")
    } else if lower.contains("can't be cast") || lower.contains("common type") || lower.contains("coerce") {
        SqlState::DATATYPE_MISMATCH
    } else {
        SqlState::SYNTAX_ERROR
    };
    Error::new(state, lower_first(&line))
}

fn one_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    line.trim_end_matches('.').to_string()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text.to_string(),
    }
}

/// The error, pointing at the first mention of a column inside an expression.
pub fn at_column(error: Error, origin: &ast::Expr, name: &str) -> Error {
    let mut found = None;
    let flow = ast::visit_expressions(origin, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        if let Some(ident) = ident.filter(|ident| ident.value == name) {
            found = position(ident.span);
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    });
    match found {
        Some(position) if flow.is_break() => error.at(position),
        _ => at(error, origin),
    }
}
