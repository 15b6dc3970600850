//! The schema `public`: streams, tables and views, pinned for a statement or as they stand now.

use std::fmt;
use std::sync::Arc;
use std::sync::Weak;

use async_trait::async_trait;
use datafusion::catalog::MemTable;
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;

use super::Given;
use super::Reading;
use super::WHOLE;
use super::relation_table::RelationTable;
use super::view_columns::ViewColumns;
use crate::broker::Client;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::engine::core::Engine;
use crate::engine::session::Session;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;
use crate::state::Frontier;
use crate::state::Published;

/// What one statement sees.
pub(super) struct PinnedPublic {
    catalog: Arc<Catalog>,
    published: Arc<Published>,
    principal: Principal,
    client: Arc<dyn Client>,
    given: Vec<Given>,
    whole: Option<Arc<Relation>>,
    ends: Arc<Frontier>,
    rules: Compatibility,
    /// Under which rules tables have ROWTIME and its kin, if they have.
    system_columns: Option<Compatibility>,
}

impl PinnedPublic {
    pub(super) fn new(session: &Session, reading: &Reading, system_columns: Option<Compatibility>) -> Self {
        Self {
            catalog: Arc::clone(&reading.catalog),
            published: Arc::clone(&reading.published),
            principal: session.principal.clone(),
            client: Arc::clone(&session.client),
            given: reading.given.clone(),
            whole: reading.whole.clone(),
            ends: Arc::new(reading.ends.clone()),
            rules: session.settings.compatibility(),
            system_columns,
        }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What pg_catalog tells about: the newest of everything.
    pub(super) fn of_all(engine: &Engine) -> Option<Self> {
        let principal = Principal::server();
        Some(Self {
            catalog: engine.catalog().ok()?,
            published: engine.published(),
            client: engine.client(&principal),
            principal,
            given: Vec::new(),
            whole: None,
            ends: Arc::default(),
            rules: Compatibility::Postgres,
            system_columns: None,
        })
    }

    pub(super) fn provider(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some(given) = self.given.iter().find(|given| given.name == name) {
            let rows = MemTable::try_new(given.rows.schema(), vec![vec![given.rows.clone()]])?;
            return Ok(Some(Arc::new(rows)));
        }
        if let Some(view) = self.catalog.view(name) {
            return Ok(Some(Arc::new(ViewColumns::of(view))));
        }
        let whole = self.whole.as_ref().filter(|_| name == WHOLE);
        let Some(relation) = whole.or_else(|| self.catalog.relation(name)) else { return Ok(None) };
        authorize(&self.principal, Operation::Read, Resource::Relation(&relation.name))
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let shown = if whole.is_some() { &relation.columns[..] } else { relation.shown_columns() };
        Ok(Some(self.table_with(relation, shown.len())))
    }

    /// A relation as statements see it.
    pub(super) fn table_of(&self, relation: &Arc<Relation>) -> Arc<dyn TableProvider> {
        self.table_with(relation, relation.shown_columns().len())
    }

    fn table_with(&self, relation: &Arc<Relation>, shown: usize) -> Arc<dyn TableProvider> {
        let view = self.published.view(relation.id).cloned();
        let (rules, client, ends) = (self.rules, Arc::clone(&self.client), Arc::clone(&self.ends));
        let table = RelationTable::new(Arc::clone(relation), shown, rules, view, client, ends);
        match self.system_columns {
            Some(rules) => Arc::new(table.with_system_columns(rules)),
            None => Arc::new(table),
        }
    }
}

impl fmt::Debug for PinnedPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "public at catalog version {}", self.catalog.version())
    }
}

#[async_trait]
impl SchemaProvider for PinnedPublic {
    fn table_names(&self) -> Vec<String> {
        let relations = self.catalog.relations().filter(|relation| relation.session.is_none());
        let relations = relations.map(|relation| relation.name.clone());
        relations.chain(self.catalog.views().map(|view| view.name.clone())).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        self.provider(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        let is_whole = self.whole.is_some() && name == WHOLE;
        is_whole || self.given.iter().any(|given| given.name == name) || self.catalog.id_of(name).is_some()
    }
}

/// What pg_catalog tells about: the newest of everything.
pub(super) struct LivePublic {
    engine: Weak<Engine>,
}

impl LivePublic {
    pub(super) fn new(engine: Weak<Engine>) -> Self {
        Self { engine }
    }

    /// Nothing once the engine is gone.
    fn pinned(&self) -> Option<PinnedPublic> {
        PinnedPublic::of_all(self.engine.upgrade()?.as_ref())
    }
}

impl fmt::Debug for LivePublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("public")
    }
}

#[async_trait]
impl SchemaProvider for LivePublic {
    fn table_names(&self) -> Vec<String> {
        self.pinned().map(|pinned| pinned.table_names()).unwrap_or_default()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match self.pinned() {
            Some(pinned) => pinned.provider(name),
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.pinned().is_some_and(|pinned| pinned.table_exist(name))
    }
}
