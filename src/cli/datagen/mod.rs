//! `tidemill datagen`: data made up from a seed, for samples, demos and measurements.

pub mod nexmark;
mod payments;

use crate::env::Env;
use crate::error::Result;

pub(in crate::cli) use payments::Alert;
pub(in crate::cli) use payments::KINDS;
pub(in crate::cli) use payments::Kind;
pub(in crate::cli) use payments::Labels;
pub(in crate::cli) use payments::MadeFrom;
pub(in crate::cli) use payments::Pace;
pub(in crate::cli) use payments::Payment;
pub(in crate::cli) use payments::PaymentOptions;
pub(in crate::cli) use payments::Payments;
pub(in crate::cli) use payments::Score;
pub(in crate::cli) use payments::positive;
pub(in crate::cli) use payments::send_payments;
pub(in crate::cli) use payments::send_tables;

/// What can be made.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DatagenCommand {
    /// Persons, auctions and bids of an auction site; JSON lines on standard output, in files or in a server's streams.
    Nexmark(nexmark::NexmarkArguments),
    /// Card payments with fraud among them; the labels go to a file of their own.
    Payments(payments::Arguments),
    /// Holds the alerts of a server against such labels: attacks caught and alerts right, of each kind.
    PaymentsCheck(payments::CheckArguments),
}

/// Makes it.
pub async fn run(env: &Env, command: &DatagenCommand) -> Result<()> {
    match command {
        DatagenCommand::Nexmark(arguments) => nexmark::run(env, arguments).await,
        DatagenCommand::Payments(arguments) => payments::run(env, arguments).await,
        DatagenCommand::PaymentsCheck(arguments) => payments::check(env, arguments).await,
    }
}
