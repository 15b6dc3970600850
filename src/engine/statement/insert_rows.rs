//! INSERT INTO .. VALUES: each value is read as its column's type, then encoded and appended.
//!
//! Plain values are read by the rules of PostgreSQL's type input; everything else is an expression, cast to the
//! column's type and evaluated, all of a statement at once.

use std::fmt;

use arrow::array::timezone::Tz;
use arrow::record_batch::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use sqlparser::ast;

use super::insert_table;
use super::lookup::insert_target;
use super::lookup::into_headers;
use super::lookup::written_targets;
use super::modify;
use super::returning;
use super::returning::Answer;
use super::update::start_of;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::catalog::TextKind;
use crate::engine::append::RefusedValue;
use crate::engine::append::append_rows;
use crate::engine::append::fitted_new;
use crate::engine::append::record_times;
use crate::engine::defaults;
use crate::engine::defaults::Defaults;
use crate::engine::one_row;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::read::Planner;
use crate::engine::row_time::TargetColumn;
use crate::engine::row_time::told_ms;
use crate::engine::session::Session;
use crate::engine::table_write::replace_rows;
use crate::engine::tables::is_plain_table;
use crate::engine::text::write_text;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::format;
use crate::model::SqlType;
use crate::plan::assigned_value;
use crate::plan::cast_to;
use crate::plan::check_fields;
use crate::plan::fold;
use crate::plan::no_such_alias;
use crate::plan::placeholder;
use crate::plan::uuid_casts;
use crate::sql::InsertClauses;
use crate::sql::InsertRows;
use crate::sql::is_default;
use crate::sql::walk;

/// What the values of one statement are for.
struct Target {
    relation: std::sync::Arc<Relation>,
    /// The columns of the values: those of the relation, and ksqlDB's ROWTIME.
    columns: Vec<TargetColumn>,
}

impl Target {
    fn is_uuid(&self, column: TargetColumn) -> bool {
        let TargetColumn::Column(index) = column else { return false };
        self.relation.text_kinds.get(&index) == Some(&TextKind::Uuid)
    }

    /// What a row has in a column where it tells no value; `None` is NULL.
    fn default(&self, column: TargetColumn) -> Result<Option<ast::Expr>> {
        match column {
            TargetColumn::Column(index) => defaults::expression(&self.relation, index),
            TargetColumn::RowTime => Ok(None),
        }
    }

    /// Whether it is the identity column.
    fn is_numbered(&self, column: TargetColumn) -> bool {
        self.relation.identity.as_ref().is_some_and(|identity| column == TargetColumn::Column(identity.column))
    }

    fn sql_type(&self, column: TargetColumn) -> SqlType {
        match column {
            TargetColumn::Column(index) => self.relation.columns[index].sql_type.clone(),
            TargetColumn::RowTime => SqlType::BigInt,
        }
    }
}

pub(super) async fn execute(session: &mut Session, insert: &InsertRows, parameters: &[Value]) -> Result<Outcome> {
    let target = target(session, insert)?;
    if let Some(conflict) = &insert.clauses.conflict {
        insert_table::check_conflict(session, &target.relation, conflict)?;
    }
    let cells = cells(session, insert, &target, parameters).await?;
    let (rows, row_times) = build(insert, &target, &cells, session.settings.zone())?;
    let is_told = |index| target.columns.contains(&TargetColumn::Column(index));
    let defaults = Defaults::of(session, &target.relation, is_told).await?;
    let rows = defaults.fill(&session.engine, &target.relation, rows).await?;
    let at_cell = |refused: RefusedValue| match position_of(insert, &target, refused.row, refused.column) {
        Some(position) => refused.error.at(position),
        None => refused.error,
    };
    let rows = fitted_new(&session.engine, &target.relation, rows).map_err(at_cell)?;
    let mut times = record_times(&session.engine, &target.relation, &rows).map_err(at_cell)?;
    for (time, told) in times.iter_mut().zip(row_times) {
        *time = told.unwrap_or(*time);
    }
    if refuses_taken_keys(session, &target.relation, &insert.clauses) {
        let inserted = insert_table::insert(session, &target.relation, (rows, times), &insert.clauses, parameters);
        return inserted.await.map_err(at_cell);
    }
    let alias = modify::alias_of(session, &target.relation, insert.clauses.alias.as_ref());
    let answer = Answer::of(session, insert.clauses.returning.as_ref(), &alias, &rows, &[], parameters).await?;
    let ends = match is_plain_table(&target.relation) {
        true => replace_rows(&session.engine, &session.client, &target.relation, rows, times).await?,
        false => append_rows(&session.engine, session.client.as_ref(), &target.relation, &rows, &times).await?,
    };
    session.written.note(ends);
    Ok(answer.outcome("INSERT 0"))
}

