//! The codec against Kafka's own bytes, itself, and hostile input.

use bytes::Bytes;
use proptest::prelude::*;

use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;

use super::*;

type OwnedHeaders = Vec<(Vec<u8>, Option<Vec<u8>>)>;
type OwnedRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>, OwnedHeaders);

fn builder(records: &[OwnedRecord], producer: Option<(ProducerStamp, Transactional)>) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    if let Some((stamp, transactional)) = producer {
        builder = builder.producer(stamp, transactional);
    }
    for (timestamp, key, value, headers) in records {
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref())).collect();
        builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
    }
    assert_eq!(builder.len(), records.len());
    builder
}

fn build(records: &[OwnedRecord], producer: Option<(ProducerStamp, Transactional)>) -> Batch {
    let builder = builder(records, producer);
    let size = builder.size_in_bytes();
    let batch = builder.finish();
    assert_eq!(batch.bytes().len(), size);
    batch
}

fn read(batch: &Batch) -> Result<Vec<OwnedRecord>, BatchError> {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let mut records = Vec::new();
    for record in batch.payload()?.records() {
        let record = record?;
        let headers = record.headers.map(|(name, value)| (name.to_vec(), owned(value))).collect();
        records.push((record.timestamp, owned(record.key), owned(record.value), headers));
    }
    Ok(records)
}

fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    let headers = proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..4), bytes()), 0..4);
    (-5i64..4_000_000_000_000, bytes(), bytes(), headers)
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(records in proptest::collection::vec(any_record(), 1..20), base in 0i64..1 << 40) {
        let stamp = ProducerStamp { id: ProducerId(7), epoch: ProducerEpoch(2), base_sequence: i32::MAX - 1 };
        let batch = build(&records, Some((stamp, Transactional::Yes))).stamped(Offset(base), LeaderEpoch(9));
        let checked = Batch::check(batch.bytes().clone(), &BatchLimits::default()).expect("the builder's bytes are right");
        prop_assert_eq!(&checked, &batch);
        prop_assert_eq!(read(&checked).expect("records are whole"), records.clone());
        checked.validate_records().expect("offsets go up by one");
        prop_assert_eq!(checked.next_offset(), Offset(base + records.len() as i64));
        for codec in CODECS {
            let batch = builder(&records, None).finish_compressed(codec);
            prop_assert_eq!(read(&batch).expect("records are whole"), records.clone());
            batch.validate_records().expect("offsets go up by one");
        }
        prop_assert!(checked.is_transactional());
        prop_assert!(0 <= checked.header().last_sequence());
    }

    #[test]
    fn mutated_batches_are_refused_or_readable(
        records in proptest::collection::vec(any_record(), 1..6),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
        cut in any::<prop::sample::Index>(),
        fix_crc in any::<bool>(),
        codec in prop::sample::select(vec![Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]),
    ) {
        let mut bytes = builder(&records, None).finish_compressed(codec).bytes().to_vec();
        for (index, bit) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if fix_crc {
            // A forger computes a right CRC: then only the record decoder stands between him and us.
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        for bytes in [Bytes::from(bytes.clone()), Bytes::from(bytes[..cut.index(bytes.len())].to_vec())] {
            if let Ok(batch) = Batch::check(bytes.clone(), &BatchLimits::default()) {
                let _ = read(&batch);
                let _ = batch.validate_records();
                let _ = batch.control_marker();
            }
            Batch::split(bytes, BatchLimits::default()).for_each(drop);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Batch::check(Bytes::from(bytes.clone()), &BatchLimits::default());
        let mut reader = Reader::new(&bytes);
        let _ = reader.nullable_string();
        let _ = reader.compact_nullable_string();
        let _ = reader.array_count();
        let _ = reader.compact_array_count();
        let _ = reader.skip_tagged_fields();
        let _ = reader.nullable_bytes();
    }
}

fn sample() -> Batch {
    build(&[(5, Some(b"k".to_vec()), Some(b"v".to_vec()), vec![])], None)
}

/// Sets a field of a batch's header and makes the CRC right again.
fn forge(at: usize, field: &[u8]) -> Result<Batch, BatchError> {
    let mut bytes = sample().bytes().to_vec();
    bytes[at..at + field.len()].copy_from_slice(field);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::check(bytes.into(), &BatchLimits::default())
}

#[test]
fn bytes_are_those_of_the_format() {
    let bytes = sample().bytes().to_vec();
    assert_eq!(bytes.len(), 61 + 10 - 1);
    assert_eq!(&bytes[..8], &[0; 8], "base offset");
    assert_eq!(&bytes[8..12], &((bytes.len() - 12) as i32).to_be_bytes(), "length counts what follows it");
    assert_eq!(&bytes[12..16], &(-1i32).to_be_bytes(), "leader epoch");
    assert_eq!(bytes[16], 2, "magic");
    assert_eq!(&bytes[57..61], &[0, 0, 0, 1], "count");
    // length 8, attributes, timestamp delta, offset delta, key length 1 in zigzag, "k", value, no headers
    assert_eq!(&bytes[61..], &[16, 0, 0, 0, 2, b'k', 2, b'v', 0]);
}

#[test]
fn duplicate_headers_are_kept_in_order() {
    let headers = vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"a".to_vec(), None), (b"a".to_vec(), Some(vec![]))];
    let records = vec![(1, None, None, headers)];
    assert_eq!(read(&build(&records, None)), Ok(records));
}

