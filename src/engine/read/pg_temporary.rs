//! Temporary tables in the catalogs that clients ask: a session's own, in the schema that has its number.
//!
//! pg_catalog is another provider's, which knows of no sessions: it counts the temporary tables of all under the schema `pg_temp`, and
//! of its rows each session is shown its own.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Weak;

use async_trait::async_trait;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;

use super::pg_catalog::column;
use super::pg_catalog::with_columns;
use super::public_schema::PinnedPublic;
use crate::catalog::Relation;
use crate::engine::core::Engine;
use crate::model::SessionNumber;

/// The schema in which the other provider counts the temporary tables of all sessions.
pub(super) const ALL: &str = "pg_temp";

/// The temporary tables of a session, pinned for a statement.
#[derive(Debug)]
pub(super) struct PinnedTemporary {
    pub(super) session: SessionNumber,
    pub(super) pinned: PinnedPublic,
}

#[async_trait]
impl SchemaProvider for PinnedTemporary {
    fn table_names(&self) -> Vec<String> {
        self.pinned.catalog().temporary_of(self.session).map(|table| table.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.table_exist(name) {
            true => self.pinned.provider(name),
            false => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.pinned.catalog().temporary(name).is_some()
    }
}

/// The temporary tables of all sessions as they stand now, each by the number of its session and its name.
pub(super) struct LiveTemporary(pub(super) Weak<Engine>);

impl LiveTemporary {
    fn table_named(&self, name: &str) -> Option<Arc<Relation>> {
        let catalog = self.0.upgrade()?.catalog().ok()?;
        let (session, table) = name.split_once('.')?;
        let session = SessionNumber(session.parse().ok()?);
        catalog.seen_by(Some(session)).temporary(table).cloned()
    }
}

impl fmt::Debug for LiveTemporary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALL)
    }
}

#[async_trait]
impl SchemaProvider for LiveTemporary {
    fn table_names(&self) -> Vec<String> {
        let catalog = self.0.upgrade().and_then(|engine| engine.catalog().ok());
        let Some(catalog) = catalog else { return Vec::new() };
        let counted = |table: &Arc<Relation>| table.session.map(|session| format!("{}.{}", session.0, table.name));
        catalog.relations().filter_map(counted).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let (Some(engine), Some(table)) = (self.0.upgrade(), self.table_named(name)) else { return Ok(None) };
        Ok(PinnedPublic::of_all(&engine).map(|all| all.table_of(&table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_named(name).is_some()
    }
}

/// The numbers that the other provider gives, without those of other sessions.
pub(super) struct OfSession {
    /// The session, if it has such tables.
    session: Option<SessionNumber>,
    /// The number of the schema.
    schema: Option<i32>,
    /// Tables of others.
    others: HashSet<i32>,
}

impl OfSession {
    /// What `pg_namespace` and `pg_class` say.
    pub(super) fn new(
        session: Option<SessionNumber>,
        namespaces: &[RecordBatch],
        classes: &[RecordBatch],
    ) -> Result<Self> {
        let mut of_session = Self { session, schema: None, others: HashSet::new() };
        for batch in namespaces {
            let (oids, names) = (column(batch, "oid", &DataType::Int32)?, column(batch, "nspname", &DataType::Utf8)?);
            let mut named = oids.as_primitive::<Int32Type>().iter().zip(names.as_string::<i32>());
            let found = named.find(|(_, name)| *name == Some(ALL)).and_then(|(oid, _)| oid);
            of_session.schema = of_session.schema.or(found);
        }
        for batch in classes {
            let oids = column(batch, "oid", &DataType::Int32)?;
            let are_others = of_session.tables(batch)?.into_iter().map(|table| matches!(table, Table::OfOthers));
            let others = oids.as_primitive::<Int32Type>().iter().zip(are_others).filter(|(_, is_other)| *is_other);
            of_session.others.extend(others.filter_map(|(oid, _)| oid));
        }
        Ok(of_session)
    }

    /// What the rows of `pg_class` are to the session.
    fn tables(&self, batch: &RecordBatch) -> Result<Vec<Table>> {
        let schemas = column(batch, "relnamespace", &DataType::Int32)?;
        let names = column(batch, "relname", &DataType::Utf8)?;
        let rows = schemas.as_primitive::<Int32Type>().iter().zip(names.as_string::<i32>());
        let table = |(schema, name): (Option<i32>, Option<&str>)| {
            let name = name.unwrap_or_default();
            if schema.is_none() || schema != self.schema {
                return Table::Permanent(name.to_string());
            }
            let own = name
                .split_once('.')
                .filter(|(number, _)| self.session.is_some_and(|session| number.parse() == Ok(session.0)));
            own.map_or(Table::OfOthers, |(_, name)| Table::Own(name.to_string()))
        };
        Ok(rows.map(table).collect())
    }

    /// `pg_class`.
    pub(super) fn classes(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let tables = self.tables(batch)?;
        let names = tables.iter().map(|table| match table {
            Table::Permanent(name) | Table::Own(name) => name.as_str(),
            Table::OfOthers => "",
        });
        let persistence = tables.iter().map(|table| if matches!(table, Table::Own(_)) { "t" } else { "p" });
        let told: [(&str, ArrayRef); 2] = [
            ("relname", Arc::new(StringArray::from_iter_values(names))),
            ("relpersistence", Arc::new(StringArray::from_iter_values(persistence))),
        ];
        let are_shown: BooleanArray = tables.iter().map(|table| Some(!matches!(table, Table::OfOthers))).collect();
        Ok(filter_record_batch(&with_columns(batch, told)?, &are_shown)?)
    }

    /// `pg_attribute`.
    pub(super) fn attributes(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let tables = column(batch, "attrelid", &DataType::Int32)?;
        let are_shown = tables.as_primitive::<Int32Type>().iter();
        let are_shown: BooleanArray = are_shown.map(|table| table.map(|table| !self.others.contains(&table))).collect();
        Ok(filter_record_batch(batch, &are_shown)?)
    }
}

/// `pg_namespace` as a session is shown it that has temporary tables, or none.
pub(super) fn namespaces(batch: &RecordBatch, session: Option<SessionNumber>) -> Result<RecordBatch> {
    let names = column(batch, "nspname", &DataType::Utf8)?;
    let names = names.as_string::<i32>();
    let own = session.map(SessionNumber::schema);
    let are_shown: BooleanArray = names.iter().map(|name| Some(name != Some(ALL) || own.is_some())).collect();
    // Names that are not shown must be some all the same.
    let told = names.iter().map(|name| if name == Some(ALL) { own.as_deref().or(name) } else { name });
    let told: ArrayRef = Arc::new(told.collect::<StringArray>());
    Ok(filter_record_batch(&with_columns(batch, [("nspname", told)])?, &are_shown)?)
}

/// What a row of `pg_class` is to a session.
enum Table {
    Permanent(String),
    Own(String),
    OfOthers,
}
