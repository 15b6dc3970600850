//! `SET snapshot = 'aligned'`: a pin in which all views that a statement names reflect the same prefix of what they stand on.
//!
//! The queries behind the views are held, the ends of the root partitions are taken at one moment, and one query after the
//! other, sources first, reads up to there. When the last has, the pin is taken and they go on. See design note 0021.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::catalog::QueryDefinition;
use crate::catalog::Relation;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::Hold;
use crate::model::Offset;
use crate::model::RelationId;
use crate::model::TopicPartition;
use crate::state::Frontier;
use crate::state::Published;
use crate::state::ViewSnapshot;

/// Between two looks for a moment at which nothing was written.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Looks in a row before one waits.
const LOOKS: u32 = 100;

/// Pins what a statement over `relations` reads; 55P03 if they did not come to the same prefix in time.
pub(super) async fn pin(session: &Session, relations: &[Arc<Relation>]) -> Result<Reading> {
    let catalog = session.catalog()?;
    let queries = upstream(&catalog, relations);
    let is_alone = |relation: &Relation| relation.is_table() && relation.partitions <= 1 && queries.len() == 1;
    match relations {
        _ if queries.is_empty() => return Planner::pin(session),
        // One partition of a view, straight from what nobody else reads for the statement, is one prefix by itself.
        [relation] if is_alone(relation) => return Planner::pin(session),
        _ => {}
    }
    let aligning = Aligning { session, catalog: &catalog, relations, queries, waits_for: Mutex::default() };
    let Some(patience) = session.settings.duration("snapshot_timeout") else { return aligning.pin().await };
    tokio::select! {
        pinned = aligning.pin() => pinned,
        () = session.engine.env().clock.sleep(patience) => Err(aligning.too_long()),
    }
}

/// The queries that relations come from, each behind those whose output it reads.
fn upstream<'a>(catalog: &'a Catalog, relations: &[Arc<Relation>]) -> Vec<&'a Arc<QueryDefinition>> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    relations.iter().for_each(|relation| add_upstream(catalog, relation.id, &mut seen, &mut found));
    found
}

fn add_upstream<'a>(
    catalog: &'a Catalog,
    relation: RelationId,
    seen: &mut BTreeSet<RelationId>,
    found: &mut Vec<&'a Arc<QueryDefinition>>,
) {
    // A query that reads what it writes stands behind its other sources.
    if !seen.insert(relation) {
        return;
    }
    for query in catalog.writers(relation) {
        query.sources.iter().for_each(|source| add_upstream(catalog, *source, seen, found));
        if found.iter().all(|known| known.id != query.id) {
            found.push(query);
        }
    }
}

struct Aligning<'a> {
    session: &'a Session,
    catalog: &'a Catalog,
    relations: &'a [Arc<Relation>],
    /// Sources first.
    queries: Vec<&'a Arc<QueryDefinition>>,
    /// The query that has not come to its end yet, by name.
    waits_for: Mutex<Option<String>>,
}

/// What the statement sees of tables and of root partitions, as of one moment.
struct Moment {
    ends: Frontier,
    tables: BTreeMap<RelationId, Arc<ViewSnapshot>>,
}

