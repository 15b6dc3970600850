//! Text to statement: the dialect by token lowering, one statement per file. No catalog, no I/O.
//!
//! `parse` never sees a catalog and never fails for a name; it fails with a position for a syntax it does not know.

mod statement;

pub use statement::ColumnDefinition;
pub use statement::CopyFormat;
pub use statement::CopySource;
pub use statement::CreateAs;
pub use statement::CreateSource;
pub use statement::DropRelation;
pub use statement::Emit;
pub use statement::FetchDirection;
pub use statement::InsertRows;
pub use statement::InsertSelect;
pub use statement::KeyRole;
pub use statement::Name;
pub use statement::ObjectKind;
pub use statement::Select;
pub use statement::ShowObject;
pub use statement::Statement;
pub use statement::WithOption;
