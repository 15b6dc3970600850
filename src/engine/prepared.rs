//! A statement that was parsed and not yet run.

use std::sync::Arc;

use crate::error::Position;
use crate::sql::Parsed;
use crate::sql::Prepare;
use crate::sql::Statement;

/// A parsed statement; cheap to clone. Names are looked up each time it is described or run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its own text.
    pub text: String,
    /// Where it starts in the text that was parsed; positions of its errors count from that text's start.
    pub position: Position,
    pub(super) statement: Arc<Statement>,
}

impl Prepared {
    /// The statement that PREPARE names.
    pub(super) fn of(prepare: &Prepare) -> Self {
        let statement = Arc::new(prepare.statement.as_ref().clone());
        Self { text: prepare.text.clone(), position: prepare.name.position, statement }
    }
}

impl From<Parsed> for Prepared {
    fn from(parsed: Parsed) -> Self {
        Self { text: parsed.text, position: parsed.position, statement: Arc::new(parsed.statement) }
    }
}
