//! Conditions on the leading columns of a key, as encoded keys.

use arrow::array::timezone::Tz;
use datafusion::common::ScalarValue;

use super::KeyRead;
use super::operand::Encoded;
use super::operand::Operand;
use super::operand::elements;
use super::order::ORDERED_ROWS_MAX;
use crate::engine::outcome::Value;
use crate::engine::read::view_scan::after_prefix;
use crate::format::RowKeys;
use crate::model::SqlType;
use crate::state::KeyOrder;

/// Keys that one statement may name; one that names more is planned.
pub(super) const KEYS_MAX: usize = 4096;

/// What is said of one column of a key.
#[derive(Debug)]
pub(super) struct KeyPart {
    pub(super) column: SqlType,
    pub(super) condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Equal(Operand),
    Among(Vec<Operand>),
    /// One of the elements of a parameter that is an array; `$1` is 0.
    AmongParameter(usize),
    Between {
        from: Option<Bound>,
        to: Option<Bound>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    pub(super) operand: Operand,
    pub(super) inclusive: bool,
}

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Asked {
    pub(super) keys: Keys,
    /// Rows at most.
    pub(super) limit: usize,
}

/// The keys that a statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keys {
    /// Whole keys, each once, rising.
    Whole(Vec<Vec<u8>>),
    /// Ranges that do not overlap, rising, or as they are read if the statement has an order.
    Spans(Vec<Span>),
}

/// Encoded keys from one (inclusive) to another (exclusive, `None` for no end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Vec<u8>,
    pub(super) to: Option<Vec<u8>>,
}

impl Span {
    /// The keys that begin with `prefix`.
    pub(super) fn of_prefix(prefix: Vec<u8>) -> Self {
        Self { to: after_prefix(&prefix), from: prefix }
    }
}

impl KeyRead {
    /// What is asked for with these parameters; `None` if the planner has to say.
    pub(in crate::engine) fn asked(&self, parameters: &[Value], zone: Tz) -> Option<Asked> {
        if parameters.len() != self.parameters.len() {
            return None;
        }
        let limit = self.limit.rows(parameters)?;
        let keys = self.keys(parameters, zone)?;
        (self.order.is_none() || limit <= ORDERED_ROWS_MAX).then_some(Asked { keys, limit })
    }

    fn keys(&self, parameters: &[Value], zone: Tz) -> Option<Keys> {
        let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
        for part in &self.key {
            let encoded = |operand: &Operand| match operand.encoded(&part.column, parameters, zone) {
                Encoded::Unknown => None,
                known => Some(known),
            };
            let told: Vec<Operand>;
            let (operands, range) = match &part.condition {
                Condition::Equal(operand) => (std::slice::from_ref(operand), None),
                Condition::Among(operands) => (operands.as_slice(), None),
                Condition::AmongParameter(at) => {
                    let values = elements(parameters.get(*at)?).filter(|values| values.len() <= KEYS_MAX)?;
                    told = values.into_iter().map(Operand::Value).collect();
                    (told.as_slice(), None)
                }
                Condition::Between { from, to } => {
                    let bound = |bound: &Option<Bound>| match bound {
                        Some(bound) => Some(Some((encoded(&bound.operand)?, bound.inclusive))),
                        None => Some(None),
                    };
                    (&[][..], Some((bound(from)?, bound(to)?)))
                }
            };
            if let Some((from, to)) = range {
                let found = spans(prefixes, &part.column, from, to)?;
                return Some(Keys::Spans(match &self.order {
                    None => found,
                    Some(order) => order.arranged(found),
                }));
            }
            // Every value is looked at, also where another one leaves nothing: one that the planner refuses is its error.
            let values = operands.iter().map(encoded).collect::<Option<Vec<_>>>()?;
            let mut keys: Vec<Vec<u8>> = values.into_iter().filter_map(Encoded::key).collect();
            keys.sort_unstable();
            keys.dedup();
            if KEYS_MAX < prefixes.len().saturating_mul(keys.len()) {
                return None;
            }
            let product = prefixes.iter().flat_map(|prefix| keys.iter().map(|key| [&prefix[..], key].concat()));
            prefixes = product.collect();
        }
        let of_prefixes = |prefixes: Vec<Vec<u8>>| prefixes.into_iter().map(Span::of_prefix).collect();
        Some(match (&self.order, self.is_whole) {
            (None, true) => Keys::Whole(prefixes),
            (None, false) => Keys::Spans(of_prefixes(prefixes)),
            (Some(order), _) => Keys::Spans(order.arranged(of_prefixes(prefixes))),
        })
    }
}

impl KeyRead {
    /// One line for EXPLAIN.
    pub(in crate::engine) fn explain(&self, asked: &Asked) -> String {
        let keys = match &asked.keys {
            Keys::Whole(keys) => format!("keys={}", keys.len()),
            Keys::Spans(spans) => format!("ranges={}", spans.len()),
        };
        let names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        let order = match self.order.as_ref().map(|order| order.keys) {
            None => "",
            Some(KeyOrder::Rising) => ", order=rising",
            Some(KeyOrder::Falling) => ", order=falling",
        };
        let limit = if asked.limit == usize::MAX { String::new() } else { format!(", fetch={}", asked.limit) };
        format!("KeyRead: {}, {keys}, columns=[{}]{order}{limit}", self.relation.name, names.join(", "))
    }
}

impl Encoded {
    fn key(self) -> Option<Vec<u8>> {
        match self {
            Encoded::Key(key) => Some(key),
            Encoded::Null | Encoded::Beyond | Encoded::Unknown => None,
        }
    }
}

/// The keys that begin with one of `prefixes` and go on with a value of a range, which is never null.
fn spans(
    prefixes: Vec<Vec<u8>>,
    column: &SqlType,
    from: Option<(Encoded, bool)>,
    to: Option<(Encoded, bool)>,
) -> Option<Vec<Span>> {
    let bound = |bound: Option<(Encoded, bool)>| match bound {
        None => Some(Ok(None)),
        Some((Encoded::Key(key), inclusive)) => Some(Ok(Some((key, inclusive)))),
        Some((Encoded::Null, _)) => Some(Err(())),
        // Below or above all: the planner tells which.
        Some((Encoded::Beyond | Encoded::Unknown, _)) => None,
    };
    let (Ok(from), Ok(to)) = (bound(from)?, bound(to)?) else { return Some(Vec::new()) };
    let null = ScalarValue::try_from(&column.arrow()).ok()?.to_array().ok()?;
    let null = RowKeys::encode_row(&[null], 0).ok()?;
    let mut spans = Vec::with_capacity(prefixes.len());
    for prefix in prefixes {
        let with = |rest: &[u8]| [&prefix[..], rest].concat();
        let from = match &from {
            Some((key, true)) => with(key),
            Some((key, false)) => after_prefix(&with(key))?,
            // Nulls come first.
            None => after_prefix(&with(&null))?,
        };
        let to = match &to {
            Some((key, true)) => after_prefix(&with(key)),
            Some((key, false)) => Some(with(key)),
            None => after_prefix(&prefix),
        };
        if to.as_ref().is_none_or(|to| from < *to) {
            spans.push(Span { from, to });
        }
    }
    Some(spans)
}
