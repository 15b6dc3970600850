//! Mutated messages: of the greeting, of both protocols and of COPY, out of order, cut, and with lengths that are not theirs.

use super::Run;
use super::chance::Chance;
use super::kept;
use super::on_a_servers_threads;
use super::talk::Talk;
use super::talk::error;
use crate::server::TestServer;
use crate::server::message;

/// Connections of a run without `TIDEMILL_FUZZ_SECONDS`.
const CONNECTIONS: u64 = 400;
/// After so many the server is asked whether it still answers.
const CONNECTIONS_BETWEEN_CHECKS: u64 = 50;
const LENGTHS: [i32; 10] = [0, 1, 3, 4, 5, -1, i32::MIN, i32::MAX, 1 << 30, 70_000];

const QUERIES: [&str; 12] = [
    "SELECT 1",
    "SELECT $1::int + 1",
    "SELECT * FROM t WHERE id = $1",
    "INSERT INTO t VALUES ($1, $2)",
    "COPY t FROM STDIN",
    "COPY t TO STDOUT",
    "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)",
    "BEGIN",
    "ROLLBACK",
    "DECLARE c CURSOR FOR SELECT * FROM generate_series(1, 50)",
    "SELECT 1; SELECT nope; SELECT 2",
    "",
];

/// The message that opens a session.
pub(super) fn startup() -> Vec<u8> {
    greeting(196_608, b"user\0ann\0database\0tidemill\0\0")
}

fn greeting(version: i32, rest: &[u8]) -> Vec<u8> {
    let length = i32::try_from(rest.len() + 8).expect("it is short");
    [&length.to_be_bytes()[..], &version.to_be_bytes(), rest].concat()
}

fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), b"\0"].concat()
}

fn small(value: usize) -> [u8; 2] {
    (value as u16).to_be_bytes()
}

/// A first message.
fn opening(chance: &mut Chance) -> Vec<u8> {
    match chance.below(14) {
        0 => greeting(80_877_103, b""),
        1 => greeting(80_877_104, b""),
        2 => greeting(80_877_102, &[0, 0, 0, 1, 0, 0, 0, 2]),
        3 => greeting(80_877_102, &[1, 2, 3]),
        4 => greeting(196_608, b"database\0tidemill\0\0"),
        5 => greeting(196_610, b"user\0ann\0database\0tidemill\0_pq_.x\0y\0\0"),
        6 => greeting(131_072, b"user\0ann\0\0"),
        7 => greeting(196_608, b"user\0ann\0database\0tidemill\0options\0-c statement_timeout=-1 -c\0\0"),
        8 => greeting(196_608, b"user\0\xff\xfe\0database\0tidemill\0\0"),
        _ => startup(),
    }
}

/// A message of a session.
fn any_message(chance: &mut Chance) -> Vec<u8> {
    let name = |chance: &mut Chance| text(["", "", "a", "b"][chance.below(4)]);
    match chance.below(15) {
        0 | 1 => message(b'Q', &text(QUERIES[chance.below(QUERIES.len())])),
        2 | 3 => {
            let types = chance.below(3);
            let oids: Vec<u8> =
                (0..types).flat_map(|_| chance.one_of(&[0_u32, 23, 25, 1700, 1184, 99_999]).to_be_bytes()).collect();
            message(
                b'P',
                &[name(chance), text(QUERIES[chance.below(QUERIES.len())]), small(types).to_vec(), oids].concat(),
            )
        }
        4 | 5 => {
            let (formats, values, results) = (chance.below(3), chance.below(3), chance.below(2));
            let mut body = [name(chance), name(chance)].concat();
            body.extend(small(formats));
            (0..formats).for_each(|_| body.extend(small(chance.below(3))));
            body.extend(small(values));
            for _ in 0..values {
                let value = [&b"1"[..], b"x", b"", &[0, 0, 0, 1], &[255; 16], b"9999999999"][chance.below(6)];
                match chance.below(5) {
                    0 => body.extend((-1_i32).to_be_bytes()),
                    1 => body.extend(chance.one_of(&LENGTHS).to_be_bytes()),
                    _ => {
                        body.extend(i32::try_from(value.len()).expect("it is short").to_be_bytes());
                        body.extend(value);
                    }
                }
            }
            body.extend(small(results));
            (0..results).for_each(|_| body.extend(small(chance.below(3))));
            message(b'B', &body)
        }
        6 => message(b'D', &[vec![*chance.one_of(b"SPX")], name(chance)].concat()),
        7 | 8 => message(b'E', &[name(chance), chance.one_of(&LENGTHS).to_be_bytes().to_vec()].concat()),
        9 => message(b'C', &[vec![*chance.one_of(b"SPX")], name(chance)].concat()),
        10 => message(*chance.one_of(b"SSSHX"), b""),
        11 => message(b'd', [&b"1\t2\n"[..], b"\\.\n", b"x", b"\xff\n", b""][chance.below(5)]),
        12 => message(*chance.one_of(b"cc"), b""),
        13 => message(b'f', &text("no")),
        _ => message(*chance.one_of(b"Fp?\0\xffv"), &[0, 0, 0, 1, 0, 0]),
    }
}