#[test]
fn claimed_lengths_cost_nothing() {
    assert!(matches!(forge(57, &i32::MAX.to_be_bytes()), Err(BatchError::RecordCount { .. })), "record count");
    assert!(matches!(forge(57, &(-1i32).to_be_bytes()), Err(BatchError::RecordCount { .. })), "negative count");
    assert!(matches!(forge(8, &i32::MAX.to_be_bytes()), Err(BatchError::TooLarge { .. })), "length");
    assert!(matches!(forge(8, &5i32.to_be_bytes()), Err(BatchError::Length { claimed: 5 })), "short length");
    assert!(matches!(forge(0, &i64::MAX.to_be_bytes()), Err(BatchError::BaseOffset { .. })), "base offset");
    let key_length = forge(65, &[0xfe]).expect("the header is right");
    assert!(read(&key_length).is_err(), "key length");
    let mut reader = Reader::new(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(reader.array_count(), Err(PrimitiveError::Truncated));
}

#[test]
fn every_flipped_bit_behind_the_crc_is_found() {
    let bytes = sample().bytes().to_vec();
    for bit in 17 * 8..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let checked = Batch::check(flipped.into(), &BatchLimits::default());
        assert!(matches!(checked, Err(BatchError::Checksum { .. })), "bit {bit}");
    }
}

#[test]
fn old_formats_and_unknown_codecs_are_named() {
    assert_eq!(forge(16, &[1]), Err(BatchError::Magic { found: 1 }));
    let unknown = forge(21, &[0, 5]).expect("attributes are parsed");
    assert_eq!(unknown.payload().err(), Some(BatchError::UnsupportedCodec { codec: Codec::Unknown(5) }));
}

const CODECS: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// A batch whose compressed bytes are `packed`, with a right CRC.
fn packed(codec: Codec, packed: &[u8], records: i32) -> Result<Batch, BatchError> {
    let mut bytes = sample().bytes()[..HEADER_SIZE].to_vec();
    bytes.extend_from_slice(packed);
    let length = i32::try_from(bytes.len() - 12).expect("a small batch");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[21..23].copy_from_slice(&Attributes::default().with_codec(codec).0.to_be_bytes());
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&records.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::check(bytes.into(), &BatchLimits { batch_bytes_max: 1 << 30 })
}

#[test]
fn a_bomb_costs_no_more_than_its_limit() {
    let bomb = vec![0; DECOMPRESSED_BYTES_MAX + 1];
    for codec in CODECS {
        let bytes = super::compression::compress(codec.into(), &bomb).expect("a codec that is known");
        let refused = packed(codec, &bytes, 1).expect("compressed bytes are not looked into").validate_records();
        let problem = CompressionError::TooLarge { limit: DECOMPRESSED_BYTES_MAX };
        assert_eq!(refused, Err(BatchError::Compression { codec, problem }));
    }
    // A few bytes that claim to unpack to many: nothing is reserved for the claim.
    let claim = [0x80, 0x80, 0x80, 0x1f, 0];
    let refused = packed(Codec::Snappy, &claim, 1).expect("a batch").validate_records();
    let problem = CompressionError::Malformed;
    assert_eq!(refused, Err(BatchError::Compression { codec: Codec::Snappy, problem }));
}

