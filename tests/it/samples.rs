//! The samples in `sql/` that need no outside data, run from the first file to the last as a reader would.

use std::path::PathBuf;

use super::server::TestServer;
use super::server::rows;
use super::server::run;

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_runs_from_top_to_bottom() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    // The last file asks for what the one before inserted.
    run(&client, "SET read_your_writes = on").await;
    let mut answers = Vec::new();
    for file in files("sql/quickstart") {
        answers = rows(&client, &std::fs::read_to_string(&file).expect("a sample is text")).await;
    }
    let expected: [&[&str]; 3] = [&["CH", "1", "75.00"], &["DE", "1", "12.50"], &["c2", "75.00", "50.00"]];
    assert_eq!(answers, expected);
    server.stop().await;
}

/// The `.sql` files of a folder, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of samples");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|it| it == "sql")).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no sample");
    files
}
