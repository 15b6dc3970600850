//! Mutated statements.

use super::Run;
use super::chance::Chance;
use super::kept;
use super::on_a_servers_threads;
use super::statements;
use super::talk::Talk;
use crate::server::TestServer;

/// Statements of a run without `TIDEMILL_FUZZ_SECONDS`.
const STATEMENTS: u64 = 400;
/// Statements that one server takes: relations and queries that were made by chance are not kept for ever.
const STATEMENTS_OF_A_SERVER: usize = 400;
/// What goes on by itself, or for long, ends after this.
const TIMEOUT: &str = "SET statement_timeout = '500ms'";

const SETUP: [&str; 5] = [
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, b BIGINT, c DOUBLE, d DECIMAL(12,2), e TEXT, f BOOLEAN, g DATE, h TIMESTAMP)",
    "INSERT INTO t VALUES (1, 1, 2, 0.5, 1.25, 'x', true, '2024-01-01', '2024-01-01 10:00:00'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "CREATE STREAM s (k TEXT KEY, v INT, tags ARRAY<TEXT>, at TIMESTAMP) WITH (kafka_topic = 's', timestamp = 'at')",
    "INSERT INTO s VALUES ('a', 1, ARRAY['x'], '2024-01-01 10:00:00'), ('b', NULL, NULL, '2024-01-01 11:00:00')",
    "CREATE TABLE v AS SELECT k, COUNT(*) AS n FROM s GROUP BY k",
];

async fn session(server: &TestServer) -> Talk {
    let mut talk = Talk::session(server.pg_address()).await;
    talk.query(TIMEOUT).await.expect("a setting is set");
    talk
}

async fn fresh() -> (TestServer, Talk) {
    let server = TestServer::start().await;
    let mut talk = session(&server).await;
    for statement in SETUP {
        let ended = talk.query(statement).await.expect("it runs");
        assert!(ended.errors.is_empty(), "{statement}: {:?}", ended.errors);
    }
    (server, talk)
}

/// Runs a statement, which may be wrong; what it changed of the session is put right again.
async fn run(talk: &mut Talk, statement: &str) {
    let Some(ended) = talk.query(statement).await else { panic!("it ended the connection: {statement}") };
    for (code, message) in ended.errors {
        assert_ne!(code, "XX000", "{message}: {statement}");
    }
    if ended.state != b'I' {
        talk.query("ROLLBACK").await.expect("a block ends");
    }
    let upper = statement.to_uppercase();
    if ["SET", "DISCARD"].iter().any(|word| upper.contains(word)) {
        talk.query("RESET ALL").await.expect("settings are reset");
        talk.query(TIMEOUT).await.expect("a setting is set");
    }
}

/// A standing query that failed did so for a reason that is the user's, or a topic's.
async fn check_queries(talk: &mut Talk) {
    let panicked = "SELECT 1 / (1 - sign(count(*))::int) FROM tidemill.queries WHERE reason LIKE '%panic%' OR reason LIKE '%XX000%'";
    let ended = talk.query(panicked).await.expect("it runs");
    assert!(ended.errors.is_empty(), "a standing query panicked: {:?}", ended.errors);
}

#[test]
fn mutated_statements_are_the_users_mistakes_and_hurt_nobody() {
    on_a_servers_threads(run_all());
}

async fn run_all() {
    let statements = statements::all();
    assert!(700 < statements.len(), "{} statements are there", statements.len());
    let (mut server, mut talk) = fresh().await;
    for (name, text) in kept("pg_sql") {
        let text = String::from_utf8(text).unwrap_or_else(|_| panic!("{name} is text"));
        run(&mut talk, text.trim_end()).await;
    }
    let mut rounds = Run::begin(STATEMENTS);
    let mut tried = 0;
    while let Some(seed) = rounds.next() {
        let mut chance = Chance::new(seed);
        let statement = statements::mutated(&mut chance, &statements);
        if std::env::var_os("TIDEMILL_FUZZ_TRACE").is_some() {
            eprintln!("{seed}: {statement}");
        }
        run(&mut talk, &statement).await;
        tried += 1;
        if tried % STATEMENTS_OF_A_SERVER == 0 {
            check_queries(&mut session(&server).await).await;
            server.stop().await;
            (server, talk) = fresh().await;
            rounds.check_memory();
        }
    }
    eprintln!("{tried} statements");
    check_queries(&mut session(&server).await).await;
    server.stop().await;
}
