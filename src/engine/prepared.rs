//! A statement that was parsed and not yet run.

use std::sync::Arc;

use super::read::KeyReadCache;
use crate::error::Position;
use crate::sql::Parsed;
use crate::sql::Prepare;
use crate::sql::Statement;

/// A parsed statement; cheap to clone. Names are looked up each time it is described or run; what was recognised of it is kept
/// while they mean the same.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its own text.
    pub text: String,
    /// Where it starts in the text that was parsed; positions of its errors count from that text's start.
    pub position: Position,
    pub(super) statement: Arc<Statement>,
    pub(super) by_key: KeyReadCache,
}

impl Prepared {
    /// The statement that PREPARE names.
    pub(super) fn of(prepare: &Prepare) -> Self {
        let statement = Arc::new(prepare.statement.as_ref().clone());
        let text = prepare.text.clone();
        Self { text, position: prepare.name.position, statement, by_key: KeyReadCache::default() }
    }
}

impl From<Parsed> for Prepared {
    fn from(parsed: Parsed) -> Self {
        let Parsed { text, position, statement } = parsed;
        Self { text, position, statement: Arc::new(statement), by_key: KeyReadCache::default() }
    }
}
