//! DataFusion's words for what a statement's clauses may not have, as PostgreSQL says it.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::failure::lower_first;
use super::failure::type_name;
use super::postgres_words::arguments;
use super::type_rules::NO_OPERATOR;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::normal_document;
use crate::plan::assigned::ASSIGN;
use crate::sql::walk;

/// What a message has, the error's code, and its message where DataFusion's own is not for users.
const KNOWN: [(&str, SqlState, Option<&str>); 18] = [
    ("limit must be >=", SqlState("2201W"), Some("LIMIT must not be negative")),
    ("offset must be >=", SqlState("2201X"), Some("OFFSET must not be negative")),
    ("order by column out of bounds", SqlState::INVALID_COLUMN_REFERENCE, None),
    ("cannot find column with position", SqlState::INVALID_COLUMN_REFERENCE, None),
    ("distinct on expressions must match", SqlState::INVALID_COLUMN_REFERENCE, None),
    ("for select distinct, order by expressions", SqlState::INVALID_COLUMN_REFERENCE, None),
    (
        "aggregate functions are not allowed in the where",
        SqlState::GROUPING_ERROR,
        Some("aggregate functions are not allowed in WHERE"),
    ),
    (
        "aggregate function calls cannot be nested",
        SqlState::GROUPING_ERROR,
        Some("aggregate function calls cannot be nested"),
    ),
    ("having clause references", SqlState::GROUPING_ERROR, None),
    ("join condition must be boolean", SqlState::DATATYPE_MISMATCH, None),
    ("requires a boolean expression", SqlState::DATATYPE_MISMATCH, None),
    ("to be an integer or null, but got", SqlState::DATATYPE_MISMATCH, None),
    ("logical boolean operation", SqlState::DATATYPE_MISMATCH, None),
    ("only supports signed numeric", SqlState::UNDEFINED_FUNCTION, None),
    ("for temporal operation", SqlState::UNDEFINED_FUNCTION, None),
    ("can not find compatible types to compare", SqlState::UNDEFINED_FUNCTION, None),
    ("in like expression", SqlState::UNDEFINED_FUNCTION, None),
    ("names given as column alias", SqlState::INVALID_COLUMN_REFERENCE, None),
];

