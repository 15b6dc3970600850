//! Scalar functions that are computed row by row: which arguments they take stands in a table, what they give in a function
//! of cells.
//!
//! An overload whose types are exactly the arguments' is taken first, else the one to which they widen in the fewest steps, as
//! ksqlDB does: INT to BIGINT to DOUBLE, and DECIMAL to DOUBLE.

mod cell;
mod function;

pub use cell::Answer;
pub use cell::Cell;
pub use function::Definition;
pub use function::Nulls;
pub use function::Overload;
pub use function::Rowwise;
pub use function::Type;
pub use function::ksqldb_name;
pub use function::not_accepted;
