//! Doors: sockets and codecs. A door turns bytes into calls of the engine and answers into bytes; it decides nothing.
//!
//! Invariants:
//!   * no length or count in a message is believed before the bytes are there: nothing is allocated by a claim
//!   * what waits for a client that does not read is bounded; then its query stops reading
//!
//! Not here: what a statement means (`engine`), who may do what (`security`, asked by engine and broker).

mod entrance;
mod http;
mod kafka;
mod pg;

pub use entrance::Entrance;
pub use http::Health;
pub use http::HttpServer;
pub use http::Probe;
pub use kafka::ApiDescription;
pub use kafka::KafkaServer;
pub use kafka::KafkaServerConfig;
pub use kafka::apis as kafka_apis;
pub use pg::PgServer;
pub use pg::PgServerConfig;
