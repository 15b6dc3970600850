//! DataFusion's planning errors as PostgreSQL would say them, with the place in the statement.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::Column;
use datafusion::common::DataFusionError;
use datafusion::common::SchemaError;
use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Location;
use sqlparser::tokenizer::Span;

use super::call_place;
use super::plan_failure;
use super::type_rules;
use super::type_rules::NO_OPERATOR;
use super::value_failure;
use crate::error::Error;
use crate::error::Position;
use crate::error::SqlState;
use crate::functions::ksqldb_name;
use crate::model::SqlType;
use crate::plan::Functions;
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
        DataFusionError::NotImplemented(message) => {
            let line = one_line(message);
            if line.contains("logical expression WindowFunction") {
                return plan_failure::misplaced_window();
            }
            if plan_failure::is_of_outer_row(&line) {
                return plan_failure::outer_row();
            }
            let told = of_types(&line).or_else(|| plan_failure::of_syntax(&line));
            told.unwrap_or_else(|| Error::unsupported(line))
        }
        DataFusionError::Diagnostic(_, inner) => translate(inner),
        // Our own functions and rules say what they mean themselves.
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => of_foreign(&inner.to_string()),
        },
        DataFusionError::SQL(parser, _) => Error::new(SqlState::SYNTAX_ERROR, one_line(&parser.to_string())),
        DataFusionError::ArrowError(arrow, _) => of_arrow(arrow),
        DataFusionError::Execution(message) => of_execution(&one_line(message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(SqlState::OUT_OF_MEMORY, one_line(message)).hint(
            "Read or sort fewer rows at once, or raise memory.limit, memory.statements or limits.temporary_bytes_max.",
        ),
        DataFusionError::Internal(message) if message.contains("Failed to coerce types") => {
            plan_failure::not_between(&one_line(message)).unwrap_or_else(|| Error::internal(one_line(message)))
        }
        DataFusionError::Internal(message) if message.contains(NO_SIGNATURE) => of_no_signature(message),
        other => Error::internal(one_line(&other.strip_backtrace())),
    }
}

/// What DataFusion says of a call for which each of a function's signatures has its own reason.
const NO_SIGNATURE: &str = "' failed to match any signature";

/// Whether an error about a call leaves out what it was called with.
pub(super) fn tells_no_types(error: &DataFusionError) -> bool {
    let message = error.to_string();
    [NO_SIGNATURE, "does not support zero arguments"].iter().any(|words| message.contains(words))
}

/// PostgreSQL's error for such a call; the types are not told.
fn of_no_signature(message: &str) -> Error {
    let name = message.split_once(NO_SIGNATURE).and_then(|(before, _)| before.rsplit_once('\''));
    let name = name.map_or("", |(_, name)| name.trim_start_matches("__"));
    Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {name} does not exist for such arguments"))
        .hint(type_rules::NO_FUNCTION)
}

/// An error of a library below DataFusion.
fn of_foreign(message: &str) -> Error {
    match message.starts_with("regex parse error") {
        true => value_failure::of_regular_expression(message),
        false => Error::internal(one_line(message)),
    }
}

/// What functions say of their arguments.
fn of_execution(line: &str) -> Error {
    if plan_failure::is_of_no_step(line) {
        return plan_failure::no_step();
    }
    if let Some(told) = plan_failure::unknown_unit(line).or_else(|| plan_failure::no_date(line)) {
        return told;
    }
    if let Some(refused) = refused_by_function(line) {
        return refused;
    }
    let state = if line.contains("egular expression") {
        SqlState::INVALID_REGULAR_EXPRESSION
    } else if line.starts_with("Error parsing ") {
        SqlState::INVALID_DATETIME_FORMAT
    } else if line.contains("ubquery returned more than one row") {
        return plan_failure::several_rows();
    } else if line.contains(" value '") && line.ends_with("out of range") || line.starts_with("Unable to parse date") {
        SqlState::DATETIME_FIELD_OVERFLOW
    } else {
        SqlState::INVALID_PARAMETER_VALUE
    };
    Error::new(state, lower_first(line))
}

/// Of Arrow's errors those that are about values are told by `value_failure`.
fn of_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => of_foreign(&inner.to_string()),
        },
        other => match value_failure::of_arrow(other) {
            Some(told) => told.error,
            None => Error::internal(one_line(&other.to_string())),
        },
    }
}

fn of_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            if let Some(error) = unknown_qualifier(field, valid_fields) {
                return error;
            }
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

