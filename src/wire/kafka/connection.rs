//! One client: its frames are read ahead by one, begun in order, and answered in order.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

use super::api_versions;
use super::context::Context;
use super::context::Peer;
use super::frame::Frame;
use super::frame::FrameReader;
use super::frame::FrameWriter;
use super::server::Measures;
use super::table::ApiEntry;
use super::table::Pending;
use super::table::Reply;
use crate::env::Clock;
use crate::protocol::Api;
use crate::protocol::Decoder;
use crate::protocol::PrimitiveError;
use crate::protocol::RequestHead;
use crate::protocol::api_versions as message;
use crate::protocol::frame;
use message::Request as ApiVersionsRequest;

/// Appends of a connection that may wait for their flushes together.
const OVERLAPPING_MAX: u32 = 64;
/// How long requests of a client that is gone may take.
const GRACE: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The client closed it.
    #[error("the client is gone")]
    Gone,
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] io::Error),
    /// The client sent or took nothing for too long.
    #[error("the client was silent for too long")]
    Silent,
    /// A frame's length is no length, or above the limit.
    #[error("a frame claims {claimed} bytes, the limit is {limit}")]
    Size { claimed: i32, limit: usize },
    /// No such API.
    #[error("API {key} is not answered here")]
    UnknownApi { key: i16 },
    /// Not in this version.
    #[error("version {version} of {api} is not answered here")]
    UnknownVersion { api: &'static str, version: i16 },
    /// The bytes are not the request that they say.
    #[error("a request cannot be read: {0}")]
    Malformed(#[from] PrimitiveError),
    /// What a client that wants no answers sent was refused.
    #[error("a request without an answer was refused")]
    Refused,
}

/// A request on its way to its answer.
struct Answering {
    pending: Pending,
    api: usize,
    /// When it was begun, on the monotonic clock.
    begun: Duration,
    /// What keeps the next request from beginning.
    turn: OwnedSemaphorePermit,
}

/// Serves a client until it or the connection ends.
pub(super) async fn serve(peer: Arc<Peer>, reader: FrameReader, writer: FrameWriter, measures: &Measures) -> Ended {
    let (frames, begins) = mpsc::channel(1);
    let (answers, sends) = mpsc::channel(OVERLAPPING_MAX as usize);
    let clock = Arc::clone(&peer.door.env.clock);
    let mut work = pin!(async {
        tokio::select! {
            ended = begin_in_order(peer, begins, answers) => ended,
            ended = answer_in_order(writer, sends, clock.as_ref(), measures) => ended,
        }
    });
    let ended = tokio::select! {
        ended = read_ahead(reader, frames) => match ended {
            // What it sent before it went is still done: who wants no answers may close at once.
            Err(Ended::Gone) => tokio::select! {
                ended = &mut work => ended,
                () = clock.sleep(GRACE) => Err(Ended::Gone),
            },
            ended => ended,
        },
        ended = &mut work => ended,
    };
    match ended {
        Err(ended) => ended,
        Ok(never) => match never {},
    }
}

/// What none of the three parts of a connection ends with.
enum Never {}

async fn read_ahead(mut reader: FrameReader, frames: mpsc::Sender<Frame>) -> Result<Never, Ended> {
    loop {
        let frame = reader.next().await?;
        frames.send(frame).await.map_err(|_| Ended::Gone)?;
    }
}

async fn begin_in_order(
    peer: Arc<Peer>,
    mut begins: mpsc::Receiver<Frame>,
    answers: mpsc::Sender<Answering>,
) -> Result<Never, Ended> {
    let turns = Arc::new(Semaphore::new(OVERLAPPING_MAX as usize));
    while let Some(Frame { bytes, room }) = begins.recv().await {
        let mut decoder = Decoder::new(bytes, 0, false);
        let head = RequestHead::read(&mut decoder)?;
        let (place, api) = ApiEntry::find(head.api_key).ok_or(Ended::UnknownApi { key: head.api_key })?;
        // Whoever takes all turns waits for those before, and lets nobody after begin.
        let turn = turns.clone().acquire_many_owned(if api.overlaps { 1 } else { OVERLAPPING_MAX });
        let turn = turn.await.expect("the semaphore is never closed");
        let begun = peer.door.env.clock.monotonic();
        let pending = begin(&peer, api, head, decoder).await?;
        // What the log keeps of it, it counts itself.
        drop(room);
        answers.send(Answering { pending, api: place, begun, turn }).await.map_err(|_| Ended::Gone)?;
    }
    Err(Ended::Gone)
}

async fn begin(
    peer: &Arc<Peer>,
    api: &'static ApiEntry,
    head: RequestHead,
    mut decoder: Decoder,
) -> Result<Pending, Ended> {
    if !api.takes(head.api_version) {
        if api.key == ApiVersionsRequest::KEY {
            let pieces = frame(RequestHead { api_version: 0, ..head }, false, &api_versions::of_unknown_version());
            return Ok(Box::pin(std::future::ready(Reply::Frame { pieces, room: None })));
        }
        return Err(Ended::UnknownVersion { api: api.name, version: head.api_version });
    }
    let header = head.read_rest(&mut decoder, api.is_flexible(head.api_version))?;
    tracing::trace!(api = api.name, version = head.api_version, client = header.client_id, "a request");
    let client_id = header.client_id.unwrap_or_default().into();
    let context = Context { peer: Arc::clone(peer), version: head.api_version, client_id };
    Ok((api.call)(context, head, decoder).await?)
}

async fn answer_in_order(
    mut writer: FrameWriter,
    mut sends: mpsc::Receiver<Answering>,
    clock: &dyn Clock,
    measures: &Measures,
) -> Result<Never, Ended> {
    while let Some(Answering { pending, api, begun, turn }) = sends.recv().await {
        match pending.await {
            Reply::Frame { pieces, room } => {
                writer.send(pieces).await?;
                drop(room);
            }
            Reply::Nothing => {}
            Reply::Close => return Err(Ended::Refused),
        }
        measures.answered(api, clock.monotonic().saturating_sub(begun));
        drop(turn);
    }
    Err(Ended::Gone)
}
