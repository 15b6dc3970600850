//! SQL functions of our own, one idea a file: types, null rule, volatility and documentation stand with the code.
//!
//! Names that begin with `__` are not for users: the binder puts them where the rules of values differ, so that
//! below it no code knows the compatibility mode. They stand in bound texts and never change their meaning.
//! A function that fails for a row fails for its batch; `exec` finds the row by halving.

mod aggregate;
mod arithmetic;
mod cast;
mod coerced;
mod columnwise;
mod context;
mod described;
mod java_regex;
mod json;
mod ksqldb;
mod nested;
mod posix_regex;
mod postgres;
mod registry;
mod rowwise;
mod scalar;
mod template;
mod text_hash;

pub use aggregate::Collect;
pub use aggregate::Correlation;
pub use aggregate::Dispersion;
pub use aggregate::DoubleMoments;
pub use aggregate::DoubleSum;
pub use aggregate::ExactMoments;
pub use aggregate::ExactSum;
pub use aggregate::Extreme;
pub use aggregate::Number;
pub use aggregate::OffsetEnd;
pub use aggregate::OutOfRange;
pub use aggregate::Running;
pub use aggregate::Sliding;
pub use aggregate::Total;
pub use aggregate::TotalKind;
pub use aggregate::TotalStyle;
pub use aggregate::top_row_names;
pub use arithmetic::Arithmetic;
pub use arithmetic::Chain;
pub use arithmetic::IntervalMicros;
pub use arithmetic::IntervalScale;
pub use arithmetic::Operation;
pub use arithmetic::TimeBetween;
pub use arithmetic::TimePlus;
pub use arithmetic::extend;
pub use arithmetic::interval_of_text;
pub use arithmetic::interval_unit;
pub use arithmetic::started;
pub use cast::CastTarget;
pub use cast::RoundedIn;
pub use context::Context;
pub use context::CutTime;
pub use described::shown_name;
pub use json::operator as json_operator;
pub use nested::CUBE;
pub use nested::KSQL_ARRAY;
pub use nested::Lambda;
pub use nested::LambdaBody;
pub use nested::LambdaKind;
pub use nested::NestedIn;
pub use nested::met_number;
pub use registry::aggregates;
pub use registry::all;
pub use registry::lenient;
pub use registry::register;
pub use rowwise::ksqldb_name;
pub use scalar::Lenient;
pub use scalar::OneZero;
pub use scalar::with_places;