/// The error for a column of a relation that the query does not read.
fn unknown_qualifier(field: &Column, valid_fields: &[Column]) -> Option<Error> {
    let qualifier = field.relation.as_ref()?.table();
    let known: Vec<&str> = valid_fields.iter().filter_map(|field| Some(field.relation.as_ref()?.table())).collect();
    if known.contains(&qualifier) {
        return None;
    }
    let message = format!("missing FROM-clause entry for table \"{qualifier}\"");
    let error = Error::new(SqlState::UNDEFINED_TABLE, message);
    Some(match crate::sql::nearest(qualifier, known) {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error,
    })
}

/// DataFusion has one kind for most of what a user can do wrong; the words tell them apart.
fn of_message(message: &str) -> Error {
    let line = one_line(message);
    // Functions that have ksqlDB's answers have its words too.
    if let Some(refused) = refused_by_function(message).filter(|_| message.contains("'__ksql_")) {
        return refused;
    }
    if let Some(error) = of_unknown_name(message, &line).or_else(|| operator(&line).map(|found| found.error())) {
        return error;
    }
    if let Some(column) = not_grouped(&line) {
        let message =
            format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return Error::new(SqlState::GROUPING_ERROR, message);
    }
    if let Some(error) = of_types(&line) {
        return error;
    }
    let lower = line.to_lowercase();
    if let Some(error) = plan_failure::of_message(&lower, &line) {
        return error;
    }
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
        SqlState::CANNOT_COERCE
    } else if lower.contains("can't be cast") || lower.contains("common type") || lower.contains("coerce") {
        SqlState::DATATYPE_MISMATCH
    } else {
        SqlState::SYNTAX_ERROR
    };
    Error::new(state, lower_first(&line))
}

/// PostgreSQL's name of a type that a message of DataFusion names.
pub(super) fn type_name(text: &str) -> String {
    let known = text.trim().parse::<DataType>();
    known.map_or_else(|_| text.to_string(), |data_type| SqlType::postgres_name_of(&data_type))
}

/// What names types, in the words of several of DataFusion's errors.
fn of_types(line: &str) -> Option<Error> {
    if let Some((from, to)) = line.split_once("Unsupported CAST from ").and_then(|(_, types)| types.split_once(" to "))
    {
        let message = format!("cannot cast type {} to {}", type_name(from), type_name(to));
        return Some(Error::new(SqlState::CANNOT_COERCE, message));
    }
    if let Some(name) = line.strip_prefix("Unsupported SQL type ") {
        return Some(crate::catalog::unknown_type(&name.to_lowercase()));
    }
    if let Some((_, operation)) = line.split_once("logical boolean operation ") {
        return of_logic(operation);
    }
    let (_, found) =
        line.strip_prefix("Cannot create filter with non-boolean predicate ")?.rsplit_once(" returning ")?;
    let is_int = line.contains(" predicate 'Int64(");
    let found = if is_int { "integer".to_string() } else { type_name(found) };
    let message = format!("argument of WHERE must be type boolean, not type {found}");
    Some(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

/// "Utf8 AND Boolean": a side is no boolean.
fn of_logic(operation: &str) -> Option<Error> {
    let (word, (left, right)) =
        ["AND", "OR"].into_iter().find_map(|word| Some((word, operation.split_once(&format!(" {word} ") as &str)?)))?;
    let wrong = [left, right].map(type_name).into_iter().find(|side| side != "boolean")?;
    let message = format!("argument of {word} must be type boolean, not type {wrong}");
    Some(Error::new(SqlState::DATATYPE_MISMATCH, message))
}

/// An operator that does not take the types of its sides.
struct NoOperator<'a> {
    left: &'a str,
    sign: &'a str,
    right: &'a str,
}

/// DataFusion's "arithmetic expression Int64 + Utf8 to valid types" and "comparison operation Int64 = Utf8".
fn operator(line: &str) -> Option<NoOperator<'_>> {
    let ours = line.strip_prefix("operator does not exist: ");
    let arithmetic = line.split_once("arithmetic expression ").map(|(_, rest)| rest.strip_suffix(" to valid types"));
    let operation = ["comparison operation ", "string concat operation ", "temporal operation ", "regex operation "];
    let operation = operation.iter().find_map(|words| line.split_once(words)).map(|(_, rest)| Some(rest));
    let expression = ours.map(Some).or(arithmetic).or(operation)??;
    let signs = [
        "||", "!~~*", "!~~", "~~*", "~~", "!~*", "!~", "~*", "~", "+", "-", "*", "/", "%", "<=", ">=", "!=", "<>", "<",
        ">", "=",
    ];
    signs.into_iter().find_map(|sign| {
        let (left, rest) = expression.split_once(&format!(" {sign} ") as &str)?;
        // A reason may follow.
        Some(NoOperator { left, sign, right: rest.split(": ").next().unwrap_or(rest) })
    })
}

