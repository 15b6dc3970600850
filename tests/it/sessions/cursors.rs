//! DECLARE, FETCH, CLOSE.

use std::time::Duration;

use futures::FutureExt;

use super::harness::World;

/// How often a test lets others go on before it gives up.
const TURNS_MAX: usize = 10_000;

#[tokio::test]
async fn a_cursor_gives_its_rows_piece_by_piece() {
    let mut client = World::new().await.session();
    client
        .refuse("DECLARE c CURSOR FOR SELECT 1", "25P01", "DECLARE CURSOR can only be used in transaction blocks")
        .await;
    client.expect("BEGIN; DECLARE c CURSOR FOR SELECT * FROM generate_series(1, 5)", "BEGIN\nDECLARE CURSOR").await;
    client.expect("FETCH 2 FROM c", "1\n2").await;
    client.expect("FETCH c", "3").await;
    client.expect("FETCH FORWARD 10 FROM c", "4\n5").await;
    client.expect("FETCH ALL FROM c; CLOSE c; COMMIT", "\nCLOSE CURSOR\nCOMMIT").await;
    client.refuse("FETCH c", "34000", "cursor \"c\" does not exist").await;
    client.expect("DECLARE h CURSOR WITH HOLD FOR SELECT 7; FETCH h", "DECLARE CURSOR\n7").await;
}

#[tokio::test]
async fn fetch_linger_counts_from_the_first_row() {
    let world = World::new().await;
    let (mut writer, mut reader) = (world.session(), world.session());
    writer.expect("CREATE STREAM s (n INT) WITH (kafka_topic = 's', partitions = 1)", "CREATE STREAM").await;
    reader.expect("SET fetch_linger = '1s'; BEGIN", "SET\nBEGIN").await;
    reader.expect("DECLARE c CURSOR FOR SELECT n FROM s EMIT CHANGES", "DECLARE CURSOR").await;
    let mut fetch = Box::pin(reader.ask("FETCH 10 FROM c"));
    for _ in 0..10 {
        world.advance(Duration::from_secs(5));
        assert!((&mut fetch).now_or_never().is_none(), "an answer without a row is the end to a client");
        tokio::task::yield_now().await;
    }
    writer.expect("INSERT INTO s VALUES (1), (2)", "INSERT 0 2").await;
    for _ in 0..TURNS_MAX {
        if let Some(rows) = (&mut fetch).now_or_never() {
            assert_eq!(rows.expect("the rows come"), "1\n2", "fewer than ten, as the time was over");
            return;
        }
        world.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
    panic!("FETCH waits on after its time");
}
