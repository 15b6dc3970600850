//! Which rows an UPDATE or a DELETE is about: guessed from its WHERE clause, claimed, and looked at.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::UInt64Array;
use arrow::compute::take;
use arrow::record_batch::RecordBatch;
use sqlparser::ast;

use super::beside;
use super::beside::OtherColumn;
use super::insert_rows::parameter_text;
use super::insert_rows::plain;
use super::modify;
use super::modify::Evaluated;
use super::select;
use crate::catalog::Relation;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::engine::table_write::TableWrite;
use crate::engine::table_write::keys_of;
use crate::error::Error;
use crate::error::Result;
use crate::format;
use crate::model::SqlType;
use crate::plan::fold;
use crate::plan::placeholder;
use crate::plan::relation_key;
use crate::sql::Select;

/// Rows of a table that are claimed, as a statement's query found them.
pub(super) struct Claimed {
    pub(super) write: TableWrite,
    /// The columns of the query, the table's own first.
    pub(super) columns: Vec<ArrayRef>,
    /// The rows as they are.
    pub(super) rows: RecordBatch,
    /// Their encoded keys.
    pub(super) keys: Vec<Vec<u8>>,
    /// The columns of tables beside it that RETURNING may tell.
    pub(super) others: Vec<OtherColumn>,
}

/// Claims rows and runs a query of them, whose columns have these `types`. Without `keys`, or if it finds other rows, all
/// rows are claimed. A row that met several of the tables beside it, `with_others`, is there once. It is `None` if the table has
/// got further columns since the statement was planned: as it is, it would write rows without them.
pub(super) async fn claim(
    session: &Session,
    relation: &Arc<Relation>,
    mut claimed: Option<Vec<Vec<u8>>>,
    query: &Select,
    parameters: &[Value],
    types: &[SqlType],
    with_others: bool,
) -> Result<Option<Claimed>> {
    loop {
        let write = TableWrite::begin(&session.engine, relation, claimed.as_deref()).await?;
        if write.relation().columns != relation.columns {
            return Ok(None);
        }
        let mut reading = select::pin(session, query).await?;
        reading.whole = Some(Arc::clone(relation));
        let Evaluated { mut columns, mut others } =
            modify::evaluate(session, relation, query, &reading, parameters, types).await?;
        let own = columns.len();
        columns.extend(others.iter().map(|other| Arc::clone(&other.values)));
        let (mut columns, mut keys) = in_key_order(relation, columns)?;
        if with_others && let Some(first) = beside::first_of_each(&keys) {
            columns = beside::taken(&columns, &first)?;
            keys = first.into_iter().map(|place| keys[place].clone()).collect();
        }
        for (other, values) in others.iter_mut().zip(columns.drain(own..)) {
            other.values = values;
        }
        let rows = modify::batch(relation, columns[..relation.columns.len()].to_vec())?;
        if claimed.take().is_none_or(|claimed| keys.iter().all(|key| claimed.contains(key))) {
            return Ok(Some(Claimed { write, columns, rows, keys, others }));
        }
    }
}

/// Rows in the order of their keys, with their encoded keys: records are written in this order, however the rows were found.
fn in_key_order(relation: &Relation, columns: Vec<ArrayRef>) -> Result<(Vec<ArrayRef>, Vec<Vec<u8>>)> {
    let rows = modify::batch(relation, columns[..relation.columns.len()].to_vec())?;
    let keys = keys_of(relation, &rows)?;
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|one, other| keys[*one].cmp(&keys[*other]));
    let places = UInt64Array::from_iter_values(order.iter().map(|place| *place as u64));
    let columns = columns.iter().map(|column| take(column, &places, None)).collect::<std::result::Result<_, _>>();
    let columns = columns.map_err(|error| Error::internal("rows in the order of their keys").caused_by(error))?;
    Ok((columns, order.into_iter().map(|place| keys[place].clone()).collect()))
}

/// The encoded keys of the rows for which `filter` can be true; `None` if that cannot be told, for any row.
///
/// It takes conditions, all of which must hold, of which one names a value for each column of the key.
pub(super) fn claimed_keys(
    session: &Session,
    relation: &Relation,
    alias: &str,
    filter: Option<&ast::Expr>,
    parameters: &[Value],
) -> Option<Vec<Vec<u8>>> {
    let mut conditions = Vec::new();
    conjuncts(filter?, &mut conditions);
    let mut texts: Vec<Option<String>> = vec![None; relation.columns.len()];
    for index in relation_key(relation) {
        let column = &relation.columns[index];
        let is_it = |expression: &ast::Expr| {
            let names: Vec<&ast::Ident> = match expression {
                ast::Expr::Identifier(name) => vec![name],
                ast::Expr::CompoundIdentifier(names) => names.iter().collect(),
                _ => return false,
            };
            let rules = session.settings.compatibility();
            match names.as_slice() {
                [name] => fold(name, rules) == column.name,
                [of, name] => fold(of, rules) == alias && fold(name, rules) == column.name,
                _ => false,
            }
        };
        let value = conditions.iter().find_map(|condition| match condition {
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } if is_it(left) => Some(right.as_ref()),
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } if is_it(right) => Some(left.as_ref()),
            _ => None,
        })?;
        texts[index] = match placeholder(value) {
            Some(number) => parameter_text(parameters, number).ok()?,
            None => plain(value, &column.sql_type)?,
        };
        // Nothing equals NULL, which some other claim may find out.
        texts[index].as_ref()?;
    }
    let mut rows = format::text::RowsBuilder::new(&relation.columns, session.settings.zone());
    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    rows.push(&texts).ok()?;
    keys_of(relation, &rows.finish()).ok()
}

fn conjuncts<'a>(condition: &'a ast::Expr, found: &mut Vec<&'a ast::Expr>) {
    match condition {
        ast::Expr::Nested(inner) => conjuncts(inner, found),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            conjuncts(left, found);
            conjuncts(right, found);
        }
        other => found.push(other),
    }
}
