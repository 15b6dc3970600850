//! An identifier as it was typed.

use crate::error::Position;

/// An identifier with the place where it stood. `value` is unfolded; `quoted` says that it must not be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The text between the quotes, or the bare word as typed.
    pub value: String,
    /// Whether it was quoted.
    pub quoted: bool,
    /// Where it stood.
    pub position: Position,
}
