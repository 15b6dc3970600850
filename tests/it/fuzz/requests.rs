//! Mutated requests of every API that the Kafka door answers, in every version, as they come from a socket.
//!
//! A version begins with its kept inputs (`tests/fuzz/requests`, lines of version and bytes), and goes on from what takes a way of
//! its own. A request that is whole is written again, and reads alike. With `TIDEMILL_FUZZ_KEEP` the richest request of each
//! version, and the longest way to each error, are kept.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use bytes::Bytes;
use tidemill::protocol::Decoder;
use tidemill::protocol::PrimitiveError;
use tidemill::protocol::RequestHead;
use tidemill::wire::ApiDescription;
use tidemill::wire::kafka_apis;

use super::shared::Mutator;
use super::shared::Outcome;
use super::shared::Report;
use super::shared::Target;
use super::shared::is_wanted;

/// What reading takes at most, as a multiple of the input: an element of few bytes has its texts and lists in memory, which
/// grow by doubling.
const MULTIPLE_MAX: usize = 100;
/// And besides.
const BYTES_MAX: usize = 4 << 10;
/// Longer inputs are not kept.
const KEPT_BYTES_MAX: usize = 400;

#[test]
fn mutated_requests_never_panic_cost_a_small_multiple_and_are_written_again_alike() {
    let (mut tried, mut whole, mut targets) = (0, 0, 0);
    for api in kafka_apis().iter().filter(|api| is_wanted(&format!("request {}", api.name))) {
        let kept = kept(api);
        let mut found = BTreeMap::new();
        for version in api.version_min..=api.version_max {
            let report = fuzz(api, version, &kept);
            (tried, targets) = (tried + report.tried, targets + 1);
            let wholes = report.found.keys().filter(|outcome| outcome.kind == "whole").count();
            assert!(0 < wholes, "{} {version}: some inputs are requests", api.name);
            whole += wholes;
            found.insert(version, report);
        }
        if std::env::var_os("TIDEMILL_FUZZ_KEEP").is_some() {
            keep(api, &found);
        }
    }
    eprintln!("{targets} versions of requests, {tried} inputs, {whole} ways of whole requests");
}

/// Reads what follows from the kept inputs of a version.
fn fuzz(api: &ApiDescription, version: i16, kept: &[(i16, Vec<u8>)]) -> Report {
    let flexible = api.flexible_from <= version;
    let decoder = |bytes: Bytes| Decoder::new(bytes, version, flexible);
    let read = |input: &[u8]| {
        let mut decoder = decoder(Bytes::copy_from_slice(input));
        let read = (api.check)(&mut decoder);
        let reached = input.len() - decoder.remaining();
        Outcome::new(read.map_or_else(kind, |()| "whole"), reached)
    };
    let name = format!("request {} {version}", api.name);
    let target = Target { name: &name, multiple_max: MULTIPLE_MAX, bytes_max: BYTES_MAX, read: &read };
    let seeds: Vec<_> = kept.iter().filter(|(of, _)| *of == version).map(|(_, bytes)| bytes.clone()).collect();
    let report = target.run(&seeds);
    for input in report.found.values() {
        let Ok(written) = (api.rewrite)(decoder(Bytes::from(input.clone()))) else { continue };
        let again = (api.rewrite)(decoder(Bytes::from(written.clone())));
        assert_eq!(again.as_ref(), Ok(&written), "{name}: {input:02x?} is written as what reads otherwise");
    }
    report
}

fn kind(error: PrimitiveError) -> &'static str {
    match error {
        PrimitiveError::Truncated => "truncated",
        PrimitiveError::TooLong => "too long",
        PrimitiveError::NegativeLength => "negative",
        PrimitiveError::NotUtf8 => "not UTF-8",
        PrimitiveError::TooMany => "too many",
    }
}

fn corpus(api: &ApiDescription) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/requests"));
    folder.join(format!("{}.txt", api.name))
}

/// The kept inputs of an API, with their versions.
fn kept(api: &ApiDescription) -> Vec<(i16, Vec<u8>)> {
    let text = std::fs::read_to_string(corpus(api)).unwrap_or_default();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    let line = |line: &str| {
        let (version, hex) = line.split_once(' ').expect("a version and bytes");
        (version.parse().expect("a version"), hex.as_bytes().chunks(2).map(byte).collect())
    };
    text.lines().map(line).collect()
}

/// Keeps, of the oldest and the newest version of each form, the input of each kind that was read furthest.
fn keep(api: &ApiDescription, found: &BTreeMap<i16, Report>) {
    let is_border =
        |version: &i16| [api.version_min, api.flexible_from - 1, api.flexible_from, api.version_max].contains(version);
    let mut text = String::new();
    for (version, report) in found.iter().filter(|(version, _)| is_border(version)) {
        let mut furthest: BTreeMap<&str, &Vec<u8>> = BTreeMap::new();
        // Ways are in the order of their length.
        for (outcome, input) in report.found.iter().filter(|(_, input)| input.len() <= KEPT_BYTES_MAX) {
            furthest.insert(outcome.kind, input);
        }
        for input in furthest.values().filter(|input| !input.is_empty()) {
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{version} {hex}").expect("a text takes it");
        }
    }
    let path = corpus(api);
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("it is made");
    std::fs::write(path, text).expect("it is kept");
}

#[test]
fn every_api_has_kept_inputs() {
    for api in kafka_apis() {
        assert!(!kept(&api).is_empty(), "{}: TIDEMILL_FUZZ_KEEP=1 cargo test --test it fuzz::requests", api.name);
    }
}

#[test]
fn random_headers_never_panic() {
    for seed in 0..20_000 {
        let bytes = Bytes::from(Mutator::new(seed).small_bytes());
        let mut decoder = Decoder::new(bytes, 0, false);
        if let Ok(head) = RequestHead::read(&mut decoder) {
            // Whatever comes of it.
            let _ = head.read_rest(&mut decoder, seed % 2 == 0);
        }
    }
}
