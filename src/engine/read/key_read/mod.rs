//! A SELECT of columns of one view by its key, read without a plan.
//!
//! `recognise` knows such a statement by its shape alone, `operand` brings its values to the types of the key, `keys` makes
//! encoded keys of them, `rows` reads those. Whatever is not certain to mean the same here as in a plan is not recognised,
//! or found out before the first row is read; then the planner has the word, and its errors.
//!
//! Invariant: a statement that is read by key has the columns, the parameters and the rows that its plan would have.

mod cache;
mod keys;
mod operand;
mod recognise;
mod rows;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use self::keys::KeyPart;
use crate::catalog::Relation;
use crate::engine::outcome::OutputField;
use crate::model::SqlType;

pub(in crate::engine) use cache::KeyReadCache;

/// A statement that is read by key, bound to one version of the catalog and to its session's settings.
#[derive(Debug)]
pub(in crate::engine) struct KeyRead {
    relation: Arc<Relation>,
    /// The columns of the answer, by index into the relation's.
    columns: Vec<usize>,
    fields: Vec<OutputField>,
    /// What rows go out as.
    target: SchemaRef,
    /// The leading columns of the key, in its order; the last may be a range.
    key: Vec<KeyPart>,
    /// Whether the parts tell whole keys.
    is_whole: bool,
    parameters: Vec<Place>,
    limit: Option<usize>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The type of the column that it is compared with.
    column: SqlType,
    /// The type that a cast gives it.
    cast: Option<SqlType>,
}

impl KeyRead {
    /// The view.
    pub(in crate::engine) fn relation(&self) -> &Arc<Relation> {
        &self.relation
    }

    /// The columns of the answer.
    pub(in crate::engine) fn fields(&self) -> &[OutputField] {
        &self.fields
    }

    /// The types of its parameters, `None` if with those that the client told it is not read by key.
    pub(in crate::engine) fn parameters(&self, known: &[Option<SqlType>]) -> Option<Vec<SqlType>> {
        if self.parameters.len() < known.len() {
            return None;
        }
        let told = |(at, place): (usize, &Place)| {
            let known = known.get(at).cloned().flatten();
            let told = match (known, &place.cast) {
                (Some(known), Some(cast)) if known != *cast => return None,
                (Some(known), _) => known,
                (None, Some(cast)) => cast.clone(),
                (None, None) => place.column.clone(),
            };
            operand::is_comparable(&told, &place.column).then_some(told)
        };
        self.parameters.iter().enumerate().map(told).collect()
    }
}
