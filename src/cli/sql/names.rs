//! What there is on the server, for completion: asked on a session of its own, so that nobody who types ever waits for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::client::Client;
use super::client::Target;
use super::error::SqlError;
use crate::env::Env;

/// After so long names are asked for anew, since others make relations too.
const REFRESH: Duration = Duration::from_secs(30);

const COLUMNS: &str = "SELECT table_schema, table_name, column_name FROM information_schema.columns \
                       WHERE table_schema IN ('public', 'tidemill') ORDER BY table_name, ordinal_position";
const FUNCTIONS: &str = "SELECT DISTINCT name FROM tidemill.functions ORDER BY name";
const SETTINGS: &str = "SELECT name FROM tidemill.settings ORDER BY name";
const TOPICS: &str = "SELECT name FROM tidemill.topics WHERE NOT internal ORDER BY name";
const QUERIES: &str = "SELECT name FROM tidemill.queries ORDER BY name";

/// A stream, a table, a view or a system table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Relation {
    /// `public` or `tidemill`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<String>,
}

/// Names of what there was on the server a moment ago.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Streams, tables and views.
    pub relations: Vec<Relation>,
    /// Functions.
    pub functions: Vec<String>,
    /// What SET takes.
    pub settings: Vec<String>,
    /// Topics that are not internal.
    pub topics: Vec<String>,
    /// Standing queries.
    pub queries: Vec<String>,
}

/// The newest names that were told.
#[derive(Default)]
pub(super) struct NameCache {
    names: Mutex<Arc<Names>>,
    stale: Notify,
}

impl NameCache {
    /// An empty one, and the task that keeps it until the process ends.
    pub fn kept(env: &Env, target: &Target) -> Arc<Self> {
        let cache = Arc::new(Self::default());
        cache.refresh();
        let (env, target, kept) = (env.clone(), target.clone(), Arc::clone(&cache));
        tokio::spawn(async move {
            let mut client = None;
            loop {
                tokio::select! {
                    () = kept.stale.notified() => {}
                    () = env.clock.sleep(REFRESH) => {}
                }
                // Who cannot be asked now is asked again the next time.
                client = fetch(&env, &target, client.take(), &kept).await.ok();
            }
        });
        cache
    }

    /// The names as they are known.
    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.lock())
    }

    /// After a statement that may have changed them.
    pub fn refresh(&self) {
        self.stale.notify_one();
    }
}

/// Asks for the names and puts them into the cache; the session is there for the next time.
async fn fetch(env: &Env, target: &Target, client: Option<Client>, cache: &NameCache) -> Result<Client, SqlError> {
    let mut client = match client {
        Some(client) => client,
        None => Client::connect(env, target).await?,
    };
    let mut names = Names::default();
    for row in listed(&mut client, COLUMNS).await? {
        let [Some(schema), Some(table), Some(column)] = &row[..] else { continue };
        match names.relations.last_mut() {
            Some(last) if last.name == *table && last.schema == *schema => last.columns.push(column.clone()),
            _ => names.relations.push(Relation {
                schema: schema.clone(),
                name: table.clone(),
                columns: vec![column.clone()],
            }),
        }
    }
    for (query, list) in [
        (FUNCTIONS, &mut names.functions),
        (SETTINGS, &mut names.settings),
        (TOPICS, &mut names.topics),
        (QUERIES, &mut names.queries),
    ] {
        *list = listed(&mut client, query).await?.into_iter().filter_map(|row| row.into_iter().next()?).collect();
    }
    *cache.names.lock() = Arc::new(names);
    Ok(client)
}

/// Rows of a list; none if the server has no such list.
async fn listed(client: &mut Client, query: &str) -> Result<Vec<Vec<Option<String>>>, SqlError> {
    match client.rows(query).await {
        Ok((_, rows)) => Ok(rows),
        Err(SqlError::Statement(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