/// Refuses values for a column of numbers that are always given.
pub(super) fn refuse_numbers(relation: &Relation, is_told: impl Fn(usize) -> bool) -> Result<()> {
    match relation.identity.as_ref().filter(|identity| identity.always && is_told(identity.column)) {
        None => Ok(()),
        Some(identity) => {
            let name = &relation.columns[identity.column].name;
            let message = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
            Err(Error::new(SqlState::GENERATED_ALWAYS, message)
                .detail(format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS."))
                .hint("Leave it out. COPY takes its values, and so does GENERATED BY DEFAULT."))
        }
    }
}

/// Whether a row whose key is taken is told from others. In a table over a named topic, and under ksqlDB's rules, it replaces the
/// row that is there.
pub(super) fn refuses_taken_keys(session: &Session, relation: &Relation, clauses: &InsertClauses) -> bool {
    let refuses = session.settings.compatibility() == Compatibility::Postgres && !relation.names_topic;
    // Nobody can hold a number that was just made.
    let may_be_taken = is_plain_table(relation) && relation.row_key().is_none();
    may_be_taken && (refuses || clauses.conflict.is_some())
}

pub(super) async fn describe(session: &Session, insert: &InsertRows, known: &[Option<SqlType>]) -> Result<Description> {
    let target = target(session, insert)?;
    let mut params: Vec<Option<SqlType>> = known.to_vec();
    let mut uuids = uuid_casts(&insert.rows);
    for row in &insert.rows {
        for (cell, column) in row.iter().zip(&target.columns) {
            uuids.extend(placeholder(cell).filter(|_| target.is_uuid(*column)));
            let told = placeholders(cell, &target.sql_type(*column), session.settings.compatibility())?;
            for (number, sql_type) in told {
                if params.len() < number {
                    params.resize(number, None);
                }
                if let Some(open @ None) = params.get_mut(number - 1) {
                    *open = Some(sql_type);
                }
            }
        }
    }
    let (relation, clauses) = (&target.relation, &insert.clauses);
    insert_table::describe(session, relation, clauses, &mut params).await?;
    let alias = modify::alias_of(session, relation, clauses.alias.as_ref());
    let fields = returning::describe(session, relation, clauses.returning.as_ref(), &alias, &[], &mut params).await?;
    let params = params.into_iter().map(|known| known.unwrap_or(SqlType::Text)).collect();
    Ok(Description::new(params, fields).with_uuids(uuids))
}

/// The parameters in a value: a bare one has the column's type, one in a cast the cast's, another the column's.
fn placeholders(cell: &ast::Expr, column: &SqlType, rules: Compatibility) -> Result<Vec<(usize, SqlType)>> {
    if let Some(number) = placeholder(cell) {
        return Ok(vec![(number, column.clone())]);
    }
    let mut found = Vec::new();
    let flow = walk::expressions(cell, |expression: &ast::Expr| {
        if let ast::Expr::Cast { expr, data_type, .. } = expression
            && let Some(number) = placeholder(expr)
        {
            match crate::catalog::cast_type(data_type, rules) {
                Ok(sql_type) => found.push((number, sql_type)),
                Err(error) => return std::ops::ControlFlow::Break(error),
            }
        } else if let Some(number) = placeholder(expression)
            && !found.iter().any(|(known, _)| *known == number)
        {
            found.push((number, column.clone()));
        }
        std::ops::ControlFlow::Continue(())
    });
    match flow {
        std::ops::ControlFlow::Break(error) => Err(error),
        std::ops::ControlFlow::Continue(()) => Ok(found),
    }
}

fn target(session: &Session, insert: &InsertRows) -> Result<Target> {
    let relation = insert_target(session, &insert.target)?;
    let columns = written_targets(session, &relation, &insert.columns)?;
    let all_are_told = !insert.columns.is_empty() || session.settings.compatibility() == Compatibility::Ksqldb;
    for (number, row) in insert.rows.iter().enumerate() {
        let problem = match row.len() {
            count if columns.len() < count => "more expressions than target columns",
            // Without names PostgreSQL lets the last columns be left out.
            count if count < columns.len() && all_are_told => "more target columns than expressions",
            _ => continue,
        };
        let message = match session.settings.compatibility() {
            Compatibility::Postgres => format!("INSERT has {problem}"),
            Compatibility::Ksqldb => in_ksqldb_words(&relation, row.len(), columns.len()),
        };
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(insert.target.position).detail(format!(
            "Row {} has {} values for {} columns.",
            number + 1,
            row.len(),
            columns.len()
        )));
    }
    let first = insert.rows.first().map_or(0, Vec::len);
    if insert.rows.iter().any(|row| row.len() != first) {
        let error = Error::new(SqlState::SYNTAX_ERROR, "VALUES lists must all be the same length");
        return Err(error.at(insert.target.position));
    }
    Ok(Target { relation, columns })
}