/// All that a connection says.
fn stream(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = opening(chance);
    for _ in 0..chance.below(12) {
        let mut next = any_message(chance);
        match chance.below(16) {
            0 => {
                let length = chance.one_of(&LENGTHS).to_be_bytes();
                next[1..5].copy_from_slice(&length);
            }
            1 => {
                let at = chance.below(next.len());
                next[at] ^= 1 << chance.below(8);
            }
            2 => {
                let at = chance.below(next.len());
                next.truncate(at);
            }
            3 => {
                let at = chance.below(next.len());
                next.insert(at, chance.next() as u8);
            }
            _ => {}
        }
        bytes.extend(next);
    }
    if chance.below(4) == 0 {
        let at = chance.below(bytes.len());
        match chance.below(3) {
            0 => bytes.truncate(at),
            1 => bytes[at] = chance.next() as u8,
            _ => {
                bytes.drain(at..(at + chance.below(9)).min(bytes.len()));
            }
        }
    }
    bytes
}

/// Says it all, reads to the end.
async fn try_stream(server: &TestServer, bytes: &[u8], name: &str) {
    let mut talk = Talk::open(server.pg_address()).await;
    talk.send(bytes).await;
    talk.end().await;
    while let Some((tag, body)) = talk.read().await {
        assert!(b"RSKZCDTEIGHnsAN123tvcdW".contains(&tag), "{name}: it answers {:?}", tag as char);
        if tag == b'E' {
            let (code, message) = error(&body);
            assert_ne!(code, "XX000", "{name}: {message}");
        }
    }
}

async fn check(server: &TestServer) {
    let mut talk = Talk::session(server.pg_address()).await;
    let ended = talk.query("SELECT 1").await.expect("it answers");
    assert!(ended.errors.is_empty(), "{:?}", ended.errors);
}

#[test]
fn mutated_messages_are_the_clients_mistakes_and_hurt_nobody() {
    on_a_servers_threads(run_all());
}

async fn run_all() {
    let server = TestServer::start().await;
    let mut talk = Talk::session(server.pg_address()).await;
    talk.query("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await.expect("it runs");
    for (name, bytes) in kept("pg_protocol") {
        try_stream(&server, &bytes, &name).await;
    }
    let mut rounds = Run::begin(CONNECTIONS);
    let mut tried = 0;
    while let Some(seed) = rounds.next() {
        let bytes = stream(&mut Chance::new(seed));
        try_stream(&server, &bytes, &format!("seed {seed}")).await;
        tried += 1;
        if tried % CONNECTIONS_BETWEEN_CHECKS == 0 {
            check(&server).await;
            rounds.check_memory();
        }
    }
    eprintln!("{tried} connections");
    check(&server).await;
    server.stop().await;
}
