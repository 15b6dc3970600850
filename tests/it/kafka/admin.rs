//! Topics and their settings, as administrators change them.

use tidemill::protocol::Batch;
use tidemill::protocol::BatchLimits;
use tidemill::protocol::Codec;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::alter_configs;
use tidemill::protocol::create_acls;
use tidemill::protocol::create_partitions;
use tidemill::protocol::create_topics;
use tidemill::protocol::delete_acls;
use tidemill::protocol::delete_records;
use tidemill::protocol::delete_topics;
use tidemill::protocol::describe_acls;
use tidemill::protocol::describe_cluster;
use tidemill::protocol::describe_configs;
use tidemill::protocol::describe_groups;
use tidemill::protocol::describe_log_dirs;
use tidemill::protocol::describe_producers;
use tidemill::protocol::incremental_alter_configs;
use tidemill::protocol::init_producer_id;
use tidemill::protocol::metadata;
use tidemill::protocol::offset_commit;
use tidemill::protocol::offset_for_leader_epoch;

use super::client::KafkaClient;
use super::client::batch;
use super::client::one;
use super::client::produce_request;
use super::client::records;
use crate::server::TestServer;
use crate::server::run;
use crate::server::settled;

const TOPIC: i8 = 2;

fn topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> create_topics::Topic {
    let config =
        |(name, value): &(&str, &str)| create_topics::Config { name: name.to_string(), value: Some(value.to_string()) };
    create_topics::Topic {
        name: name.to_string(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    }
}

async fn create(client: &mut KafkaClient, version: i16, topic: create_topics::Topic) -> create_topics::TopicResult {
    let request = create_topics::Request { topics: vec![topic], ..Default::default() };
    one(client.ask(version, request).await.topics)
}

async fn settings(client: &mut KafkaClient, topic: &str) -> Vec<describe_configs::Config> {
    let resource =
        describe_configs::Resource { resource_type: TOPIC, resource_name: topic.to_string(), configuration_keys: None };
    let request =
        describe_configs::Request { resources: vec![resource], include_synonyms: true, include_documentation: true };
    let result = one(client.ask(4, request).await.results);
    assert_eq!(result.error_code, ErrorCode::NONE);
    result.configs
}

async fn setting(client: &mut KafkaClient, topic: &str, name: &str) -> (String, i8) {
    let found = settings(client, topic).await.into_iter().find(|config| config.name == name);
    let found = found.unwrap_or_else(|| panic!("{name} is told"));
    (found.value.expect("it has a value"), found.config_source)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_in_every_version_with_what_they_are_told() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for version in 2..=7 {
        let name = format!("t{version}");
        let made = create(&mut client, version, topic(&name, 3, &[("retention.ms", "1000")])).await;
        assert_eq!(made.error_code, ErrorCode::NONE, "{:?}", made.error_message);
        let found = client.topic(&name).await;
        assert_eq!(found.partitions.len(), 3);
        if 7 <= version {
            assert_eq!(made.topic_id, found.topic_id);
        }
    }
    let refusals = [
        (topic("t7", 1, &[]), ErrorCode::TOPIC_ALREADY_EXISTS),
        (topic("a/b", 1, &[]), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("__tidemill.x", 1, &[]), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("a", 0, &[]), ErrorCode::INVALID_PARTITIONS),
        (topic("a", 1, &[("retention.ms", "soon")]), ErrorCode::INVALID_CONFIG),
        (topic("a", 1, &[("no.such.setting", "1")]), ErrorCode::INVALID_CONFIG),
        (topic("a", 1, &[("compression.type", "brotli")]), ErrorCode::INVALID_CONFIG),
        (topic("a", 1, &[("remote.storage.enable", "true")]), ErrorCode::INVALID_CONFIG),
        (create_topics::Topic { replication_factor: 3, ..topic("a", 1, &[]) }, ErrorCode::INVALID_REPLICATION_FACTOR),
    ];
    for (topic, code) in refusals {
        let refused = create(&mut client, 5, topic).await;
        assert_eq!(refused.error_code, code, "{:?}", refused.error_message);
    }
    assert_eq!(create(&mut client, 5, topic("with.dots_x", 1, &[])).await.error_code, ErrorCode::NONE);
    for collides in ["with_dots_x", "with.dots.x", "with_dots.x"] {
        let refused = create(&mut client, 5, topic(collides, 1, &[])).await;
        assert_eq!(refused.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{:?}", refused.error_message);
    }
    let again = create(&mut client, 5, topic("with.dots_x", 1, &[])).await;
    assert_eq!(again.error_code, ErrorCode::TOPIC_ALREADY_EXISTS);
    let only_checked =
        create_topics::Request { topics: vec![topic("checked", 1, &[])], validate_only: true, ..Default::default() };
    assert_eq!(one(client.ask(5, only_checked).await.topics).error_code, ErrorCode::NONE);
    assert_eq!(create(&mut client, 5, topic("checked", -1, &[])).await.num_partitions, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_asked_for_by_its_id_whatever_name_stands_beside_it() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    for (version, name) in [12, 13].into_iter().flat_map(|version| [None, Some("")].map(|name| (version, name))) {
        let mut ask = async |topic_id: [u8; 16]| {
            let asked = metadata::RequestedTopic { topic_id, name: name.map(str::to_string) };
            let request = metadata::Request { topics: Some(vec![asked]), ..Default::default() };
            one(client.ask(version, request).await.topics)
        };
        let found = ask(topic.topic_id).await;
        assert_eq!((found.error_code, found.name.as_deref()), (ErrorCode::NONE, Some("t")), "{version} {name:?}");
        let unknown = ask([7; 16]).await;
        assert_eq!(
            (unknown.error_code, unknown.topic_id),
            (ErrorCode::UNKNOWN_TOPIC_ID, [7; 16]),
            "{version} {name:?}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_again_is_another_one() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let before = client.topic("t").await;
    client.produce(9, &before, &batch(&["a"])).await;
    let by_name = delete_topics::Request { topic_names: vec!["t".to_string()], ..Default::default() };
    assert_eq!(one(client.ask(4, by_name.clone()).await.responses).error_code, ErrorCode::NONE);
    assert_eq!(one(client.ask(4, by_name).await.responses).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let after = client.topic("t").await;
    assert_ne!(before.topic_id, after.topic_id);
    assert!(records(&client.fetch(13, &after, 0).await).is_empty());
    let fetched = client.ask(13, super::client::fetch_request(&before, 0)).await;
    assert_eq!(one(one(fetched.responses).partitions).error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let produced = client.ask(13, produce_request(-1, &before, vec![(0, &batch(&["b"]))])).await;
    assert_eq!(one(one(produced.responses).partition_responses).error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let by_name = delete_topics::Topic { name: Some("t".to_string()), topic_id: [0; 16] };
    let by_id = delete_topics::Topic { name: None, topic_id: after.topic_id };
    let twice = delete_topics::Request { topics: vec![by_name, by_id.clone()], ..Default::default() };
    assert_eq!(one(client.ask(6, twice).await.responses).error_code, ErrorCode::INVALID_REQUEST);
    let by_id = delete_topics::Request { topics: vec![by_id], ..Default::default() };
    assert_eq!(one(client.ask(6, by_id.clone()).await.responses).error_code, ErrorCode::NONE);
    assert_eq!(one(client.ask(6, by_id).await.responses).error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_a_stream_stands_on_is_not_taken_from_under_it() {
    let server = TestServer::start().await;
    let session = server.connect().await;
    let create = "CREATE STREAM s (item TEXT) WITH (kafka_topic = 't', value_format = 'JSON', partitions = 1)";
    run(&session, create).await;
    let mut client = KafkaClient::connect(&server).await;
    let delete = delete_topics::Request { topic_names: vec!["t".to_string()], ..Default::default() };
    let refused = one(client.ask(5, delete.clone()).await.responses);
    assert_eq!(refused.error_code, ErrorCode::POLICY_VIOLATION);
    assert_eq!(refused.error_message.as_deref(), Some("topic \"t\" is used by stream \"s\""));
    let more = create_partitions::Topic { name: "t".to_string(), count: 2, assignments: None };
    let more = create_partitions::Request { topics: vec![more], ..Default::default() };
    assert_eq!(one(client.ask(2, more).await.results).error_code, ErrorCode::POLICY_VIOLATION);
    run(&session, "DROP STREAM s").await;
    assert_eq!(one(client.ask(5, delete).await.responses).error_code, ErrorCode::NONE);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_added_and_outlive_a_restart() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let ask = async |client: &mut KafkaClient, version: i16, count: i32| {
        let topic = create_partitions::Topic { name: "t".to_string(), count, assignments: None };
        let request = create_partitions::Request { topics: vec![topic], ..Default::default() };
        one(client.ask(version, request).await.results).error_code
    };
    for (version, count) in (0..=3).zip(2..) {
        assert_eq!(ask(&mut client, version, count).await, ErrorCode::NONE);
    }
    assert_eq!(ask(&mut client, 3, 5).await, ErrorCode::INVALID_PARTITIONS);
    let more = create_partitions::Topic { name: "t".to_string(), count: 6, assignments: None };
    let twice = create_partitions::Request { topics: vec![more.clone(), more], ..Default::default() };
    assert_eq!(one(client.ask(3, twice).await.results).error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(ask(&mut client, 3, 1_000_000).await, ErrorCode::INVALID_PARTITIONS);
    let topic = client.topic("t").await;
    assert_eq!(topic.partitions.len(), 5);
    let response = client.ask(9, produce_request(-1, &topic, vec![(4, &batch(&["a"]))])).await;
    assert_eq!(one(one(response.responses).partition_responses).error_code, ErrorCode::NONE);
    drop(client);
    let server = server.restart().await;
    let mut client = KafkaClient::connect(&server).await;
    assert_eq!(client.topic("t").await.partitions.len(), 5);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_told_whole_and_changed_one_by_one_or_all() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    create(&mut client, 5, topic("t", 1, &[("retention.ms", "3600000"), ("cleanup.policy", "compact")])).await;
    let all = settings(&mut client, "t").await;
    assert!(30 <= all.len(), "{} settings", all.len());
    assert!(all.iter().all(|config| !config.synonyms.is_empty() && config.documentation.is_some()));
    assert_eq!(setting(&mut client, "t", "retention.ms").await, ("3600000".to_string(), 1));
    assert_eq!(setting(&mut client, "t", "segment.bytes").await, ("1073741824".to_string(), 5));
    let change = async |client: &mut KafkaClient, name: &str, operation: i8, value: &str| {
        let config = incremental_alter_configs::Config {
            name: name.to_string(),
            config_operation: operation,
            value: Some(value.to_string()),
        };
        let resource = incremental_alter_configs::Resource {
            resource_type: TOPIC,
            resource_name: "t".to_string(),
            configs: vec![config],
        };
        let request = incremental_alter_configs::Request { resources: vec![resource], ..Default::default() };
        one(client.ask(1, request).await.responses).error_code
    };
    assert_eq!(change(&mut client, "segment.bytes", 0, "2097152").await, ErrorCode::NONE);
    assert_eq!(change(&mut client, "cleanup.policy", 2, "delete").await, ErrorCode::NONE);
    assert_eq!(change(&mut client, "retention.ms", 1, "").await, ErrorCode::NONE);
    assert_eq!(setting(&mut client, "t", "segment.bytes").await, ("2097152".to_string(), 1));
    assert_eq!(setting(&mut client, "t", "cleanup.policy").await, ("compact,delete".to_string(), 1));
    assert_eq!(setting(&mut client, "t", "retention.ms").await, ("604800000".to_string(), 5));
    assert_eq!(change(&mut client, "retention.ms", 0, "604800000").await, ErrorCode::NONE);
    assert_eq!(setting(&mut client, "t", "retention.ms").await, ("604800000".to_string(), 1), "as it was given");
    assert_eq!(change(&mut client, "flush.messages", 0, "9223372036854775807").await, ErrorCode::INVALID_CONFIG);
    assert_eq!(change(&mut client, "segment.bytes", 7, "2097152").await, ErrorCode::INVALID_REQUEST);
    // The old way: what is not named gets its default.
    let config = alter_configs::Config { name: "retention.ms".to_string(), value: Some("5".to_string()) };
    let resource =
        alter_configs::Resource { resource_type: TOPIC, resource_name: "t".to_string(), configs: vec![config] };
    let request = alter_configs::Request { resources: vec![resource], ..Default::default() };
    assert_eq!(one(client.ask(1, request).await.responses).error_code, ErrorCode::NONE);
    assert_eq!(setting(&mut client, "t", "retention.ms").await, ("5".to_string(), 1));
    assert_eq!(setting(&mut client, "t", "segment.bytes").await, ("1073741824".to_string(), 5));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_topic_is_told_is_obeyed() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let configs = [("max.message.bytes", "1000")];
    create(&mut client, 5, topic("small", 1, &configs)).await;
    let small = client.topic("small").await;
    let refused = client.produce(9, &small, &batch(&[&"x".repeat(2000)])).await;
    assert_eq!(refused.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    let said = refused.error_message.expect("it says why");
    assert!(said.ends_with("is over the limit of 1000 of small-0"), "{said}");
    create(&mut client, 5, topic("compacted", 1, &[("cleanup.policy", "compact")])).await;
    let compacted = client.topic("compacted").await;
    let refused = client.produce(9, &compacted, &batch(&["without a key"])).await;
    assert_eq!(refused.error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(one(refused.record_errors).batch_index, 0);
    // As many as a partition has are enough: one.
    create(&mut client, 5, topic("wary", 1, &[("min.insync.replicas", "2")])).await;
    let wary = client.topic("wary").await;
    assert_eq!(client.produce(9, &wary, &batch(&["a"])).await.error_code, ErrorCode::NONE);
    create(&mut client, 5, topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")])).await;
    let stamped = client.topic("stamped").await;
    let produced = client.produce(9, &stamped, &batch(&["a"])).await;
    assert!(1_700_000_000_000 < produced.log_append_time_ms);
    create(&mut client, 5, topic("loose", 1, &[("flush.messages", "9223372036854775807")])).await;
    let loose = client.topic("loose").await;
    assert_eq!(client.produce(9, &loose, &batch(&["a"])).await.error_code, ErrorCode::NONE);
    assert_eq!(records(&client.fetch(12, &loose, 0).await).len(), 1);
    server.stop().await;
}

/// The batches of records that a consumer is sent for the topic from its start.
async fn batches(client: &mut KafkaClient, topic: &metadata::Topic) -> Vec<Batch> {
    let bytes = client.fetch(12, topic, 0).await.records.0.concat().into();
    let batches = Batch::split(bytes, BatchLimits::default()).map(|batch| batch.expect("it is whole"));
    batches.filter(|batch| !batch.is_control()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_packed_as_their_topic_says_whoever_writes_them() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    create(&mut client, 5, topic("packed", 1, &[("compression.type", "zstd"), ("segment.jitter.ms", "5")])).await;
    let packed = client.topic("packed").await;
    assert_eq!(client.produce(9, &packed, &batch(&["{\"a\":1}", "{\"a\":2}"])).await.error_code, ErrorCode::NONE);
    let session = server.connect().await;
    run(&session, "CREATE STREAM s (a INT) WITH (kafka_topic = 'packed', value_format = 'JSON')").await;
    run(&session, "INSERT INTO s VALUES (3)").await;
    create(&mut client, 5, topic("made", 1, &[("compression.type", "gzip")])).await;
    run(&session, "CREATE STREAM made WITH (kafka_topic = 'made') AS SELECT a FROM s").await;
    assert_eq!(settled(&session, "SELECT sum(a) FROM made").await, [["6"]]);
    for (name, codec) in [("packed", Codec::Zstd), ("made", Codec::Gzip)] {
        let topic = client.topic(name).await;
        let batches = batches(&mut client, &topic).await;
        let codecs: Vec<_> = batches.iter().map(|batch| batch.header().attributes.codec()).collect();
        assert!(codecs.iter().all(|found| *found == codec), "{name}: {codecs:?}");
        assert_eq!(batches.iter().map(Batch::record_count).sum::<i32>(), 3, "{name}");
    }
    assert_eq!(setting(&mut client, "packed", "segment.jitter.ms").await, ("5".to_string(), 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_is_told_to_who_asks() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let committed = offset_commit::Request { group_id: "g".to_string(), ..commit_of("t") };
    client.topic("t").await;
    client.ask(2, committed).await;
    for version in 3..=6 {
        for (asks, expected) in [(true, 0b1101_0100_1000), (false, i32::MIN)] {
            let request =
                describe_groups::Request { groups: vec!["g".to_string()], include_authorized_operations: asks };
            let group = one(client.ask(version, request).await.groups);
            assert_eq!((group.error_code, group.authorized_operations), (ErrorCode::NONE, expected));
        }
    }
    server.stop().await;
}

fn commit_of(topic: &str) -> offset_commit::Request {
    let partition = offset_commit::Partition { committed_offset: 0, ..Default::default() };
    let topic = offset_commit::Topic { name: topic.to_string(), partitions: vec![partition], ..Default::default() };
    offset_commit::Request { generation_id_or_member_epoch: -1, topics: vec![topic], ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_tells_what_it_was_told_and_what_holds_for_topics() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let resource_name = client.ask(0, describe_cluster::Request::default()).await.controller_id.to_string();
    let resource = describe_configs::Resource { resource_type: 4, resource_name, configuration_keys: None };
    let request = describe_configs::Request { resources: vec![resource], include_synonyms: true, ..Default::default() };
    let configs = one(client.ask(4, request).await.results).configs;
    let names: Vec<_> = configs.iter().map(|config| config.name.as_str()).collect();
    assert!(names.is_sorted() && !names.is_empty(), "{names:?}");
    for (name, value, source) in [("log.retention.ms", "604800000", 5), ("num.partitions", "1", 4)] {
        let config = configs.iter().find(|config| config.name == name).expect("it is told");
        assert_eq!((config.value.as_deref(), config.config_source, config.read_only), (Some(value), source, true));
        assert_eq!(config.synonyms.len(), 1);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_deleted_up_to_an_offset() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.produce(9, &topic, &batch(&["a", "b", "c"])).await;
    let delete = async |client: &mut KafkaClient, version: i16, offset: i64| {
        let partition = delete_records::Partition { partition_index: 0, offset };
        let topic = delete_records::Topic { name: "t".to_string(), partitions: vec![partition] };
        let request = delete_records::Request { topics: vec![topic], ..Default::default() };
        let result = one(one(client.ask(version, request).await.topics).partitions);
        (result.error_code, result.low_watermark)
    };
    assert_eq!(delete(&mut client, 0, 2).await, (ErrorCode::NONE, 2));
    assert_eq!(client.fetch(12, &topic, 1).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(client.fetch(12, &topic, 2).await.log_start_offset, 2);
    assert_eq!(delete(&mut client, 2, 9).await, (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(delete(&mut client, 2, -1).await, (ErrorCode::NONE, 3));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_get_ids_of_their_own_and_are_described() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let mut ids = Vec::new();
    for version in 0..=5 {
        let given = client.ask(version, init_producer_id::Request::default()).await;
        assert_eq!((given.error_code, given.producer_epoch), (ErrorCode::NONE, 0));
        assert!(!ids.contains(&given.producer_id));
        ids.push(given.producer_id);
    }
    let transactional = init_producer_id::Request { transactional_id: Some("tx".to_string()), ..Default::default() };
    assert_eq!(client.ask(2, transactional).await.error_code, ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    let topic = client.topic("t").await;
    client.produce(9, &topic, &super::client::stamped_batch(ids[0], 0)).await;
    let asked = describe_producers::Topic { name: "t".to_string(), partition_indexes: vec![0, 5] };
    let described = client.ask(0, describe_producers::Request { topics: vec![asked] }).await;
    let partitions = one(described.topics).partitions;
    let producer = one(partitions[0].active_producers.clone());
    assert_eq!((producer.producer_id, producer.last_sequence, producer.last_timestamp), (ids[0], 0, 1));
    assert_eq!(partitions[1].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_its_disk_and_its_reigns_are_described() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let sent = batch(&["a", "b"]);
    client.produce(9, &topic, &sent).await;
    for version in 0..=2 {
        let cluster = client.ask(version, describe_cluster::Request::default()).await;
        assert_eq!(cluster.cluster_id.len(), 22);
        assert_eq!(one(cluster.brokers).broker_id, cluster.controller_id);
    }
    for version in 1..=4 {
        let dirs = client.ask(version, describe_log_dirs::Request::default()).await;
        let dir = one(dirs.results);
        let partition = one(one(dir.topics).partitions);
        assert_eq!(partition.partition_size, sent.len() as i64);
        assert_eq!(0 < dir.total_bytes, 4 <= version);
    }
    let epoch = topic.partitions[0].leader_epoch;
    let partition =
        offset_for_leader_epoch::Partition { partition: 0, current_leader_epoch: epoch, leader_epoch: epoch };
    let asked = offset_for_leader_epoch::Topic { topic: "t".to_string(), partitions: vec![partition.clone()] };
    for version in 2..=4 {
        let request = offset_for_leader_epoch::Request { topics: vec![asked.clone()], ..Default::default() };
        let end = one(one(client.ask(version, request).await.topics).partitions);
        assert_eq!((end.error_code, end.leader_epoch, end.end_offset), (ErrorCode::NONE, epoch, 2));
    }
    // Nothing is kept of an older epoch, and a later one has not begun.
    for (leader_epoch, expected) in [(epoch - 1, (epoch - 1, if epoch == 0 { -1 } else { 0 })), (epoch + 1, (-1, -1))] {
        let partition = offset_for_leader_epoch::Partition { leader_epoch, ..partition.clone() };
        let asked = offset_for_leader_epoch::Topic { partitions: vec![partition], ..asked.clone() };
        let request = offset_for_leader_epoch::Request { topics: vec![asked], ..Default::default() };
        let end = one(one(client.ask(4, request).await.topics).partitions);
        assert_eq!((end.error_code, (end.leader_epoch, end.end_offset)), (ErrorCode::NONE, expected));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_rules_are_refused_as_by_a_broker_without_an_authorizer() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for version in 1..=3 {
        let described = client.ask(version, describe_acls::Request::default()).await;
        assert_eq!((described.error_code, described.resources.len()), (ErrorCode::SECURITY_DISABLED, 0));
        let creations = vec![create_acls::Creation::default(), create_acls::Creation::default()];
        let created = client.ask(version, create_acls::Request { creations }).await.results;
        let codes: Vec<_> = created.into_iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [ErrorCode::SECURITY_DISABLED; 2], "one answer for each");
        let filters = vec![delete_acls::Filter::default()];
        let deleted = one(client.ask(version, delete_acls::Request { filters }).await.filter_results);
        assert_eq!((deleted.error_code, deleted.matching_acls.len()), (ErrorCode::SECURITY_DISABLED, 0));
    }
    server.stop().await;
}
