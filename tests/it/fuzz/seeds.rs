//! Batches of every kind, and bombs.

use std::io::Write;

use tidemill::model::LeaderEpoch;
use tidemill::model::Offset;
use tidemill::model::ProducerEpoch;
use tidemill::model::ProducerId;
use tidemill::protocol::Batch;
use tidemill::protocol::BatchBuilder;
use tidemill::protocol::Codec;
use tidemill::protocol::ControlMarker;
use tidemill::protocol::DECOMPRESSED_BYTES_MAX;
use tidemill::protocol::ProducerStamp;
use tidemill::protocol::Retain;
use tidemill::protocol::TimestampType;
use tidemill::protocol::Transactional;
use tidemill::protocol::control_batch;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn builder() -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
    builder.append(1_699_999_999_999, None, Some(&[b'x'; 300]), &[(b"h", Some(b"1")), (b"h", None), (b"", Some(b""))]);
    builder.append(1_700_000_000_500, Some(b""), None, &[]);
    builder
}

/// One of every kind.
pub(super) fn all() -> Vec<Vec<u8>> {
    let stamp = ProducerStamp { id: ProducerId(7), epoch: ProducerEpoch(3), base_sequence: i32::MAX - 1 };
    let mut batches: Vec<Batch> = CODECS.iter().map(|codec| builder().finish_compressed(*codec)).collect();
    for codec in CODECS {
        batches.push(builder().producer(stamp, Transactional::Yes).finish_compressed(codec));
        batches.push(builder().finish_compressed(codec).with_timestamps(TimestampType::Append, 1_800_000_000_000));
    }
    for outcome in [ControlMarker::Commit, ControlMarker::Abort] {
        batches.push(control_batch(outcome, ProducerId(7), ProducerEpoch(3), 1, 1_700_000_000_000));
    }
    batches.push(Batch::filler(Offset(10), Offset(90), LeaderEpoch(2)));
    let whole = builder().finish_compressed(Codec::Zstd);
    let payload = whole.payload().expect("it was built");
    let horizon = Retain { end_transaction: false, delete_horizon_ms: Some(1_900_000_000_000) };
    batches.push(whole.retain(&payload, |record| record.value.is_none(), horizon).expect("it was built"));
    let mut inputs: Vec<Vec<u8>> = batches.iter().map(|batch| batch.bytes().to_vec()).collect();
    inputs.push([&inputs[0][..], &inputs[1][..]].concat());
    for magic in [0, 1, 3, 127] {
        let mut other = inputs[0].clone();
        other[16] = magic;
        inputs.push(other);
    }
    inputs.push(Vec::new());
    inputs
}

/// A batch whose records are `packed`.
fn packed(codec: Codec, packed: &[u8]) -> Vec<u8> {
    let mut bytes = builder().finish_compressed(codec).bytes()[..61].to_vec();
    bytes.extend_from_slice(packed);
    let after = i32::try_from(bytes.len() - 12).expect("it is small");
    bytes[8..12].copy_from_slice(&after.to_be_bytes());
    let checksum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Small inputs that unpack, or claim to unpack, to more than a batch may.
pub(super) fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = vec![0; DECOMPRESSED_BYTES_MAX + 1];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&zeros).expect("memory takes it");
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&zeros).expect("memory takes it");
    let zstd = zstd::stream::encode_all(&zeros[..], 3).expect("memory takes it");
    // A length of 4 GiB, of which nothing follows.
    let claimed = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    let xerial = [&[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0xff; 8]].concat();
    vec![
        ("gzip", packed(Codec::Gzip, &gzip.finish().expect("memory takes it"))),
        ("lz4", packed(Codec::Lz4, &lz4.finish().expect("memory takes it"))),
        ("zstd", packed(Codec::Zstd, &zstd)),
        ("snappy", packed(Codec::Snappy, &claimed)),
        ("xerial", packed(Codec::Snappy, &xerial)),
    ]
}
