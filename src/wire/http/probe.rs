//! What the HTTP door asks of the server, each time that somebody asks it.

use futures::future::BoxFuture;

/// Whether the server does what it is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It recovers, or it stops.
    Starting,
    /// It serves.
    Ready,
    /// It answers, and takes nothing: what is the matter.
    Refusing(&'static str),
}

/// Who knows how the server does.
pub trait Probe: Send + Sync {
    /// How it does now.
    fn health(&self) -> Health;
    /// Brings those metrics up to date that are looked at when they are asked for.
    fn measure(&self) -> BoxFuture<'_, ()>;
}
