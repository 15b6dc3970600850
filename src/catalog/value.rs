//! The catalog itself.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::CatalogError;
use super::Change;
use super::PlainView;
use super::QueryDefinition;
use super::QueryState;
use super::Relation;
use super::TypeDefinition;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::SessionNumber;
use crate::model::TopicId;
use crate::sql::nearest;

/// Before the name of a relation or view that is meant whatever temporary table is called so; no word can be that.
const PERMANENT: &str = "?public.";

/// The name under which every catalog knows the permanent relation of a name.
pub fn permanent_name(name: &str) -> String {
    format!("{PERMANENT}{name}")
}

/// All relations, queries and names of types at one version; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    version: u64,
    relations: Arc<BTreeMap<RelationId, Arc<Relation>>>,
    /// Those of temporary tables aside.
    names: Arc<BTreeMap<String, RelationId>>,
    temporary: Arc<BTreeMap<SessionNumber, BTreeMap<String, RelationId>>>,
    /// Whose temporary tables names mean.
    session: Option<SessionNumber>,
    /// By each topic that a relation stands on.
    topics: Arc<BTreeSet<(TopicId, RelationId)>>,
    queries: Arc<BTreeMap<QueryId, Arc<QueryDefinition>>>,
    types: Arc<BTreeMap<String, TypeDefinition>>,
    views: Arc<BTreeMap<String, Arc<PlainView>>>,
    next_relation: RelationId,
    next_query: QueryId,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            version: 0,
            relations: Arc::default(),
            names: Arc::default(),
            temporary: Arc::default(),
            session: None,
            topics: Arc::default(),
            queries: Arc::default(),
            types: Arc::default(),
            views: Arc::default(),
            next_relation: RelationId(1),
            next_query: QueryId(1),
        }
    }
}

impl Catalog {
    /// The version of the metadata that this catalog stands at.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The same catalog, at a later version of the metadata.
    pub fn at_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The same catalog as a session sees it: its temporary tables come before other relations and views of their names.
    pub fn seen_by(&self, session: Option<SessionNumber>) -> Self {
        Self { session, ..self.clone() }
    }

    /// The catalog after `change`. Nothing is changed on an error.
    pub fn apply(&self, change: &Change) -> Result<Catalog, CatalogError> {
        let mut next = self.clone();
        match change {
            Change::CreateRelation(relation) => next.create_relation(relation)?,
            Change::ReplaceRelation(relation) => next.replace_relation(relation)?,
            Change::DropRelation(id) => next.drop_relation(*id)?,
            Change::CreateQuery(query) => next.create_query(query)?,
            Change::DropQuery(id) => next.drop_query(*id)?,
            Change::ReplaceQuery(query) => next.replace_query(query)?,
            Change::SetQueryState { query, state } => next.set_query_state(*query, *state)?,
            Change::CreateType(definition) => next.create_type(definition)?,
            Change::DropType(name) => {
                let gone = Arc::make_mut(&mut next.types).remove(name);
                gone.ok_or_else(|| CatalogError::UnknownType { name: name.clone() })?;
            }
            Change::CreateView(view) => next.create_view(view)?,
            Change::ReplaceView(view) => next.replace_view(view)?,
            Change::DropView(id) => next.drop_view(*id)?,
        }
        Ok(next)
    }

    fn create_relation(&mut self, relation: &Relation) -> Result<(), CatalogError> {
        if relation.id < self.next_relation {
            return Err(CatalogError::RelationIdTaken { id: relation.id });
        }
        if self.is_taken(relation) {
            return Err(CatalogError::NameTaken { name: relation.name.clone() });
        }
        self.next_relation = RelationId(relation.id.0 + 1);
        self.names_mut(relation.session).insert(relation.name.clone(), relation.id);
        Arc::make_mut(&mut self.topics).extend(topics_of(relation));
        Arc::make_mut(&mut self.relations).insert(relation.id, Arc::new(relation.clone()));
        Ok(())
    }

