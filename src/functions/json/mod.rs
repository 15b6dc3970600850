//! PostgreSQL's functions of `json` and `jsonb`. ksqlDB's functions of JSON in texts are others.
//!
//! Operators are functions whose names begin with `__`; the planner of operators calls them, by the types of both sides.

mod change;
mod compare;
mod made;
mod parts;
mod read;
mod scalar;

pub use made::Made;
pub use parts::Parts;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::logical_expr::ScalarUDF;

use super::rowwise::Definition;
use super::rowwise::Rowwise;

/// Those that are computed row by row.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    read::DEFINITIONS.iter().chain(&change::DEFINITIONS).chain(&scalar::DEFINITIONS)
}

/// The function of an operator, for who plans operators before functions are looked up.
pub fn operator(name: &str) -> Option<Arc<ScalarUDF>> {
    static OPERATORS: LazyLock<HashMap<&str, Arc<ScalarUDF>>> = LazyLock::new(|| {
        let function = |of| Arc::new(ScalarUDF::new_from_impl(Rowwise::new(of)));
        definitions().map(|definition| (definition.name, function(definition))).collect()
    });
    OPERATORS.get(name).cloned()
}
