//! A topic's own compression: batches that came packed in another way are packed again before they are appended.

use crate::cluster::CompressionConfig;
use crate::cluster::CompressionType;
use crate::cluster::TopicConfig;
use crate::protocol::Batch;
use crate::protocol::BatchError;
use crate::protocol::Codec;
use crate::protocol::Packing;

/// The batch as the topic wants it packed. What that would make larger than the topic's limit stays as it came: its sender
/// kept to the limit.
pub(super) fn packed(config: &TopicConfig, batch: Batch) -> Result<Batch, BatchError> {
    let Some(packing) = packing(&config.compression) else { return Ok(batch) };
    let packed = batch.clone().packed(packing)?;
    Ok(if packed.size_in_bytes() <= config.batch_bytes_max as usize { packed } else { batch })
}

/// `None` if batches stay as they come.
fn packing(config: &CompressionConfig) -> Option<Packing> {
    let (codec, level) = match config.kind {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => (Codec::None, None),
        CompressionType::Gzip => (Codec::Gzip, Some(config.gzip_level).filter(|level| 0 <= *level)),
        CompressionType::Snappy => (Codec::Snappy, None),
        CompressionType::Lz4 => (Codec::Lz4, None),
        CompressionType::Zstd => (Codec::Zstd, Some(config.zstd_level)),
    };
    Some(Packing { codec, level })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BatchBuilder;

    fn batch(value: &[u8]) -> BatchBuilder {
        let mut builder = BatchBuilder::new();
        (0..3).for_each(|time| builder.append(time, Some(b"key"), Some(value), &[(b"h", None)]));
        builder
    }

    fn told(kind: CompressionType, batch_bytes_max: u32) -> TopicConfig {
        let compression = CompressionConfig { kind, ..CompressionConfig::default() };
        TopicConfig { compression, batch_bytes_max, ..TopicConfig::default() }
    }

    #[test]
    fn batches_are_packed_as_their_topic_says_and_hold_the_same_records() {
        let kinds = [
            (CompressionType::Uncompressed, Codec::None),
            (CompressionType::Gzip, Codec::Gzip),
            (CompressionType::Snappy, Codec::Snappy),
            (CompressionType::Lz4, Codec::Lz4),
            (CompressionType::Zstd, Codec::Zstd),
        ];
        let plain = batch(&[7; 500]).finish();
        let expected = plain.payload().expect("it is plain");
        for sent in [Codec::None, Codec::Gzip, Codec::Zstd].map(|codec| batch(&[7; 500]).finish_compressed(codec)) {
            assert_eq!(packed(&TopicConfig::default(), sent.clone()), Ok(sent.clone()), "the producer's");
            for (kind, codec) in kinds {
                let packed = packed(&told(kind, 10_000), sent.clone()).expect("it is whole");
                assert_eq!(packed.header().attributes.codec(), codec);
                let checked = Batch::check(packed.bytes().clone(), &Default::default()).expect("its sum is right");
                let payload = checked.payload().expect("it unpacks");
                assert!(payload.records().eq(expected.records()), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_batch_that_its_topic_could_not_take_when_packed_stays_as_it_came() {
        let sent = batch(&[7; 500]).finish_compressed(Codec::Zstd);
        let size = u32::try_from(sent.size_in_bytes()).expect("it is small");
        assert_eq!(packed(&told(CompressionType::Uncompressed, size), sent.clone()), Ok(sent));
    }
}