#[test]
fn snappy_without_a_framing_is_read_as_some_clients_send_it() {
    let plain = sample();
    let records = &plain.bytes()[HEADER_SIZE..];
    let bare = snap::raw::Encoder::new().compress_vec(records).expect("a few bytes");
    let batch = packed(Codec::Snappy, &bare, plain.record_count()).expect("a batch");
    assert_eq!(read(&batch), read(&plain));
}

#[test]
fn a_compressed_batch_that_claims_more_records_than_it_holds_is_refused() {
    for codec in CODECS {
        let plain = sample();
        let bytes =
            super::compression::compress(codec.into(), &plain.bytes()[HEADER_SIZE..]).expect("a codec that is known");
        let more = packed(codec, &bytes, plain.record_count() + 1).expect("a batch").validate_records();
        assert!(matches!(more, Err(BatchError::Record { problem: RecordError::Truncated, .. })), "{codec}: {more:?}");
    }
}

#[test]
fn control_batches_carry_their_marker() {
    for marker in [ControlMarker::Abort, ControlMarker::Commit] {
        let batch = control_batch(marker, ProducerId(4), ProducerEpoch(1), 3, 100);
        let batch = Batch::check(batch.bytes().clone(), &BatchLimits::default()).expect("a control batch is a batch");
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!(batch.control_marker(), Ok(Some(marker)));
        assert_eq!(batch.producer(), Some((ProducerId(4), ProducerEpoch(1))));
    }
    assert_eq!(sample().control_marker(), Ok(None));
}

#[test]
fn split_gives_batch_after_batch() {
    let one = sample();
    let two = sample().stamped(Offset(1), LeaderEpoch(0));
    let run = [one.bytes().as_ref(), two.bytes().as_ref()].concat();
    let batches: Result<Vec<_>, _> = Batch::split(run.clone().into(), BatchLimits::default()).collect();
    assert_eq!(batches, Ok(vec![one.clone(), two]));
    let torn: Vec<_> = Batch::split(run[..run.len() - 1].to_vec().into(), BatchLimits::default()).collect();
    assert_eq!(torn[0], Ok(one));
    assert!(matches!(torn[1], Err(BatchError::Truncated { .. })));
    assert_eq!(torn.len(), 2);
}

#[test]
fn hashes_are_kafkas() {
    let vectors: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (text, hash) in vectors {
        assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
    }
    assert_eq!(partition_for_key(b"abc", 4), PartitionId(479_470_107 % 4));
    assert_eq!(java_string_hash("hello"), 99_162_322);
    assert_eq!(java_string_hash(""), 0);
}

#[test]
fn primitives_round_trip() {
    let mut writer = Writer::new();
    writer.i8(-1);
    writer.i16(-2);
    writer.i32(-3);
    writer.i64(-4);
    writer.uuid(&[9; 16]);
    writer.boolean(true);
    writer.unsigned_varint(300);
    writer.string("s");
    writer.nullable_string(None);
    writer.compact_string("compact");
    writer.compact_nullable_string(None);
    writer.bytes(b"bytes");
    writer.nullable_bytes(None);
    writer.no_tagged_fields();
    let bytes = writer.finish();
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.i8(), Ok(-1));
    assert_eq!(reader.i16(), Ok(-2));
    assert_eq!(reader.i32(), Ok(-3));
    assert_eq!(reader.i64(), Ok(-4));
    assert_eq!(reader.uuid(), Ok([9; 16]));
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.unsigned_varint(), Ok(300));
    assert_eq!(reader.string(), Ok("s"));
    assert_eq!(reader.nullable_string(), Ok(None));
    assert_eq!(reader.compact_string(), Ok("compact"));
    assert_eq!(reader.compact_nullable_string(), Ok(None));
    assert_eq!(reader.bytes(), Ok(&b"bytes"[..]));
    assert_eq!(reader.nullable_bytes(), Ok(None));
    assert_eq!(reader.skip_tagged_fields(), Ok(()));
    assert!(reader.remaining().is_empty());
    assert_eq!(reader.i16(), Err(PrimitiveError::Truncated));
}
