//! Messages against bytes that Kafka's own definitions give, and against themselves.

use bytes::Bytes;

use super::*;

fn bytes_of(value: &impl Wire, version: i16, flexible: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(version, flexible);
    value.encode(&mut encoder);
    encoder.finish().concat()
}

fn read<T: Wire>(bytes: &[u8], version: i16, flexible: bool) -> Result<T, crate::protocol::PrimitiveError> {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(bytes), version, flexible);
    let value = T::decode(&mut decoder)?;
    assert_eq!(decoder.remaining(), 0, "all of it is read");
    Ok(value)
}

#[test]
fn plain_and_compact_lengths_and_tagged_fields_are_kafkas() {
    let partition = produce::PartitionResponse {
        index: 1,
        base_offset: 2,
        current_leader: CurrentLeader { leader_id: 3, leader_epoch: 4 },
        ..Default::default()
    };
    let response = produce::Response {
        responses: vec![produce::TopicResponse {
            name: "t".to_string(),
            partition_responses: vec![partition],
            ..Default::default()
        }],
        throttle_time_ms: 7,
        ..Default::default()
    };
    let plain = b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0\x07";
    assert_eq!(bytes_of(&response, 1, false), plain);
    let compact = b"\x02\x02t\x02\0\0\0\x01\0\0\0\0\0\0\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
        \x01\0\x01\0\x09\0\0\0\x03\0\0\0\x04\0\0\0\0\0\x07\0";
    assert_eq!(bytes_of(&response, 10, true), compact);
    assert_eq!(read::<produce::Response>(compact, 10, true), Ok(response));
}

#[test]
fn a_field_of_another_version_has_its_default() {
    let request: metadata::Request = read(b"\0\0\0\x01\0\x01t", 0, false).expect("it is version 0");
    assert!(request.allow_auto_topic_creation);
    assert_eq!(request.topics.map(|topics| topics.len()), Some(1));
    let request: metadata::Request = read(b"\xff\xff\xff\xff\0", 4, false).expect("it is version 4");
    assert_eq!((request.topics, request.allow_auto_topic_creation), (None, false));
}

#[test]
fn unknown_tagged_fields_are_passed_over() {
    let request = read::<metadata::Request>(b"\0\x01\0\x02\x00\x02ab\x09\x01z", 11, true);
    assert_eq!(request.expect("tags 0 and 9 are not known").topics, None);
}

#[test]
fn forged_lengths_and_counts_reserve_nothing() {
    use crate::protocol::PrimitiveError;
    let forged = b"\xff\xff\xff\xff\x0f";
    assert_eq!(read::<metadata::Request>(forged, 12, true), Err(PrimitiveError::Truncated));
    assert_eq!(read::<metadata::Request>(b"\x7f\xff\xff\xff", 1, false), Err(PrimitiveError::Truncated));
    assert_eq!(read::<metadata::Request>(b"\x80\0\0\0", 1, false), Err(PrimitiveError::NegativeLength));
    let mut many = 2_000_000_i32.to_be_bytes().to_vec();
    many.resize(2_000_010, 0);
    assert_eq!(read::<Vec<bool>>(&many, 0, false), Err(PrimitiveError::TooMany));
    assert_eq!(read::<Vec<bool>>(&many[..4 + 10], 0, false), Err(PrimitiveError::Truncated));
}

#[test]
fn large_bytes_are_handed_over_as_they_are() {
    let large = Bytes::from(vec![7; 100_000]);
    let mut encoder = Encoder::new(12, true);
    Pieces(vec![large.clone(), large.clone()]).encode(&mut encoder);
    1_i32.encode(&mut encoder);
    let pieces = encoder.finish();
    assert_eq!(pieces.len(), 4);
    assert_eq!(pieces[1].as_ptr(), large.as_ptr());
    let read: Bytes = Wire::decode(&mut Decoder::new(pieces.concat().into(), 12, true)).expect("they are one field");
    assert_eq!(read.len(), 200_000);
}

#[test]
fn a_request_frame_is_read_as_it_was_written() {
    let request = find_coordinator::Request { coordinator_keys: vec!["g".to_string()], ..Default::default() };
    let frame = request_frame(4, 9, Some("me"), &request).concat();
    assert_eq!(&frame[..4], (frame.len() as u32 - 4).to_be_bytes());
    let mut decoder = Decoder::new(Bytes::copy_from_slice(&frame[4..]), 0, false);
    let head = RequestHead::read(&mut decoder).expect("a head");
    assert_eq!(head, RequestHead { api_key: 10, api_version: 4, correlation_id: 9 });
    let header = head.read_rest(&mut decoder, true).expect("a header");
    assert_eq!(header.client_id.as_deref(), Some("me"));
    assert_eq!(find_coordinator::Request::decode(&mut decoder), Ok(request));
}
