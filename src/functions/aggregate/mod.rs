//! SUM, AVG, MIN, MAX and others: one arithmetic for the queries that are read once and for those that are kept.
//!
//! `ExactSum` and `DoubleSum` are what a group keeps; both take rows back. `Total` says what type comes out and makes a
//! result of a sum. `TotalFunction` is all that as DataFusion wants it; standing queries use the parts.
//!
//! Invariants:
//!   * a sum never wraps and never rounds before its result is asked for: what does not fit is told, not stored
//!   * what is kept does not depend on results that were told in between: a sum that fits again is right again

mod accumulate;
mod by_offset;
mod collect;
mod distinct;
mod double;
mod exact;
mod extreme;
mod function;
mod groups;
mod interval_total;
mod joined;
mod moments;
mod running;
mod sliding;
mod standing;
#[cfg(test)]
mod tests;
mod total;

pub use by_offset::ByOffsetFunction;
pub use by_offset::OffsetEnd;
pub use collect::Collect;
pub use collect::CollectFunction;
pub use collect::top_row_names;
pub use double::DoubleSum;
pub use exact::ExactSum;
pub use extreme::Extreme;
pub use extreme::ExtremeFunction;
pub use function::TotalFunction;
pub use joined::JoinedTexts;
pub use moments::Correlation;
pub use moments::Dispersion;
pub use moments::DoubleMoments;
pub use moments::ExactMoments;
pub use running::Running;
pub use sliding::Sliding;
pub use standing::StandingFunction;
pub use total::Number;
pub use total::OutOfRange;
pub use total::Total;
pub use total::TotalKind;
pub use total::TotalStyle;
