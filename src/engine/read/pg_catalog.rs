//! The schema `pg_catalog`: the tables that clients ask about, with what they lack filled in.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Weak;

use async_trait::async_trait;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

use super::origins::relation_oid;
use super::pg_defaults;
use super::pg_functions::FunctionTexts;
use super::pg_keys;
use super::pg_keys::PrimaryKey;
use super::pg_overlay;
use super::pg_overlay::SettingRows;
use super::pg_temporary;
use crate::catalog::Catalog;
use crate::catalog::Relation;
use crate::catalog::TextKind;
use crate::catalog::permanent_name;
use crate::engine::core::Engine;
use crate::engine::settings::Settings;
use crate::model::SessionNumber;
use crate::model::SqlType;
use crate::plan::relation_key;

const ATTRIBUTES: &str = "pg_attribute";
const CLASSES: &str = "pg_class";
const DEFAULTS: &str = "pg_attrdef";
const INDEXES: &str = "pg_index";
const CONSTRAINTS: &str = "pg_constraint";
const FUNCTIONS: &str = "pg_proc";
const RULES: &str = "pg_rewrite";
const DEPENDENCIES: &str = "pg_depend";
const SETTINGS: &str = "pg_settings";
const ROLES: &str = "pg_roles";
const AUTH_IDS: &str = "pg_authid";
const DATABASES: &str = "pg_database";
const NAMESPACES: &str = "pg_namespace";
const INFORMATION_SCHEMA: &str = "information_schema";
/// A number that no other schema has.
const INFORMATION_SCHEMA_OID: i32 = 13_372;
/// Where names without a schema are looked for.
const SEARCH_PATH: [&str; 2] = ["public", "pg_catalog"];
/// What a column without a modifier has.
const NO_MODIFIER: i32 = -1;

/// Another provider's tables, with the keys of our tables; `pg_attribute` with the precision and scale of our numbers and the
/// types of nested columns, `pg_proc` with our functions, `pg_settings` with a session's values.
#[derive(Clone)]
pub(super) struct PgCatalog {
    inner: Arc<dyn SchemaProvider>,
    engine: Weak<Engine>,
    texts: Arc<FunctionTexts>,
    session: Option<Arc<OfSession>>,
}

/// What a session tells of itself.
struct OfSession {
    settings: SettingRows,
    user: String,
    /// Its number, if it has temporary tables.
    number: Option<SessionNumber>,
}

impl PgCatalog {
    pub(super) fn new(inner: Arc<dyn SchemaProvider>, engine: Weak<Engine>, texts: Arc<FunctionTexts>) -> Self {
        Self { inner, engine, texts, session: None }
    }

    /// The same with a session's settings, and who it is of.
    pub(super) fn of_session(&self, settings: SettingRows, user: String, number: Option<SessionNumber>) -> Self {
        Self { session: Some(Arc::new(OfSession { settings, user, number })), ..self.clone() }
    }

    /// What exists, as the session sees it.
    fn catalog(&self) -> Option<Catalog> {
        let catalog = self.engine.upgrade()?.catalog().ok()?;
        Some(catalog.seen_by(self.number()))
    }

    fn number(&self) -> Option<SessionNumber> {
        self.session.as_ref().and_then(|session| session.number)
    }

    /// The session's settings, or what all begin with.
    fn setting_rows(&self) -> SettingRows {
        self.session.as_ref().map_or_else(|| Settings::new("").all(), |session| session.settings.clone())
    }

    /// `pg_roles` or `pg_authid`.
    async fn roles(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(table) = self.inner.table(name).await? else { return Ok(None) };
        let user = self.session.as_ref().map_or("", |session| session.user.as_str());
        pg_overlay::roles(&table.schema(), user).map(Some)
    }

    /// `pg_database`.
    async fn databases(&self) -> Result<Arc<dyn TableProvider>> {
        table_of(pg_overlay::databases(self.rows(DATABASES).await?, &self.setting_rows())?)
    }

    /// `pg_settings`.
    async fn settings(&self) -> Result<Arc<dyn TableProvider>> {
        let table = self.inner.table(SETTINGS).await?;
        let table = table.ok_or_else(|| DataFusionError::Internal("pg_catalog has no pg_settings".to_string()))?;
        let defaults = Settings::new("").all();
        pg_overlay::settings(&table.schema(), &self.setting_rows(), &defaults)
    }