/// ksqlDB's words for a row with another number of values than there are columns.
fn in_ksqldb_words(relation: &Relation, values: usize, columns: usize) -> String {
    let headers: Vec<&String> =
        relation.columns.iter().filter(|column| column.role.is_of_headers()).map(|column| &column.name).collect();
    match headers.is_empty() || values != columns + headers.len() {
        true => {
            format!("Failed to prepare statement: Expected number columns and values to match: {columns}, {values}")
        }
        // Values for all columns there are.
        false => into_headers(&headers),
    }
}

/// A value is no column.
fn check_names(session: &Session, cell: &ast::Expr) -> Result<()> {
    let rules = session.settings.compatibility();
    if rules == Compatibility::Postgres {
        return Ok(());
    }
    let flow = walk::expressions(cell, |part| match part {
        ast::Expr::CompoundIdentifier(idents) => std::ops::ControlFlow::Break(idents.first().cloned()),
        _ => std::ops::ControlFlow::Continue(()),
    });
    match flow {
        std::ops::ControlFlow::Break(Some(alias)) => {
            let error = Error::new(SqlState::UNDEFINED_TABLE, no_such_alias(&fold(&alias, rules)));
            Err(start_of(cell).map_or(error.clone(), |position| error.at(position)))
        }
        _ => Ok(()),
    }
}