impl Aligning<'_> {
    async fn pin(&self) -> Result<Reading> {
        self.session.engine.started().await;
        let runtime = self.session.engine.runtime();
        let hold = runtime.hold(self.queries.iter().map(|query| query.id));
        if let Some(stopped) = self.queries.iter().find(|query| !hold.holds(query.id)) {
            return Err(stands_still(&stopped.name));
        }
        let Moment { mut ends, tables } = self.moment().await?;
        for query in &self.queries {
            *self.waits_for.lock() = Some(query.name.clone());
            self.bring(&hold, query, &mut ends).await?;
        }
        // What queries write into a table without being those that keep it, and into streams that are named themselves.
        for relation in self.relations.iter().filter(|relation| !tables.contains_key(&relation.id)) {
            if let Some(kept) = runtime.kept(relation.id) {
                kept.catch_up().await?;
            }
        }
        for partition in self.relations.iter().flat_map(|relation| self.partitions(relation.id)) {
            if let Entry::Vacant(unknown) = ends.entry(partition) {
                unknown.insert(self.readable_end(partition).await?);
            }
        }
        let published = self.session.engine.published().with(tables);
        drop(hold);
        self.check(&published, &ends)?;
        let catalog = self.session.catalog()?;
        Ok(Reading { catalog, published: Arc::new(published), given: Vec::new(), whole: None, ends })
    }

    /// Lets a query read up to the ends of its sources, and waits until it has.
    async fn bring(&self, hold: &Hold, query: &QueryDefinition, ends: &mut Frontier) -> Result<()> {
        let mut own = Frontier::new();
        for partition in query.sources.iter().flat_map(|source| self.partitions(*source)) {
            // What other queries write has come to its end with them.
            let end = match ends.get(&partition) {
                Some(end) => *end,
                None => self.readable_end(partition).await?,
            };
            ends.insert(partition, end);
            own.insert(partition, end);
        }
        hold.let_go(query.id, own.clone());
        self.session.engine.runtime().wait_covered(query.id, &own).await
    }

    /// The ends of all root partitions, and the rows of the tables that are named, as they are at one moment: two looks with
    /// nothing written in between.
    async fn moment(&self) -> Result<Moment> {
        let roots = self.roots();
        for look in 1_u32.. {
            let mut tables = BTreeMap::new();
            for relation in self.relations {
                let is_root = self.catalog.writers(relation.id).next().is_none();
                if let Some(kept) = self.session.engine.runtime().kept(relation.id).filter(|_| is_root) {
                    kept.catch_up().await?;
                    let shown = self.session.engine.published().view(relation.id).cloned();
                    tables.extend(shown.map(|shown| (relation.id, shown)));
                }
            }
            let ends = self.ends(&roots).await?;
            let is_shown = |shown: &Arc<ViewSnapshot>| is_at(&shown.frontier(), &ends);
            if tables.values().all(is_shown) && self.ends(&roots).await? == ends {
                return Ok(Moment { ends, tables });
            }
            if look % LOOKS == 0 {
                self.session.engine.env().clock.sleep(LOOK_AGAIN).await;
            }
            tokio::task::yield_now().await;
        }
        Err(Error::internal("looks without end have ended"))
    }

    /// The partitions that no query writes, of what the queries and the statement read.
    fn roots(&self) -> BTreeSet<TopicPartition> {
        let sources = self.queries.iter().flat_map(|query| query.sources.iter().copied());
        let read = sources.chain(self.relations.iter().map(|relation| relation.id));
        let roots = read.filter(|relation| self.catalog.writers(*relation).next().is_none());
        roots.flat_map(|relation| self.partitions(relation)).collect()
    }

    fn partitions(&self, relation: RelationId) -> Vec<TopicPartition> {
        let Some(relation) = self.catalog.relation_by_id(relation) else { return Vec::new() };
        (0..relation.partitions).map(|number| TopicPartition::new(relation.topic_id, number)).collect()
    }

    async fn ends(&self, partitions: &BTreeSet<TopicPartition>) -> Result<Frontier> {
        let mut ends = Frontier::new();
        for partition in partitions {
            ends.insert(*partition, self.readable_end(*partition).await?);
        }
        Ok(ends)
    }

    async fn readable_end(&self, partition: TopicPartition) -> Result<Offset> {
        Ok(self.session.client.ends(partition).await?.readable_end())
    }

    /// A query that was stopped, or made again, in the middle has left its view where it was.
    fn check(&self, published: &Published, ends: &Frontier) -> Result<()> {
        for relation in self.relations {
            let Some(view) = published.view(relation.id) else { continue };
            if !view.frontiers().iter().all(|frontier| is_at(frontier, ends)) {
                return Err(stands_still(&relation.name));
            }
        }
        Ok(())
    }

    fn too_long(&self) -> Error {
        let error = Error::new(SqlState("55P03"), "could not align the snapshot in time");
        let error = match &*self.waits_for.lock() {
            Some(query) => error.detail(format!("Query \"{query}\" has not come as far as what it reads was written.")),
            None => error.detail("There was no moment at which nothing was written."),
        };
        error.hint("Try again, raise snapshot_timeout, or SET snapshot = 'latest'.")
    }
}

/// Whether what is reflected of partitions with an end is all up to there, and nothing beyond.
fn is_at(reflected: &Frontier, ends: &Frontier) -> bool {
    reflected.iter().all(|(partition, offset)| ends.get(partition).is_none_or(|end| end == offset))
}

fn stands_still(name: &str) -> Error {
    let message = format!("could not align the snapshot: \"{name}\" stands still");
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("SELECT name, state, reason FROM tidemill.queries tells why; SET snapshot = 'latest' reads it as it is.")
}