impl NoOperator<'_> {
    fn error(&self) -> Error {
        let sign = if self.sign == "!=" { "<>" } else { self.sign };
        let [left, right] = [self.left, self.right].map(type_name);
        let message = format!("operator does not exist: {left} {sign} {right}");
        Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(NO_OPERATOR)
    }

    /// Where the query has this operator, if only one place does.
    fn place(&self, query: &ast::Query) -> Option<Position> {
        let mut places = Vec::new();
        let flow = walk::expressions(query, |expr| {
            places.extend(self.place_in(expr));
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
        match places[..] {
            [only] => position(only),
            _ => None,
        }
    }

    /// Where an expression has it between its operands.
    fn place_in(&self, expr: &ast::Expr) -> Option<Span> {
        match expr {
            ast::Expr::BinaryOp { left, op, right } => {
                let sign = op.to_string();
                let is_it = sign == self.sign || self.sign == "!=" && *op == ast::BinaryOperator::NotEq;
                is_it.then(|| between(left.span(), &sign, right.span()))
            }
            ast::Expr::IsDistinctFrom(left, _) | ast::Expr::IsNotDistinctFrom(left, _) if self.sign == "=" => {
                Some(left.span())
            }
            ast::Expr::InList { expr, negated, .. } | ast::Expr::InSubquery { expr, negated, .. } => {
                (self.sign == if *negated { "<>" } else { "=" }).then(|| expr.span())
            }
            ast::Expr::Between { expr, negated, .. } => {
                let signs = if *negated { ["<", ">"] } else { [">=", "<="] };
                signs.contains(&self.sign).then(|| expr.span())
            }
            ast::Expr::Like { expr, any: false, .. } | ast::Expr::ILike { expr, any: false, .. } => {
                self.sign.contains("~~").then(|| expr.span())
            }
            _ => None,
        }
    }
}

/// Where an operator stands between its operands, as far as the room between them tells: behind a space or behind nothing.
fn between(left: Span, sign: &str, right: Span) -> Span {
    let room = right.start.column.checked_sub(left.end.column).filter(|_| left.end.line == right.start.line);
    let spaces = room.and_then(|room| room.checked_sub(sign.len() as u64)).filter(|spaces| spaces % 2 == 0);
    match spaces {
        Some(spaces) if left.end.line != 0 => {
            let start = Location::new(left.end.line, left.end.column + spaces / 2);
            Span::new(start, right.start)
        }
        _ => left,
    }
}

/// A call that no function takes: its name and the types of its arguments. DataFusion says "No function matches the given name and
/// argument types 'sum(Utf8)'", or "a call to 'sqrt' function: coercion from Utf8 to the signature ..".
fn refused_call(message: &str) -> Option<(&str, &str)> {
    if let Some((_, call)) = message.rsplit_once("No function matches the given name and argument types '") {
        return call.split_once(")'")?.0.split_once('(');
    }
    let (name, rest) = message.split_once("to satisfy a call to '")?.1.split_once("' function: coercion from ")?;
    Some((name, rest.split_once(" to the signature")?.0))
}

/// ksqlDB's error for such a call.
pub fn ksqldb_call(error: &DataFusionError) -> Option<Error> {
    let DataFusionError::Plan(message) = error.find_root() else { return None };
    if let Some(refused) = refused_by_function(message) {
        return Some(refused);
    }
    if message.contains("nary operator '-' only supports") {
        let message = "Unsupported arithmetic types: a minus stands before numbers.";
        return Some(Error::new(SqlState::UNDEFINED_FUNCTION, message));
    }
    let (name, types) = refused_call(message)?;
    let name = name.strip_prefix("__ksql_").or_else(|| name.strip_prefix("__")).unwrap_or(name);
    let shown = |name: &str| match name.parse::<DataType>() {
        Ok(DataType::Null) => "null".to_owned(),
        Ok(data_type) => ksqldb_name(&data_type),
        Err(_) => name.to_owned(),
    };
    let types: Vec<String> = argument_types(types).iter().map(|name| shown(name)).collect();
    let message = format!("Function '{name}' does not accept parameters ({}).", types.join(", "));
    Some(Error::new(SqlState::UNDEFINED_FUNCTION, message))
}

/// What a function of ours said of its arguments, which DataFusion keeps as a text alone.
fn refused_by_function(message: &str) -> Option<Error> {
    let (_, told) = message.split_once("user-defined coercion failed with: External error: ")?;
    let (told, state) = told.rsplit_once(" (SQLSTATE ")?;
    let state = if state.starts_with("42725") { SqlState("42725") } else { SqlState::UNDEFINED_FUNCTION };
    Some(Error::new(state, told))
}

/// The types between commas that no bracket holds.
fn argument_types(types: &str) -> Vec<String> {
    let (mut depth, mut names) = (0, vec![String::new()]);
    for character in types.chars() {
        depth += i32::from(character == '(') - i32::from(character == ')');
        match (character, names.last_mut()) {
            (',', _) if depth == 0 => names.push(String::new()),
            (_, Some(name)) => name.push(character),
            (_, None) => {}
        }
    }
    names.iter().map(|name| name.trim().to_owned()).collect()
}

/// PostgreSQL's error for such a call.
fn no_function(message: &str) -> Option<Error> {
    let (name, types) = refused_call(message)?;
    // A name of our own making stands for the one that was typed.
    let name = name.strip_prefix("__").unwrap_or(name);
    let names: Vec<String> = argument_types(types).iter().map(|name| type_name(name)).collect();
    if let Some(told) = plan_failure::of_call(name, &names) {
        return Some(told);
    }
    let error =
        Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", names.join(", ")));
    let functions = Functions::new();
    let is_known = functions.is_scalar(name) || functions.is_aggregate(name);
    Some(match crate::sql::nearest(name, functions.names()).filter(|_| !is_known) {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error.hint(type_rules::NO_FUNCTION),
    })
}

/// `Invalid function 'x'.` and `table 'a.b.x' not found`, as PostgreSQL says them.
fn of_unknown_name(message: &str, line: &str) -> Option<Error> {
    if let Some(error) = no_function(message) {
        return Some(error);
    }
    let quoted = |text: &str| text.split('\'').nth(1).map(str::to_string);
    let name = quoted(line)?;
    if line.starts_with("Invalid function") {
        if plan_failure::is_window_function(&name) {
            let message = format!("window function {name} requires an OVER clause");
            return Some(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        let error = Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
        // DataFusion's own guess is not always the nearest, and may be a name that is not for users.
        let functions = Functions::new();
        return Some(match crate::sql::nearest(&name, functions.names()) {
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
    let translated = call_place::with_literals(translate(&error), query);
    let name = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.clone()),
            SchemaError::AmbiguousReference { field } => Some(field.name.clone()),
            _ => None,
        },
        DataFusionError::Plan(message) => match not_grouped(&one_line(message)) {
            Some(column) => Some(last_part(column)),
            None => message.split('\'').nth(1).map(last_part),
        },
        _ => None,
    };
    let message = translated.message().to_string();
    let at_operator = || operator(&message).and_then(|found| found.place(query));
    let at_node = || plan_failure::place(&message, query).and_then(position);
    let at_literal = || match error.find_root() {
        DataFusionError::ArrowError(arrow, _) => literal(query, &value_failure::of_arrow(arrow)?.text?),
        _ => None,
    };
    let at_call = || mention(query, message.strip_prefix("function ")?.split_once('(')?.0);
    let place = name.and_then(|name| mention(query, &name)).or_else(at_operator).or_else(at_literal);
    let translated = match place.or_else(at_node).or_else(at_call) {
        Some(position) => translated.at(position),
        None => translated,
    };
    translated.caused_by(error)
}

fn last_part(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_string()
}

/// DataFusion's ".. column "t.a" must appear in the GROUP BY clause or must be part of an aggregate function ..".
fn not_grouped(line: &str) -> Option<&str> {
    let (before, _) = line.split_once("\" must appear in the GROUP BY clause")?;
    Some(before.rsplit_once("olumn \"")?.1)
}

/// Where a query has a text, if it has it.
fn literal(query: &ast::Query, text: &str) -> Option<Position> {
    let mut found: Option<Span> = None;
    let flow = walk::expressions(query, |expr| {
        if let ast::Expr::Value(value) = expr
            && matches!(&value.value, ast::Value::SingleQuotedString(literal) if literal == text)
        {
            found = found.or(Some(value.span));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    found.and_then(position)
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

pub(super) fn one_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    line.trim_end_matches('.').to_string()
}

pub(super) fn lower_first(text: &str) -> String {
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