/// The text of every value, row by row; `None` is null.
async fn cells(
    session: &Session,
    insert: &InsertRows,
    target: &Target,
    parameters: &[Value],
) -> Result<Vec<Vec<Option<String>>>> {
    let mut rows: Vec<Vec<Option<String>>> = Vec::with_capacity(insert.rows.len());
    let mut expressions: Vec<(usize, usize, ast::Expr)> = Vec::new();
    let mut numbered: Vec<(usize, usize)> = Vec::new();
    let rules = session.settings.compatibility();
    for (number, row) in insert.rows.iter().enumerate() {
        let mut texts = vec![None; target.columns.len()];
        for (index, told) in target.columns.iter().enumerate() {
            let default;
            let is_numbered = target.is_numbered(*told);
            let cell = match row.get(index).filter(|cell| !is_default(cell)) {
                Some(cell) if is_numbered => {
                    let refused = refuse_numbers(&target.relation, |_| true);
                    refused.map_err(|error| start_of(cell).map_or(error.clone(), |position| error.at(position)))?;
                    cell
                }
                Some(cell) => cell,
                None if is_numbered => {
                    numbered.push((number, index));
                    continue;
                }
                None => {
                    default = target.default(*told)?;
                    let Some(default) = &default else { continue };
                    default
                }
            };
            let sql_type = target.sql_type(target.columns[index]);
            let is_strict = rules == Compatibility::Ksqldb && matches!(target.columns[index], TargetColumn::Column(_));
            if is_strict {
                check_literal(cell, &sql_type)?;
            }
            if let Some(text) = plain(cell, &sql_type) {
                let is_base64 = is_strict && sql_type == SqlType::Bytes;
                texts[index] = if is_base64 { text.map(|text| from_base64(cell, text)).transpose()? } else { text };
            } else if let Some(parameter) = placeholder(cell) {
                texts[index] = parameter_text(parameters, parameter)?;
            } else {
                check_names(session, cell)?;
                let mut cell = cell.clone();
                let read = |value: &mut ast::Expr, sql_type: &SqlType| match is_strict {
                    true => read_part(value, sql_type),
                    false => Ok(()),
                };
                check_fields(&mut cell, &sql_type, rules, &read)?;
                expressions.push((number, index, cell));
            }
        }
        rows.push(texts);
    }
    if !expressions.is_empty() {
        let values = computed(session, target, &expressions, parameters).await?;
        for ((row, index, _), value) in expressions.iter().zip(values) {
            rows[*row][*index] = value;
        }
    }
    if !numbered.is_empty() {
        let numbers = session.engine.numbers().take(&session.engine, &target.relation, numbered.len()).await?;
        for ((row, index), number) in numbered.into_iter().zip(numbers) {
            rows[row][index] = Some(number.to_string());
        }
    }
    Ok(rows)
}

/// The values of expressions. Under ksqlDB's rules a cast that fails gives NULL, and what was given would be lost: it is refused.
async fn computed(
    session: &Session,
    target: &Target,
    expressions: &[(usize, usize, ast::Expr)],
    parameters: &[Value],
) -> Result<Vec<Option<String>>> {
    let given = match session.settings.compatibility() {
        Compatibility::Ksqldb => check_types(session, target, expressions, parameters).await?,
        Compatibility::Postgres => Vec::new(),
    };
    let values = evaluate(session, target, expressions, parameters).await?;
    let lost = given.into_iter().zip(&values).position(|(given, value)| given && value.is_none());
    match lost.map(|lost| &expressions[lost]) {
        Some((_, index, cell)) => Err(refused(cell, &target.sql_type(target.columns[*index]), cell)),
        None => Ok(values),
    }
}

/// ksqlDB coerces little: whole numbers widen, texts are read as times and bytes, and nothing is rounded.
fn check_literal(cell: &ast::Expr, sql_type: &SqlType) -> Result<()> {
    let value = match cell {
        ast::Expr::Nested(inner) | ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: inner } => {
            return check_literal(inner, sql_type);
        }
        ast::Expr::Value(value) => &value.value,
        _ => return Ok(()),
    };
    let fits = match value {
        ast::Value::SingleQuotedString(_) => !is_refused(&SqlType::Text, sql_type),
        ast::Value::Boolean(_) => !is_refused(&SqlType::Boolean, sql_type),
        ast::Value::Number(digits, _) => !is_refused(&SqlType::Int, sql_type) && is_kept_whole(digits, sql_type),
        _ => true,
    };
    if fits {
        return Ok(());
    }
    Err(refused(cell, sql_type, value))
}