    /// `pg_class`; what `pg_get_viewdef` and `pg_get_indexdef` tell of its numbers is learned.
    async fn classes(&self, catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
        let batches = self.relations(catalog, CLASSES, "oid").await?;
        let mut views = HashMap::new();
        for batch in &batches {
            let (oids, names) = (column(batch, "oid", &DataType::Int32)?, column(batch, "relname", &DataType::Utf8)?);
            for (oid, name) in oids.as_primitive::<Int32Type>().iter().zip(names.as_string::<i32>()) {
                // Neither a view nor what a query keeps is temporary.
                let name = name.map(permanent_name);
                let relation = name.as_deref().and_then(|name| catalog.relation(name));
                let kept = relation.filter(|relation| relation.query.is_some());
                let view = name.as_deref().and_then(|name| catalog.view(name)).map(|view| view.query.clone());
                let query = kept.map(|relation| query_of(&relation.statement).to_string()).or(view);
                views.extend(oid.zip(query));
            }
        }
        self.texts.learn_views(views);
        self.texts.learn_hidden(self.hidden(&batches).await?);
        let keys = PrimaryKey::all(catalog, &batches)?;
        self.texts.learn_keys(keys.iter().flat_map(PrimaryKey::texts).collect());
        table_of(pg_overlay::owned(pg_keys::classes(&batches, &keys)?)?)
    }

    /// `pg_proc`.
    async fn functions(&self) -> Result<Arc<dyn TableProvider>> {
        let public = self.schemas().await?.get("public").copied().unwrap_or_default();
        table_of(self.texts.with_own(self.rows(FUNCTIONS).await?, public)?)
    }

    /// The numbers of the schemas.
    async fn schemas(&self) -> Result<HashMap<String, i32>> {
        let mut schemas = HashMap::new();
        for batch in self.rows(NAMESPACES).await? {
            let (oids, names) = (column(&batch, "oid", &DataType::Int32)?, column(&batch, "nspname", &DataType::Utf8)?);
            let named = names.as_string::<i32>().iter().zip(oids.as_primitive::<Int32Type>());
            schemas.extend(named.filter_map(|(name, oid)| Some((name?.to_string(), oid?))));
        }
        Ok(schemas)
    }

    /// `pg_namespace`, with the schema whose views are no tables here.
    async fn namespaces(&self) -> Result<Arc<dyn TableProvider>> {
        let mut batches = self.rows(NAMESPACES).await?;
        if self.schemas().await?.contains_key(INFORMATION_SCHEMA) {
            return table_of(batches);
        }
        let first = batches.iter().find(|batch| 0 < batch.num_rows()).map(|batch| batch.slice(0, 1));
        if let Some(row) = first {
            let own: [(&str, ArrayRef); 2] = [
                ("oid", Arc::new(Int32Array::from(vec![INFORMATION_SCHEMA_OID]))),
                ("nspname", Arc::new(StringArray::from(vec![INFORMATION_SCHEMA]))),
            ];
            batches.push(with_columns(&row, own)?);
        }
        table_of(batches)
    }

    /// The relations of `pg_class` that are in no schema of the search path.
    async fn hidden(&self, classes: &[RecordBatch]) -> Result<HashSet<i32>> {
        let schemas = self.schemas().await?;
        let own = self.number().map(SessionNumber::schema);
        let on_path = SEARCH_PATH.into_iter().chain(own.as_deref());
        let on_path: Vec<i32> = on_path.filter_map(|name| schemas.get(name)).copied().collect();
        let mut hidden = HashSet::new();
        for batch in classes {
            let [oids, of] = ["oid", "relnamespace"].map(|name| column(batch, name, &DataType::Int32));
            let (oids, of) = (oids?, of?);
            let relations = oids.as_primitive::<Int32Type>().iter().zip(of.as_primitive::<Int32Type>());
            let outside = relations.filter(|(_, schema)| !schema.is_some_and(|schema| on_path.contains(&schema)));
            hidden.extend(outside.filter_map(|(oid, _)| oid));
        }
        Ok(hidden)
    }

    /// The rows of another provider's table, without those of other sessions.
    async fn rows(&self, name: &str) -> Result<Vec<RecordBatch>> {
        let batches = self.rows_of_all(name).await?;
        if name == NAMESPACES {
            return batches.iter().map(|batch| pg_temporary::namespaces(batch, self.number())).collect();
        }
        let has_some = || self.catalog().is_some_and(|catalog| catalog.has_temporary());
        if ![CLASSES, ATTRIBUTES].contains(&name) || !has_some() {
            return Ok(batches);
        }
        let (namespaces, classes) = (self.rows_of_all(NAMESPACES).await?, self.rows_of_all(CLASSES).await?);
        let own = pg_temporary::OfSession::new(self.number(), &namespaces, &classes)?;
        let shown = |batch: &RecordBatch| if name == CLASSES { own.classes(batch) } else { own.attributes(batch) };
        batches.iter().map(shown).collect()
    }

