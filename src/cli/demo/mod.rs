//! `tidemill demo`: a server on defaults, the flights of 2013 streaming into views, answers, and the psql line.

mod flights;
mod load;
mod output;
mod run;

pub use run::run;
