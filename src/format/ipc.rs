//! Arrow IPC slices without their schema: the value of a repartition record.
//!
//! ```text
//! byte 0        version, 1
//! bytes 1..9    xxh3-64 of everything after byte 9, little endian
//! bytes 9..13   length of the IPC message, little endian
//! then          the message (a flatbuffer), then the body (the buffers)
//! ```
//! The schema is known from the plan; its `schema_id` stands in a header of the record. The checksum stands
//! here because Arrow's reader trusts offsets that it reads.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::root_as_message;
use arrow::ipc::writer::DictionaryTracker;
use arrow::ipc::writer::IpcDataGenerator;
use arrow::ipc::writer::IpcWriteContext;
use arrow::ipc::writer::IpcWriteOptions;
use arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::xxh3_64;

use super::FormatError;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 13;
const CHECKED_FROM: usize = 9;

/// The rows of a batch, without its schema. Types with dictionaries are refused.
pub fn encode_slice(batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
    let mut tracker = DictionaryTracker::new(true);
    let (dictionaries, encoded) = IpcDataGenerator::default()
        .encode(batch, &mut tracker, &IpcWriteOptions::default(), &mut IpcWriteContext::default())
        .map_err(|error| FormatError::Unsupported { format: "ARROW", what: error.to_string() })?;
    if !dictionaries.is_empty() {
        return Err(FormatError::Unsupported { format: "ARROW", what: "dictionaries".to_owned() });
    }
    let message_length = u32::try_from(encoded.ipc_message.len())
        .map_err(|_| FormatError::Unsupported { format: "ARROW", what: "a message over 4 GiB".to_owned() })?;
    let mut slice = Vec::with_capacity(HEAD_BYTES + encoded.ipc_message.len() + encoded.arrow_data.len());
    slice.push(VERSION);
    slice.extend_from_slice(&[0; 8]);
    slice.extend_from_slice(&message_length.to_le_bytes());
    slice.extend_from_slice(&encoded.ipc_message);
    slice.extend_from_slice(&encoded.arrow_data);
    let checksum = xxh3_64(&slice[CHECKED_FROM..]);
    slice[1..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
    Ok(slice)
}

/// The rows that `encode_slice` wrote of a batch with this schema.
pub fn decode_slice(slice: &[u8], schema: SchemaRef) -> Result<RecordBatch, FormatError> {
    if slice.len() < HEAD_BYTES {
        return Err(corrupt(format!("{} bytes", slice.len())));
    }
    if slice[0] != VERSION {
        return Err(corrupt(format!("version {}", slice[0])));
    }
    if slice[1..CHECKED_FROM] != xxh3_64(&slice[CHECKED_FROM..]).to_le_bytes() {
        return Err(corrupt("checksum".to_owned()));
    }
    let length = u32::from_le_bytes([slice[9], slice[10], slice[11], slice[12]]) as usize;
    let rest = &slice[HEAD_BYTES..];
    if rest.len() < length {
        return Err(corrupt(format!("a message of {length} bytes")));
    }
    let (message, body) = rest.split_at(length);
    let message = root_as_message(message).map_err(|error| corrupt(error.to_string()))?;
    let header = message.header_as_record_batch().ok_or_else(|| corrupt("not a record batch".to_owned()))?;
    let body = Buffer::from(body);
    let batch = read_record_batch(&body, header, Arc::clone(&schema), &HashMap::new(), None, &message.version())
        .map_err(|error| corrupt(error.to_string()))?;
    Ok(batch)
}

/// A number for a schema's names and types: two schemas with the same number read each other's slices.
pub fn schema_id(schema: &Schema) -> u64 {
    let mut text = String::new();
    for field in schema.fields() {
        text.push_str(field.name());
        text.push('\0');
        text.push_str(&field.data_type().to_string());
        text.push(if field.is_nullable() { '?' } else { '!' });
        text.push('\0');
    }
    xxh3_64(text.as_bytes())
}

fn corrupt(reason: String) -> FormatError {
    FormatError::Corrupt { what: "repartition slice", reason }
}
