//! Mutated record batches, from a seed: what a client may send and what rots on a disk.
//!
//! Each input is checked, unpacked and read. Whatever it is, nothing panics, and memory stays within a small multiple of
//! what is really there. What is accepted is written again to the same bytes.
//!
//! `TIDEMILL_FUZZ_SECONDS` runs it for so long; `TIDEMILL_SEED` begins elsewhere; with `TIDEMILL_FUZZ_KEEP` inputs with an
//! outcome that no kept one has go to `tests/fuzz/record_batch`.

mod mutate;
mod requests;
mod seeds;
#[path = "../../../src/env/fuzz/mod.rs"]
pub mod shared;
mod shares;

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use tidemill::protocol::Batch;
use tidemill::protocol::BatchError;
use tidemill::protocol::BatchLimits;
use tidemill::protocol::Codec;
use tidemill::protocol::DECOMPRESSED_BYTES_MAX;
use tidemill::protocol::Retain;

use self::mutate::BatchMutator;
use self::shared::Budget;
use self::shared::number;
use self::shared::peak;

/// Inputs of a run without `TIDEMILL_FUZZ_SECONDS`.
const INPUTS: u64 = 20_000;
/// What decoders take for their windows and tables, in bytes, however small their input is.
const DECODER_BYTES: usize = 9 << 20;
/// As a client may send it, and larger than any seed.
const LIMITS: BatchLimits = BatchLimits { batch_bytes_max: 1 << 20 };
const UNCHANGED: Retain = Retain { end_transaction: false, delete_horizon_ms: None };

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/record_batch"))
}

/// The kept inputs, by name.
fn kept() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(corpus()).expect("it is there").map(|entry| entry.expect("it lists").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it reads")).collect()
}

#[test]
fn mutated_batches_never_panic_cost_little_and_are_written_again_as_they_came() {
    if !shared::is_wanted("record_batch") {
        return;
    }
    let mut seeds = seeds::all();
    seeds.extend(kept());
    assert!(seeds.len() > 20, "the kept inputs are there");
    let mut outcomes = BTreeSet::new();
    for seed in &seeds {
        outcomes.insert(outcome(seed));
    }
    let first = number("TIDEMILL_SEED").unwrap_or(1);
    let budget = Budget::of(INPUTS);
    let mut tried = 0;
    let mut accepted = 0;
    while budget.allows(tried) {
        let mut mutator = BatchMutator::new(first.wrapping_add(tried));
        let input = mutator.input(&seeds);
        tried += 1;
        let told = outcome(&input);
        accepted += u64::from(told.starts_with("whole"));
        if outcomes.insert(told) && std::env::var_os("TIDEMILL_FUZZ_KEEP").is_some() {
            let path = corpus().join(format!("{:016x}", mutate::hash(&input)));
            std::fs::write(path, &input).expect("it is kept");
        }
    }
    eprintln!("{tried} inputs, {accepted} whole, {} outcomes", outcomes.len());
    assert!(tried / 100 < accepted, "{accepted} of {tried}: the mutations get past the checksum");
    assert!(accepted < tried, "and not all of them are right");
}

#[test]
fn bombs_cost_no_more_than_a_batch_may_unpack_to() {
    for (name, bomb) in seeds::bombs() {
        assert!(bomb.len() < 1 << 20, "{name} is small");
        let told = outcome(&bomb);
        assert!(told.contains("Compression"), "{name}: {told}");
    }
}

/// Reads an input in every way, and tells what came of it: alike for inputs that took the same way.
fn outcome(input: &[u8]) -> String {
    let bytes = Bytes::copy_from_slice(input);
    let (checked, cost) = peak(|| Batch::check(bytes.clone(), &LIMITS));
    assert!(cost <= 4 << 10, "checking {} bytes took {cost}", input.len());
    split(&bytes, checked.is_ok());
    let batch = match checked {
        Ok(batch) => batch,
        Err(error) => return kind(&error),
    };
    assert_eq!(batch.bytes(), &bytes);
    let header = *batch.header();
    let stamped = batch.clone().stamped(batch.base_offset(), batch.leader_epoch());
    assert_eq!(stamped.bytes(), &bytes, "what lies outside the checksum is written again");
    let again = batch.clone().with_timestamps(header.attributes.timestamp_type(), header.max_timestamp);
    assert_eq!(again.bytes(), &bytes, "every field of the header is written again");
    let codec = header.attributes.codec();
    let (unpacked, cost) = peak(|| batch.payload().map(|payload| payload.size_in_bytes()));
    let allowed = match (codec, &unpacked) {
        (Codec::None | Codec::Unknown(_), _) => 4 << 10,
        // A vector that grows is twice as large as what it holds, and three times while it moves.
        (_, Ok(size)) => DECODER_BYTES + 3 * size,
        (_, Err(_)) => DECODER_BYTES + 3 * DECOMPRESSED_BYTES_MAX,
    };
    assert!(cost <= allowed, "unpacking {} bytes of {codec} took {cost}: {unpacked:?}", input.len());
    let told = records(&batch).map_or_else(|error| kind(&error), |count| format!("{} records", count.min(3)));
    let marker = batch.control_marker().map(|marker| marker.is_some()).map_err(|error| kind(&error));
    let valid = batch.validate_records().map(drop).map_err(|error| kind(&error));
    format!("whole {codec} {told} {marker:?} {valid:?}")
}

/// A run of batches gives the same as a single one, and ends.
fn split(bytes: &Bytes, whole: bool) {
    let batches: Vec<_> = Batch::split(bytes.clone(), LIMITS).collect();
    let size: usize = batches.iter().flatten().map(Batch::size_in_bytes).sum();
    assert!(size <= bytes.len());
    if whole {
        assert_eq!(batches.len(), 1);
    }
    let wrong = batches.iter().position(Result::is_err);
    assert!(wrong.is_none_or(|at| at + 1 == batches.len()), "nothing follows an error");
}

/// Reads all records; if all are right, writes them again and finds the same.
fn records(batch: &Batch) -> Result<usize, BatchError> {
    let payload = batch.payload()?;
    let (read, cost) = peak(|| payload.records().try_fold(0, |count, record| record.map(|_| count + 1)));
    assert!(cost <= 4 << 10, "reading {} bytes of records took {cost}", payload.size_in_bytes());
    let count = read?;
    let written = batch.retain(&payload, |_| true, UNCHANGED)?;
    let repacked = written.payload()?;
    let mut originals = payload.records();
    for record in repacked.records() {
        assert_eq!(Some(record), originals.next());
    }
    assert!(originals.next().is_none());
    let twice = written.retain(&repacked, |_| true, UNCHANGED)?;
    assert_eq!(twice.bytes(), written.bytes(), "what this writes, it writes again");
    Ok(count)
}

/// An error without the numbers in it.
fn kind(error: &BatchError) -> String {
    format!("{error:?}").chars().filter(|character| !character.is_ascii_digit()).collect()
}
