//! Accepts Kafka clients, within limits, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tracing::debug;
use tracing::error;
use tracing::info;
use tracing::warn;

use super::connection;
use super::connection::Ended;
use super::context::Door;
use super::context::Peer;
use super::frame::FrameReader;
use super::frame::FrameWriter;
use super::frame::Room;
use super::table::APIS;
use crate::broker::Broker;
use crate::env::Env;
use crate::env::Listener;
use crate::env::Stream;
use crate::error::Error;
use crate::error::SqlState;
use crate::metrics::Counter;
use crate::metrics::Gauge;
use crate::metrics::Histogram;
use crate::metrics::LATENCY_BOUNDS;
use crate::metrics::Metrics;
use crate::security::Principal;
use crate::wire::Entrance;

/// How long the accept loop rests after an error: out of descriptors, it would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The name of who did not say who they are, as Kafka has it.
const NOBODY: &str = "ANONYMOUS";

/// What to tell clients, and within which limits.
#[derive(Debug, Clone)]
pub struct KafkaServerConfig {
    /// `host:port` that clients are told to connect to; empty for where the door listens.
    pub advertised_listen: String,
    /// Listens elsewhere than on loopback, and believes everyone.
    pub allow_remote_without_auth: bool,
    /// The number of this node.
    pub node_id: i32,
    /// The cluster's id as clients show it.
    pub cluster_id: String,
    /// Open connections; one more is closed at once.
    pub connections_max: usize,
    /// Bytes of the largest request.
    pub request_bytes_max: usize,
    /// Bytes of records in the largest answer, but for a single batch.
    pub fetch_bytes_max: usize,
    /// Bytes of large requests that are read at once, over all connections.
    pub requests_memory: u64,
    /// Bytes of records that wait for clients to take them, over all connections.
    pub answers_memory: u64,
    /// Partitions that fetch sessions remember, over all connections.
    pub fetch_session_partitions: usize,
    /// How long a connection may be idle.
    pub idle_timeout: Duration,
    /// How long a client may take nothing, or send nothing in the middle of a request.
    pub stall_timeout: Duration,
    /// Makes topics that are asked for.
    pub auto_create_topics: bool,
    /// Partitions of a topic that does not say how many.
    pub default_partitions: i32,
}

/// The listening door. Dropping it without `stop` ends its connections unsaid.
pub struct KafkaServer {
    address: String,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

struct Shared {
    door: Arc<Door>,
    broker: Arc<Broker>,
    room: Room,
    measures: Measures,
}

impl KafkaServer {
    /// Refuses an entrance where clients could not be told where to connect to.
    pub fn check(entrance: &Entrance, advertised: &str) -> Result<(), Error> {
        told_address(entrance, advertised).map(|_| ())
    }

    /// Serves who comes in at `entrance`. Errors: clients could not be told where to connect to.
    pub fn start(
        env: &Env,
        entrance: Entrance,
        broker: Arc<Broker>,
        config: KafkaServerConfig,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let (host, port) = told_address(&entrance, &config.advertised_listen)?;
        let Entrance { listener, address } = entrance;
        let (stop, stopping) = watch::channel(false);
        let room = Room::new(config.requests_memory);
        let answers = Room::new(config.answers_memory);
        let fetch_sessions = Arc::new(Semaphore::new(config.fetch_session_partitions.min(Semaphore::MAX_PERMITS)));
        let door = Arc::new(Door { env: env.clone(), config, answers, fetch_sessions, host, port });
        let shared = Shared { door, broker, room, measures: Measures::new(metrics) };
        let accepting = tokio::spawn(accept_all(Arc::new(shared), listener, stopping));
        Ok(Self { address: address.to_string(), stop, accepting })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the accept loop and all connections, and waits for them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            warn!(%error, "the accept loop of the Kafka door failed");
        }
    }
}