fn refused(cell: &ast::Expr, sql_type: &SqlType, given: impl fmt::Display) -> Error {
    let message = format!("a value of type {sql_type} cannot be {given}");
    let error = Error::new(SqlState::DATATYPE_MISMATCH, message).hint("CAST or ROUND it.");
    start_of(cell).map_or(error.clone(), |position| error.at(position))
}

/// Whether a column of that type holds the number that is written so, not a rounded one.
fn is_kept_whole(digits: &str, sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Int | SqlType::BigInt => digits.bytes().all(|byte| byte.is_ascii_digit()),
        SqlType::Decimal { scale, .. } if !digits.contains(['e', 'E']) => {
            let fraction = digits.split_once('.').map_or("", |(_, fraction)| fraction).trim_end_matches('0');
            i8::try_from(fraction.len()).is_ok_and(|places| places <= *scale)
        }
        _ => true,
    }
}

/// Whether ksqlDB refuses a value of one type for a column of another, of those that would be cast here.
fn is_refused(given: &SqlType, wanted: &SqlType) -> bool {
    let is_number = |sql_type: &SqlType| {
        matches!(sql_type, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. })
    };
    match (given, wanted) {
        (SqlType::Array(given), SqlType::Array(wanted)) => is_refused(given, wanted),
        (SqlType::Map(key, value), SqlType::Map(wanted_key, wanted_value)) => {
            is_refused(key, wanted_key) || is_refused(value, wanted_value)
        }
        (SqlType::Double | SqlType::Decimal { .. }, SqlType::Int | SqlType::BigInt) => true,
        (SqlType::Text, SqlType::Boolean) | (SqlType::Boolean, SqlType::Text) => true,
        (SqlType::Text | SqlType::Boolean, wanted) => is_number(wanted),
        (given, SqlType::Text) => given.is_nested() || is_number(given),
        (given, SqlType::Boolean) => is_number(given),
        _ => false,
    }
}

/// A text that is given for bytes is base64, as in a JSON record; PostgreSQL's form of bytes stays.
fn from_base64(cell: &ast::Expr, text: String) -> Result<String> {
    if text.starts_with("\\x") {
        return Ok(text);
    }
    let bytes = STANDARD.decode(&text).map_err(|_| {
        let error = Error::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("invalid base64 text: \"{text}\""));
        start_of(cell).map_or(error.clone(), |position| error.at(position))
    })?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("\\x{digits}"))
}

/// What is written out in a STRUCT, or for bytes in another collection, is read as a value of a column is.
fn read_part(value: &mut ast::Expr, sql_type: &SqlType) -> Result<()> {
    check_literal(value, sql_type)?;
    if let (SqlType::Bytes, Some(Some(text))) = (sql_type, plain(value, sql_type)) {
        let text = ast::Value::SingleQuotedString(from_base64(value, text)?);
        *value = cast_to(ast::Expr::value(text), sql_type)?;
    }
    Ok(())
}

/// The same of what has to be computed; whether each expression has a value.
async fn check_types(
    session: &Session,
    target: &Target,
    expressions: &[(usize, usize, ast::Expr)],
    parameters: &[Value],
) -> Result<Vec<bool>> {
    let items: Vec<(Option<SqlType>, &ast::Expr)> = expressions.iter().map(|(_, _, cell)| (None, cell)).collect();
    // What cannot be computed is told where its value is.
    let Ok(row) = one_row_of(session, &items, parameters).await else { return Ok(vec![false; expressions.len()]) };
    for ((_, index, cell), field) in expressions.iter().zip(row.schema().fields()) {
        let column = target.columns[*index];
        let sql_type = target.sql_type(column);
        let given = SqlType::from_arrow(field.data_type()).filter(|given| is_refused(given, &sql_type));
        if let (TargetColumn::Column(_), Some(given)) = (column, given) {
            return Err(refused(cell, &sql_type, format_args!("one of type {given}")));
        }
    }
    Ok(row.columns().iter().map(|column| !column.is_null(0)).collect())
}

