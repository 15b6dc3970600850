//! Integration tests: a whole node in this process, or the binary itself, asked through its doors.
//!
//! One binary, since each that links DataFusion is large. Tests that data can say stand in `tests/sql`, run by `slt`.

mod acknowledgements;
mod bad_input;
mod commands;
mod copy;
mod cut_faults;
mod errors;
mod flights;
mod flights_killed;
mod fuzz;
mod headers;
mod kafka;
mod kill_nine;
mod large_rounds;
mod marks;
mod metrics;
mod nexmark;
mod oracle;
mod parameters;
mod pg_fuzz;
mod plan;
mod postgresql_objects;
mod push;
mod reading;
mod repl;
mod samples;
mod server;
mod session;
mod sessions;
mod shared_decode;
mod slt;
mod standing;
mod state_files;
mod tables;
mod tables_without_a_key;
mod temporary_tables;
