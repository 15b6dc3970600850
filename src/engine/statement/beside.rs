//! The tables beside the one that a statement changes: `UPDATE .. FROM` and `DELETE .. USING`. They tell which rows change and
//! what to, and RETURNING may tell their columns too.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::UInt64Array;
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use sqlparser::ast;

use super::modify;
use super::modify::Assigned;
use super::modify::quoted;
use crate::catalog::Compatibility;
use crate::engine::read::Given;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::fold;
use crate::sql::Returning;
use crate::sql::Select;
use crate::sql::walk;

/// What numbers the rows of the tables, so that those that met stand beside each other again.
const ROW: &str = "__row";
/// The name of the rows of a table beside the changed one; no relation has it.
const MET: &str = "__met";

/// The tables behind FROM or USING.
pub(super) struct Others<'a> {
    tables: &'a [ast::TableWithJoins],
    /// What the statement calls them.
    names: Vec<ast::Ident>,
    rules: Compatibility,
}

/// A column of a table beside the changed one, by what the statement calls the table.
#[derive(Debug, Clone)]
pub(super) struct OtherColumn {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) values: ArrayRef,
}

impl<'a> Others<'a> {
    /// The tables beside the one that the statement calls `alias`.
    pub(super) fn of(session: &Session, alias: &str, tables: &'a [ast::TableWithJoins]) -> Result<Self> {
        let rules = session.settings.compatibility();
        if rules == Compatibility::Ksqldb && !tables.is_empty() {
            return Err(Error::unsupported("tables beside the changed one are for PostgreSQL's rules")
                .hint("SET compatibility = 'postgres', or say WHERE .. IN (SELECT ..)."));
        }
        let mut names = Vec::new();
        for table in tables {
            names_of(table, &mut names)?;
        }
        let mut seen: HashSet<String> = HashSet::from([alias.to_string()]);
        for name in &names {
            let folded = fold(name, rules);
            if !seen.insert(folded.clone()) {
                let message = format!("table name \"{folded}\" specified more than once");
                return Err(at(Error::new(SqlState("42712"), message), name));
            }
        }
        Ok(Self { tables, names, rules })
    }

    /// Whether there is none.
    pub(super) fn are_none(&self) -> bool {
        self.tables.is_empty()
    }

    /// Lets the statement's query read them, and give their columns if the statement returns something.
    pub(super) fn join(&self, select: &mut Select, returning: Option<&Returning>) -> Result<()> {
        if self.are_none() {
            return Ok(());
        }
        if let Some(returning) = returning
            && self.tables.iter().any(merges)
            && returning.items.iter().any(|item| matches!(item, ast::SelectItem::Wildcard(_)))
        {
            return Err(Error::unsupported("RETURNING * beside USING or NATURAL JOIN is not supported")
                .at(returning.position)
                .hint("Name the columns, or join with ON."));
        }
        let body = modify::body(select)?;
        body.from.extend(self.tables.iter().cloned());
        if returning.is_some() {
            for name in &self.names {
                let table = ast::ObjectName::from(vec![ast::Ident::with_quote('"', fold(name, self.rules))]);
                let kind = ast::SelectItemQualifiedWildcardKind::ObjectName(table);
                body.projection.push(ast::SelectItem::QualifiedWildcard(kind, Default::default()));
            }
        }
        select.text = select.ast.to_string();
        Ok(())
    }

    /// A value that gives several rows would be taken for a row that met several.
    pub(super) fn check_values(&self, assigned: &[Assigned]) -> Result<()> {
        const SEVERAL: [&str; 6] =
            ["unnest", "generate_series", "string_to_table", "regexp_split_to_table", "regexp_matches", "explode"];
        if self.are_none() {
            return Ok(());
        }
        for value in assigned.iter().filter_map(|assigned| assigned.value.as_ref()) {
            let found = walk::expressions(value, |expr: &ast::Expr| match expr {
                ast::Expr::Function(function)
                    if SEVERAL.contains(&function.name.to_string().to_lowercase().as_str()) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            });
            if found.is_break() {
                return Err(Error::unsupported("set-returning functions are not allowed in UPDATE"));
            }
        }
        Ok(())
    }
}

fn at(error: Error, name: &ast::Ident) -> Error {
    match u32::try_from(name.span.start.column).ok().filter(|column| 0 < *column) {
        Some(column) => error.at(Position(column)),
        None => error,
    }
}

/// Whether a join makes one column of two, which `*` then tells once.
fn merges(table: &ast::TableWithJoins) -> bool {
    let named = |constraint: &ast::JoinConstraint| {
        matches!(constraint, ast::JoinConstraint::Using(_) | ast::JoinConstraint::Natural)
    };
    use ast::JoinOperator as Join;
    let inner = match &table.relation {
        ast::TableFactor::NestedJoin { table_with_joins, .. } => merges(table_with_joins),
        _ => false,
    };
    inner
        || table.joins.iter().any(|join| match &join.join_operator {
            Join::Join(on) | Join::Inner(on) | Join::Left(on) | Join::LeftOuter(on) => named(on),
            Join::Right(on) | Join::RightOuter(on) | Join::FullOuter(on) => named(on),
            _ => false,
        })
}

