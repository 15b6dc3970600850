//! Random histories and random queries over them, from a seed.

mod aggregates;
mod draw;
mod expressions;
mod history;
mod query;
mod streams;
mod tables;

pub use draw::Draw;
pub use expressions::filter;
pub use expressions::number;
pub use history::Event;
pub use history::STREAM_COLUMNS;
pub use history::TABLE_COLUMNS;
pub use history::stream_history;
pub use history::table_history;
pub use query::Pairing;
pub use query::Query;
pub use query::Shape;
pub use query::WINDOW;
pub use query::Windows;
pub use query::query;
