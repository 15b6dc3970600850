//! A Kafka client of a few lines: what it sends and gets is what stands in the messages.

use bytes::Bytes;
use tidemill::env::Env;
use tidemill::env::Stream;
use tidemill::model::ProducerEpoch;
use tidemill::model::ProducerId;
use tidemill::protocol::Api;
use tidemill::protocol::Batch;
use tidemill::protocol::BatchBuilder;
use tidemill::protocol::BatchLimits;
use tidemill::protocol::Decoder;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::ProducerStamp;
use tidemill::protocol::Transactional;
use tidemill::protocol::Wire;
use tidemill::protocol::fetch;
use tidemill::protocol::metadata;
use tidemill::protocol::produce;
use tidemill::protocol::request_frame;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::server::TestServer;

/// A connection to the Kafka door.
pub struct KafkaClient {
    stream: Box<dyn Stream>,
    correlation_id: i32,
}

impl KafkaClient {
    pub async fn connect(server: &TestServer) -> Self {
        let stream = Env::real().network.connect(server.kafka_address()).await.expect("the door is open");
        Self { stream, correlation_id: 0 }
    }

    /// A connection to `host:port`; `None` if nobody takes it.
    pub async fn connect_to(address: &str) -> Option<Self> {
        let stream = Env::real().network.connect(address).await.ok()?;
        Some(Self { stream, correlation_id: 0 })
    }

    /// Asks and waits for the answer; `None` if the connection breaks.
    pub async fn try_ask<A: Api>(&mut self, version: i16, request: A) -> Option<A::Response> {
        self.correlation_id += 1;
        let frame = request_frame(version, self.correlation_id, Some("test"), &request).concat();
        self.stream.write_all(&frame).await.ok()?;
        let length = self.stream.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(decode::<A>(frame.into(), version, self.correlation_id))
    }

    /// What exists of a topic that is there; `None` if the connection breaks.
    pub async fn try_topic(&mut self, name: &str) -> Option<metadata::Topic> {
        let asked = metadata::RequestedTopic { name: Some(name.to_string()), ..Default::default() };
        let request = metadata::Request { topics: Some(vec![asked]), ..Default::default() };
        Some(one(self.try_ask(12, request).await?.topics))
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("it is sent");
    }

    /// Whether the server has closed the connection; waits for what it does.
    pub async fn is_closed(&mut self) -> bool {
        // A connection that is reset is closed, too.
        self.stream.read_u8().await.is_err()
    }

    /// Sends a request and does not wait for its answer.
    pub async fn send<A: Api>(&mut self, version: i16, request: &A) -> i32 {
        self.correlation_id += 1;
        let frame = request_frame(version, self.correlation_id, Some("test"), request).concat();
        self.stream.write_all(&frame).await.expect("it is sent");
        self.correlation_id
    }

    /// The next frame.
    pub async fn receive_raw(&mut self) -> Bytes {
        let length = self.stream.read_u32().await.expect("an answer comes");
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.expect("it comes whole");
        frame.into()
    }

    /// The next frame as the answer to the request of that number.
    pub async fn receive<A: Api>(&mut self, version: i16, correlation_id: i32) -> A::Response {
        decode::<A>(self.receive_raw().await, version, correlation_id)
    }

    /// Asks and waits for the answer.
    pub async fn ask<A: Api>(&mut self, version: i16, request: A) -> A::Response {
        let correlation_id = self.send(version, &request).await;
        self.receive::<A>(version, correlation_id).await
    }

    /// What exists of a topic, which is made if it does not.
    pub async fn topic(&mut self, name: &str) -> metadata::Topic {
        let asked = metadata::RequestedTopic { name: Some(name.to_string()), ..Default::default() };
        let request = metadata::Request { topics: Some(vec![asked]), ..Default::default() };
        let mut response = self.ask(12, request).await;
        response.topics.remove(0)
    }

    /// Produces a batch to one partition.
    pub async fn produce(&mut self, version: i16, topic: &metadata::Topic, batch: &[u8]) -> produce::PartitionResponse {
        let response = self.ask(version, produce_request(-1, topic, vec![(0, batch)])).await;
        one(one(response.responses).partition_responses)
    }

    /// Fetches one partition from an offset on.
    pub async fn fetch(&mut self, version: i16, topic: &metadata::Topic, offset: i64) -> fetch::PartitionResponse {
        let response = self.ask(version, fetch_request(topic, offset)).await;
        assert_eq!(response.error_code, ErrorCode::NONE);
        one(one(response.responses).partitions)
    }
}

/// A frame as the answer to the request of that number.
fn decode<A: Api>(frame: Bytes, version: i16, correlation_id: i32) -> A::Response {
    let mut decoder = Decoder::new(frame, version, A::FLEXIBLE_FROM <= version);
    assert_eq!(i32::decode(&mut decoder), Ok(correlation_id), "answers keep the order of their requests");
    if decoder.flexible() && A::NAME != "ApiVersions" {
        decoder.tagged_fields(|_, _| Ok(())).expect("the header is whole");
    }
    let response = A::Response::decode(&mut decoder).expect("it is an answer");
    assert_eq!(decoder.remaining(), 0, "nothing is left over");
    response
}

/// The only one.
pub fn one<T>(mut all: Vec<T>) -> T {
    assert_eq!(all.len(), 1);
    all.remove(0)
}

pub fn produce_request(acks: i16, topic: &metadata::Topic, batches: Vec<(i32, &[u8])>) -> produce::Request {
    let data =
        |(index, batch): (i32, &[u8])| produce::PartitionData { index, records: Some(Bytes::copy_from_slice(batch)) };
    let topic_data = produce::TopicData {
        name: topic.name.clone().expect("a topic has a name"),
        topic_id: topic.topic_id,
        partition_data: batches.into_iter().map(data).collect(),
    };
    produce::Request { acks, timeout_ms: 30_000, topic_data: vec![topic_data], ..Default::default() }
}

pub fn fetch_request(topic: &metadata::Topic, offset: i64) -> fetch::Request {
    let partition = fetch::FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = fetch::FetchTopic {
        topic: topic.name.clone().expect("a topic has a name"),
        topic_id: topic.topic_id,
        partitions: vec![partition],
    };
    fetch::Request { min_bytes: 1, max_bytes: 50 << 20, topics: vec![topic], ..Default::default() }
}

/// A batch of records without keys.
pub fn batch(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (time, value) in (1_700_000_000_000..).zip(values) {
        builder.append(time, None, Some(value.as_bytes()), &[]);
    }
    builder.finish().bytes().to_vec()
}

/// A batch of one record of an idempotent producer.
pub fn stamped_batch(producer_id: i64, base_sequence: i32) -> Vec<u8> {
    let stamp = ProducerStamp { id: ProducerId(producer_id), epoch: ProducerEpoch(0), base_sequence };
    let mut builder = BatchBuilder::new().producer(stamp, Transactional::No);
    builder.append(1, None, Some(b"x"), &[]);
    builder.finish().bytes().to_vec()
}

/// Offsets and values of fetched records.
pub fn records(fetched: &fetch::PartitionResponse) -> Vec<(i64, String)> {
    assert_eq!(fetched.error_code, ErrorCode::NONE, "{}", fetched.error_code.name());
    let mut records = Vec::new();
    for batch in Batch::split(fetched.records.0.concat().into(), BatchLimits { batch_bytes_max: 1 << 30 }) {
        let batch = batch.expect("it is whole");
        for record in batch.payload().expect("it unpacks").records() {
            let record = record.expect("it is whole");
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).to_string();
            records.push((record.offset.0, value));
        }
    }
    records
}
