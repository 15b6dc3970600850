//! DataFusion's planning errors as PostgreSQL would say them, with the place in the statement.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::common::SchemaError;
use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use crate::error::Error;
use crate::error::Position;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::bind::position;
use crate::sql::walk;

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
        DataFusionError::ArrowError(arrow, _) => of_arrow(arrow),
        DataFusionError::Execution(message) => Error::new(SqlState::INVALID_PARAMETER_VALUE, one_line(message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(SqlState::OUT_OF_MEMORY, one_line(message)),
        other => Error::internal(one_line(&other.strip_backtrace())),
    }
}

fn of_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "number out of range"),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => of_number(message)
            .unwrap_or_else(|| Error::new(SqlState::INVALID_TEXT_REPRESENTATION, lower_first(&one_line(message)))),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::internal(one_line(&inner.to_string())),
        },
        ArrowError::InvalidArgumentError(message) => {
            Error::new(SqlState::INVALID_PARAMETER_VALUE, lower_first(&one_line(message)))
        }
        other => Error::internal(one_line(&other.to_string())),
    }
}

/// Arrow's "Cannot cast string 'x' to value of Int32 type", as PostgreSQL says it.
fn of_number(message: &str) -> Option<Error> {
    let (before, target) = message.rsplit_once("' to value of ")?;
    let text = before.split_once("string '")?.1;
    let name = match target.split_once(' ')?.0 {
        "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Float64" => "double precision",
        _ => return None,
    };
    let digits = text.trim().trim_start_matches(['-', '+']);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some(match is_whole {
        true => {
            let message = format!("value \"{text}\" is out of range for type {name}");
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
        }
        false => {
            let message = format!("invalid input syntax for type {name}: \"{text}\"");
            Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
        }
    })
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
    if let Some(error) = of_unknown_name(message, &line).or_else(|| operator(&line).map(|found| found.error())) {
        return error;
    }
    let lower = line.to_lowercase();
    let state = if lower.contains("invalid function")
        || lower.contains("no function matches")
        || lower.contains("cannot infer common")
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

/// An operator that does not take the types of its sides.
struct NoOperator<'a> {
    left: &'a str,
    sign: &'a str,
    right: &'a str,
}

/// DataFusion's "arithmetic expression Int64 + Utf8 to valid types" and "comparison operation Int64 = Utf8".
fn operator(line: &str) -> Option<NoOperator<'_>> {
    let arithmetic = line.split_once("arithmetic expression ").map(|(_, rest)| rest.strip_suffix(" to valid types"));
    let comparison = line.split_once("comparison operation ").map(|(_, rest)| Some(rest));
    let expression = arithmetic.or(comparison)??;
    let signs = ["+", "-", "*", "/", "%", "<=", ">=", "!=", "<", ">", "="];
    signs.into_iter().find_map(|sign| {
        let (left, rest) = expression.split_once(&format!(" {sign} ") as &str)?;
        Some(NoOperator { left, sign, right: rest })
    })
}

impl NoOperator<'_> {
    fn error(&self) -> Error {
        let name = |text: &str| {
            let known = text.parse::<DataType>().ok().and_then(|data_type| SqlType::from_arrow(&data_type));
            known.map_or_else(|| text.to_string(), |sql_type| sql_type.to_string()).to_lowercase()
        };
        let sign = if self.sign == "!=" { "<>" } else { self.sign };
        let message = format!("operator does not exist: {} {sign} {}", name(self.left), name(self.right));
        Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("You might need to add explicit type casts.")
    }

    /// Where the query has this operator, if only one place does.
    fn place(&self, query: &ast::Query) -> Option<Position> {
        let mut places = Vec::new();
        let flow = walk::expressions(query, |expr| {
            if let ast::Expr::BinaryOp { left, op, .. } = expr
                && (op.to_string() == self.sign || (self.sign == "!=" && *op == ast::BinaryOperator::NotEq))
            {
                places.push(left.span());
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
        match places[..] {
            [only] => position(only),
            _ => None,
        }
    }
}

/// `Invalid function 'x'.` and `table 'a.b.x' not found`, as PostgreSQL says them.
fn of_unknown_name(message: &str, line: &str) -> Option<Error> {
    let quoted = |text: &str| text.split('\'').nth(1).map(str::to_string);
    let name = quoted(line)?;
    if line.starts_with("Invalid function") {
        let error = Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
        let near = message.lines().find(|line| line.starts_with("Did you mean")).and_then(quoted);
        return Some(match near {
            Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
            None => error,
        });
    }
    if line.starts_with("table") && line.ends_with("not found") {
        let shown = name.rsplit('.').next().unwrap_or(&name);
        return Some(Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist")));
    }
    None
}

/// The user's error for one of DataFusion's planner about a whole query: the place is that of the name which it is about.
pub fn in_query(error: DataFusionError, query: &ast::Query) -> Error {
    let translated = translate(&error);
    let name = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.clone()),
            SchemaError::AmbiguousReference { field } => Some(field.name.clone()),
            _ => None,
        },
        DataFusionError::Plan(message) => {
            message.split('\'').nth(1).map(|name| name.rsplit('.').next().unwrap_or(name).to_string())
        }
        _ => None,
    };
    let at_operator = || match error.find_root() {
        DataFusionError::Plan(message) => operator(&one_line(message)).and_then(|found| found.place(query)),
        _ => None,
    };
    let translated = match name.and_then(|name| mention(query, &name)).or_else(at_operator) {
        Some(position) => translated.at(position),
        None => translated,
    };
    translated.caused_by(error)
}

/// The first place where a query names a relation, a column or a function so.
fn mention(query: &ast::Query, name: &str) -> Option<Position> {
    let is_name = |ident: &ast::Ident| ident.value.eq_ignore_ascii_case(name);
    let of_object = |object: &ast::ObjectName| match object.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) if is_name(ident) => Some(ident.span),
        _ => None,
    };
    let mut found: Option<Span> = None;
    let flow = walk::relations(query, |relation| {
        found = found.or_else(|| of_object(relation));
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    let flow = walk::expressions(query, |expr| {
        let here = match expr {
            ast::Expr::Identifier(ident) if is_name(ident) => Some(ident.span),
            ast::Expr::CompoundIdentifier(idents) => {
                idents.last().filter(|ident| is_name(ident)).map(|ident| ident.span)
            }
            ast::Expr::Function(function) => of_object(&function.name),
            _ => None,
        };
        found = found.or(here);
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    found.and_then(position)
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
    let flow = walk::expressions(origin, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        if let Some(ident) = ident.filter(|ident| ident.value == name) {
            found = position(ident.span);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    match found {
        Some(position) if flow.is_break() => error.at(position),
        _ => at(error, origin),
    }
}
