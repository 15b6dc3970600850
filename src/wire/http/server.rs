//! axum over `env`'s listener, with a bound on open connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;

use super::Health;
use super::Probe;
use crate::env::Clock;
use crate::env::Env;
use crate::env::Listener;
use crate::env::Stream;
use crate::metrics::Metrics;
use crate::wire::Entrance;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const CONNECTIONS_MAX: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening door.
pub struct HttpServer {
    address: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
}

impl HttpServer {
    /// Serves who comes in at `entrance`; `probe` says how the server as a whole does.
    pub fn start(env: &Env, entrance: Entrance, metrics: Metrics, probe: Arc<dyn Probe>) -> Self {
        let Entrance { listener, address } = entrance;
        let listener =
            Bounded { listener, clock: env.clock.clone(), permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
        let (stop, mut stopping) = watch::channel(false);
        let stopped = async move {
            // A dropped sender means the same: nobody wants this door open.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let serve = axum::serve(listener, routes(metrics, probe)).with_graceful_shutdown(stopped);
        let serving = tokio::spawn(async move { serve.await });
        Self { address: address.to_string(), stop, serving }
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the door; open keep-alive connections are cut.
    pub async fn stop(self, clock: &dyn Clock) {
        self.stop.send_replace(true);
        let abort = self.serving.abort_handle();
        tokio::select! {
            served = self.serving => {
                if let Ok(Err(error)) = served {
                    warn!(%error, "the HTTP door failed");
                }
            }
            () = clock.sleep(Duration::from_secs(1)) => abort.abort(),
        }
    }
}

fn routes(metrics: Metrics, probe: Arc<dyn Probe>) -> Router {
    let asked = Arc::clone(&probe);
    let health = move || async move {
        let json = [(header::CONTENT_TYPE, "application/json")];
        match asked.health() {
            Health::Ready => (StatusCode::OK, json, format!("{{\"status\":\"ready\",\"version\":\"{VERSION}\"}}\n")),
            Health::Starting => (StatusCode::SERVICE_UNAVAILABLE, json, "{\"status\":\"starting\"}\n".to_string()),
            Health::Refusing(reason) => {
                let body = format!("{{\"status\":\"refusing\",\"reason\":\"{reason}\",\"version\":\"{VERSION}\"}}\n");
                (StatusCode::SERVICE_UNAVAILABLE, json, body)
            }
        }
    };
    let scrape = move || async move {
        probe.measure().await;
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
    };
    Router::new().route("/health", get(health)).route("/metrics", get(scrape))
}

/// A listener that leaves connections beyond its bound in the system's queue.
struct Bounded {
    listener: Box<dyn Listener>,
    clock: Arc<dyn Clock>,
    permits: Arc<Semaphore>,
}

impl axum::serve::Listener for Bounded {
    type Io = Counted;
    type Addr = String;

    async fn accept(&mut self) -> (Counted, String) {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (Counted { stream, _permit: permit }, peer.to_string()),
                Err(error) => {
                    warn!(%error, "could not accept a connection");
                    self.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<String> {
        Ok(self.listener.local_address()?.to_string())
    }
}

/// A connection that gives its place back when it ends.
struct Counted {
    stream: Box<dyn Stream>,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn get(address: &str, path: &str) -> String {
        let mut stream = Env::real().network.connect(address).await.expect("the door is open");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the answer comes");
        answer
    }

    struct Said(parking_lot::Mutex<Health>, Metrics);

    impl Probe for Said {
        fn health(&self) -> Health {
            self.0.lock().clone()
        }

        fn measure(&self) -> BoxFuture<'_, ()> {
            async { self.1.tell("tidemill_test", "A test.", "gauge", [(vec![("of", "it")], 7.5)]) }.boxed()
        }
    }

    #[tokio::test]
    async fn health_follows_the_server_and_metrics_are_measured_and_rendered() {
        let env = Env::real();
        let metrics = Metrics::new();
        let probe = Arc::new(Said(parking_lot::Mutex::new(Health::Starting), metrics.clone()));
        let entrance = Entrance::open(&env, "127.0.0.1:0", false).await.expect("a free port");
        let server = HttpServer::start(&env, entrance, metrics, Arc::clone(&probe) as Arc<dyn Probe>);
        let address = server.address().to_string();
        assert!(get(&address, "/health").await.starts_with("HTTP/1.1 503"));
        *probe.0.lock() = Health::Ready;
        assert!(get(&address, "/health").await.starts_with("HTTP/1.1 200"));
        *probe.0.lock() = Health::Refusing("the disk is full");
        let refusing = get(&address, "/health").await;
        assert!(
            refusing.starts_with("HTTP/1.1 503") && refusing.contains("\"reason\":\"the disk is full\""),
            "{refusing}"
        );
        assert!(get(&address, "/metrics").await.contains("tidemill_test{of=\"it\"} 7.5"));
        assert!(get(&address, "/other").await.starts_with("HTTP/1.1 404"));
        server.stop(env.clock.as_ref()).await;
    }
}