/// The text of a value that needs no evaluation: `Some(None)` is null.
pub(super) fn plain(cell: &ast::Expr, sql_type: &SqlType) -> Option<Option<String>> {
    match cell {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Null => Some(None),
            ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => Some(Some(text.clone())),
            ast::Value::Boolean(truth) if *sql_type == SqlType::Boolean => Some(Some(truth.to_string())),
            ast::Value::Number(digits, _) => number(digits, sql_type).map(Some),
            _ => None,
        },
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match expr.as_ref() {
            ast::Expr::Value(value) => match &value.value {
                ast::Value::Number(digits, _) => number(&negative(digits), sql_type).map(Some),
                _ => None,
            },
            _ => None,
        },
        ast::Expr::Nested(inner) => plain(inner, sql_type),
        _ => None,
    }
}

/// The digits of a number behind a minus. PostgreSQL reads a NUMERIC, whose zero has no sign.
fn negative(digits: &str) -> String {
    let is_zero =
        digits.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| matches!(byte, b'0' | b'.'));
    if is_zero { digits.to_string() } else { format!("-{digits}") }
}

/// A number for a column that holds numbers; one with a point for a whole-number column is rounded by a cast.
fn number(digits: &str, sql_type: &SqlType) -> Option<String> {
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match sql_type {
        SqlType::Double | SqlType::Decimal { .. } => Some(digits.to_string()),
        SqlType::Int | SqlType::BigInt if whole => Some(digits.to_string()),
        // PostgreSQL assigns a number to a text column as its digits.
        SqlType::Text => Some(digits.to_string()),
        _ => None,
    }
}

