//! Identifiers that are never reused.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

/// A topic's random UUID (version 4). In directories, offsets and state, where names never stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// A version 4 UUID from 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text was not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a topic id")]
pub struct TopicIdError(String);

impl FromStr for TopicId {
    type Err = TopicIdError;

    fn from_str(text: &str) -> Result<Self, TopicIdError> {
        let wrong = || TopicIdError(text.to_string());
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        if digits.len() != 32 || text.len() != 36 {
            return Err(wrong());
        }
        let mut bytes = [0u8; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// The number of a standing query, never reused. Its consumer group is `tidemill.q<id>`, and `tidemill.q<id>.r<n>` where it
/// reads a topic again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueryId(pub u64);

impl QueryId {
    /// The consumer group that holds the query's positions.
    pub fn group(self) -> String {
        self.group_of_reader(0)
    }

    /// The group of its `reader`-th reader: a query that reads a partition in several fragments has a position for each.
    pub fn group_of_reader(self, reader: usize) -> String {
        match reader {
            0 => format!("tidemill.q{}", self.0),
            later => format!("tidemill.q{}.r{later}", self.0),
        }
    }

    /// The query whose positions a group holds.
    pub fn of_group(group: &str) -> Option<Self> {
        let number = group.strip_prefix("tidemill.q")?;
        let number = number.split_once(".r").map_or(number, |(number, _)| number);
        number.parse().ok().map(Self)
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q{}", self.0)
    }
}

/// The number of a stream, table or view, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelationId(pub u64);

/// The number of a session that has temporary tables; another run of the server counts from 1 again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionNumber(pub u64);

impl SessionNumber {
    /// The schema of its temporary tables.
    pub fn schema(self) -> String {
        format!("pg_temp_{}", self.0)
    }
}

/// The path of an operator in the bound query. `[A-Za-z0-9_-]` only, since it stands in topic names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperatorId(Arc<str>);

impl OperatorId {
    /// An id from its text; panics on a character that may not stand in a topic name.
    pub fn new(text: &str) -> Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(
            !text.is_empty() && text.chars().all(allowed),
            "operator id {text:?} has a character that topic names lack"
        );
        Self(Arc::from(text))
    }

    /// The id of a node that the planner puts before or after this one: `<id>-<role><number>`.
    pub fn inserted(&self, role: &str, number: usize) -> Self {
        Self::new(&format!("{}-{role}{number}", self.0))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_id_text_round_trips() {
        let id = TopicId::from_random([7; 16]);
        assert_eq!(id.to_string().parse::<TopicId>(), Ok(id));
        assert!("7".parse::<TopicId>().is_err());
        assert!("é".repeat(18).parse::<TopicId>().is_err());
    }
}
