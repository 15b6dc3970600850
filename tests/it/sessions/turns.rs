//! A query that reads much gives others their turn, counted by turns and not by time.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use tidemill::broker::Client;
use tidemill::config::Limits;

use super::harness::World;
use super::watched::BeforeFetch;
use super::watched::Watched;

/// How often a query fetched, and how many others had their turn behind a fetch of it.
#[derive(Default)]
struct Turns {
    fetches: AtomicUsize,
    others: AtomicUsize,
    /// The most fetches that one turn had.
    most_at_once: AtomicUsize,
}

impl Turns {
    /// At each fetch another future wants to run on the same thread.
    fn fetched(self: &Arc<Self>) {
        let turns = Arc::clone(self);
        let fetches = turns.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let waiting = fetches - turns.others.load(Ordering::SeqCst);
        turns.most_at_once.fetch_max(waiting, Ordering::SeqCst);
        tokio::spawn(async move { turns.others.fetch_add(1, Ordering::SeqCst) });
    }
}

#[tokio::test]
async fn a_scan_of_a_topic_gives_way_between_its_reads() {
    let turns = Arc::new(Turns::default());
    let watching = Arc::clone(&turns);
    let before_fetch: BeforeFetch = Arc::new(move |_| {
        watching.fetched();
        async {}.boxed()
    });
    let watch =
        move |client| -> Arc<dyn Client> { Arc::new(Watched { client, before_fetch: Arc::clone(&before_fetch) }) };
    // One thread: what waits for it runs only when the scan gives way.
    let limits = Limits { query_threads: 1, ..Limits::default() };
    let mut client = World::watched(limits, watch).await.session();
    client.expect("CREATE STREAM t (id INT KEY, v TEXT) WITH (kafka_topic = 't')", "CREATE STREAM").await;
    let insert = "INSERT INTO t SELECT g.value, repeat('x', 1000) FROM generate_series(1, 6000) AS g(value)";
    client.expect(insert, "INSERT 0 6000").await;
    client.expect("SELECT COUNT(*) FROM t", "6000").await;
    assert!(4 < turns.fetches.load(Ordering::SeqCst), "several reads");
    assert_eq!(turns.most_at_once.load(Ordering::SeqCst), 1, "fetches of one turn");
}