    async fn rows_of_all(&self, name: &str) -> Result<Vec<RecordBatch>> {
        let table = self.inner.table(name).await?;
        let table = table.ok_or_else(|| DataFusionError::Internal(format!("pg_catalog has no {name}")))?;
        SessionContext::new().read_table(table)?.collect().await
    }

    /// The rows of a table of relations, in which ours have the numbers that they keep over a restart.
    async fn relations(&self, catalog: &Catalog, name: &str, number: &str) -> Result<Vec<RecordBatch>> {
        let schemas = self.schemas().await?;
        let public = schemas.get("public").copied();
        let temporary = self.number().and_then(|number| schemas.get(&number.schema()).copied());
        let mut own = HashMap::new();
        for batch in self.rows(CLASSES).await? {
            let [oids, schemas] = ["oid", "relnamespace"].map(|name| column(&batch, name, &DataType::Int32));
            let (oids, schemas) = (oids?, schemas?);
            let numbers = oids.as_primitive::<Int32Type>().iter().zip(schemas.as_primitive::<Int32Type>());
            let names = column(&batch, "relname", &DataType::Utf8)?;
            for ((oid, schema), name) in numbers.zip(names.as_string::<i32>()) {
                let id = match name {
                    Some(name) if schema == public => catalog.id_of(&permanent_name(name)),
                    Some(name) if schema.is_some() && schema == temporary => catalog.id_of(name),
                    _ => None,
                };
                own.extend(oid.zip(id.map(relation_oid)));
            }
        }
        let numbered = |batch: &RecordBatch| {
            let numbers = column(batch, number, &DataType::Int32)?;
            let numbers = numbers.as_primitive::<Int32Type>().iter();
            let numbers: Int32Array = numbers.map(|oid| oid.map(|oid| own.get(&oid).copied().unwrap_or(oid))).collect();
            with_columns(batch, [(number, Arc::new(numbers) as ArrayRef)])
        };
        self.rows(name).await?.iter().map(numbered).collect()
    }

    /// `pg_index` or `pg_constraint` with the keys of our tables.
    async fn keys(&self, catalog: &Catalog, name: &str) -> Result<Arc<dyn TableProvider>> {
        let classes = self.relations(catalog, CLASSES, "oid").await?;
        let keys = PrimaryKey::all(catalog, &classes)?;
        self.texts.learn_keys(keys.iter().flat_map(PrimaryKey::texts).collect());
        let schema = match self.inner.table(name).await? {
            Some(table) => table.schema(),
            None => return Err(DataFusionError::Internal(format!("pg_catalog has no {name}"))),
        };
        let batches = match name {
            INDEXES => vec![pg_keys::indexes(&schema, &keys)?],
            _ => vec![pg_keys::constraints(&schema, &keys)?],
        };
        table_of(batches)
    }

    /// `pg_attrdef`, which has no rows but ours.
    async fn defaults(&self, catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
        let table = self.inner.table(DEFAULTS).await?;
        let table = table.ok_or_else(|| DataFusionError::Internal("pg_catalog has no pg_attrdef".to_string()))?;
        let known = by_number(catalog);
        let attributes = self.relations(catalog, ATTRIBUTES, "attrelid").await?;
        let of = |oid: i32, name: &str| {
            let relation = known.get(&oid)?;
            let at = relation.columns.iter().position(|column| column.name == name)?;
            relation.defaults.get(&at).cloned()
        };
        table_of(vec![pg_defaults::rows(&table.schema(), &attributes, of)?])
    }

    /// `pg_attribute` with the types that the relations' columns have, with those that hold no null and those that have a default.
    async fn attributes(&self, catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
        let batches = self.relations(catalog, ATTRIBUTES, "attrelid").await?;
        let changed: Result<Vec<RecordBatch>> = batches.iter().map(|batch| with_modifiers(batch, catalog)).collect();
        table_of(changed?)
    }
}

