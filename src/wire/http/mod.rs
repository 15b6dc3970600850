//! HTTP: `/health` for probes, `/metrics` for Prometheus.

mod probe;
mod server;

pub use probe::Health;
pub use probe::Probe;
pub use server::HttpServer;
