//! What exists, as an immutable value: relations, queries, their columns, formats and topics, and names of types.
//!
//! `Catalog::apply(&self, &Change)` gives the next catalog; durability is `cluster`'s metadata log, which carries
//! changes as the bytes of `Change::encode`.
//!
//! Invariants:
//!   * ids of relations and queries are never reused, over drops and restarts
//!   * a relation is not dropped while a query reads or writes it, or a view reads it
//!   * the same changes in the same order give the same catalog

mod change;
mod declare;
mod error;
mod extend;
mod kafka_format;
mod ksqldb_options;
mod name;
mod nested;
mod options;
mod plain_view;
mod query;
mod relation;
mod semantics;
mod sql_type;
#[cfg(test)]
mod tests;
mod text_kind;
mod topic_settings;
mod type_definition;
mod value;

pub use change::Change;
pub use declare::Declared;
pub use declare::KSQLDB_RESERVED;
pub use declare::cast_type;
pub use declare::declare;
pub use declare::no_time;
pub use declare::no_time_column;
pub use declare::not_for_streams;
pub use declare::timestamp_format_misplaced;
pub use error::CatalogError;
pub use extend::check_extends;
pub use extend::with_columns;
pub use kafka_format::check_kafka;
pub use kafka_format::shown as shown_column;
pub use ksqldb_options::check_ksqldb_options;
pub use ksqldb_options::check_ksqldb_query_options;
pub use name::fold;
pub use nested::check_key;
pub use nested::check_nested;
pub use options::Flush;
pub use options::RelationOptions;
pub use options::delimited;
pub use options::option_names;
pub use plain_view::PlainView;
pub use plain_view::mean_permanent;
pub use plain_view::relations_named;
pub use query::QueryDefinition;
pub use query::QueryState;
pub use relation::Format;
pub use relation::Formats;
pub use relation::Identity;
pub use relation::OnError;
pub use relation::Relation;
pub use relation::RelationKind;
pub use relation::WindowOfKey;
pub use semantics::Compatibility;
pub use semantics::EmitMode;
pub use semantics::Semantics;
pub use sql_type::sql_type;
pub use sql_type::unknown_type;
pub use text_kind::TextKind;
pub use topic_settings::Limit;
pub use topic_settings::MessageTimestamps;
pub use topic_settings::TopicSettings;
pub use type_definition::TypeDefinition;
pub use value::Catalog;
pub use value::permanent_name;
