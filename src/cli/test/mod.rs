//! `tidemill test`: pipelines as data. Statements, records in, records expected; run on the same engine as the
//! server's, in memory, with virtual time.
//!
//! The format of a case is ksqlDB's query-translation test. Our own cases use it too; a `SET` among their statements
//! chooses other rules than `compatibility = 'ksqldb'` and `emit = 'all'`, under which every case begins.

mod case;
mod command;
mod comments;
mod compare;
mod expand;
mod pipeline;
mod post;
mod record;
mod report;
mod responses;
mod run;
#[cfg(test)]
mod tests;

pub use case::CaseFile;
pub use command::TestArguments;
pub use command::run_files;
pub use pipeline::ClientLayer;
pub use pipeline::Pipeline;
pub use pipeline::PipelineOptions;
pub use record::RawOutput;
