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
use tidemill::protocol::metadata;
use tidemill::protocol::offset_fetch;
use tidemill::protocol::txn_offset_commit;

use super::client::KafkaClient;
use super::client::one;
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
    client.produce(9, topic, builder.finish().bytes()).await.error_code
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
