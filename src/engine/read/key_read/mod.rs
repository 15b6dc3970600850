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
mod order;
mod recognise;
mod rows;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use self::keys::KeyPart;
use self::order::Order;
use crate::catalog::Relation;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
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
    limit: Limit,
    order: Option<Order>,
}

/// How many rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// All.
    None,
    /// So many.
    Rows(usize),
    /// As many as a parameter says; `$1` is 0.
    Parameter(usize),
}

impl Limit {
    /// The number of rows with these parameters, `usize::MAX` for all; `None` if the planner has to say.
    fn rows(self, parameters: &[Value]) -> Option<usize> {
        match self {
            Limit::None => Some(usize::MAX),
            Limit::Rows(rows) => Some(rows),
            Limit::Parameter(at) => match parameters.get(at)? {
                Value::Int64(Some(rows)) => usize::try_from(*rows).ok(),
                Value::Int64(None) => Some(usize::MAX),
                _ => None,
            },
        }
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The type of the column that it is compared with.
    column: SqlType,
    /// The type that a cast gives it.
    cast: Option<SqlType>,
    /// What it holds.
    holds: Holds,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// One value.
    Value,
    /// An array of values.
    Array,
}

impl Place {
    /// The type of the parameter with what it is compared with; `None` if it is not compared as it is.
    fn told(&self, known: Option<SqlType>) -> Option<SqlType> {
        let told = match (known, &self.cast) {
            (Some(known), Some(cast)) if known != *cast => return None,
            (Some(known), _) => known,
            (None, Some(cast)) => cast.clone(),
            (None, None) => match self.holds {
                Holds::Value => self.column.clone(),
                Holds::Array => SqlType::Array(Box::new(self.column.clone())),
            },
        };
        let fits = match (&told, self.holds) {
            (SqlType::Array(item), Holds::Array) => operand::is_comparable(item, &self.column),
            (_, Holds::Array) => false,
            (value, Holds::Value) => operand::is_comparable(value, &self.column),
        };
        fits.then_some(told)
    }
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

    /// The values of numbers that stand in the places of its parameters; `None` if one of them is the planner's.
    pub(in crate::engine) fn values_of(&self, numbers: &[String]) -> Option<Vec<Value>> {
        if numbers.len() != self.parameters.len() {
            return None;
        }
        let value = |(place, digits): (&Place, &String)| match (&place.cast, place.holds) {
            (None, Holds::Value) => operand::number(digits, &place.column),
            _ => None,
        };
        self.parameters.iter().zip(numbers).map(value).collect()
    }

    /// The types of its parameters, `None` if with those that the client told it is not read by key.
    pub(in crate::engine) fn parameters(&self, known: &[Option<SqlType>]) -> Option<Vec<SqlType>> {
        if self.parameters.len() < known.len() {
            return None;
        }
        let told = |(at, place): (usize, &Place)| place.told(known.get(at).cloned().flatten());
        self.parameters.iter().enumerate().map(told).collect()
    }
}