/// The error for a message, which `lower` has in lower case.
pub(super) fn of_message(lower: &str, line: &str) -> Option<Error> {
    if let Some(name) = lower.strip_prefix("invalid qualifier ") {
        let message = format!("missing FROM-clause entry for table \"{name}\"");
        return Some(Error::new(SqlState::UNDEFINED_TABLE, message));
    }
    if let Some(name) = lower.strip_prefix("the window ").and_then(|rest| rest.strip_suffix(" is not defined!")) {
        return Some(Error::new(SqlState::UNDEFINED_OBJECT, format!("window \"{name}\" does not exist")));
    }
    if let Some(places) = lower.strip_prefix("order by column out of bounds, specified: ") {
        let message = format!("ORDER BY position {} is not in select list", places.split(',').next()?);
        return Some(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    if lower.contains("queries have different number of columns") {
        let what = line.split(' ').next()?;
        let message = format!("each {what} query must have the same number of columns");
        return Some(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    if lower.starts_with("too many columns! the subquery should only return one column") {
        return Some(Error::new(SqlState::SYNTAX_ERROR, "subquery must return only one column"));
    }
    if let Some((_, found)) = line.split_once("'NOT' requires a boolean expression, got ") {
        let message = format!("argument of NOT must be type boolean, not type {}", type_name(found));
        return Some(Error::new(SqlState::DATATYPE_MISMATCH, message));
    }
    if is_of_no_step(lower) {
        return Some(no_step());
    }
    if let Some(unmatched) = unmatched(&lower_first(line)).or_else(|| unmatched(line)) {
        return Some(unmatched);
    }
    if lower.starts_with("having clause references: int64(") {
        let message = "argument of HAVING must be type boolean, not type integer";
        return Some(Error::new(SqlState::DATATYPE_MISMATCH, message));
    }
    let (_, state, message) = KNOWN.iter().find(|(words, ..)| lower.contains(words))?;
    Some(Error::new(*state, message.map_or_else(|| lower_first(line), str::to_string)))
}

/// DataFusion's "Failed to coerce types Date32 and Int64 in BETWEEN expression", which it takes for a bug of its own.
pub(super) fn not_between(line: &str) -> Option<Error> {
    let (_, types) = line.split_once("Failed to coerce types ")?;
    let (left, right) = types.split_once(" in ")?.0.split_once(" and ")?;
    let message = format!("operator does not exist: {} >= {}", type_name(left), type_name(right));
    Some(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(NO_OPERATOR))
}

/// A node of the parser's that DataFusion's planner does not know, by the word that was typed.
pub(super) fn of_syntax(line: &str) -> Option<Error> {
    let (_, node) = line.split_once("Unsupported ast node ")?;
    let node = node.strip_prefix("in sqltorel: ").unwrap_or(node);
    let word = node.split(|letter: char| !letter.is_alphanumeric()).next()?;
    if word == "Collate" {
        let (_, name) = line.rsplit_once("Ident { value: \"")?;
        let name = name.split('"').next()?;
        let message = format!("collation \"{name}\" for encoding \"UTF8\" does not exist");
        return Some(Error::new(SqlState::UNDEFINED_OBJECT, message));
    }
    Some(Error::unsupported(format!("{} is not supported", word.to_uppercase())))
}

/// Where a query has what such an error is about.
pub(super) fn place(message: &str, query: &ast::Query) -> Option<Span> {
    let mut found = None;
    let flow = walk::expressions(query, |expr| {
        let here = match expr {
            ast::Expr::Collate { collation, .. } if message.starts_with("collation ") => Some(collation.span()),
            ast::Expr::RLike { expr, .. } if message.starts_with("RLIKE ") => Some(expr.span()),
            ast::Expr::Function(function) if message.starts_with("column ") => assigned(function, message),
            ast::Expr::CompoundFieldAccess { root, .. } if message.starts_with("cannot subscript ") => {
                Some(root.span())
            }
            ast::Expr::Cast { expr, data_type: ast::DataType::JSON | ast::DataType::JSONB, .. }
                if NO_DOCUMENT.contains(&message) && is_no_document(expr) =>
            {
                Some(expr.span())
            }
            ast::Expr::Value(_) if NO_DOCUMENT.contains(&message) && is_collection(expr) && is_no_document(expr) => {
                Some(expr.span())
            }
            ast::Expr::Cast { kind: ast::CastKind::DoubleColon, expr, data_type, .. } if casts(message, data_type) => {
                let end = expr.span().end;
                Some(Span::new(end, end))
            }
            _ => None,
        };
        found = found.or(here);
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    found
}

/// What is said of a text that is no document.
const NO_DOCUMENT: [&str; 2] = ["invalid input syntax for type json", "unsupported Unicode escape sequence"];

/// Whether a text that is written out is no document of JSONB.
fn is_no_document(expr: &ast::Expr) -> bool {
    written(expr).is_some_and(|text| normal_document(text).is_err())
}

/// Whether a text was meant as an object or an array of JSON; paths stand between braces too.
fn is_collection(expr: &ast::Expr) -> bool {
    let begins = written(expr).is_some_and(|text| text.trim_start().starts_with(['{', '[']));
    begins && super::quantified::elements(expr).is_none()
}

fn written(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a message is about a cast to a type.
fn casts(message: &str, data_type: &ast::DataType) -> bool {
    let told = message.strip_prefix("cannot cast type ").and_then(|types| types.rsplit_once(" to "));
    let wanted = crate::catalog::sql_type(data_type, Compatibility::Postgres);
    told.is_some_and(|(_, told)| wanted.is_ok_and(|wanted| wanted.postgres_name() == told))
}

/// Where a value stands that is assigned to the column which a message names first.
fn assigned(function: &ast::Function, message: &str) -> Option<Span> {
    let name = message.split('"').nth(1)?;
    match (function.name.to_string() == ASSIGN, arguments(function)?.as_slice()) {
        (true, [_, value, ast::Expr::Value(column)]) => {
            let is_it = matches!(&column.value, ast::Value::SingleQuotedString(column) if column == name);
            is_it.then(|| value.span())
        }
        _ => None,
    }
}

/// What PostgreSQL says of calls that stand for no function: subscripts, ARRAY, ANY.
pub(super) fn of_call(name: &str, types: &[String]) -> Option<Error> {
    let mismatch = |message| Some(Error::new(SqlState::DATATYPE_MISMATCH, message));
    match (name, types) {
        ("element" | "slice", [of, ..]) if !of.ends_with("[]") && of != "json" => {
            mismatch(format!("cannot subscript type {of} because it does not support subscripting"))
        }
        ("array", [first, others @ ..]) => {
            // Whole numbers of a statement are BIGINT until they are looked at.
            let shown = |name: &String| if name == "bigint" { "integer".to_string() } else { name.clone() };
            let other = others.iter().find(|other| *other != first)?;
            mismatch(format!("ARRAY types {} and {} cannot be matched", shown(first), shown(other)))
        }
        ("array_has", [array, value]) => {
            let element = array.strip_suffix("[]")?;
            let message = format!("operator does not exist: {value} = {element}");
            Some(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(NO_OPERATOR))
        }
        _ => None,
    }
}

/// Whether a name is that of a function which is called over a window alone.
pub(super) fn is_window_function(name: &str) -> bool {
    let names = [
        "cume_dist",
        "dense_rank",
        "first_value",
        "lag",
        "last_value",
        "lead",
        "nth_value",
        "ntile",
        "percent_rank",
        "rank",
        "row_number",
    ];
    names.contains(&name)
}

/// What DataFusion says of parts of times that it does not know.
pub(super) fn unknown_unit(line: &str) -> Option<Error> {
    let unit = match line.to_lowercase().strip_prefix("unsupported date_trunc granularity: '") {
        Some(rest) => rest.split('\'').next()?.to_string(),
        None => line.to_lowercase().strip_prefix("date part '")?.strip_suffix("' not supported")?.to_string(),
    };
    let message = format!("unit \"{unit}\" not recognized for type timestamp without time zone");
    Some(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}

/// What `make_date` says of days that there are not: "Unable to parse date from 2024, 2, 30".
pub(super) fn no_date(line: &str) -> Option<Error> {
    let parts = line.strip_prefix("Unable to parse date from ")?.split(", ").map(|part| part.parse::<i64>().ok());
    let parts = parts.collect::<Option<Vec<_>>>()?;
    let [year, month, day] = parts.as_slice() else { return None };
    let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
    Some(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message))
}

/// The types of rows of UNION and VALUES that do not meet.
fn unmatched(line: &str) -> Option<Error> {
    let whole = |name: &str| match name {
        // Numbers that are written out.
        "Int64" => "integer".to_string(),
        other => type_name(other),
    };
    let (what, one, other) = match line.split_once("Previous inputs were of type ") {
        Some((_, rest)) => {
            let (one, rest) = rest.split_once(", but got incompatible type ")?;
            ("UNION", type_name(one), type_name(rest.rsplit_once(" on column ")?.0))
        }
        None => {
            let (_, rest) = line.split_once("inconsistent data type across values list")?;
            let (one, other) = rest.split_once(". Was ")?.1.split_once(" but found ")?;
            ("VALUES", whole(one), whole(other))
        }
    };
    Some(Error::new(SqlState::DATATYPE_MISMATCH, format!("{what} types {one} and {other} cannot be matched")))
}

/// Whether DataFusion says that a series does not get on.
pub(super) fn is_of_no_step(line: &str) -> bool {
    let line = line.to_lowercase();
    line.contains("step cannot be zero")
        || line.contains("step can't be 0")
        || line.contains("interval argument to generate_series must not be 0")
}

/// Whether DataFusion says that it cannot compute a subquery for each row outside.
pub(super) fn is_of_outer_row(line: &str) -> bool {
    let kinds = ["ScalarSubquery", "Exists", "InSubquery", "OuterReferenceColumn", "SetComparison"];
    line.split_once("does not support logical expression ")
        .is_some_and(|(_, expression)| kinds.iter().any(|kind| expression.starts_with(kind)))
}

/// 0A000.
pub(super) fn outer_row() -> Error {
    Error::unsupported("a sub-query that sees this row outside of it is not supported here").hint(
        "Join with what the sub-query reads, and group; rows outside that come of a LIMIT or a window can be put into a table first.",
    )
}

/// 22023.
pub(super) fn no_step() -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

/// 21000.
pub(super) fn several_rows() -> Error {
    let message = "more than one row returned by a subquery used as an expression";
    Error::new(SqlState::CARDINALITY_VIOLATION, message)
}

/// 42P20.
pub(super) fn misplaced_window() -> Error {
    Error::new(SqlState("42P20"), "window functions are not allowed here")
        .hint("They stand in the SELECT list and in ORDER BY; a query around it can have them in its WHERE.")
}
