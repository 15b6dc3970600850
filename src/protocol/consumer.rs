//! What the consumers' own protocol says of a member's share: version, topics with their partitions, bytes of the user.

use std::collections::BTreeSet;

use super::PrimitiveError;
use super::Reader;

/// The partitions of a consumer's share, by topic; none if it has no share yet.
pub fn assigned_partitions(assignment: &[u8]) -> Result<BTreeSet<(String, i32)>, PrimitiveError> {
    let mut partitions = BTreeSet::new();
    if assignment.is_empty() {
        return Ok(partitions);
    }
    let mut reader = Reader::new(assignment);
    reader.i16()?;
    for _ in 0..reader.i32()? {
        let topic = reader.string()?.to_string();
        for _ in 0..reader.i32()? {
            partitions.insert((topic.clone(), reader.i32()?));
        }
    }
    Ok(partitions)
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
        let all = BTreeSet::from([("t".to_string(), 0), ("t".to_string(), 7)]);
        assert_eq!(assigned_partitions(&bytes), Ok(all));
        assert_eq!(assigned_partitions(&[]), Ok(BTreeSet::new()));
        for length in 1..bytes.len() {
            assert!(assigned_partitions(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
