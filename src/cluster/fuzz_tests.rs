//! Mutated entries of the metadata log, with their checksums put right again.

use bytes::Bytes;

use super::entry::Entry;
use super::entry::FRAME_HEADER_BYTES;
use super::entry::FRAME_MAGIC;
use super::record::MetadataRecord;
use super::record::TopicConfig;
use super::record::TopicRecord;
use crate::env::Outcome;
use crate::env::Target;
use crate::env::is_wanted;
use crate::model::TopicId;

/// What reading takes at most, as a multiple of the entry: of a few bytes becomes a topic with all its settings.
const MULTIPLE_MAX: usize = 100;

/// A frame around these bytes.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is small").to_be_bytes();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), payload);
    [&FRAME_MAGIC.to_be_bytes()[..], &length, &checksum.to_be_bytes(), payload].concat()
}

#[test]
fn mutated_entries_of_the_metadata_log_are_read_or_refused() {
    if !is_wanted("metadata entry") {
        return;
    }
    let id = TopicId([7; 16]);
    let topic = TopicRecord { id, name: "t".to_string(), partitions: 3, config: TopicConfig::default() };
    let records = [
        MetadataRecord::Topic(topic),
        MetadataRecord::ConfigureTopic(id, TopicConfig::default()),
        MetadataRecord::AddPartitions(id, 4),
        MetadataRecord::DropTopic(id),
        MetadataRecord::Catalog(Bytes::from_static(b"{}")),
        MetadataRecord::ProducerIds { next: 9 },
    ];
    let entry = |records: Vec<MetadataRecord>| Entry { version: 5, term: 2, records }.encode();
    let mut seeds: Vec<_> = records.iter().map(|record| entry(vec![record.clone()])).collect();
    seeds.push(entry(records.to_vec()));
    let payloads: Vec<_> = seeds.iter().map(|frame| frame[FRAME_HEADER_BYTES..].to_vec()).collect();
    let read = |input: &[u8]| {
        // As it came, and as the payload of a whole frame.
        let as_it_came = Entry::decode(input);
        let read = as_it_came.or_else(|| Entry::decode(&framed(input)));
        if let Some((entry, _)) = &read {
            let again = Entry::decode(&entry.encode()).map(|(entry, _)| entry);
            assert_eq!(again.as_ref(), Some(entry), "it reads alike");
        }
        Outcome::new(if read.is_some() { "whole" } else { "refused" }, read.map_or(0, |(entry, _)| entry.records.len()))
    };
    let target = Target { name: "metadata entry", multiple_max: MULTIPLE_MAX, bytes_max: 16 << 10, read: &read };
    let report = target.run(&[seeds, payloads].concat());
    eprintln!("metadata entry: {} inputs, {} ways", report.tried, report.found.len());
    assert!(report.found.keys().any(|outcome| outcome.kind == "whole" && 2 < outcome.reached));
}
