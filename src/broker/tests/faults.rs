//! The commit protocol and the metadata log, with each fault at each disk call.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::broker::BrokerError;
use crate::broker::Client;
use crate::broker::CommitOutcome;
use crate::broker::Isolation;
use crate::broker::conformance::share;
use crate::broker::conformance::values;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataLog;
use crate::cluster::MetadataRecord;
use crate::cluster::NodeId;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::env::Env;
use crate::env::Scenario;
use crate::env::for_each_fault;
use crate::model::QueryId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;

const QUERIES: [u64; 3] = [1, 2, 3];
const PARTITIONS: i32 = 3;

fn config() -> BrokerConfig {
    // Rolls over inside the scenario; gives up on markers soon, since no clock moves here.
    BrokerConfig { producer_epoch_max: 1, producer_ids_block: 2, marker_tries_max: 2, ..BrokerConfig::default() }
}

fn outputs() -> Vec<TopicPartition> {
    (0..PARTITIONS).map(|number| TopicPartition::new(OUTPUT, number)).collect()
}

/// Commits round `round` of all queries; who was told to be committed.
async fn commit_round(client: &dyn Client, round: i64) -> Result<BTreeSet<(u64, i64)>, BrokerError> {
    let input = TopicPartition::new(INPUT, 0);
    let mut shares = Vec::new();
    for query in QUERIES {
        let generation = client.join(&QueryId(query).group(), "member").await?;
        shares.push(share(query, generation, &outputs(), &format!("{query}.{round}"), (input, round)));
    }
    let committed = client.commit("node", shares).await?;
    let told = committed.outcomes.iter().filter(|(_, outcome)| matches!(outcome, CommitOutcome::Committed { .. }));
    Ok(told.map(|(query, _)| (query.0, round)).collect())
}

async fn prepare(env: &Env, flush: FlushPolicy) {
    let node = Node::open(env, config()).await.expect("opens");
    let of = |flush| TopicConfig { flush, ..TopicConfig::default() };
    node.create(INPUT, "input", 1, of(FlushPolicy::Ack)).await.expect("created");
    node.create(OUTPUT, "output", PARTITIONS, of(flush)).await.expect("created");
    for _ in 0..10 {
        let mut builder = BatchBuilder::new();
        builder.append(1, None, Some(b"in"), &[]);
        node.client.append(TopicPartition::new(INPUT, 0), builder.finish(), Acks::All).await.expect("appended");
    }
    commit_round(&*node.client, 1).await.expect("a commit without faults");
    node.broker.close().await.expect("closed");
}

/// Two commits; stops at the first that does not answer.
async fn two_commits(env: &Env) -> BTreeSet<(u64, i64)> {
    let mut told = QUERIES.map(|query| (query, 1)).into_iter().collect::<BTreeSet<_>>();
    let Ok(node) = Node::open(env, config()).await else { return told };
    for round in [2, 3] {
        match commit_round(&*node.client, round).await {
            Ok(committed) => told.extend(committed),
            Err(_) => break,
        }
    }
    told
}

/// Every round of every query is in all partitions once and covered by its position, or nowhere.
async fn whole_or_absent(client: &dyn Client) -> BTreeSet<(u64, i64)> {
    let mut seen: BTreeMap<String, Vec<TopicPartition>> = BTreeMap::new();
    for partition in outputs() {
        let ends = client.ends(partition).await.expect("it is there");
        assert_eq!(ends.last_stable_offset, ends.high_watermark, "no transaction is left open in {partition}");
        for value in values(client, partition, Isolation::ReadCommitted).await {
            seen.entry(value).or_default().push(partition);
        }
    }
    let mut rounds = BTreeSet::new();
    for (value, partitions) in seen {
        assert_eq!(partitions, outputs(), "{value} is in every partition once");
        let (query, round) = value.split_once('.').expect("a value of this test");
        rounds.insert((query.parse().expect("a number"), round.parse().expect("a number")));
    }
    for query in QUERIES {
        let offsets = client.committed_offsets(&QueryId(query).group()).await.expect("known");
        let last = rounds.iter().filter(|(of, _)| *of == query).map(|(_, round)| *round).max();
        let committed = offsets.get(&TopicPartition::new(INPUT, 0)).map(|committed| committed.offset.0);
        assert_eq!(committed, last, "the position of query {query} is that of its last output");
    }
    rounds
}

fn commit_scenario(name: &str, flush: FlushPolicy) {
    let scenario = Scenario {
        name,
        seed: 41,
        prepare: &|env| run(prepare(env, flush)),
        run: &|env| run(two_commits(env)),
        check: &|env, told: &BTreeSet<(u64, i64)>, _| {
            run(async {
                let node = Node::open(env, config()).await.expect("a restart after any fault");
                let rounds = whole_or_absent(&*node.client).await;
                assert!(told.is_subset(&rounds), "acknowledged {told:?}, found {rounds:?}");
                let after = commit_round(&*node.client, 9).await.expect("commits go on");
                assert_eq!(after.len(), QUERIES.len());
                let rounds = whole_or_absent(&*node.client).await;
                assert!(after.is_subset(&rounds) && told.is_subset(&rounds));
            });
        },
    };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}

#[test]
fn commit_is_whole_or_absent_after_each_fault_at_each_disk_call() {
    commit_scenario("commit of 3 queries over 3 partitions, flush = ack", FlushPolicy::Ack);
}

#[test]
fn commit_to_partitions_that_nobody_flushes_is_whole_or_absent_too() {
    commit_scenario("commit of 3 queries over 3 partitions, flush = os", FlushPolicy::Os);
}

#[test]
fn metadata_change_is_whole_or_absent_after_each_fault_at_each_disk_call() {
    let change = |number: u8| {
        let topic = TopicRecord {
            id: TopicId([number; 16]),
            name: format!("topic{number}"),
            partitions: 2,
            config: TopicConfig::default(),
        };
        vec![MetadataRecord::Topic(topic), MetadataRecord::Catalog(Bytes::from(vec![number; 100]))]
    };
    let open = |env: &Env| MetadataLog::open(env, Path::new("/metadata"), NodeId(0));
    let scenario = Scenario {
        name: "metadata change",
        seed: 42,
        prepare: &|env| {
            run(async {
                env.disk.create_dir_all(Path::new("/metadata")).expect("made");
                env.disk.sync_dir(Path::new("/")).expect("synced");
                open(env).expect("fresh").propose(0, change(1)).await.expect("first");
            });
        },
        run: &|env| {
            run(async {
                let Ok(log) = open(env) else { return 1 };
                let mut told = 1;
                for number in [2, 3] {
                    match log.propose(log.snapshot().version, change(number)).await {
                        Ok(version) => told = version,
                        Err(_) => break,
                    }
                }
                told
            })
        },
        check: &|env, told: &u64, _| {
            run(async {
                let log = open(env).expect("a restart after any fault");
                let metadata = log.snapshot();
                assert!(*told <= metadata.version, "told {told}, found {}", metadata.version);
                assert_eq!(metadata.topics().count() as u64, metadata.version);
                assert_eq!(metadata.catalog_records.len() as u64, metadata.version);
                let next = log.propose(metadata.version, change(9)).await.expect("changes go on");
                assert_eq!(open(env).expect("again").snapshot().version, next);
            });
        },
    };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}
