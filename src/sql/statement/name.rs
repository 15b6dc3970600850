//! An identifier as it was typed.

use crate::error::Position;
use crate::model::SessionNumber;

/// The schema that stood before a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedSchema {
    /// `public`
    Public,
    /// `pg_temp`, or with the number of a session.
    Temporary(Option<SessionNumber>),
}

/// An identifier with the place where it stood. `value` is unfolded; `quoted` says that it must not be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The text between the quotes, or the bare word as typed.
    pub value: String,
    /// Whether it was quoted.
    pub quoted: bool,
    /// Where it stood.
    pub position: Position,
    /// The schema before it; only names of relations have one.
    pub schema: Option<NamedSchema>,
}