pub(super) fn parameter_text(parameters: &[Value], number: usize) -> Result<Option<String>> {
    let value = number
        .checked_sub(1)
        .and_then(|index| parameters.get(index))
        .ok_or_else(|| Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${number}")))?;
    if value.is_null() {
        return Ok(None);
    }
    let array = value.to_array().map_err(|error| Error::internal("a parameter").caused_by(error))?;
    text_of(array.as_ref(), 0).map(Some)
}

fn text_of(array: &dyn arrow::array::Array, row: usize) -> Result<String> {
    let mut bytes = Vec::new();
    write_text(array, row, &mut bytes);
    String::from_utf8(bytes).map_err(|_| Error::internal("the text of a value is not UTF-8"))
}

/// Evaluates expressions, each cast to its column's type, all at once; an error that has no place points at the first
/// expression that fails alone.
async fn evaluate(
    session: &Session,
    target: &Target,
    expressions: &[(usize, usize, ast::Expr)],
    parameters: &[Value],
) -> Result<Vec<Option<String>>> {
    let failed = match evaluate_all(session, target, expressions, parameters).await {
        Ok(values) => return Ok(values),
        Err(failed) if failed.position().is_some() => return Err(failed),
        Err(failed) => failed,
    };
    for expression in expressions {
        let alone = evaluate_all(session, target, std::slice::from_ref(expression), parameters).await;
        if let (Err(error), (row, _, cell)) = (alone, expression) {
            let error = if error.detail_text().is_none() { error.detail(format!("Row {}.", row + 1)) } else { error };
            return Err(match start_of(cell) {
                Some(position) => error.at(position),
                None => error,
            });
        }
    }
    Err(failed)
}

/// As one query of one row.
async fn evaluate_all(
    session: &Session,
    target: &Target,
    expressions: &[(usize, usize, ast::Expr)],
    parameters: &[Value],
) -> Result<Vec<Option<String>>> {
    let mut items = Vec::with_capacity(expressions.len());
    for (_, index, expression) in expressions {
        let column = target.columns[*index];
        let sql_type = target.sql_type(column);
        items.push(match (session.settings.compatibility(), column) {
            (Compatibility::Postgres, TargetColumn::Column(place)) => {
                (None, assigned_value(expression, &sql_type, &target.relation.columns[place].name)?)
            }
            _ => (Some(sql_type), expression.clone()),
        });
    }
    let items: Vec<(Option<SqlType>, &ast::Expr)> = items.iter().map(|(told, expr)| (told.clone(), expr)).collect();
    let row = one_row_of(session, &items, parameters).await?;
    row.columns()
        .iter()
        .map(|column| match column.is_null(0) {
            true => Ok(None),
            false => text_of(column.as_ref(), 0).map(Some),
        })
        .collect()
}

/// A query of one row: each expression cast to its type.
pub(super) async fn one_row(
    session: &Session,
    expressions: &[(SqlType, &ast::Expr)],
    parameters: &[Value],
) -> Result<RecordBatch> {
    let typed: Vec<_> = expressions.iter().map(|(sql_type, cell)| (Some(sql_type.clone()), *cell)).collect();
    one_row_of(session, &typed, parameters).await
}

/// A query of one row: each expression cast to its type, if one is told.
async fn one_row_of(
    session: &Session,
    expressions: &[(Option<SqlType>, &ast::Expr)],
    parameters: &[Value],
) -> Result<RecordBatch> {
    let select = one_row::query(expressions.iter().map(|(sql_type, expression)| (sql_type.as_ref(), *expression)))?;
    let reading = Planner::pin(session)?;
    let planned = session.engine.planner().plan(session, &select, &reading, parameters).await?;
    let planned = planned.bind(session, parameters).await?;
    let (_, rows) = planned.run(session, "UTC").await?;
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    let row = batches.into_iter().find(|batch| 0 < batch.num_rows());
    row.ok_or_else(|| Error::internal("a query of one row gave none"))
}

/// Rows with all columns of the relation, and the record times that were told.
fn build(
    insert: &InsertRows,
    target: &Target,
    cells: &[Vec<Option<String>>],
    zone: Tz,
) -> Result<(RecordBatch, Vec<Option<i64>>)> {
    let relation = &target.relation;
    let mut builder = format::text::RowsBuilder::new(&relation.columns, zone);
    let mut times = Vec::with_capacity(cells.len());
    for (number, row) in cells.iter().enumerate() {
        let mut texts: Vec<Option<&str>> = vec![None; relation.columns.len()];
        let mut time = None;
        for (column, text) in target.columns.iter().zip(row) {
            match column {
                TargetColumn::Column(index) => texts[*index] = text.as_deref(),
                TargetColumn::RowTime => time = text.as_deref(),
            }
        }
        builder.push(&texts).map_err(|refused| placed(refused, insert, target, number))?;
        times.push(match time {
            None => None,
            Some(text) => Some(told_ms(text, zone).map_err(|error| error.detail(format!("Row {}.", number + 1)))?),
        });
    }
    Ok((builder.finish(), times))
}

/// A value's error with its place in the statement, its row and its column.
fn placed(refused: format::text::RowError, insert: &InsertRows, target: &Target, row: usize) -> Error {
    let error = Error::from(refused.error);
    let Some(index) = refused.column else { return error };
    let name = &target.relation.columns[index].name;
    let error = error.detail(format!("Row {}, column \"{name}\".", row + 1));
    match position_of(insert, target, row, index) {
        Some(position) => error.at(position),
        None => error,
    }
}

/// Where a row's value for a column of the relation stands in the statement.
fn position_of(insert: &InsertRows, target: &Target, row: usize, index: usize) -> Option<Position> {
    let is_it = |column: &TargetColumn| matches!(column, TargetColumn::Column(found) if *found == index);
    let place = target.columns.iter().position(is_it)?;
    start_of(insert.rows.get(row)?.get(place)?)
}
