//! DataFusion's words for what a statement's clauses may not have, as PostgreSQL says it.

use super::failure::lower_first;
use super::failure::type_name;
use crate::error::Error;
use crate::error::SqlState;

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
    if is_of_no_step(lower) {
        return Some(no_step());
    }
    let (_, state, message) = KNOWN.iter().find(|(words, ..)| lower.contains(words))?;
    Some(Error::new(*state, message.map_or_else(|| lower_first(line), str::to_string)))
}

/// DataFusion's "Failed to coerce types Date32 and Int64 in BETWEEN expression", which it takes for a bug of its own.
pub(super) fn not_between(line: &str) -> Option<Error> {
    let (_, types) = line.split_once("Failed to coerce types ")?;
    let (left, right) = types.split_once(" in ")?.0.split_once(" and ")?;
    let message = format!("operator does not exist: {} >= {}", type_name(left), type_name(right));
    Some(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("You might need to add explicit type casts."))
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