/// What the tables of a FROM item are called.
fn names_of(table: &ast::TableWithJoins, names: &mut Vec<ast::Ident>) -> Result<()> {
    let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
    for factor in factors {
        let name = match factor {
            ast::TableFactor::NestedJoin { table_with_joins, alias: None } => {
                names_of(table_with_joins, names)?;
                continue;
            }
            ast::TableFactor::Table { name, alias, .. } => alias
                .as_ref()
                .map(|alias| &alias.name)
                .or_else(|| name.0.last().and_then(ast::ObjectNamePart::as_ident)),
            ast::TableFactor::Derived { alias, .. }
            | ast::TableFactor::Function { alias, .. }
            | ast::TableFactor::UNNEST { alias, .. } => alias.as_ref().map(|alias| &alias.name),
            _ => None,
        };
        match name {
            Some(name) => names.push(name.clone()),
            None => {
                return Err(
                    Error::unsupported("what stands beside a changed table needs a name").hint("Give it an alias.")
                );
            }
        }
    }
    Ok(())
}

/// Of rows in the order of their keys the first of each key, by their places; `None` if there is one of each.
///
/// PostgreSQL changes a row once, whatever number of rows it met.
pub(super) fn first_of_each(keys: &[Vec<u8>]) -> Option<Vec<usize>> {
    let first: Vec<usize> = (0..keys.len()).filter(|at| *at == 0 || keys[*at] != keys[*at - 1]).collect();
    (first.len() < keys.len()).then_some(first)
}

/// The rows at these places.
pub(super) fn taken(columns: &[ArrayRef], places: &[usize]) -> Result<Vec<ArrayRef>> {
    let places = UInt64Array::from_iter_values(places.iter().map(|place| *place as u64));
    let columns = columns.iter().map(|column| take(column, &places, None)).collect::<std::result::Result<_, _>>();
    columns.map_err(|error| Error::internal("rows that met several").caused_by(error))
}

/// Lets RETURNING read the changed rows, `changed`, which the statement calls `alias`, beside the rows that they met.
pub(super) fn give(
    select: &mut Select,
    reading: &mut Reading,
    (changed, alias): (&str, &str),
    rows: &RecordBatch,
    others: &[OtherColumn],
) -> Result<()> {
    let mut tables: Vec<&str> = Vec::new();
    for other in others {
        if !tables.contains(&other.table.as_str()) {
            tables.push(&other.table);
        }
    }
    let fields = rows.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let own = numbered(fields, rows.columns().to_vec(), rows.num_rows(), 0)?;
    reading.given.push(Given { name: changed.to_string(), rows: own });
    let mut joins = vec![format!("{} AS {}", quoted(changed), quoted(alias))];
    for (place, table) in tables.iter().enumerate() {
        let columns = others.iter().filter(|other| other.table == *table);
        let (fields, values) = columns
            .map(|other| (Field::new(&other.name, other.values.data_type().clone(), true), Arc::clone(&other.values)))
            .unzip();
        let given = numbered(fields, values, rows.num_rows(), place + 1)?;
        let (name, row) = (format!("{MET}{place}"), format!("{ROW}{}", place + 1));
        reading.given.push(Given { name: name.clone(), rows: given });
        joins.push(format!("{name} AS {table} ON {}.{ROW}0 = {table}.{row}", quoted(alias), table = quoted(table)));
    }
    let from = crate::sql::parse_select(&format!("SELECT 1 FROM {}", joins.join(" JOIN ")))?;
    let ast::SetExpr::Select(from) = *from.ast.body else { return Err(Error::internal("a SELECT that is none")) };
    let body = modify::body(select)?;
    body.from = from.from;
    let own = rows.schema().fields().iter().map(|field| (alias.to_string(), field.name().clone())).collect::<Vec<_>>();
    let all: Vec<(String, String)> =
        own.into_iter().chain(others.iter().map(|other| (other.table.clone(), other.name.clone()))).collect();
    body.projection =
        std::mem::take(&mut body.projection).into_iter().flat_map(|item| written_out(item, &all)).collect();
    select.text = select.ast.to_string();
    Ok(())
}

/// Columns with the numbers of their rows behind them.
fn numbered(mut fields: Vec<Field>, mut columns: Vec<ArrayRef>, rows: usize, table: usize) -> Result<RecordBatch> {
    fields.push(Field::new(format!("{ROW}{table}"), DataType::Int64, false));
    columns.push(Arc::new(Int64Array::from_iter_values((0..rows).map(|row| i64::try_from(row).unwrap_or(i64::MAX)))));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal("rows that were met").caused_by(error))
}

/// An item of RETURNING, stars written out: they do not tell the numbers of the rows.
fn written_out(item: ast::SelectItem, columns: &[(String, String)]) -> Vec<ast::SelectItem> {
    let of = match &item {
        ast::SelectItem::Wildcard(_) => None,
        ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            match name.0.last().and_then(ast::ObjectNamePart::as_ident) {
                Some(ident) => Some(fold(ident, Compatibility::Postgres)),
                None => return vec![item],
            }
        }
        _ => return vec![item],
    };
    let column = |(table, name): &(String, String)| {
        let idents = [table, name].map(|part| ast::Ident::with_quote('"', part));
        ast::SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(idents.to_vec()))
    };
    let found: Vec<ast::SelectItem> =
        columns.iter().filter(|(table, _)| of.as_ref().is_none_or(|of| of == table)).map(column).collect();
    if found.is_empty() { vec![item] } else { found }
}

#[cfg(test)]
mod tests {
    use super::first_of_each;

    #[test]
    fn a_key_that_came_several_times_is_taken_once() {
        let keys = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(first_of_each(&keys(&["a", "a", "b", "c", "c", "c"])), Some(vec![0, 2, 3]));
        assert_eq!(first_of_each(&keys(&["a", "b"])), None);
        assert_eq!(first_of_each(&keys(&[])), None);
    }
}
