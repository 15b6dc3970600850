//! Transactions over the wire, in the oldest and the newest version of each API.

use tidemill::model::ProducerEpoch;
use tidemill::model::ProducerId;
use tidemill::protocol::BatchBuilder;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::ProducerStamp;
use tidemill::protocol::Transactional;
use tidemill::protocol::add_offsets_to_txn;
use tidemill::protocol::add_partitions_to_txn;
use tidemill::protocol::end_txn;
use tidemill::protocol::init_producer_id;
use tidemill::protocol::list_transactions;
use tidemill::protocol::metadata;
use tidemill::protocol::offset_fetch;
use tidemill::protocol::produce;
use tidemill::protocol::txn_offset_commit;
use tidemill::protocol::write_txn_markers;

use super::client::KafkaClient;
use super::client::fetch_request;
use super::client::one;
use super::client::produce_request;
use super::client::records;
use crate::server::TestServer;

const ID: &str = "id";

pub(super) async fn init(client: &mut KafkaClient, version: i16) -> init_producer_id::Response {
    let transactional_id = Some(ID.to_string());
    let request = init_producer_id::Request { transactional_id, transaction_timeout_ms: 60_000, ..Default::default() };
    let given = client.ask(version, request).await;
    assert_eq!(given.error_code, ErrorCode::NONE);
    given
}

pub(super) async fn add(
    client: &mut KafkaClient,
    version: i16,
    given: &init_producer_id::Response,
    partitions: &[i32],
) -> Vec<ErrorCode> {
    let topic = add_partitions_to_txn::Topic { name: "t".to_string(), partitions: partitions.to_vec() };
    let request = add_partitions_to_txn::Request {
        transactional_id: ID.to_string(),
        producer_id: given.producer_id,
        producer_epoch: given.producer_epoch,
        topics: vec![topic],
    };
    let results = one(client.ask(version, request).await.results_by_topic).results_by_partition;
    results.iter().map(|result| result.partition_error_code).collect()
}

async fn produce(
    client: &mut KafkaClient,
    topic: &metadata::Topic,
    given: &init_producer_id::Response,
    base_sequence: i32,
) -> ErrorCode {
    let (id, epoch) = (ProducerId(given.producer_id), ProducerEpoch(given.producer_epoch));
    let mut builder = BatchBuilder::new().producer(ProducerStamp { id, epoch, base_sequence }, Transactional::Yes);
    builder.append(1_700_000_000_000, None, Some(b"v"), &[]);
    let batch = builder.finish();
    let request = produce_request(-1, topic, vec![(0, batch.bytes())]);
    let request = produce::Request { transactional_id: Some(ID.to_string()), ..request };
    one(one(client.ask(9, request).await.responses).partition_responses).error_code
}

