//! What the HTTP door tells of a node: whether it serves, and what is looked at when metrics are asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Weak;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tracing::warn;

use crate::config::Config;
use crate::engine::Engine;
use crate::env::Env;
use crate::log::LogDir;
use crate::metrics::Metrics;
use crate::wire::Health;
use crate::wire::Probe;

/// A node as the HTTP door sees it.
pub struct NodeProbe {
    env: Env,
    data_dir: PathBuf,
    metrics: Metrics,
    /// What serves; `None` while it starts and stops.
    serving: Mutex<Option<Serving>>,
}

#[derive(Clone)]
struct Serving {
    log: Weak<LogDir>,
    engine: Weak<Engine>,
}

impl NodeProbe {
    /// Of a node that starts.
    pub fn new(env: &Env, config: &Config, metrics: &Metrics) -> Self {
        let (env, data_dir, metrics) = (env.clone(), config.data_dir.clone(), metrics.clone());
        Self { env, data_dir, metrics, serving: Mutex::default() }
    }

    /// The node serves from now on.
    pub fn serve(&self, log: Arc<LogDir>, engine: &Arc<Engine>) {
        *self.serving.lock() = Some(Serving { log: Arc::downgrade(&log), engine: Arc::downgrade(engine) });
    }

    /// It does no longer.
    pub fn leave(&self) {
        self.serving.lock().take();
    }

    /// Metrics of the machine that a server can run out of.
    fn measure_machine(&self) {
        let one = |value: Option<u64>| value.map(|value| (Vec::new(), value as f64));
        let disk = &self.env.disk;
        let free = disk.free_bytes(&self.data_dir).ok();
        let size = disk.size_bytes(&self.data_dir).ok();
        let help = "Bytes that may still be written to the disk of the data directory.";
        self.metrics.tell("tidemill_disk_free_bytes", help, "gauge", one(free));
        let help = "Bytes of that disk, used or not.";
        self.metrics.tell("tidemill_disk_size_bytes", help, "gauge", one(size));
        let files = (self.env.open_files)();
        let help = "Files and sockets that the process has open.";
        self.metrics.tell("tidemill_open_files", help, "gauge", one(files.map(|files| files.open)));
        let help = "Files and sockets that the process may have open.";
        self.metrics.tell("tidemill_open_files_limit", help, "gauge", one(files.map(|files| files.limit)));
    }
}

impl Probe for NodeProbe {
    fn health(&self) -> Health {
        let Some(log) = self.serving.lock().as_ref().and_then(|serving| serving.log.upgrade()) else {
            return Health::Starting;
        };
        match log.is_full() {
            true => Health::Refusing("the disk is full: writes are refused, reads are answered"),
            false => Health::Ready,
        }
    }

    fn measure(&self) -> BoxFuture<'_, ()> {
        async {
            self.measure_machine();
            let serving = self.serving.lock().clone();
            let engine = serving.as_ref().and_then(|serving| serving.engine.upgrade());
            let log = serving.and_then(|serving| serving.log.upgrade());
            let help = "1 while the disk is full and writes are refused, else 0.";
            let full = log.map(|log| (Vec::new(), f64::from(u8::from(log.is_full()))));
            self.metrics.tell("tidemill_log_full", help, "gauge", full);
            let Some(engine) = engine else { return };
            if let Err(error) = engine.measure(&self.metrics).await {
                warn!(%error, "the metrics of queries could not be measured");
            }
        }
        .boxed()
    }
}