    fn replace_relation(&mut self, relation: &Relation) -> Result<(), CatalogError> {
        let id = relation.id;
        let old_name = self.relation_by_id(id).ok_or(CatalogError::UnknownRelation { id })?.name.clone();
        if old_name != relation.name {
            if self.is_taken(relation) {
                return Err(CatalogError::NameTaken { name: relation.name.clone() });
            }
            let names = self.names_mut(relation.session);
            names.remove(&old_name);
            names.insert(relation.name.clone(), id);
        }
        let known = Arc::make_mut(&mut self.relations).get_mut(&id).ok_or(CatalogError::UnknownRelation { id })?;
        let topics = Arc::make_mut(&mut self.topics);
        topics.retain(|used| !topics_of(known).any(|gone| gone == *used));
        topics.extend(topics_of(relation));
        *known = Arc::new(relation.clone());
        Ok(())
    }

    /// What the query kept stays, and others may write it from now on. Without a key there is nothing to tell its one row by.
    fn drop_query(&mut self, id: QueryId) -> Result<(), CatalogError> {
        let gone = Arc::make_mut(&mut self.queries).remove(&id).ok_or(CatalogError::UnknownQuery { id })?;
        if let Some(sink) = Arc::make_mut(&mut self.relations).get_mut(&gone.sink)
            && sink.query == Some(id)
            && (!sink.is_table() || !sink.key_columns().is_empty())
        {
            Arc::make_mut(sink).query = None;
        }
        Ok(())
    }

    fn drop_relation(&mut self, id: RelationId) -> Result<(), CatalogError> {
        let relation = self.relation_by_id(id).cloned().ok_or(CatalogError::UnknownRelation { id })?;
        let told = |query: &Arc<QueryDefinition>| match self.relation_by_id(query.sink) {
            Some(sink) => format!("{} (it writes \"{}\")", query.name, sink.name),
            None => query.name.clone(),
        };
        let dependants: Vec<String> = self.queries_of(id).map(told).collect();
        if !dependants.is_empty() {
            return Err(CatalogError::StillUsed { name: relation.name.clone(), dependants });
        }
        self.refuse_below_views(id, &relation.name)?;
        self.names_mut(relation.session).remove(&relation.name);
        if let Some(session) = relation.session.filter(|session| self.temporary_of(*session).next().is_none()) {
            Arc::make_mut(&mut self.temporary).remove(&session);
        }
        Arc::make_mut(&mut self.relations).remove(&id);
        let topics = Arc::make_mut(&mut self.topics);
        topics.retain(|used| !topics_of(&relation).any(|gone| gone == *used));
        Ok(())
    }

    fn create_query(&mut self, query: &QueryDefinition) -> Result<(), CatalogError> {
        if query.id < self.next_query {
            return Err(CatalogError::QueryIdTaken { id: query.id });
        }
        for id in query.sources.iter().chain([&query.sink]) {
            if !self.relations.contains_key(id) {
                return Err(CatalogError::UnknownRelation { id: *id });
            }
        }
        self.next_query = QueryId(query.id.0 + 1);
        Arc::make_mut(&mut self.queries).insert(query.id, Arc::new(query.clone()));
        Ok(())
    }

    fn replace_query(&mut self, query: &QueryDefinition) -> Result<(), CatalogError> {
        let queries = Arc::make_mut(&mut self.queries);
        let known = queries.get_mut(&query.id).ok_or(CatalogError::UnknownQuery { id: query.id })?;
        *known = Arc::new(query.clone());
        Ok(())
    }

    fn set_query_state(&mut self, id: QueryId, state: QueryState) -> Result<(), CatalogError> {
        let query = Arc::make_mut(&mut self.queries).get_mut(&id).ok_or(CatalogError::UnknownQuery { id })?;
        Arc::make_mut(query).state = state;
        Ok(())
    }

    fn create_type(&mut self, definition: &TypeDefinition) -> Result<(), CatalogError> {
        let name = definition.name.clone();
        if self.types.contains_key(&name) {
            return Err(CatalogError::TypeTaken { name });
        }
        Arc::make_mut(&mut self.types).insert(name, definition.clone());
        Ok(())
    }

    fn create_view(&mut self, view: &PlainView) -> Result<(), CatalogError> {
        if view.id < self.next_relation {
            return Err(CatalogError::RelationIdTaken { id: view.id });
        }
        self.add_view(view)?;
        self.next_relation = RelationId(view.id.0 + 1);
        Ok(())
    }

