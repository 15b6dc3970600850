//! What the driver asks of the whole operator tree: one phase at a time.

use crate::state::CutId;

/// What the phase is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    /// Rows of the round pass from the leaves up.
    Input,
    /// The round's rows have passed: timers fire, windows close.
    Drain,
    /// The cut is being made: whatever waits for it goes out.
    Flush(CutId),
}

/// A round's number and what is asked. Two phases are the same only if both are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Rounds count up within a task's life.
    pub round: u64,
    /// What is asked.
    pub kind: PhaseKind,
}

impl Phase {
    /// Before the first round; no step is called in it.
    pub const NONE: Phase = Phase { round: 0, kind: PhaseKind::Drain };
}
