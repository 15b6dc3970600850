//! `tidemill datagen`: made-up data, the same for the same seed, for samples, tests and measures.

mod command;
mod files;
pub mod nexmark;
mod server;

pub use command::DatagenArguments;
pub use command::run;
