//! The five codecs of record batches, bounded.
//!
//! Compressed bytes come from clients: what they unpack to is counted while it is unpacked, and a bomb costs no more
//! than `DECOMPRESSED_BYTES_MAX`. Framings are those of Kafka's clients: gzip members, xerial's blocks around Snappy
//! (bare Snappy is read too, as some clients send it), LZ4 frames, Zstandard frames.

use std::io;
use std::io::Read;
use std::io::Write;

use super::Codec;

/// What one batch may unpack to, in bytes. A batch that a leader took is below it, so that readers can rely on it.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// xerial's magic, its version 1 and the oldest version that can read it, 1.
const XERIAL_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// The magic alone: readers take every version.
const XERIAL_MAGIC: usize = 8;
/// Bytes before compression of a block that we write.
const XERIAL_BLOCK: usize = 32 << 10;

/// Why compressed records cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The bytes are not what the codec writes.
    #[error("the compressed bytes are malformed")]
    Malformed,
    /// They unpack to more than a batch may hold.
    #[error("the records unpack to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Unpacks `bytes`, which hold at most `limit` bytes unpacked. `None` for a codec that Kafka has not given out.
pub(super) fn decompress(codec: Codec, bytes: &[u8], limit: usize) -> Option<Result<Vec<u8>, CompressionError>> {
    Some(match codec {
        Codec::Unknown(_) => return None,
        Codec::None if limit < bytes.len() => Err(CompressionError::TooLarge { limit }),
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => read_to_limit(flate2::bufread::MultiGzDecoder::new(bytes), limit),
        Codec::Snappy => decompress_snappy(bytes, limit),
        Codec::Lz4 => read_to_limit(lz4_flex::frame::FrameDecoder::new(bytes), limit),
        Codec::Zstd => zstd::stream::read::Decoder::with_buffer(bytes)
            .map_err(|_| CompressionError::Malformed)
            .and_then(|decoder| read_to_limit(decoder, limit)),
    })
}

/// How records are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// With what.
    pub codec: Codec,
    /// At which of its levels, for those that have some; `None` for its own default.
    pub level: Option<i32>,
}

impl From<Codec> for Packing {
    /// At the codec's own default level.
    fn from(codec: Codec) -> Self {
        Self { codec, level: None }
    }
}

/// Packs `bytes`. `None` for a codec that Kafka has not given out.
pub(super) fn compress(Packing { codec, level }: Packing, bytes: &[u8]) -> Option<Vec<u8>> {
    Some(match codec {
        Codec::Unknown(_) => return None,
        Codec::None => bytes.to_vec(),
        Codec::Gzip => in_memory(|| {
            let level = level.map_or_else(Default::default, |level| flate2::Compression::new(level.unsigned_abs()));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }),
        Codec::Snappy => compress_snappy(bytes),
        // Kafka's Java client reads independent blocks only, which is what this encoder writes.
        Codec::Lz4 => in_memory(|| {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::other)
        }),
        Codec::Zstd => {
            let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            in_memory(|| zstd::stream::encode_all(bytes, level))
        }
    })
}

fn in_memory(encode: impl FnOnce() -> io::Result<Vec<u8>>) -> Vec<u8> {
    encode().expect("memory takes every write")
}

fn read_to_limit(decoder: impl Read, limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut bytes = Vec::new();
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|_| CompressionError::Malformed)?;
    match limit < read {
        true => Err(CompressionError::TooLarge { limit }),
        false => Ok(bytes),
    }
}

fn decompress_snappy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut unpacked = Vec::new();
    if !bytes.starts_with(&XERIAL_HEADER[..XERIAL_MAGIC]) {
        append_snappy_block(bytes, limit, &mut unpacked)?;
        return Ok(unpacked);
    }
    let mut rest = bytes.get(XERIAL_HEADER.len()..).ok_or(CompressionError::Malformed)?;
    while !rest.is_empty() {
        let length = rest.split_off(..4).ok_or(CompressionError::Malformed)?;
        let length = length.try_into().map(u32::from_be_bytes).map_err(|_| CompressionError::Malformed)?;
        let block = rest.split_off(..length as usize).ok_or(CompressionError::Malformed)?;
        append_snappy_block(block, limit, &mut unpacked)?;
    }
    Ok(unpacked)
}

fn append_snappy_block(block: &[u8], limit: usize, unpacked: &mut Vec<u8>) -> Result<(), CompressionError> {
    /// Snappy packs at most to 3 bytes of 64, so that a claimed length beyond this is a lie.
    const RATIO_MAX: usize = 22;
    let claimed = snap::raw::decompress_len(block).map_err(|_| CompressionError::Malformed)?;
    let from = unpacked.len();
    if limit - from < claimed {
        return Err(CompressionError::TooLarge { limit });
    }
    if block.len() * RATIO_MAX < claimed {
        return Err(CompressionError::Malformed);
    }
    unpacked.resize(from + claimed, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut unpacked[from..]);
    match written {
        Ok(written) if written == claimed => Ok(()),
        _ => Err(CompressionError::Malformed),
    }
}

fn compress_snappy(bytes: &[u8]) -> Vec<u8> {
    let mut packed = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK) {
        let block = encoder.compress_vec(block).expect("a block is far below 4 GiB");
        packed.extend_from_slice(&u32::try_from(block.len()).expect("a block is far below 4 GiB").to_be_bytes());
        packed.extend_from_slice(&block);
    }
    packed
}
