//! Names in statements to relations, with the right to do what is asked.

use std::sync::Arc;

use super::done;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::QueryDefinition;
use crate::catalog::Relation;
use crate::catalog::fold;
use crate::engine::outcome::Outcome;
use crate::engine::row_time::TargetColumn;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::ColumnRole;
use crate::plan::in_other_case;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Name;
use crate::sql::nearest;

/// The relation that a statement names.
pub(super) fn relation(session: &Session, catalog: &Catalog, name: &Name) -> Result<Arc<Relation>> {
    let folded = fold(name, session.settings.compatibility());
    match catalog.relation(&folded) {
        Some(relation) => Ok(Arc::clone(relation)),
        None => Err(no_such_relation(catalog, name, &folded)),
    }
}

/// REFRESH of a view that is kept up to date.
pub(super) fn refresh(session: &Session, name: &Name) -> Result<Outcome> {
    let relation = relation(session, &*session.catalog()?, name)?;
    match relation.materialized_view || relation.query.is_some() && relation.is_table() {
        true => Ok(done("REFRESH MATERIALIZED VIEW")),
        false => {
            let message = format!("\"{}\" is not a materialized view", relation.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(name.position))
        }
    }
}

/// The standing query of that name, or the only one that writes the relation of that name.
pub(super) fn query_named<'a>(catalog: &'a Catalog, name: &Name) -> Result<&'a Arc<QueryDefinition>> {
    // Names of queries are made of those of relations, which ksqlDB has in upper case: here case says nothing.
    let in_any_case = || {
        let mut alike = catalog.queries().filter(|query| query.name.eq_ignore_ascii_case(&name.value));
        let only = alike.next()?;
        alike.next().is_none().then_some(only)
    };
    let writer = |relation: &str| {
        let mut writers = catalog.writers(catalog.relation(relation)?.id);
        let only = writers.next()?;
        writers.next().is_none().then_some(only)
    };
    let found = catalog.query_by_name(&name.value).or_else(in_any_case);
    let found = found.or_else(|| writer(&name.value)).or_else(|| writer(&name.value.to_uppercase()));
    found.ok_or_else(|| {
        let message = format!("query \"{}\" does not exist", name.value);
        let error = Error::new(SqlState::UNDEFINED_OBJECT, message).at(name.position);
        match nearest(&name.value, catalog.queries().map(|query| query.name.as_str())) {
            Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
            None => error.hint("SHOW QUERIES lists them."),
        }
    })
}

/// 42P01, with the name that was perhaps meant; a view is none that a statement could do something with.
pub(super) fn no_such_relation(catalog: &Catalog, name: &Name, folded: &str) -> Error {
    if catalog.view(folded).is_some() {
        return Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{folded}\" is a view"))
            .at(name.position)
            .detail("It is a name for a query, which a SELECT reads.")
            .hint("DROP VIEW drops it, CREATE OR REPLACE VIEW gives it another query.");
    }
    let message = format!("relation \"{folded}\" does not exist");
    let error = Error::new(SqlState::UNDEFINED_TABLE, message).at(name.position);
    match catalog.nearest_relation(folded) {
        Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
        None => error,
    }
}

/// The relation that rows are to be put into: not one that a query keeps.
pub(super) fn insert_target(session: &Session, name: &Name) -> Result<Arc<Relation>> {
    let rules = session.settings.compatibility();
    let catalog = session.catalog()?;
    let folded = fold(name, rules);
    if rules == Compatibility::Ksqldb && catalog.relation(&folded).is_none() {
        let hint = in_other_case(&catalog, &folded);
        let message = format!("Cannot insert values into an unknown stream/table: `{folded}`{hint}");
        return Err(Error::new(SqlState::UNDEFINED_TABLE, message).at(name.position));
    }
    let verb = if rules == Compatibility::Ksqldb { "insert values into" } else { "insert into" };
    target(session, name, verb, is_free)
}

/// The table whose rows a statement is to change: not a stream, nor what a query keeps. `verb` is what it does.
pub(super) fn changed_target(session: &Session, name: &Name, verb: &str) -> Result<Arc<Relation>> {
    let relation = target(session, name, verb, is_free)?;
    if relation.is_table() {
        return Ok(relation);
    }
    let message = format!("cannot {verb} stream \"{}\"", relation.name);
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        .at(name.position)
        .detail("The rows of a stream are facts: they do not change.")
        .hint("INSERT a row that tells what is new, or CREATE TABLE with a PRIMARY KEY."))
}

/// The relation that a query is to write: ksqlDB lets several feed one stream, also one that a query made.
pub(super) fn standing_target(session: &Session, name: &Name) -> Result<Arc<Relation>> {
    let several = session.settings.compatibility() == Compatibility::Ksqldb;
    let folded = fold(name, session.settings.compatibility());
    if several && session.catalog()?.relation(&folded).is_none() {
        let error = Error::new(SqlState::UNDEFINED_TABLE, format!("Source `{folded}` does not exist."));
        return Err(error.at(name.position).tells_place(""));
    }
    let relation =
        target(session, name, "insert into", |relation| relation.query.is_none() || (several && !relation.is_table()))?;
    match relation.row_key() {
        None => Ok(relation),
        Some(_) => {
            let message = format!("a query cannot insert into \"{}\", which has no PRIMARY KEY", relation.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .at(name.position)
                .hint("CREATE TABLE with a PRIMARY KEY, or a STREAM."))
        }
    }
}

