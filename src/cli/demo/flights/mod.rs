//! `tidemill demo flights`: the flights of 2013 streaming into views, answers, and the psql line.

mod load;
mod rows;
mod run;

pub use run::run;
