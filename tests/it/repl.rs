//! `tidemill sql` where there is no terminal, as scripts and pipes meet it.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use super::server::TestServer;
use super::server::binary;
use super::server::column;
use super::server::run;

/// `tidemill sql` for a server, in a directory, without what the environment would tell it.
fn sql(server: &TestServer, directory: &Path) -> Command {
    let (host, port) = server.pg_address().rsplit_once(':').expect("an address has a port");
    let mut command = binary();
    for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGAPPNAME", "PGCONNECT_TIMEOUT"] {
        command.env_remove(name);
    }
    command.args(["sql", "-h", host, "-p", port, "-U", "ann"]).current_dir(directory);
    command
}

/// Its exit code, output and errors.
fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A server with a table of two rows.
async fn with_cities() -> TestServer {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let create =
        "CREATE TABLE cities (id INT PRIMARY KEY, name TEXT, size BIGINT, at TIMESTAMP) WITH (kafka_topic = 'cities')";
    run(&client, create).await;
    run(
        &client,
        "INSERT INTO cities VALUES (1, 'Zürich', 440, '2026-01-01 00:00:00'), (2, NULL, 3700, '2026-01-01 01:00:00')",
    )
    .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn results_come_in_every_format() {
    let (server, directory) = (with_cities().await, tempfile::tempdir().expect("a temporary directory"));
    let query = "SELECT id, name, size FROM cities ORDER BY id";
    for (arguments, expected) in [
        (&[][..], " id |  name  | size\n----+--------+------\n  1 | Zürich |  440\n  2 |        | 3700\n(2 rows)\n\n"),
        (
            &["-x"],
            "-[ RECORD 1 ]\nid   | 1\nname | Zürich\nsize | 440\n-[ RECORD 2 ]\nid   | 2\nname |\nsize | 3700\n\n",
        ),
        (&["-t"], "  1 | Zürich |  440\n  2 |        | 3700\n"),
        (&["-A"], "1|Zürich|440\n2||3700\n"),
        (&["-A", "-F", ";"], "1;Zürich;440\n2;;3700\n"),
        (&["--format", "csv"], "id,name,size\n1,Zürich,440\n2,,3700\n"),
        (
            &["--format", "json"],
            "[\n{\"id\":1,\"name\":\"Zürich\",\"size\":440},\n{\"id\":2,\"name\":null,\"size\":3700}\n]\n",
        ),
        (
            &["--format", "markdown"],
            "| id | name | size |\n| ---: | --- | ---: |\n| 1 | Zürich | 440 |\n| 2 |  | 3700 |\n\n",
        ),
    ] {
        let (code, shown, errors) = ended(sql(&server, directory.path()).args(arguments).args(["-c", query]));
        assert_eq!((code, shown.as_str(), errors.as_str()), (Some(0), expected, ""), "{arguments:?}");
    }
    let copy = "COPY (SELECT id FROM cities ORDER BY 1) TO STDOUT";
    let copied = ended(sql(&server, directory.path()).args(["-c", copy]));
    assert_eq!(copied, (Some(0), "1\n2\n".to_string(), String::new()), "the data alone, as it would be loaded again");
    let (_, _, errors) = ended(sql(&server, directory.path()).args(["-c", "SELECT 6", "-c", "\\d nosuch"]));
    assert!(errors.contains("42P01") && !errors.contains("LINE"), "nobody typed the statement that failed: {errors}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_describe_redirect_include_and_repeat() {
    let (server, directory) = (with_cities().await, tempfile::tempdir().expect("a temporary directory"));
    let client = server.connect().await;
    run(&client, "CREATE TABLE per_name AS SELECT name, COUNT(*) AS n FROM cities GROUP BY name").await;
    std::fs::write(directory.path().join("inner.sql"), "SELECT 7 AS seven;\n").expect("a file");
    let script = "\\timing off\n\\d\n\\dv\n\\dt c*\n\\d cities\n\\d tidemill.groups\n\\d+ per_name\n\\dq\n\\l\n\\ds\n\
                  \\o out.txt\nSELECT 1 AS one;\n\\o\n\\i inner.sql\nSELECT id\nFROM cities \\gx\n\\g\n\\pset null (none)\n\
                  SELECT name FROM cities WHERE id = 2;\nSELECT 5 \\p\n\\r\n\\echo done\n\\conninfo\n\\q\nSELECT 'never';\n";
    std::fs::write(directory.path().join("script.sql"), script).expect("a file");
    let (code, shown, errors) = ended(sql(&server, directory.path()).args(["-f", "script.sql"]));
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{shown}");
    for expected in [
        "Timing is off.\n",
        " cities   | table | cities   |\n per_name | view  | per_name | ctas_per_name_1\n(2 rows)\n",
        " size   | BIGINT",
        " lag        | bigint",
        "-[ RECORD 1 ]",
        "| RUNNING",
        " tidemill | UTF8\n",
        "There is no stream.\n",
        " seven\n-------\n     7\n(1 row)\n",
        "-[ RECORD 1 ]\nid | 1\n-[ RECORD 2 ]\nid | 2\n",
        "Null display is \"(none)\".\n  name\n--------\n (none)\n(1 row)\n",
        "SELECT 5\nNothing is typed now.\ndone\nDatabase tidemill at ",
    ] {
        assert!(shown.contains(expected), "{expected}\nis not in\n{shown}");
    }
    assert!(!shown.contains("never") && !shown.contains(" one"), "{shown}");
    let written = std::fs::read_to_string(directory.path().join("out.txt")).expect("\\o has made it");
    assert_eq!(written, " one\n-----\n   1\n(1 row)\n\n");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_errors_are_psql_s() {
    let (server, directory) = (with_cities().await, tempfile::tempdir().expect("a temporary directory"));
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    file("wrong.sql", "SELECT 1;\nSELECT nme\nFROM cities;\nSELECT 2;\n");
    file("outer.sql", "\\i wrong.sql\nSELECT 3;\n");
    for (arguments, code) in [
        (&["-c", "SELECT 1"][..], 0),
        (&["-c", "SELECT nme FROM cities", "-c", "SELECT 2"], 1),
        (&["-c", "\\zzz"], 1),
        (&["-f", "wrong.sql"], 3),
        (&["-f", "outer.sql"], 3),
        (&["-f", "absent.sql"], 1),
        (&["-c", "\\q", "-c", "SELECT 2"], 0),
        (&["-c", "\\i absent.sql"], 1),
    ] {
        let (ended_with, shown, _) = ended(sql(&server, directory.path()).args(arguments));
        assert_eq!(ended_with, Some(code), "{arguments:?}");
        assert!(!shown.contains('2') && !shown.contains('3'), "{arguments:?} went on: {shown}");
    }
    let (_, _, told) = ended(sql(&server, directory.path()).args(["-f", "outer.sql"]));
    assert_eq!(told.matches("ERROR").count(), 1, "an error is told once: {told}");
    assert!(told.starts_with("ERROR: 42703: ") && told.contains("LINE 1: SELECT nme\n               ^\n"), "{told}");
    assert!(told.contains("HINT:  Did you mean \"name\"?\n"), "{told}");

    let (code, _, told) = ended(sql(&server, directory.path()).args(["-d", "nowhere", "-c", "SELECT 1"]));
    assert_eq!(code, Some(2), "{told}");
    let mut command = sql(&server, directory.path());
    command.env("PGOPTIONS", "-c timezone=Asia/Kolkata").env("PGAPPNAME", "nightly");
    let (code, shown, told) = ended(command.args(["-A", "-c", "SHOW timezone", "-c", "SHOW application_name"]));
    assert_eq!((code, shown.as_str()), (Some(0), "Asia/Kolkata\nnightly\n"), "{told}");
    let place = format!("postgresql://ann@{}/tidemill", server.pg_address());
    let (code, shown, _) = ended(binary().args(["sql", &place, "-A", "-c", "SELECT 1"]));
    assert_eq!((code, shown.as_str()), (Some(0), "1\n"));
    server.stop().await;
    let (code, _, told) = ended(binary().args(["sql", &place, "-c", "SELECT 1"]));
    assert_eq!(code, Some(2), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_a_pipe_run_as_they_come_and_errors_end_nothing() {
    let (server, directory) = (with_cities().await, tempfile::tempdir().expect("a temporary directory"));
    let mut command = sql(&server, directory.path());
    let mut child = command
        .arg("-A")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut answer = |text: &str| {
        stdin.write_all(text.as_bytes()).expect("it is taken");
        lines.next().expect("an answer").expect("text")
    };
    assert_eq!(answer("SELECT 1;\n"), "1");
    assert_eq!(answer("SELECT nme FROM cities;\nSELECT 2;\n"), "2");
    let copied = "COPY cities (id, name, size) FROM STDIN WITH (FORMAT csv);\n3,\"a;b\",1\n4,x,2\n\\.\n";
    assert_eq!(answer(&format!("{copied}SELECT count(*) FROM cities WHERE size < 10;\n")), "2");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cancels_a_push_query_whose_rows_came_one_by_one() {
    let (server, directory) = (with_cities().await, tempfile::tempdir().expect("a temporary directory"));
    let client = server.connect().await;
    run(&client, "CREATE STREAM s (a INT) WITH (kafka_topic = 's', value_format = 'JSON')").await;
    let mut command = sql(&server, directory.path());
    let child = command.args(["--format", "json", "-c", "SELECT a FROM s EMIT CHANGES"]).stdin(Stdio::null());
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // The query may begin after a row, but not after all of them.
    let (told, shown) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        told.send(lines.next()).expect("it is waited for");
        // As long as the test runs: who writes into a closed pipe is told so.
        lines
    });
    let line = loop {
        run(&client, "INSERT INTO s VALUES (7)").await;
        match shown.try_recv() {
            Ok(line) => break line,
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(line.expect("a row").expect("text"), "{\"a\":7}");
    let rest = reader.join().expect("the reader ends");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("57014"), "{told}");
    drop(rest);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plot_charts_a_column_over_the_time_of_its_rows() {
    let (server, directory) = (with_cities().await, tempfile::tempdir().expect("a temporary directory"));
    let mut command = sql(&server, directory.path());
    command.env("LC_ALL", "C").args(["-c", "SELECT at, size FROM cities \\plot size", "-c", "SELECT 1 \\plot x"]);
    let (code, shown, told) = ended(&mut command);
    assert_eq!(code, Some(1), "{told}");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "size: 2 points, last 3700");
    assert!(lines[1].starts_with("3700 |") && lines[1].ends_with('#'), "{shown}");
    let last = lines.last().expect("a line below");
    assert!(last.starts_with("2026-01-01 00:00:00") && last.ends_with("2026-01-01 01:00:00"), "{shown}");
    assert!(told.contains("the result has no column x"), "{told}");
    let client = server.connect().await;
    assert_eq!(column(&client, "SELECT 1").await, ["1"], "the server is as before");
    server.stop().await;
}
