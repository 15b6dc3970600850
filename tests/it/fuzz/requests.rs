//! Random requests of every API that the Kafka door answers, in every version, as they come from a socket.
//!
//! Small numbers are likely, so that counts and lengths fit often; whole requests are among them, and nearly whole ones.

use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use tidemill::protocol::Decoder;
use tidemill::protocol::RequestHead;
use tidemill::wire::ApiDescription;
use tidemill::wire::kafka_apis;

use super::allocation;
use super::mutate::Mutator;
use super::number;

/// Inputs of each version of each API, without `TIDEMILL_FUZZ_SECONDS`.
const INPUTS: u64 = 200;
/// What reading takes at most, as a multiple of the input: an element of few bytes has its texts and lists in memory, which
/// grow by doubling.
const MULTIPLE_MAX: usize = 100;
/// And besides.
const BYTES_MAX: usize = 4 << 10;

#[test]
fn random_requests_never_panic_and_cost_a_small_multiple_of_what_is_there() {
    let first = number("TIDEMILL_SEED").unwrap_or(1);
    let until = number("TIDEMILL_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let apis = kafka_apis();
    let (mut seed, mut tried, mut accepted) = (first, 0_u64, 0_u64);
    loop {
        for api in &apis {
            for version in api.version_min..=api.version_max {
                let mut whole = 0;
                for _ in 0..INPUTS {
                    seed = seed.wrapping_add(1);
                    whole += u64::from(read(api, version, Mutator::new(seed).small_bytes()));
                }
                tried += INPUTS;
                accepted += whole;
            }
        }
        if until.is_none_or(|until| until <= Instant::now()) {
            break;
        }
    }
    eprintln!("{tried} inputs, {accepted} whole requests");
    assert!(tried / 200 < accepted, "{accepted} of {tried}: some get to the end");
    assert!(accepted < tried);
}

/// Whether the input begins with a whole request.
fn read(api: &ApiDescription, version: i16, input: Vec<u8>) -> bool {
    let size = input.len();
    let flexible = api.flexible_from <= version;
    let bytes = Bytes::from(input);
    let (outcome, cost) = allocation::peak(|| (api.check)(Decoder::new(bytes, version, flexible)));
    assert!(cost <= BYTES_MAX + MULTIPLE_MAX * size, "{} {version}: {size} bytes took {cost}", api.name);
    outcome.is_ok()
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