/// A table of batches of one schema.
fn table_of(batches: Vec<RecordBatch>) -> Result<Arc<dyn TableProvider>> {
    let schema = batches.first().map(RecordBatch::schema);
    let schema = schema.ok_or_else(|| DataFusionError::Internal("a table of pg_catalog is empty".to_string()))?;
    Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
}

/// The query of a CREATE .. AS, behind the AS.
fn query_of(statement: &str) -> &str {
    let begins = |rest: &str| ["SELECT", "WITH", "("].iter().any(|word| rest.to_uppercase().starts_with(word));
    let mut words = statement.char_indices().filter(|(at, _)| {
        let word = statement[*at..].get(..2).is_some_and(|word| word.eq_ignore_ascii_case("AS"));
        let before = statement[..*at].ends_with(char::is_whitespace) || statement[..*at].ends_with(')');
        word && before && statement[at + 2..].starts_with(char::is_whitespace)
    });
    let query = words.find_map(|(at, _)| {
        let rest = statement[at + 2..].trim_start();
        begins(rest.get(..6).unwrap_or(rest)).then_some(rest)
    });
    query.unwrap_or(statement)
}

pub(super) fn column(batch: &RecordBatch, name: &str, data_type: &DataType) -> Result<ArrayRef> {
    let found = batch.column_by_name(name);
    let found = found.ok_or_else(|| DataFusionError::Internal(format!("pg_catalog has no column {name}")))?;
    Ok(cast(found, data_type)?)
}

/// Rows with other values in some columns, each cast to the column's type.
pub(super) fn with_columns<const N: usize>(batch: &RecordBatch, told: [(&str, ArrayRef); N]) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    for (name, values) in told {
        let index = batch.schema().index_of(name)?;
        columns[index] = cast(&values, batch.schema().field(index).data_type())?;
    }
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Where a column's value comes from where a statement tells none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Generated {
    Never,
    Default,
    ByDefault,
    Always,
}

/// All relations by the numbers that clients are told.
fn by_number(catalog: &Catalog) -> HashMap<i32, &Arc<Relation>> {
    catalog.relations().map(|relation| (relation_oid(relation.id), relation)).collect()
}

fn with_modifiers(batch: &RecordBatch, catalog: &Catalog) -> Result<RecordBatch> {
    let known = by_number(catalog);
    let views: HashMap<i32, _> = catalog.views().map(|view| (relation_oid(view.id), view)).collect();
    let relations = column(batch, "attrelid", &DataType::Int32)?;
    let attributes = column(batch, "attname", &DataType::Utf8)?;
    let types = column(batch, "atttypid", &DataType::Int32)?;
    let strict = column(batch, "attnotnull", &DataType::Boolean)?;
    let (mut modifiers, mut oids, mut not_nulls) = (Vec::new(), Vec::new(), Vec::new());
    let (mut defaults, mut identities) = (Vec::new(), Vec::new());
    for row in 0..batch.num_rows() {
        let oid = relations.as_primitive::<Int32Type>().value(row);
        let (relation, view) = (known.get(&oid), views.get(&oid));
        let name = attributes.as_string::<i32>().value(row);
        let told = (types.as_primitive::<Int32Type>().value(row), strict.as_boolean().value(row));
        let found = relation.and_then(|relation| {
            let at = relation.columns.iter().position(|column| column.name == name)?;
            let holds_no_null =
                relation.not_null.contains(&at) || relation.is_table() && relation_key(relation).contains(&at);
            let identity = relation.identity.as_ref().filter(|identity| identity.column == at);
            let generated = match identity.map(|identity| identity.always) {
                Some(true) => Generated::Always,
                Some(false) => Generated::ByDefault,
                None if relation.defaults.contains_key(&at) => Generated::Default,
                None => Generated::Never,
            };
            Some((&relation.columns[at].sql_type, relation.text_kinds.get(&at), holds_no_null, generated))
        });
        let of_view = view.and_then(|view| view.columns.iter().find(|column| column.name == name));
        let found = found.or_else(|| of_view.map(|column| (&column.sql_type, None, false, Generated::Never)));
        let kind = found.and_then(|(_, kind, ..)| kind);
        let modifier = found.map_or(NO_MODIFIER, |(sql_type, ..)| type_modifier(sql_type));
        modifiers.push(kind.map_or(modifier, TextKind::type_modifier));
        let oid = found.and_then(|(sql_type, ..)| nested_oid(sql_type)).unwrap_or(told.0);
        oids.push(kind.map_or(oid, |kind| kind.type_oid().cast_signed()));
        not_nulls.push(found.map_or(told.1, |(_, _, holds_no_null, _)| holds_no_null));
        let generated = found.map_or(Generated::Never, |(.., generated)| generated);
        defaults.push(generated == Generated::Default);
        identities.push(match generated {
            Generated::Always => "a",
            Generated::ByDefault => "d",
            Generated::Default | Generated::Never => "",
        });
    }
    let changed: [(&str, ArrayRef); 5] = [
        ("atttypmod", Arc::new(Int32Array::from(modifiers))),
        ("atttypid", Arc::new(Int32Array::from(oids))),
        ("attnotnull", Arc::new(BooleanArray::from(not_nulls))),
        ("atthasdef", Arc::new(BooleanArray::from(defaults))),
        ("attidentity", Arc::new(StringArray::from(identities))),
    ];
    with_columns(batch, changed)
}

