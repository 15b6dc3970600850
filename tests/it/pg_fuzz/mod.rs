//! Mutated SQL and mutated messages at the PostgreSQL door, from a seed: nothing panics, no mistake of a client's is an internal
//! error (XX000), and the server goes on answering others.
//!
//! `TIDEMILL_FUZZ_SECONDS` runs each for so long, `TIDEMILL_SEED` begins elsewhere. What was found once is kept in
//! `tests/fuzz/pg_sql` and `tests/fuzz/pg_protocol`, and tried first.

mod chance;
mod protocol;
mod sql;
mod statements;
mod talk;

use std::path::PathBuf;

use super::fuzz::shared::Budget;
use super::fuzz::shared::number;

/// What the process may hold beyond what it began with, in bytes: many servers come and go in a long run, and the allocator keeps
/// much of what they gave back.
const MEMORY_GROWTH_MAX: u64 = 4 << 30;

/// How long a run takes: so many inputs, unless seconds are told.
struct Run {
    first: u64,
    tried: u64,
    budget: Budget,
    resident: u64,
}

impl Run {
    fn begin(inputs: u64) -> Self {
        Self {
            first: number("TIDEMILL_SEED").unwrap_or(1),
            tried: 0,
            budget: Budget::of(inputs),
            resident: resident_bytes(),
        }
    }

    /// The seed of the next input, `None` at the end.
    fn next(&mut self) -> Option<u64> {
        let goes_on = self.budget.allows(self.tried);
        self.tried += 1;
        goes_on.then(|| self.first.wrapping_add(self.tried - 1))
    }

    /// A run has all tests that run beside it in its process; alone, what the process holds is the server's.
    fn check_memory(&self) {
        let grown = resident_bytes().saturating_sub(self.resident);
        assert!(grown < MEMORY_GROWTH_MAX, "{} inputs left {grown} bytes", self.tried);
    }
}

/// Runs it where a server runs: on threads whose stacks are as large as the deepest statement needs.
fn on_a_servers_threads(work: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().thread_stack_size(tidemill::env::STACK_BYTES).build();
    runtime.expect("threads start").block_on(work);
}

/// What this process holds in memory; 0 where nobody tells.
fn resident_bytes() -> u64 {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = told.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// The kept inputs of a kind, with their names.
fn kept(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fuzz", kind].iter().collect();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it lists").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).expect("it reads"))).collect()
}
