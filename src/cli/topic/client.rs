//! A Kafka client for one broker at a time: asks, waits, understands.

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use super::refused;
use crate::env::Env;
use crate::env::Stream;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::Api;
use crate::protocol::Decoder;
use crate::protocol::ErrorCode;
use crate::protocol::PrimitiveError;
use crate::protocol::Wire;
use crate::protocol::metadata as message;
use crate::protocol::request_frame;

/// The largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What it calls itself.
const NAME: &str = "tidemill";
/// The version of Metadata that is asked: with ids and null names, and answered since Kafka 2.8.
const METADATA: i16 = 12;

/// A connection to a broker.
pub(super) struct KafkaClient {
    stream: Box<dyn Stream>,
    address: String,
    correlation_id: i32,
}

impl KafkaClient {
    /// Connects to `host:port`.
    pub async fn connect(env: &Env, address: &str) -> Result<Self, Error> {
        let stream = env.network.connect(address).await.map_err(|error| {
            Error::new(SqlState::CONNECTION_FAILURE, format!("could not connect to {address}: {error}"))
                .hint("Is a server listening there? --broker says where.")
                .caused_by(error)
        })?;
        Ok(Self { stream, address: address.to_string(), correlation_id: 0 })
    }

    /// Asks and waits for the answer.
    pub async fn ask<A: Api>(&mut self, version: i16, request: &A) -> Result<A::Response, Error> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        for piece in request_frame(version, self.correlation_id, Some(NAME), request) {
            self.stream.write_all(&piece).await.map_err(|error| self.lost(error))?;
        }
        self.stream.flush().await.map_err(|error| self.lost(error))?;
        let frame = self.receive().await?;
        let answer = read::<A>(frame, version, self.correlation_id);
        answer.map_err(|error| {
            let message = format!("{} answers what is no answer to {}: {error}", self.address, A::NAME);
            Error::new(SqlState::PROTOCOL_VIOLATION, message)
        })
    }

    /// What the cluster says of these topics, or of all.
    pub async fn metadata(&mut self, topics: Option<&[String]>) -> Result<message::Response, Error> {
        let asked = |name: &String| message::RequestedTopic { name: Some(name.clone()), ..Default::default() };
        let request = message::Request {
            topics: topics.map(|topics| topics.iter().map(asked).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        self.ask(METADATA, &request).await
    }

    /// What the cluster says of one topic that is there.
    pub async fn topic(&mut self, name: &str) -> Result<message::Topic, Error> {
        let mut found = self.metadata(Some(&[name.to_string()])).await?.topics;
        match found.pop() {
            Some(topic) if topic.error_code == ErrorCode::NONE => Ok(topic),
            Some(topic) if topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                Err(refused(&format!("topic \"{name}\""), topic.error_code, None))
            }
            _ => {
                let message = format!("topic \"{name}\" does not exist");
                Err(Error::new(SqlState::UNDEFINED_TABLE, message).hint("`tidemill topic list` lists them."))
            }
        }
    }

    async fn receive(&mut self) -> Result<Bytes, Error> {
        let length = self.stream.read_u32().await.map_err(|error| self.lost(error))? as usize;
        if ANSWER_BYTES_MAX < length {
            let message = format!("{} answers with {length} bytes: it is no Kafka broker", self.address);
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        let mut frame = Vec::new();
        let mut rest = (&mut self.stream).take(length as u64);
        rest.read_to_end(&mut frame).await.map_err(|error| lost(&self.address, error))?;
        match frame.len() == length {
            true => Ok(frame.into()),
            false => Err(self.lost(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn lost(&self, error: std::io::Error) -> Error {
        lost(&self.address, error)
    }
}

fn lost(address: &str, error: std::io::Error) -> Error {
    Error::new(SqlState::CONNECTION_FAILURE, format!("the connection to {address} is lost: {error}")).caused_by(error)
}

fn read<A: Api>(frame: Bytes, version: i16, correlation_id: i32) -> Result<A::Response, PrimitiveError> {
    let flexible = A::FLEXIBLE_FROM <= version;
    let mut decoder = Decoder::new(frame, version, flexible);
    if i32::decode(&mut decoder)? != correlation_id {
        return Err(PrimitiveError::TrailingBytes);
    }
    if flexible {
        decoder.tagged_fields(|_, _| Ok(()))?;
    }
    A::Response::decode(&mut decoder)
}
