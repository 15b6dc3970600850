//! Mutated bytes of the log's own files: nothing panics, nothing is reserved that is not there, nothing is served that was not
//! written. Checksums are put right again, so that what lies behind them is reached.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::rot;
use super::*;
use crate::env::Budget;
use crate::env::Mutator;
use crate::env::Outcome;
use crate::env::Target;
use crate::env::is_wanted;
use crate::env::number;
use crate::log::epochs::Epochs;
use crate::log::index::Index;
use crate::log::journal::Entry;
use crate::log::journal::EntryKind;
use crate::log::journal::Header;
use crate::log::journal::HeaderKind;
use crate::log::producers::Producers;
use crate::log::snapshot;
use crate::protocol::ControlMarker;
use crate::protocol::control_batch;

/// Mutated directories of a run without `TIDEMILL_FUZZ_SECONDS`.
const DIRECTORIES: u64 = 300;

fn fuzz(name: &str, multiple_max: usize, seeds: &[Vec<u8>], read: &dyn Fn(&[u8]) -> Outcome) {
    if !is_wanted(name) {
        return;
    }
    let report = Target { name, multiple_max, bytes_max: 1 << 10, read }.run(seeds);
    let whole = report.found.keys().filter(|outcome| outcome.kind == "whole").count();
    eprintln!("{name}: {} inputs, {} ways, {whole} of them whole", report.tried, report.found.len());
    assert!(0 < whole && whole < report.found.len(), "{name}: both sides are reached");
}

#[test]
fn mutated_entries_and_headers_of_the_journal_are_read_or_refused() {
    let mut entries = Vec::new();
    for kind in [EntryKind::Append, EntryKind::DurableTo, EntryKind::Trim, EntryKind::Delete] {
        let payload = batch(&[b"value"]).bytes().clone();
        let mut bytes = Vec::new();
        Entry { payload, span: 7, ..Entry::about(kind, partition(3)) }.encode(&mut bytes);
        entries.push(bytes);
    }
    fuzz("journal entry", 4, &entries, &|input| {
        let mut bytes = input.to_vec();
        if let Some((header, payload)) = bytes.split_first_chunk_mut::<104>() {
            header[28..32].copy_from_slice(&u32::try_from(payload.len()).expect("it is small").to_be_bytes());
            let hash = xxh3_64(&header[..96]);
            header[96..].copy_from_slice(&hash.to_be_bytes());
        }
        let fixed = Entry::decode(&Bytes::from(bytes)).map(|(entry, _)| entry.payload.len());
        let read = Entry::decode(&Bytes::copy_from_slice(input)).map(|(entry, _)| entry.payload.len()).or(fixed);
        Outcome::new(if read.is_some() { "whole" } else { "refused" }, read.unwrap_or(0))
    });
    let header = Header { kind: HeaderKind::Group, generation: 3, group: 9, length: 640, confirmed: 8, trimmed: 0 };
    fuzz("journal header", 4, &[header.encode().to_vec()], &|input| {
        let mut bytes = input.to_vec();
        if let Some((header, _)) = bytes.split_first_chunk_mut::<64>() {
            let hash = xxh3_64(&header[..56]);
            header[56..].copy_from_slice(&hash.to_be_bytes());
        }
        let read = Header::decode(input, 3).or_else(|| Header::decode(&bytes, 3));
        Outcome::new(if read.is_some() { "whole" } else { "refused" }, 0)
    });
}

#[test]
fn mutated_checkpoints_and_indexes_are_read_or_refused() {
    let (mut producers, mut epochs, mut index) = (Producers::default(), Epochs::default(), Index::default());
    for number in 0..6 {
        let stamp = stamp(number % 3, 0, (number / 3) as i32);
        let batch = batch_of(&[b"value"], Some((stamp, Transactional::Yes)));
        let batch = batch.stamped(Offset(number), LeaderEpoch(number as i32));
        producers.record(&batch, 10);
        index.add(&batch, 100 * number as u64);
    }
    let marker = control_batch(ControlMarker::Abort, ProducerId(1), ProducerEpoch(1), 0, 0);
    producers.record(&marker.stamped(Offset(6), LeaderEpoch(5)), 10);
    (0..4).for_each(|epoch| epochs.add(LeaderEpoch(epoch), Offset(i64::from(epoch))));
    let whole = snapshot::encode(Offset(7), &producers, &epochs, None);
    // A map is twice as large as what it holds, and three times while it moves.
    fuzz("checkpoint", 60, &[whole, snapshot::encode(Offset(7), &Producers::default(), &epochs, None)], &|input| {
        let read = snapshot::decode(Offset(7), input);
        let reached = read.as_ref().map_or(0, |read| read.epochs.starts().len() + read.producers.describe().len());
        Outcome::new(if read.is_some() { "whole" } else { "refused" }, reached)
    });
    fuzz("index", 4, &[index.encode(Offset(7), 600, 9)], &|input| {
        let read = Index::decode(input);
        // As it is used by who looks for a place.
        let found = read.map(|decoded| {
            let mut index = decoded.index;
            let places = [index.position_of(Offset(3)), index.position_of_time(5), index.early_timestamp() as u64];
            index.truncate(places[0]);
            index.batch_before(places[1]).is_some()
        });
        Outcome::new(if found.is_some() { "whole" } else { "refused" }, input.len())
    });
}

#[test]
fn a_directory_with_a_mutated_file_opens_and_serves_what_was_written() {
    if !is_wanted("log directory") {
        return;
    }
    let budget = Budget::of(DIRECTORIES);
    let worlds = [true, false].map(|trimmed| rot::written(77, trimmed, 0));
    let files: Vec<_> = worlds.iter().map(|(simulation, _)| simulation.disk.files()).collect();
    let mut tried = 0;
    while budget.allows(tried) {
        let mut mutator = Mutator::new(number("TIDEMILL_SEED").unwrap_or(1).wrapping_add(tried));
        tried += 1;
        let world = mutator.below(worlds.len());
        let (simulation, expected) = &worlds[world];
        let path = &files[world][mutator.below(files[world].len())];
        let contents: Vec<_> = files[world].iter().filter_map(|path| simulation.disk.contents(path).ok()).collect();
        let own = simulation.disk.contents(path).expect("it is there");
        let copy = Simulation::with_disk(1, simulation.disk.fork(1));
        let seeds = if mutator.below(8) == 0 { contents } else { vec![own] };
        copy.disk.set_contents(path, &mutator.mutated(&seeds)).expect("it is there");
        // What cannot be opened is an error that says why.
        let Ok((log, _)) = LogDir::open(copy.env.clone(), dir(), rot::roomy()) else { continue };
        if log.ends(partition(0)).is_ok() {
            let (served, _) = rot::stored(&log);
            assert!(expected.starts_with(&served), "seed {tried}, {}: not what was written", path.display());
        }
    }
    eprintln!("{tried} directories");
}
