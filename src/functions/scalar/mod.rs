//! Functions of values.

mod as_value;
mod bytea;
mod case;
mod format;
mod greatest;
mod guard;
mod guarded;
mod length;
mod like_pattern;
mod now;
mod pad;
mod random;
mod round;
mod substring;
mod type_name;
mod uuid;

pub use as_value::AsValue;
pub use bytea::ByteaIn;
pub use case::LetterCase;
pub use format::Format;
pub use greatest::Greatest;
pub use guarded::Guarded;
pub use length::CharacterLength;
pub use like_pattern::LikePattern;
pub use now::Now;
pub use pad::Pad;
pub use pad::Side;
pub use random::Random;
pub use round::Round;
pub use round::Rounding;
pub use substring::KsqlSubstring;
pub use type_name::TypeName;
pub use uuid::Uuid;
