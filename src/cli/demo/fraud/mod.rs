//! `tidemill demo`: card payments stream in, and SQL tells the fraud among them while one looks on.

mod arguments;
mod feed;
mod progress;
mod run;
mod screen;
mod settle;
mod setup;
mod view;
mod watch;

pub use arguments::FraudArguments;
pub use run::run;