pub(super) async fn end(
    client: &mut KafkaClient,
    version: i16,
    given: &init_producer_id::Response,
    committed: bool,
) -> ErrorCode {
    let request = end_txn::Request {
        transactional_id: ID.to_string(),
        producer_id: given.producer_id,
        producer_epoch: given.producer_epoch,
        committed,
    };
    client.ask(version, request).await.error_code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_with_positions_is_committed_by_an_old_and_a_new_client() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    for (round, (init_version, version)) in [(0, 0), (4, 3)].into_iter().enumerate() {
        let given = init(&mut client, init_version).await;
        assert_eq!(produce(&mut client, &topic, &given, 0).await, ErrorCode::INVALID_TXN_STATE, "it is not open");
        let codes = add(&mut client, version, &given, &[0, 9]).await;
        assert_eq!(codes, [ErrorCode::OPERATION_NOT_ATTEMPTED, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
        assert_eq!(add(&mut client, version, &given, &[0]).await, [ErrorCode::NONE]);
        assert_eq!(produce(&mut client, &topic, &given, 0).await, ErrorCode::NONE);
        let request = add_offsets_to_txn::Request {
            transactional_id: ID.to_string(),
            producer_id: given.producer_id,
            producer_epoch: given.producer_epoch,
            group_id: "g".to_string(),
        };
        assert_eq!(client.ask(version, request).await.error_code, ErrorCode::NONE);
        let partition = txn_offset_commit::Partition { committed_offset: 5 + round as i64, ..Default::default() };
        let request = txn_offset_commit::Request {
            transactional_id: ID.to_string(),
            group_id: "g".to_string(),
            producer_id: given.producer_id,
            producer_epoch: given.producer_epoch,
            topics: vec![txn_offset_commit::Topic { name: "t".to_string(), partitions: vec![partition] }],
            ..Default::default()
        };
        let codes = one(one(client.ask(version, request).await.topics).partitions).error_code;
        assert_eq!(codes, ErrorCode::NONE);
        let fetch = offset_fetch::Request {
            group_id: "g".to_string(),
            topics: Some(vec![offset_fetch::Topic {
                name: "t".to_string(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            require_stable: true,
            ..Default::default()
        };
        let unstable = one(one(client.ask(7, fetch.clone()).await.topics).partitions);
        assert_eq!(unstable.error_code, ErrorCode::UNSTABLE_OFFSET_COMMIT);
        assert_eq!(end(&mut client, version, &given, true).await, ErrorCode::NONE);
        let stable = one(one(client.ask(7, fetch).await.topics).partitions);
        assert_eq!((stable.error_code, stable.committed_offset), (ErrorCode::NONE, 5 + round as i64));
        assert_eq!(produce(&mut client, &topic, &given, 1).await, ErrorCode::INVALID_TXN_STATE, "it is over");
    }
    server.stop().await;
}

/// A transactional batch of one record.
fn transactional_batch((id, epoch): (i64, i16)) -> Vec<u8> {
    let stamp = ProducerStamp { id: ProducerId(id), epoch: ProducerEpoch(epoch), base_sequence: 0 };
    let mut builder = BatchBuilder::new().producer(stamp, Transactional::Yes);
    builder.append(1_700_000_000_000, None, Some(epoch.to_string().as_bytes()), &[]);
    builder.finish().bytes().to_vec()
}

/// A transactional batch of one record, of a request that names the transactional id.
async fn produce_in_two(
    client: &mut KafkaClient,
    version: i16,
    topic: &metadata::Topic,
    producer: (i64, i16),
    transactional_id: Option<&str>,
) -> ErrorCode {
    let mut request = produce_request(-1, topic, vec![(0, &transactional_batch(producer))]);
    request.transactional_id = transactional_id.map(str::to_string);
    one(one(client.ask(version, request).await.responses).partition_responses).error_code
}

async fn end_in_two(
    client: &mut KafkaClient,
    (id, epoch): (i64, i16),
    committed: bool,
) -> Result<(i64, i16), ErrorCode> {
    let request =
        end_txn::Request { transactional_id: ID.to_string(), producer_id: id, producer_epoch: epoch, committed };
    let ended = client.ask(5, request).await;
    match ended.error_code {
        ErrorCode::NONE => Ok((ended.producer_id, ended.producer_epoch)),
        code => {
            assert_eq!((ended.producer_id, ended.producer_epoch), (-1, -1));
            Err(code)
        }
    }
}

async fn commit_position(client: &mut KafkaClient, version: i16, (id, epoch): (i64, i16)) -> ErrorCode {
    let partition = txn_offset_commit::Partition { committed_offset: 7, ..Default::default() };
    let request = txn_offset_commit::Request {
        transactional_id: ID.to_string(),
        group_id: "g".to_string(),
        producer_id: id,
        producer_epoch: epoch,
        topics: vec![txn_offset_commit::Topic { name: "t".to_string(), partitions: vec![partition] }],
        ..Default::default()
    };
    one(one(client.ask(version, request).await.topics).partitions).error_code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_client_adds_nothing_and_has_another_epoch_for_every_transaction() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let given = init(&mut client, 5).await;
    let mut producer = (given.producer_id, given.producer_epoch);
    for version in [12, 13] {
        assert_eq!(commit_position(&mut client, 5, producer).await, ErrorCode::NONE, "it begins with a position");
        let nobody = produce_in_two(&mut client, version, &topic, producer, None).await;
        assert_eq!(nobody, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        let stranger = produce_in_two(&mut client, version, &topic, (producer.0 + 1, 0), Some(ID)).await;
        assert_eq!(stranger, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        assert_eq!(produce_in_two(&mut client, version, &topic, producer, Some(ID)).await, ErrorCode::NONE);
        let next = end_in_two(&mut client, producer, true).await.expect("committed");
        assert_eq!(next, (producer.0, producer.1 + 1));
        assert_eq!(end_in_two(&mut client, producer, true).await, Ok(next), "asked again");
        let late = produce_in_two(&mut client, version, &topic, producer, Some(ID)).await;
        assert_eq!(late, ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(commit_position(&mut client, 5, producer).await, ErrorCode::INVALID_PRODUCER_EPOCH);
        producer = next;
    }
    assert_eq!(produce_in_two(&mut client, 12, &topic, producer, Some(ID)).await, ErrorCode::NONE);
    let next = end_in_two(&mut client, producer, false).await.expect("aborted");
    assert_eq!(end_in_two(&mut client, producer, true).await, Err(ErrorCode::INVALID_TXN_STATE), "it was aborted");
    assert_eq!(end_in_two(&mut client, next, true).await, Err(ErrorCode::INVALID_TXN_STATE), "nothing is open");
    let overtaken = end_in_two(&mut client, next, false).await.expect("an abort overtakes what it aborts");
    assert_eq!(overtaken, (next.0, next.1 + 1));
    assert_eq!(end_in_two(&mut client, producer, false).await, Err(ErrorCode::PRODUCER_FENCED), "late");
    let mut request = fetch_request(&topic, 0);
    request.isolation_level = 1;
    let fetched = client.ask(11, request).await;
    let of_producers = |(_, value): (i64, String)| Some(value).filter(|value| value.len() == 1);
    let values: Vec<_> = records(&fetched.responses[0].partitions[0]).into_iter().filter_map(of_producers).collect();
    assert_eq!(values, ["0", "1", "2"], "each once, the aborted one with its marker behind it");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_batch_is_told_so_whosever_it_says_it_is_and_begins_no_transaction() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let given = init(&mut client, 5).await;
    let producer = (given.producer_id, given.producer_epoch);
    let batch = transactional_batch(producer);
    let (last_of_id, last_of_epoch, last_of_records) = (50, 52, batch.len() - 1);
    for (version, at) in [(12, last_of_id), (13, last_of_id), (12, last_of_epoch), (12, last_of_records)] {
        let mut corrupt = batch.clone();
        corrupt[at] ^= 1;
        let mut request = produce_request(-1, &topic, vec![(0, &corrupt)]);
        request.transactional_id = Some(ID.to_string());
        let refused = one(one(client.ask(version, request).await.responses).partition_responses);
        assert_eq!(refused.error_code, ErrorCode::CORRUPT_MESSAGE, "version {version}, byte {at}");
        assert_eq!(end_in_two(&mut client, producer, true).await, Err(ErrorCode::INVALID_TXN_STATE), "none is open");
    }
    assert_eq!(produce_in_two(&mut client, 12, &topic, producer, Some(ID)).await, ErrorCode::NONE, "it is sent again");
    end_in_two(&mut client, producer, true).await.expect("committed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_listed_by_state_producer_and_pattern_of_their_ids() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let first = init(&mut client, 5).await;
    let transactional_id = Some("id2".to_string());
    let request = init_producer_id::Request { transactional_id, transaction_timeout_ms: 60_000, ..Default::default() };
    client.ask(5, request).await;
    assert_eq!(add(&mut client, 3, &first, &[0]).await, [ErrorCode::NONE]);
    let list = async |client: &mut KafkaClient, version: i16, request: list_transactions::Request| {
        let listed = client.ask(version, request).await;
        let ids: Vec<_> = listed.transaction_states.into_iter().map(|it| it.transactional_id).collect();
        (listed.error_code, ids.join(" "), listed.unknown_state_filters)
    };
    let like = |pattern: &str| list_transactions::Request {
        transactional_id_pattern: Some(pattern.to_string()),
        ..Default::default()
    };
    let found = |ids: &str| (ErrorCode::NONE, ids.to_string(), Vec::<String>::new());
    for (pattern, ids) in [("", "id id2"), ("id", "id"), ("id.*", "id id2"), (".*2", "id2"), ("d", "")] {
        assert_eq!(list(&mut client, 2, like(pattern)).await, found(ids), "{pattern}");
    }
    assert_eq!(list(&mut client, 2, like("(")).await.0, ErrorCode::INVALID_REGULAR_EXPRESSION);
    assert_eq!(list(&mut client, 1, like("(")).await, found("id id2"), "which knows no patterns");
    let of_states = |states: &[&str]| list_transactions::Request {
        state_filters: states.iter().map(|state| state.to_string()).collect(),
        ..like("id.*")
    };
    for (states, ids) in [(&["Ongoing"][..], "id"), (&["Empty"][..], "id2"), (&["Empty", "Ongoing"][..], "id id2")] {
        assert_eq!(list(&mut client, 2, of_states(states)).await, found(ids));
    }
    let unknown = (ErrorCode::NONE, String::new(), vec!["Dozing".to_string()]);
    assert_eq!(list(&mut client, 2, of_states(&["Dozing"])).await, unknown);
    let of_first = list_transactions::Request { producer_id_filters: vec![first.producer_id], ..Default::default() };
    assert_eq!(list(&mut client, 0, of_first).await, found("id"));
    let long = list_transactions::Request { duration_filter: 3_600_000, ..Default::default() };
    assert_eq!(list(&mut client, 1, long).await, found(""), "none is that old");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_transaction_holds_is_refused_in_the_words_of_its_version() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let given = init(&mut client, 5).await;
    let producer = (given.producer_id, given.producer_epoch);
    for (version, code) in [(10, ErrorCode::INVALID_TXN_STATE), (11, ErrorCode::TRANSACTION_ABORTABLE)] {
        assert_eq!(produce_in_two(&mut client, version, &topic, producer, Some(ID)).await, code);
    }
    for (version, code) in [(3, ErrorCode::INVALID_TXN_STATE), (4, ErrorCode::TRANSACTION_ABORTABLE)] {
        assert_eq!(commit_position(&mut client, version, producer).await, code);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_fenced_is_told_in_the_words_of_its_version() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let first = init(&mut client, 5).await;
    let second = init(&mut client, 5).await;
    assert_eq!((second.producer_id, second.producer_epoch), (first.producer_id, first.producer_epoch + 1));
    assert_eq!(add(&mut client, 0, &first, &[0]).await, [ErrorCode::INVALID_PRODUCER_EPOCH]);
    assert_eq!(add(&mut client, 3, &first, &[0]).await, [ErrorCode::PRODUCER_FENCED]);
    assert_eq!(end(&mut client, 4, &first, true).await, ErrorCode::PRODUCER_FENCED);
    assert_eq!(end(&mut client, 4, &second, true).await, ErrorCode::INVALID_TXN_STATE, "nothing is open");
    let stranger = init_producer_id::Response { producer_id: second.producer_id + 1, ..second };
    assert_eq!(add(&mut client, 3, &stranger, &[0]).await, [ErrorCode::INVALID_PRODUCER_ID_MAPPING]);
    server.stop().await;
}

/// What a tool is told for each of the partitions 0 and 9 of `t`, and 0 of a topic that is not there.
async fn write_markers(client: &mut KafkaClient, producer: (i64, i16), coordinator_epoch: i32) -> Vec<ErrorCode> {
    let topic = |name: &str, partition_indexes| write_txn_markers::Topic { name: name.to_string(), partition_indexes };
    let marker = write_txn_markers::Marker {
        producer_id: producer.0,
        producer_epoch: producer.1,
        transaction_result: false,
        topics: vec![topic("t", vec![0, 9]), topic("nothing", vec![0])],
        coordinator_epoch,
    };
    let answered = one(client.ask(1, write_txn_markers::Request { markers: vec![marker] }).await.markers);
    assert_eq!(answered.producer_id, producer.0);
    let partitions: Vec<_> = answered.topics.into_iter().flat_map(|topic| topic.partitions).collect();
    assert_eq!(partitions.iter().map(|it| it.partition_index).collect::<Vec<_>>(), [0, 9, 0]);
    partitions.into_iter().map(|partition| partition.error_code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_aborts_what_a_producer_left_open() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let given = init(&mut client, 4).await;
    let producer = (given.producer_id, given.producer_epoch);
    assert_eq!(add(&mut client, 3, &given, &[0]).await, [ErrorCode::NONE]);
    assert_eq!(produce(&mut client, &topic, &given, 0).await, ErrorCode::NONE);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(write_markers(&mut client, producer, 0).await, [ErrorCode::NONE, unknown, unknown]);
    assert_eq!(end(&mut client, 3, &given, true).await, ErrorCode::PRODUCER_FENCED);
    let mut request = fetch_request(&topic, 0);
    request.isolation_level = 1;
    let fetched = one(one(client.ask(12, request).await.responses).partitions);
    assert_eq!((fetched.last_stable_offset, fetched.aborted_transactions.map(|all| all.len())), (2, Some(1)));
    // The marker has the epoch that follows, and the epoch of the coordinator.
    assert_eq!(write_markers(&mut client, producer, 0).await[0], ErrorCode::INVALID_PRODUCER_EPOCH);
    let next = (producer.0, producer.1 + 1);
    assert_eq!(write_markers(&mut client, next, -1).await[0], ErrorCode::TRANSACTION_COORDINATOR_FENCED);
    assert_eq!(write_markers(&mut client, next, i32::MAX).await[0], ErrorCode::NONE);
    server.stop().await;
}
