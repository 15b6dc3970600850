//! What the consumers' own protocol says of a member's share: version, topics with their partitions, bytes of the user.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::PrimitiveError;
use super::Reader;

/// The partitions of a consumer's share, by topic; none if it has no share yet. A topic's name is there once, however many of its
/// partitions follow.
pub fn assigned_partitions(assignment: &[u8]) -> Result<BTreeMap<String, BTreeSet<i32>>, PrimitiveError> {
    let mut topics: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    if assignment.is_empty() {
        return Ok(topics);
    }
    let mut reader = Reader::new(assignment);
    reader.i16()?;
    for _ in 0..reader.i32()? {
        let partitions = topics.entry(reader.string()?.to_string()).or_default();
        for _ in 0..reader.i32()? {
            partitions.insert(reader.i32()?);
        }
    }
    topics.retain(|_, partitions| !partitions.is_empty());
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Writer;

    #[test]
    fn a_share_is_read_and_a_cut_one_is_an_error() {
        let mut writer = Writer::new();
        writer.i16(1);
        writer.i32(1);
        writer.string("t");
        writer.i32(2);
        writer.i32(0);
        writer.i32(7);
        let bytes = writer.finish();
        let all = BTreeMap::from([("t".to_string(), BTreeSet::from([0, 7]))]);
        assert_eq!(assigned_partitions(&bytes), Ok(all));
        assert_eq!(assigned_partitions(&[]), Ok(BTreeMap::new()));
        for length in 1..bytes.len() {
            assert!(assigned_partitions(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
