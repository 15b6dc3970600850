//! A connection to one broker: asks, waits, understands.

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::env::Env;
use crate::env::Stream;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::Api;
use crate::protocol::Decoder;
use crate::protocol::PrimitiveError;
use crate::protocol::Wire;
use crate::protocol::request_frame;

/// The largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What it calls itself.
const NAME: &str = "tidemill";

/// A connection to a broker.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    address: String,
    correlation_id: i32,
}

impl Connection {
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
        let answer = read::<A>(frame, version);
        let wrong = |why: String| {
            let message = format!("{} answers what is no answer to {}: {why}", self.address, A::NAME);
            Error::new(SqlState::PROTOCOL_VIOLATION, message)
        };
        let (correlation_id, answer) = answer.map_err(|error| wrong(error.to_string()))?;
        match correlation_id == self.correlation_id {
            true => Ok(answer),
            false => Err(wrong(format!("it is to request {correlation_id}, not {}", self.correlation_id))),
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

/// The number of the request that is answered, and the answer.
fn read<A: Api>(frame: Bytes, version: i16) -> Result<(i32, A::Response), PrimitiveError> {
    let flexible = A::FLEXIBLE_FROM <= version;
    let mut decoder = Decoder::new(frame, version, flexible);
    let correlation_id = i32::decode(&mut decoder)?;
    if flexible {
        decoder.tagged_fields(|_, _| Ok(()))?;
    }
    Ok((correlation_id, A::Response::decode(&mut decoder)?))
}