    /// Its query or its name is another one; its number stays.
    fn replace_view(&mut self, view: &PlainView) -> Result<(), CatalogError> {
        let known = self.view_by_id(view.id).map(|known| known.name.clone());
        let known = known.ok_or(CatalogError::UnknownRelation { id: view.id })?;
        Arc::make_mut(&mut self.views).remove(&known);
        self.add_view(view)
    }

    fn add_view(&mut self, view: &PlainView) -> Result<(), CatalogError> {
        if self.id_of(&permanent_name(&view.name)).is_some() {
            return Err(CatalogError::NameTaken { name: view.name.clone() });
        }
        let exists = |id: &RelationId| self.relations.contains_key(id) || self.view_by_id(*id).is_some();
        if let Some((_, id)) = view.reads.iter().find(|(_, id)| !exists(id)) {
            return Err(CatalogError::UnknownRelation { id: *id });
        }
        Arc::make_mut(&mut self.views).insert(view.name.clone(), Arc::new(view.clone()));
        Ok(())
    }

    fn drop_view(&mut self, id: RelationId) -> Result<(), CatalogError> {
        let view = self.view_by_id(id).cloned().ok_or(CatalogError::UnknownRelation { id })?;
        self.refuse_below_views(id, &view.name)?;
        Arc::make_mut(&mut self.views).remove(&view.name);
        Ok(())
    }

    fn refuse_below_views(&self, id: RelationId, name: &str) -> Result<(), CatalogError> {
        let over: Vec<String> = self.views_over(id).map(|view| format!("view \"{}\"", view.name)).collect();
        match over.is_empty() {
            true => Ok(()),
            false => Err(CatalogError::ReadByViews { name: name.to_string(), views: over }),
        }
    }

    /// Whether the name that a relation is to have is another's among the relations that it belongs to.
    fn is_taken(&self, relation: &Relation) -> bool {
        match relation.session {
            Some(session) => self.temporary.get(&session).is_some_and(|names| names.contains_key(&relation.name)),
            None => self.id_of(&permanent_name(&relation.name)).is_some(),
        }
    }

    fn names_mut(&mut self, session: Option<SessionNumber>) -> &mut BTreeMap<String, RelationId> {
        match session {
            Some(session) => Arc::make_mut(&mut self.temporary).entry(session).or_default(),
            None => Arc::make_mut(&mut self.names),
        }
    }

    /// Whether any session has temporary tables.
    pub fn has_temporary(&self) -> bool {
        !self.temporary.is_empty()
    }

    /// The temporary tables of a session, by name.
    pub fn temporary_of(&self, session: SessionNumber) -> impl Iterator<Item = &Arc<Relation>> {
        let names = self.temporary.get(&session).into_iter().flat_map(BTreeMap::values);
        names.filter_map(|id| self.relations.get(id))
    }

    /// The temporary table of that folded name of the session that sees the catalog.
    pub fn temporary(&self, name: &str) -> Option<&Arc<Relation>> {
        let id = self.temporary.get(&self.session?)?.get(name)?;
        self.relations.get(id)
    }

    /// The view of that folded name.
    pub fn view(&self, name: &str) -> Option<&Arc<PlainView>> {
        match name.strip_prefix(PERMANENT) {
            Some(name) => self.views.get(name),
            None => self.views.get(name).filter(|_| self.temporary(name).is_none()),
        }
    }

    /// The view of that number.
    pub fn view_by_id(&self, id: RelationId) -> Option<&Arc<PlainView>> {
        self.views.values().find(|view| view.id == id)
    }

    /// All views that nothing keeps, by name.
    pub fn views(&self) -> impl ExactSizeIterator<Item = &Arc<PlainView>> {
        self.views.values()
    }

    /// The number of the relation or the view of that folded name.
    pub fn id_of(&self, name: &str) -> Option<RelationId> {
        self.relation(name).map(|relation| relation.id).or_else(|| self.view(name).map(|view| view.id))
    }

    /// What a folded name stands for, if it is that of a type.
    pub fn named_type(&self, name: &str) -> Option<&TypeDefinition> {
        self.types.get(name)
    }

    /// All names of types, in their order.
    pub fn named_types(&self) -> impl ExactSizeIterator<Item = &TypeDefinition> {
        self.types.values()
    }

