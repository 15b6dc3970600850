//! `tidemill demo`: a server on defaults, data streaming into views, and the psql line. Fraud among payments, or flights.

mod flights;
mod fraud;
mod output;

pub use flights::run as run_flights;
pub use fraud::FraudArguments;
pub use fraud::run as run_fraud;
