//! Text to statement: the dialect by token lowering, one statement per file. No catalog, no I/O.
//!
//! `parse` never sees a catalog and never fails for a name; it fails with a position for a syntax it does not know.
//!
//! Invariants:
//!   * in every span of an AST that leaves this room the line is 1 and the column is the character's place, from 1, in
//!     the whole text that was parsed: `Position(span.start.column)` is where PostgreSQL's clients draw their caret
//!   * an AST slot named `__window` or `__within` was put there by `lower`, never typed by a user

mod cursor;
mod depth;
mod dialect;
mod duration;
mod error;
mod fetch_first;
mod interval_parameters;
mod lower;
mod misspelt;
mod nodes;
mod parse;
mod partition_by;
mod statement;
#[cfg(test)]
mod tests;
mod types;
pub mod walk;
mod well_formed;
mod window;
mod within;

pub use cursor::DATABASE;
pub use dialect::ALL_FIELDS;
pub use dialect::TidemillDialect;
pub use error::unknown_statement;
pub use interval_parameters::read_as_intervals;
pub use nodes::Nodes;
pub use parse::Parsed;
pub use parse::check_depth;
pub use parse::line_and_column;
pub use parse::parse;
pub use parse::parse_select;
pub use parse::parse_type;
pub use parse::parse_view_query;
pub use partition_by::take_partition_by;
pub use statement::AddedColumn;
pub use statement::AlterAction;
pub use statement::AlterRelation;
pub use statement::AssertTopic;
pub use statement::Assignment;
pub use statement::ColumnDefault;
pub use statement::ColumnDefinition;
pub use statement::ConflictAction;
pub use statement::ConflictTarget;
pub use statement::CopyFormat;
pub use statement::CopyHeader;
pub use statement::CopySource;
pub use statement::CreateAs;
pub use statement::CreateIndex;
pub use statement::CreateSource;
pub use statement::CreateType;
pub use statement::CreateView;
pub use statement::DeclaredIdentity;
pub use statement::DeclaredRole;
pub use statement::Delete;
pub use statement::DropIndex;
pub use statement::DropRelation;
pub use statement::DropType;
pub use statement::DropView;
pub use statement::Emit;
pub use statement::ExplainTarget;
pub use statement::FetchDirection;
pub use statement::Forced;
pub use statement::InsertClauses;
pub use statement::InsertRows;
pub use statement::InsertSelect;
pub use statement::Name;
pub use statement::NamedSchema;
pub use statement::ObjectKind;
pub use statement::OnCommit;
pub use statement::OnConflict;
pub use statement::Prepare;
pub use statement::Print;
pub use statement::Quoting;
pub use statement::Rename;
pub use statement::Returning;
pub use statement::Select;
pub use statement::SetScope;
pub use statement::ShowObject;
pub use statement::Statement;
pub use statement::TransactionMode;
pub use statement::TruncateTopic;
pub use statement::Update;
pub use statement::WithOption;
pub use statement::is_default;
pub use statement::temporary_schema;
pub use types::in_type;
pub use types::named_types;
pub use window::WindowClause;
pub use window::take_window;
pub use within::WithinClause;
pub use within::take_within;

pub use crate::nearest::nearest;
