//! The rules of values under which a query was bound.

use serde::Deserialize;
use serde::Serialize;

/// Whose answers are given where PostgreSQL and ksqlDB disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Compatibility {
    /// PostgreSQL's.
    #[default]
    Postgres,
    /// ksqlDB's: names fold to upper case, null comparisons are false, sums start at 0.
    Ksqldb,
}

/// How often a query says that a key changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum EmitMode {
    /// One change per key per cut.
    #[default]
    Net,
    /// Every change that a single input row causes, in order.
    All,
}

/// Bound once, recorded with each query; below `plan/bind` no code knows the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Semantics {
    /// Names, comparison, arithmetic, decimals, null groups and aggregates.
    pub compatibility: Compatibility,
    /// `emit`
    pub emit: EmitMode,
}

impl Semantics {
    /// ksqlDB's rules with its cache off, as its conformance cases want.
    pub fn ksqldb_conformance() -> Self {
        Self { compatibility: Compatibility::Ksqldb, emit: EmitMode::All }
    }
}