    /// The relation of that folded name.
    pub fn relation(&self, name: &str) -> Option<&Arc<Relation>> {
        let permanent = |name| self.names.get(name).and_then(|id| self.relations.get(id));
        match name.strip_prefix(PERMANENT) {
            Some(name) => permanent(name),
            None => self.temporary(name).or_else(|| permanent(name)),
        }
    }

    /// The relation of that number.
    pub fn relation_by_id(&self, id: RelationId) -> Option<&Arc<Relation>> {
        self.relations.get(&id)
    }

    /// The relations that stand on a topic, as their own or for their bad records, oldest first.
    pub fn users_of_topic(&self, topic: TopicId) -> impl Iterator<Item = &Arc<Relation>> {
        let of_topic = (topic, RelationId(0))..=(topic, RelationId(u64::MAX));
        self.topics.range(of_topic).filter_map(|(_, id)| self.relations.get(id))
    }

    /// All relations, by name; the temporary tables of all sessions stand behind the others.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        let temporary = self.temporary.values().flat_map(BTreeMap::values);
        self.names.values().chain(temporary).filter_map(|id| self.relations.get(id))
    }

    /// The query of that number.
    pub fn query(&self, id: QueryId) -> Option<&Arc<QueryDefinition>> {
        self.queries.get(&id)
    }

    /// The query of that name, in any case.
    pub fn query_by_name(&self, name: &str) -> Option<&Arc<QueryDefinition>> {
        self.queries.values().find(|query| query.name.eq_ignore_ascii_case(name))
    }

    /// All queries, by number.
    pub fn queries(&self) -> impl Iterator<Item = &Arc<QueryDefinition>> {
        self.queries.values()
    }

    /// The queries that read `relation`, also those that read its topic under another relation's name.
    pub fn readers(&self, relation: RelationId) -> impl Iterator<Item = &Arc<QueryDefinition>> {
        let read = self.topic_of(relation);
        let reads = move |source: &RelationId| read.is_some() && self.topic_of(*source) == read;
        self.queries.values().filter(move |query| query.sources.iter().any(reads))
    }

    /// The queries that read a topic, under whatever relation's name.
    pub fn readers_of_topic(&self, topic: TopicId) -> impl Iterator<Item = &Arc<QueryDefinition>> {
        let reads = move |source: &RelationId| self.topic_of(*source) == Some(topic);
        self.queries.values().filter(move |query| query.sources.iter().any(reads))
    }

    /// The queries that write `relation`, also those that write its topic under another relation's name.
    pub fn writers(&self, relation: RelationId) -> impl Iterator<Item = &Arc<QueryDefinition>> {
        let written = self.topic_of(relation);
        self.queries.values().filter(move |query| written.is_some() && self.topic_of(query.sink) == written)
    }

    fn topic_of(&self, relation: RelationId) -> Option<TopicId> {
        self.relation_by_id(relation).map(|relation| relation.topic_id)
    }

    /// The queries that read or write `relation`.
    fn queries_of(&self, relation: RelationId) -> impl Iterator<Item = &Arc<QueryDefinition>> {
        self.queries.values().filter(move |query| query.sink == relation || query.sources.contains(&relation))
    }

    /// The number that the next relation takes.
    pub fn next_relation_id(&self) -> RelationId {
        self.next_relation
    }

    /// The number that the next query takes.
    pub fn next_query_id(&self) -> QueryId {
        self.next_query
    }

    /// The relation or view whose name looks most like `name`, for "did you mean".
    pub fn nearest_relation(&self, name: &str) -> Option<&str> {
        let temporary = self.session.and_then(|session| self.temporary.get(&session));
        let temporary = temporary.into_iter().flat_map(BTreeMap::keys);
        nearest(name, self.names.keys().chain(self.views.keys()).chain(temporary).map(String::as_str))
    }
}

/// The topics that a relation stands on, each with its number.
fn topics_of(relation: &Relation) -> impl Iterator<Item = (TopicId, RelationId)> {
    let dead_letters = relation.dead_letter_topic.as_ref().map(|(_, topic)| *topic);
    let id = relation.id;
    std::iter::once(relation.topic_id).chain(dead_letters).map(move |topic| (topic, id))
}
