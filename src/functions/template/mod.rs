//! PostgreSQL's templates: `to_char`, `to_date`, `to_timestamp`.

mod function;
mod number;
mod parse;
mod time;
mod token;

pub use function::TemplateFunction;