/// The `pg_type.oid` of an array, which for an array of arrays is that of the innermost, of JSON, and of a map and a struct, which
/// are `json`; `None` for other types.
fn nested_oid(sql_type: &SqlType) -> Option<i32> {
    let item = match sql_type {
        SqlType::Array(item) => item,
        SqlType::Jsonb => return Some(3802),
        other => return (other.is_nested() || *other == SqlType::Json).then_some(114),
    };
    Some(match item.as_ref() {
        SqlType::Boolean => 1000,
        SqlType::Bytes => 1001,
        SqlType::Json => 199,
        SqlType::Jsonb => 3807,
        SqlType::Int => 1007,
        SqlType::Text => 1009,
        SqlType::Timestamp => 1115,
        SqlType::BigInt => 1016,
        SqlType::Double => 1022,
        SqlType::Date => 1182,
        SqlType::Time => 1183,
        SqlType::TimestampTz => 1185,
        SqlType::Decimal { .. } => 1231,
        SqlType::Array(_) => return nested_oid(item),
        SqlType::Map(..) | SqlType::Struct(_) => 199,
    })
}

/// A type's `pg_attribute.atttypmod` as PostgreSQL packs it, -1 for none; the doors tell it of results too.
pub fn type_modifier(sql_type: &SqlType) -> i32 {
    match sql_type {
        SqlType::Decimal { precision, scale } => (i32::from(*precision) << 16 | i32::from(*scale)) + 4,
        _ => NO_MODIFIER,
    }
}

impl fmt::Debug for PgCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pg_catalog")
    }
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names().into_iter().chain(pg_overlay::names().map(str::to_string)).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(empty) = pg_overlay::empty(name) {
            return empty.map(Some);
        }
        match (name.to_lowercase().as_str(), self.catalog()) {
            (ATTRIBUTES, Some(catalog)) => self.attributes(&catalog).await.map(Some),
            (DEFAULTS, Some(catalog)) => self.defaults(&catalog).await.map(Some),
            (CLASSES, Some(catalog)) => self.classes(&catalog).await.map(Some),
            (known @ (INDEXES | CONSTRAINTS), Some(catalog)) => self.keys(&catalog, known).await.map(Some),
            (known @ (RULES | DEPENDENCIES), Some(catalog)) => {
                let Some(table) = self.inner.table(known).await? else { return Ok(None) };
                let told = if known == RULES { pg_overlay::rules } else { pg_overlay::dependencies };
                told(&table.schema(), &catalog).map(Some)
            }
            (FUNCTIONS, _) => self.functions().await.map(Some),
            (SETTINGS, _) => self.settings().await.map(Some),
            (NAMESPACES, _) => self.namespaces().await.map(Some),
            (DATABASES, _) => self.databases().await.map(Some),
            (known @ (ROLES | AUTH_IDS), _) => self.roles(known).await,
            _ => self.inner.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name) || pg_overlay::names().any(|known| known.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::query_of;

    #[test]
    fn the_query_of_a_view_stands_behind_its_as() {
        for (statement, query) in [
            ("CREATE TABLE v AS SELECT a AS b FROM t", "SELECT a AS b FROM t"),
            (
                "create materialized view v\nas\n  with x as (select 1) select * from x",
                "with x as (select 1) select * from x",
            ),
            ("CREATE TABLE v WITH (kafka_topic = 'as x')AS (SELECT 1)", "(SELECT 1)"),
            ("CREATE TABLE \"é as\" AS SELECT 1", "SELECT 1"),
            ("CREATE TABLE t (a INT)", "CREATE TABLE t (a INT)"),
        ] {
            assert_eq!(query_of(statement), query);
        }
    }
}
