//! What CREATE .. AS waits for: that what was made shows what its inputs hold, as who comes from PostgreSQL expects.

use std::time::Duration;

use crate::engine::outcome::Notice;
use crate::engine::session::Session;
use crate::error::Result;
use crate::model::TopicPartition;
use crate::state::Frontier;

/// Who has long inputs goes on without their rows, and is told.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Waits a while for what a query makes of what its inputs hold now; what to say if that is not all there. Under
/// `read_your_writes` what the session reads later waits for the rest.
pub(super) async fn wait(session: &Session, name: &str) -> Result<Option<Notice>> {
    let (catalog, runtime) = (session.engine.catalog()?, session.engine.runtime());
    let query = catalog.relation(name).and_then(|relation| catalog.query(relation.query?));
    let Some(query) = query.filter(|_| runtime.runs_by_itself()) else { return Ok(None) };
    let mut held = Frontier::new();
    for source in query.sources.iter().filter_map(|id| catalog.relation_by_id(*id)) {
        for number in 0..source.partitions {
            let partition = TopicPartition::new(source.topic_id, number);
            // A topic that is gone meanwhile holds nothing, and what was made is made.
            if let Ok(ends) = session.client.ends(partition).await {
                held.insert(partition, ends.readable_end());
            }
        }
    }
    if session.settings.reads_own_writes() {
        session.written.note(held.clone().into_iter().collect());
    }
    let clock = &session.engine.env().clock;
    let is_filled = tokio::select! {
        // A query that has failed says so in its state.
        _ = runtime.wait_covered(query.id, &held) => true,
        () = clock.sleep(WAIT_MAX) => false,
    };
    let told = || Notice::new(format!("\"{name}\" is still being filled")).hint("SHOW QUERIES tells how far it is.");
    Ok((!is_filled).then(told))
}
