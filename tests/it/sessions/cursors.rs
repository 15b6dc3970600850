//! DECLARE, FETCH, CLOSE.

use super::harness::World;

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
