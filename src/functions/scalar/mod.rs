//! Functions of values.

mod as_value;
mod bytea;
mod case;
mod guard;
mod guarded;
mod length;
mod like_pattern;
mod now;
mod pad;
mod random;
mod substring;
mod uuid;

pub use as_value::AsValue;
pub use bytea::ByteaIn;
pub use case::LetterCase;
pub use guarded::Guarded;
pub use length::CharacterLength;
pub use like_pattern::LikePattern;
pub use now::Now;
pub use pad::Pad;
pub use pad::Side;
pub use random::Random;
pub use substring::KsqlSubstring;
pub use uuid::Uuid;
