//! `tidemill datagen payments`: card payments, most of them honest. `docs/datagen.md` has the distributions.

mod attacks;
mod check;
mod command;
mod dice;
mod generator;
mod honest;
mod output;
mod pace;
mod payment;
mod places;
mod population;
mod rows;
mod score;
#[cfg(test)]
mod tests;

pub use check::CheckArguments;
pub use check::check;
pub use command::Arguments;
pub use command::MadeFrom;
pub(in crate::cli) use command::positive;
pub use command::run;
pub(in crate::cli) use generator::PaymentOptions;
pub(in crate::cli) use generator::Payments;
pub(in crate::cli) use output::send_payments;
pub(in crate::cli) use output::send_tables;
pub(in crate::cli) use pace::Pace;
pub(in crate::cli) use payment::KINDS;
pub(in crate::cli) use payment::Kind;
pub(in crate::cli) use payment::Payment;
pub(in crate::cli) use score::Alert;
pub(in crate::cli) use score::Labels;
pub(in crate::cli) use score::Score;
