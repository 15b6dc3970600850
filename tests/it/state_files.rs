//! State on disk is a cache: deleted, damaged, older or newer than the log, it is wiped and made again, and nobody sees it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::server::TestServer;

/// What the view must show: count and sum of each key.
async fn check(server: &TestServer, rounds: i64, what: &str) {
    let client = server.connect().await;
    client.batch_execute("SET read_your_writes = on").await.expect("a setting");
    // A session waits for what it wrote itself: a row in each partition is behind all that others wrote before.
    let rows: Vec<String> = (0..64).map(|key| format!("('z {key}', 0)")).collect();
    let text = format!("INSERT INTO payments VALUES {}", rows.join(", "));
    client.batch_execute(&text).await.expect("rows, so that the view is waited for");
    let text = "SELECT card, n, total::bigint FROM totals WHERE card < 'z' ORDER BY card";
    let rows = client.query(text, &[]).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let found: Vec<(String, i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let wanted: Vec<_> = (0..KEYS).map(|key| (format!("card {key:03}"), rounds, rounds * (rounds - 1) / 2)).collect();
    assert_eq!(found, wanted, "{what}");
    let text = "SELECT n FROM totals WHERE card = 'card 007'";
    assert_eq!(client.query_one(text, &[]).await.expect("a row").get::<_, i64>(0), rounds, "{what}");
}

const KEYS: i64 = 100;

async fn write_round(server: &TestServer, round: i64) {
    let rows: Vec<String> = (0..KEYS).map(|key| format!("('card {key:03}', {round})")).collect();
    let text = format!("INSERT INTO payments VALUES {}", rows.join(", "));
    server.connect().await.batch_execute(&text).await.expect("rows are taken");
}

async fn start() -> TestServer {
    let server = TestServer::start().await;
    let client = server.connect().await;
    for statement in [
        "CREATE STREAM payments (card TEXT KEY, amount BIGINT) WITH (partitions = 2, value_format = 'JSON')",
        "CREATE TABLE totals AS SELECT card, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY card",
    ] {
        client.batch_execute(statement).await.expect("a statement");
    }
    server
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("listed") {
            let entry = entry.expect("listed");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("copied");
    }
}

fn put_back(copied: &Path, at: &Path) {
    fs::remove_dir_all(at).expect("removed");
    copy(copied, at);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_is_gone_damaged_or_older_is_made_again() {
    let copies = tempfile::tempdir().expect("a folder");
    let (empty, old) = (copies.path().join("empty"), copies.path().join("old"));
    let mut server = start().await;
    write_round(&server, 0).await;
    server = server.restart_after(|data| copy(&data.join("state"), &empty)).await;
    check(&server, 1, "a clean start").await;
    write_round(&server, 1).await;
    server = server.restart_after(|data| copy(&data.join("state"), &old)).await;
    write_round(&server, 2).await;
    check(&server, 3, "before anything is done to the state").await;
    type Harm<'a> = (&'a str, Box<dyn Fn(&Path)>);
    let harms: Vec<Harm<'_>> = vec![
        ("deleted", Box::new(|state: &Path| fs::remove_dir_all(state).expect("removed"))),
        ("an older copy", Box::new(move |state: &Path| put_back(&old, state))),
        ("the oldest copy", Box::new(move |state: &Path| put_back(&empty, state))),
        (
            "overwritten",
            Box::new(|state: &Path| {
                files(state).iter().for_each(|file| fs::write(file, [0xa5; 3000]).expect("written"));
            }),
        ),
        (
            "cut short",
            Box::new(|state: &Path| {
                for file in files(state) {
                    let bytes = fs::read(&file).expect("read");
                    fs::write(&file, &bytes[..bytes.len() / 2]).expect("written");
                }
            }),
        ),
    ];
    for (round, (what, harm)) in harms.iter().enumerate() {
        server = server.restart_after(|data| harm(&data.join("state"))).await;
        check(&server, 3 + round as i64, what).await;
        write_round(&server, 3 + round as i64).await;
        check(&server, 4 + round as i64, what).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_ahead_of_the_log_is_not_believed() {
    let copies = tempfile::tempdir().expect("a folder");
    let all = copies.path().join("data");
    let mut server = start().await;
    write_round(&server, 0).await;
    server = server.restart_after(|data| copy(data, &all)).await;
    write_round(&server, 1).await;
    write_round(&server, 2).await;
    check(&server, 3, "before the log is put back").await;
    server = server
        .restart_after(|data| {
            for part in ["log", "metadata"] {
                put_back(&all.join(part), &data.join(part));
            }
        })
        .await;
    check(&server, 1, "a log of before, with the state of after").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_makes_a_view_again_while_others_go_on() {
    let server = start().await;
    write_round(&server, 0).await;
    write_round(&server, 1).await;
    check(&server, 2, "before").await;
    let client = server.connect().await;
    client.batch_execute("ALTER QUERY ctas_totals_1 REBUILD").await.expect("rebuilt");
    check(&server, 2, "rebuilt").await;
    write_round(&server, 2).await;
    check(&server, 3, "after").await;
    server.stop().await;
}
