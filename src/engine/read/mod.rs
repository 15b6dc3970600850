//! Pull queries: DataFusion over what one commit published and over topics as they stand.
//!
//! A `Planner` holds what all statements share; each statement gets a session state of its own, with its pin.

mod advisory;
mod call_rows;
mod client_functions;
mod client_syntax;
mod client_vectors;
mod client_views;
mod clock_timestamp;
mod context;
mod distinct_groups;
mod key_read;
mod lease;
mod null_on_failure;
mod origins;
mod parameters;
mod pg_catalog;
mod pg_defaults;
mod pg_functions;
mod pg_keys;
mod pg_overlay;
mod pg_sleep;
mod pg_temporary;
mod planned;
mod public_schema;
mod record_bounds;
mod records_function;
mod reg_names;
mod reg_texts;
mod relation_scan;
mod relation_table;
mod session_settings;
mod sorted_truths;
mod statement_memory;
mod topic_reader;
mod topic_rows;
mod turns;
mod type_names;
mod type_tree;
mod version;
mod view_columns;
mod view_scan;

pub(super) use context::Given;
pub(super) use context::Planner;
pub(super) use context::Reading;
pub(super) use context::WHOLE;
pub(super) use key_read::KeyRead;
pub(super) use key_read::KeyReadCache;
pub use pg_catalog::type_modifier;
pub(super) use planned::Planned;
pub(super) use planned::conform;
pub(super) use session_settings::is_named;
pub(super) use topic_reader::TopicReader;
pub(super) use topic_reader::Until;
pub use type_tree::type_question;
