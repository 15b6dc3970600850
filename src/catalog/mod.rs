//! What exists, as an immutable value: relations, queries, their columns, formats and topics.
//!
//! `Catalog::apply(&self, &Change)` gives the next catalog; durability is `cluster`'s metadata log.

mod query;
mod relation;
mod semantics;

pub use query::QueryDefinition;
pub use query::QueryState;
pub use relation::Format;
pub use relation::Formats;
pub use relation::OnError;
pub use relation::Relation;
pub use relation::RelationKind;
pub use relation::WindowOfKey;
pub use semantics::Compatibility;
pub use semantics::EmitMode;
pub use semantics::Semantics;