/// Host and port that clients are told.
fn told_address(entrance: &Entrance, advertised: &str) -> Result<(String, i32), Error> {
    let address = entrance.address;
    match advertised {
        "" if address.ip().is_unspecified() => {
            let message = format!("clients cannot connect to {address}");
            let hint = "Set kafka.advertised_listen to what they reach this server by.";
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(hint))
        }
        "" => Ok((address.ip().to_string(), i32::from(address.port()))),
        advertised => host_and_port(advertised),
    }
}

fn host_and_port(text: &str) -> Result<(String, i32), Error> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() => Ok((host.trim_matches(['[', ']']).to_string(), i32::from(port))),
        _ => {
            let message = format!("kafka.advertised_listen must be host:port, not \"{text}\"");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
        }
    }
}

async fn accept_all(shared: Arc<Shared>, listener: Box<dyn Listener>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let open = Arc::new(Semaphore::new(shared.door.config.connections_max));
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(permit) = open.clone().try_acquire_owned() else {
                    shared.measures.refused.add(1);
                    debug!(%peer, "a client more than kafka.connections_max");
                    continue;
                };
                let local = peer.ip().is_loopback() || shared.door.config.allow_remote_without_auth;
                let principal = if local { Principal::loopback(NOBODY) } else { Principal::anonymous(NOBODY) };
                let (shared, mut stopping) = (shared.clone(), stopping.clone());
                connections.spawn(async move {
                    shared.measures.connections.add(1);
                    let ended = tokio::select! {
                        ended = serve(&shared, stream, principal, format!("/{}", peer.ip())) => Some(ended),
                        _ = stopping.wait_for(|stop| *stop) => None,
                    };
                    shared.measures.connections.add(-1);
                    match ended {
                        Some(Ended::Gone | Ended::Io(_) | Ended::Silent) | None => {}
                        // What a client does wrong is worth a line, since it sees no more than a closed connection.
                        Some(ended) => info!(%peer, %ended, "a Kafka client was disconnected"),
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "could not accept a connection");
                shared.door.env.clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panicked) = ended {
        error!(%panicked, "a Kafka connection hit a bug in the server");
    }
}

async fn serve(shared: &Shared, stream: Box<dyn Stream>, principal: Principal, host: String) -> Ended {
    let (read, write) = tokio::io::split(stream);
    let config = &shared.door.config;
    let clock = &shared.door.env.clock;
    let reader = FrameReader {
        stream: read,
        clock: Arc::clone(clock),
        room: shared.room.clone(),
        bytes_max: config.request_bytes_max,
        idle_timeout: config.idle_timeout,
        stall_timeout: config.stall_timeout,
    };
    let writer = FrameWriter { stream: write, clock: Arc::clone(clock), stall_timeout: config.stall_timeout };
    let (door, broker) = (Arc::clone(&shared.door), shared.broker.local(principal));
    let peer = Peer { door, broker, host, fetch_session: Mutex::default() };
    connection::serve(Arc::new(peer), reader, writer, &shared.measures).await
}

/// What the door tells of itself in numbers.
pub(super) struct Measures {
    connections: Gauge,
    refused: Counter,
    /// For each line of the table.
    latencies: Vec<Histogram>,
}

impl Measures {
    fn new(metrics: &Metrics) -> Self {
        let refused = "Connections that were refused for kafka.connections_max.";
        let latency = "From the moment a request is begun to the moment its answer is sent.";
        let latency =
            |name| metrics.histogram("tidemill_kafka_request_seconds", latency, &[("api", name)], &LATENCY_BOUNDS);
        Self {
            connections: metrics.gauge("tidemill_kafka_connections", "Open connections of the Kafka door.", &[]),
            refused: metrics.counter("tidemill_kafka_connections_refused_total", refused, &[]),
            latencies: APIS.iter().map(|api| latency(api.name)).collect(),
        }
    }

    /// A request of that line of the table was answered.
    pub(super) fn answered(&self, api: usize, took: Duration) {
        self.latencies[api].observe(took);
    }
}
