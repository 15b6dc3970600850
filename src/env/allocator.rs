//! What the process' allocator says of itself. Which one that is, the binary decides.

/// Memory of the whole process as its allocator counts it, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocatorFigures {
    /// What was asked for and not given back.
    pub allocated: usize,
    /// Pages that it holds of the system: what is allocated, what lies unused between, and what is kept for the next.
    pub resident: usize,
}
