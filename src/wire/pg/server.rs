//! Accepts connections, within limits, until it is stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tracing::debug;
use tracing::warn;

use super::cancel::CancelRegistry;
use super::conversation::Conversation;
use super::socket::Ended;
use super::socket::GOODBYE;
use super::socket::Guard;
use super::socket::Socket;
use super::startup::Trust;
use super::startup::greet;
use super::startup::read_request;
use crate::config::Limits;
use crate::engine::Engine;
use crate::env::Env;
use crate::env::Listener;
use crate::env::Stream;
use crate::error::Error;
use crate::error::SqlState;
use crate::metrics::Counter;
use crate::metrics::Gauge;
use crate::metrics::Metrics;
use crate::wire::Entrance;

/// How long the accept loop rests after an error: out of descriptors, it would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whom to believe, and within which limits.
#[derive(Debug, Clone)]
pub struct PgServerConfig {
    /// Listens elsewhere than on loopback, and believes everyone's name.
    pub allow_remote_without_auth: bool,
    /// Connections, messages, statements.
    pub limits: Limits,
}

/// The listening door. Dropping it without `stop` ends its connections unsaid.
pub struct PgServer {
    address: String,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

struct Shared {
    env: Env,
    engine: Arc<Engine>,
    config: PgServerConfig,
    cancel: Arc<CancelRegistry>,
    /// One permit per session.
    sessions: Arc<Semaphore>,
    connections: Gauge,
    refused: Counter,
}

impl PgServer {
    /// Serves who comes in at `entrance`.
    pub fn start(
        env: &Env,
        entrance: Entrance,
        engine: Arc<Engine>,
        config: PgServerConfig,
        metrics: &Metrics,
    ) -> Self {
        let Entrance { listener, address } = entrance;
        let (stop, stopping) = watch::channel(false);
        let shared = Shared {
            env: env.clone(),
            engine,
            sessions: Arc::new(Semaphore::new(config.limits.connections_max)),
            config,
            cancel: Arc::default(),
            connections: metrics.gauge("tidemill_pg_connections", "Open sessions of the PostgreSQL door.", &[]),
            refused: metrics.counter(
                "tidemill_pg_connections_refused_total",
                "Connections that were refused for limits.connections_max.",
                &[],
            ),
        };
        let accepting = tokio::spawn(accept_all(Arc::new(shared), listener, stopping));
        Self { address: address.to_string(), stop, accepting }
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the accept loop and all connections, and waits for them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            warn!(%error, "the accept loop of the PostgreSQL door failed");
        }
    }
}

async fn accept_all(shared: Arc<Shared>, listener: Box<dyn Listener>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    // Twice the sessions: those beyond are told so, and a CancelRequest still comes through.
    let open = Arc::new(Semaphore::new(shared.config.limits.connections_max.saturating_mul(2).saturating_add(16)));
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = async {
                let permit = open.clone().acquire_owned().await.expect("the semaphore is never closed");
                (permit, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (permit, Ok((stream, peer))) => {
                let local = peer.ip().is_loopback() || shared.config.allow_remote_without_auth;
                let trust = if local { Trust::Trusted } else { Trust::Unproven };
                let (shared, stopping) = (shared.clone(), stopping.clone());
                connections.spawn(async move {
                    serve(&shared, stream, trust, stopping).await;
                    drop(permit);
                });
            }
            (_, Err(error)) => {
                warn!(%error, "could not accept a connection");
                shared.env.clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection from its first byte to its last.
async fn serve(shared: &Shared, stream: Box<dyn Stream>, trust: Trust, stopping: watch::Receiver<bool>) {
    let limits = &shared.config.limits;
    let mut socket = Socket::new(stream, limits.message_bytes_max.as_usize(), stopping);
    let patience = shared.env.clock.sleep(limits.startup_timeout);
    let request = tokio::select! {
        request = read_request(&mut socket, &shared.cancel) => request,
        () = patience => Err(Ended::Told(Error::new(SqlState::PROTOCOL_VIOLATION, "the client was too slow to begin"))),
    };
    let goodbye = || shared.env.clock.sleep(GOODBYE);
    let request = match request {
        Ok(Some(request)) => request,
        Ok(None) => return socket.close(None, goodbye()).await,
        Err(ended) => return socket.close(last_word(&ended).as_ref(), goodbye()).await,
    };
    let Ok(_permit) = shared.sessions.clone().try_acquire_owned() else {
        shared.refused.add(1);
        let error = Error::new(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
            .hint("Close a connection, or raise limits.connections_max.");
        return socket.close(Some(&error), goodbye()).await;
    };
    let cancel = shared.cancel.register(shared.env.random.as_ref());
    let session = match greet(&mut socket, &shared.engine, request, trust, &cancel) {
        Ok(session) => session,
        Err(error) => return socket.close(Some(&error), goodbye()).await,
    };
    shared.connections.add(1);
    let mut conversation = Conversation {
        socket,
        guard: Guard { cancel, timeout: None },
        session,
        statements: HashMap::new(),
        portals: HashMap::new(),
        limits: limits.clone(),
        clock: shared.env.clock.clone(),
        skipping: false,
        idle: true,
    };
    let ended = conversation.run().await;
    debug!(%ended, "a connection of the PostgreSQL door ended");
    shared.connections.add(-1);
    let Conversation { socket, .. } = conversation;
    socket.close(last_word(&ended).as_ref(), goodbye()).await;
}

/// What a client is told before its connection is closed.
fn last_word(ended: &Ended) -> Option<Error> {
    match ended {
        Ended::Gone | Ended::Io(_) => None,
        Ended::Frame(error) => Some(error.clone().into()),
        Ended::Told(error) => Some(error.clone()),
    }
}
