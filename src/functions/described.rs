//! What a function says of itself, in the form that DataFusion has for it.

use datafusion::logical_expr::DocSection;
use datafusion::logical_expr::Documentation;

const SECTION: DocSection = DocSection { include: true, label: "Tidemill", description: None };

/// The documentation of a function: its ways of being called, a line each (`lcase(text) -> text`), and a sentence.
pub(super) fn described(usage: &str, about: &str) -> Documentation {
    Documentation::builder(SECTION, about, usage).build()
}

/// The name that users know it by: what the binder puts in its place under ksqlDB's rules begins with `__ksql_`.
pub fn shown_name(name: &str) -> &str {
    name.strip_prefix("__ksql_").unwrap_or(name)
}
