//! Kafka's hashes: which partition a key goes to, which partition a group lives in.

use crate::model::PartitionId;

/// Kafka's murmur2 (its `Utils.murmur2`), as the bits of a u32.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (index, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition that Kafka's default partitioner gives `key`. Panics unless `partitions` is at least 1.
pub fn partition_for_key(key: &[u8], partitions: i32) -> PartitionId {
    assert!(0 < partitions, "a topic has at least one partition, not {partitions}");
    PartitionId((murmur2(key) & 0x7fff_ffff) as i32 % partitions)
}

/// Java's `String.hashCode`, over UTF-16 units.
pub fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}
