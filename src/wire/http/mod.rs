//! HTTP: `/health` for probes, `/metrics` for Prometheus.

mod server;

pub use server::HttpServer;
