//! What a statement pinned is held for a bounded time and within a bounded memory.

use std::time::Duration;

use tidemill::cli::test::PipelineOptions;
use tidemill::config;
use tidemill::config::ByteSize;
use tidemill::config::Limits;

use super::harness::Client;
use super::harness::World;

const ROWS: u32 = 60_000;

async fn with_rows(world: &World) -> Client {
    let mut client = world.session();
    client.expect("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE").await;
    let insert = format!("INSERT INTO t SELECT g.value, 1 FROM generate_series(1, {ROWS}) AS g(value)");
    client.expect(&insert, &format!("INSERT 0 {ROWS}")).await;
    client
}

async fn is_too_old(client: &mut Client, knob: &str) {
    let error = client.refuse("FETCH ALL FROM c", "72000", "snapshot too old").await;
    assert!(error.hint_text().is_some_and(|hint| hint.contains(knob)), "{error:?}");
    client.expect("ROLLBACK", "ROLLBACK").await;
    client.expect("SELECT count(*) FROM t", &ROWS.to_string()).await;
}

#[tokio::test]
async fn a_cursor_that_is_read_too_slowly_ends() {
    let limits = Limits { snapshot_age_max: Duration::from_secs(60), ..Limits::default() };
    let world = World::with(PipelineOptions { limits, ..PipelineOptions::default() }).await;
    let mut client = with_rows(&world).await;
    let mut quick = world.session();
    // One that is planned, one that is read by key.
    for rows in ["SELECT id FROM t WHERE 0 < v", "SELECT id FROM t WHERE 0 < id"] {
        client.ask(&format!("BEGIN; DECLARE c CURSOR FOR {rows}; FETCH 1 FROM c")).await.expect("a row");
        world.advance(Duration::from_secs(50));
        quick.ask(&format!("BEGIN; DECLARE c CURSOR FOR {rows}; FETCH 1 FROM c")).await.expect("a row");
        world.advance(Duration::from_secs(11));
        is_too_old(&mut client, "limits.snapshot_age_max").await;
        let rest = quick.ask("FETCH ALL FROM c").await.expect("a younger one goes on");
        assert_eq!(rest.lines().count(), ROWS as usize - 1);
        quick.expect("COMMIT", "COMMIT").await;
    }
}

#[tokio::test]
async fn a_cursor_that_holds_too_many_old_rows_ends() {
    let limits = Limits { snapshot_bytes_max: ByteSize(5_000), ..Limits::default() };
    let memory = config::Memory { views: ByteSize::mebibytes(2), ..config::Memory::default() };
    let world = World::with(PipelineOptions { limits, memory, ..PipelineOptions::default() }).await;
    let mut client = with_rows(&world).await;
    let mut writer = world.session();
    let pins = "SELECT bytes, limit_bytes FROM tidemill.memory WHERE pool = 'pins'";
    writer.expect(pins, "0|5000").await;
    // Rows that no page has yet.
    writer.expect("UPDATE t SET v = 2 WHERE id % 70 = 0", "UPDATE 857").await;
    client.ask("BEGIN; DECLARE c CURSOR FOR SELECT id FROM t WHERE 0 < v; FETCH 1 FROM c").await.expect("a row");
    for value in 3..40 {
        writer.ask(&format!("UPDATE t SET v = {value} WHERE id % 7 = 0")).await.expect("rows change");
    }
    is_too_old(&mut client, "limits.snapshot_bytes_max").await;
    writer.expect(pins, "0|5000").await;
}
