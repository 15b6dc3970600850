//! Every knob of the server, with its default: TOML file, environment, flags, in rising precedence.
//!
//! A knob's path in the file (`exec.commit_interval`) is its name everywhere: `TIDEMILL_EXEC_COMMIT_INTERVAL` in
//! the environment. Knobs of the top level have flags too (`--pg-listen`).
//!
//! Invariants:
//!   * an unknown name is an error that names the nearest known one, never ignored
//!   * every limit has a finite default
//!   * a value that makes no sense is refused, with the knob's name, who says it, and what would
//!   * `docs/reference/config.md` lists exactly these knobs and defaults (a test compares them)
//!
//! Not here: reading the file or the environment (`main.rs` hands both over as text).

mod bounds;
mod error;
mod knobs;
mod load;
mod quantity;

#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use knobs::Config;
pub use knobs::Exec;
pub use knobs::Kafka;
pub use knobs::Limits;
pub use knobs::Log;
pub use knobs::Memory;
pub use knobs::State;
pub use load::Layers;
pub use load::environment_name;
pub use quantity::ByteSize;