/// Whether statements may write its rows: no query does, and its key can be named or is given to each row.
fn is_free(relation: &Relation) -> bool {
    let knows_key = relation.shown_columns().len() == relation.columns.len() || relation.row_key().is_some();
    relation.query.is_none() && knows_key
}

fn target(session: &Session, name: &Name, verb: &str, takes_rows: impl Fn(&Relation) -> bool) -> Result<Arc<Relation>> {
    let catalog = session.catalog()?;
    let relation = relation(session, &catalog, name)?;
    authorize(&session.principal, Operation::Write, Resource::Relation(&relation.name))?;
    if relation.read_only {
        let kind = if relation.is_table() { "table" } else { "stream" };
        let message = match verb {
            // ksqlDB's words.
            "insert into" | "insert values into" => format!("Cannot {verb} read-only {kind}: {}", relation.name),
            _ => format!("cannot {verb} read-only {kind} \"{}\"", relation.name),
        };
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
            .at(name.position)
            .detail("CREATE SOURCE made it: others write its topic."));
    }
    if !takes_rows(&relation) {
        let message = format!("cannot {verb} \"{}\"", relation.name);
        let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(name.position);
        return Err(match relation.query.is_none_or(|query| catalog.query(query).is_none()) {
            true => error.detail("It has no key by which rows could be told apart: only a query can keep it."),
            false => error.detail("A query keeps it."),
        });
    }
    Ok(relation)
}

/// The columns that values are for: those named, or all but the window's end where its start tells it. Under ksqlDB's
/// rules those of the key come first, wherever they were declared.
pub(super) fn target_columns(session: &Session, relation: &Relation, names: &[Name]) -> Result<Vec<usize>> {
    if names.is_empty() {
        let is_session = relation.window.is_some_and(|window| window.size_ms.is_none());
        let given = |index: &usize| match &relation.columns[*index].role {
            ColumnRole::WindowEnd => is_session,
            role => !role.is_of_headers(),
        };
        let mut all: Vec<usize> = (0..relation.shown_columns().len()).filter(given).collect();
        if session.settings.compatibility() == Compatibility::Ksqldb {
            all.sort_by_key(|index| relation.columns[*index].role != ColumnRole::Key);
        }
        return Ok(all);
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let target = written_column(session, relation, name)?;
        if targets.contains(&target) {
            let message = format!("column \"{}\" specified more than once", relation.columns[target].name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(name.position));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// What the values of a statement are for: columns of the relation, and the record's time where ROWTIME is named and no column is
/// called so.
pub(super) fn written_targets(session: &Session, relation: &Relation, names: &[Name]) -> Result<Vec<TargetColumn>> {
    let is_row_time = |name: &Name| {
        let folded = fold(name, session.settings.compatibility());
        folded.eq_ignore_ascii_case("rowtime") && !relation.columns.iter().any(|column| column.name == folded)
    };
    let columns_of = |names: &[Name]| -> Result<Vec<TargetColumn>> {
        Ok(target_columns(session, relation, names)?.into_iter().map(TargetColumn::Column).collect())
    };
    let Some(place) = names.iter().position(is_row_time) else { return columns_of(names) };
    let others = [&names[..place], &names[place + 1..]].concat();
    if let Some(again) = others.iter().find(|name| is_row_time(name)) {
        let message = format!("column \"{}\" specified more than once", again.value);
        return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(again.position));
    }
    let mut columns = if others.is_empty() { Vec::new() } else { columns_of(&others)? };
    columns.insert(place, TargetColumn::RowTime);
    Ok(columns)
}

/// The column of that name, by its index, if statements write it.
pub(super) fn written_column(session: &Session, relation: &Relation, name: &Name) -> Result<usize> {
    let index = column(session, relation, name)?;
    if !relation.columns[index].role.is_of_headers() {
        return Ok(index);
    }
    let written = &relation.columns[index].name;
    let message = match session.settings.compatibility() {
        Compatibility::Postgres => format!("column \"{written}\" can only be read"),
        Compatibility::Ksqldb => into_headers(&[written]),
    };
    Err(Error::new(SqlState::GENERATED_ALWAYS, message).at(name.position).detail("The headers of records give it."))
}

/// ksqlDB's words for columns that the headers of records give.
pub(super) fn into_headers(names: &[&String]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    format!("Cannot insert into HEADER columns: {}", names.join(", "))
}

/// The column of that name, by its index.
pub(super) fn column(session: &Session, relation: &Relation, name: &Name) -> Result<usize> {
    let folded = fold(name, session.settings.compatibility());
    relation.shown_columns().iter().position(|column| column.name == folded).ok_or_else(|| {
        let is_given = matches!(folded.as_str(), "ROWPARTITION" | "ROWOFFSET");
        let message = match session.settings.compatibility() {
            Compatibility::Ksqldb if is_given => format!("Inserting into column `{folded}` is not allowed."),
            _ => format!("column \"{folded}\" of relation \"{}\" does not exist", relation.name),
        };
        let error = Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position);
        match nearest(&folded, relation.shown_columns().iter().map(|column| column.name.as_str())) {
            Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
            None => error,
        }
    })
}
