//! `tidemill topic` and `tidemill group`, against a server.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use serde_json::json;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::join_group;
use tidemill::protocol::leave_group;
use tidemill::protocol::sync_group;

use super::client::KafkaClient;
use super::client::batch;
use crate::server::TestServer;
use crate::server::binary;
use crate::server::rows;

/// What a command says on its output, or on its errors if it did not go well.
pub(super) async fn run(server: &TestServer, words: &[&str], input: &str) -> Result<String, String> {
    let mut command = binary();
    command.args(words).args(["-b", server.kafka_address()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_string();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("the binary runs");
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads or has gone");
        child.wait_with_output()
    });
    let output = output.await.expect("it is waited for").expect("it ends");
    let said = if output.status.success() { output.stdout } else { output.stderr };
    let said = String::from_utf8(said).expect("text");
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// As `run`, of a command that goes well and says JSON.
pub(super) async fn json_lines(server: &TestServer, words: &[&str]) -> Vec<Value> {
    let words = [words, &["--format", "json"]].concat();
    let said = run(server, &words, "").await.expect("it goes well");
    said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn refusal(server: &TestServer, words: &[&str], wanted: &str) {
    let said = run(server, words, "").await.expect_err("it is refused");
    assert!(said.contains(wanted), "{words:?}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_shown_changed_and_dropped_from_the_command_line() {
    let server = TestServer::start().await;
    let made = run(&server, &["topic", "create", "orders", "--partitions", "2", "-c", "retention.ms=1000"], "").await;
    assert_eq!(made.as_deref(), Ok("made orders with 2 partitions\n"));
    let mut client = KafkaClient::connect(&server).await;
    let orders = client.topic("orders").await;
    client.produce(9, &orders, &batch(&["a", "b"])).await;
    let listed = run(&server, &["topic", "list"], "").await.expect("listed");
    assert_eq!(
        listed,
        " topic  | partitions | replicas\n--------+------------+----------\n orders |          2 |        1\n(1 row)\n"
    );
    let described = json_lines(&server, &["topic", "describe", "orders"]).await;
    let ends: Vec<_> =
        described.iter().map(|row| (&row["start_offset"], &row["end_offset"], &row["in_sync"])).collect();
    assert_eq!(ends, [(&json!(0), &json!(2), &json!([0])), (&json!(0), &json!(0), &json!([0]))]);
    let altered =
        ["topic", "alter", "orders", "-c", "max.message.bytes=2000", "--reset", "retention.ms", "--partitions", "3"];
    let altered = run(&server, &altered, "").await;
    assert_eq!(altered.as_deref(), Ok("changed 2 settings of orders\norders has 3 partitions\n"));
    let settings = json_lines(&server, &["topic", "describe", "orders", "--settings"]).await;
    assert_eq!(settings, [json!({"setting": "max.message.bytes", "value": "2000", "source": "topic"})]);
    refusal(&server, &["topic", "create", "orders"], "TOPIC_ALREADY_EXISTS").await;
    refusal(&server, &["topic", "create", "more", "-c", "retention.ms=soon"], "must be a whole number").await;
    refusal(&server, &["topic", "create", "more", "-c", "retention.ms"], "must be name=value").await;
    refusal(&server, &["topic", "alter", "orders"], "nothing is to be changed").await;
    refusal(&server, &["topic", "alter", "orders", "--partitions", "1"], "INVALID_PARTITIONS").await;
    assert_eq!(run(&server, &["topic", "delete", "orders"], "").await.as_deref(), Ok("dropped orders\n"));
    refusal(&server, &["topic", "describe", "orders"], "topic \"orders\" does not exist").await;
    assert_eq!(json_lines(&server, &["topic", "list"]).await, Vec::<Value>::new());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_become_records_and_records_are_shown() {
    let server = TestServer::start().await;
    run(&server, &["topic", "create", "t", "--partitions", "3"], "").await.expect("made");
    let produced = run(&server, &["topic", "produce", "t", "-K", ":", "--null", "-"], "a:1\nb:2\na:-\n").await;
    assert_eq!(produced.as_deref(), Ok("produced 3 records\n"));
    let consumed = json_lines(&server, &["topic", "consume", "t"]).await;
    let mut pairs: Vec<_> = consumed.iter().map(|row| (row["key"].clone(), row["value"].clone())).collect();
    pairs.sort_by_key(|(key, value)| (key.to_string(), value.is_null()));
    assert_eq!(pairs, [(json!("a"), json!("1")), (json!("a"), json!(null)), (json!("b"), json!("2"))]);
    let of_a: Vec<_> = consumed.iter().filter(|row| row["key"] == "a").map(|row| &row["partition"]).collect();
    assert_eq!(of_a[0], of_a[1], "a key stays in its partition");
    let many: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    run(&server, &["topic", "produce", "t", "-p", "1"], &many).await.expect("produced");
    let from = ["topic", "consume", "t", "-p", "1", "--from", "500", "-n", "3"];
    let values: Vec<_> = json_lines(&server, &from).await.into_iter().map(|row| row["offset"].clone()).collect();
    assert_eq!(values, [json!(500), json!(501), json!(502)]);
    assert_eq!(json_lines(&server, &["topic", "consume", "t", "--from", "end"]).await, Vec::<Value>::new());
    assert_eq!(json_lines(&server, &["topic", "consume", "t", "--from", "2999-01-01"]).await, Vec::<Value>::new());
    let none = run(&server, &["topic", "consume", "t", "--from", "end"], "").await.expect("shown");
    assert!(none.ends_with("(0 rows)\n"), "{none}");
    let missing = run(&server, &["topic", "produce", "t", "-K", ":"], "no separator\n").await;
    assert!(missing.is_err_and(|said| said.contains("line 1 has no \":\"")));
    refusal(&server, &["topic", "consume", "t", "-p", "7"], "topic \"t\" has no partition 7").await;
    refusal(&server, &["topic", "consume", "t", "--from", "soon"], "\"soon\" is not a time").await;
    server.stop().await;
}

/// The one member of the group, which has both partitions of the topic.
async fn join(client: &mut KafkaClient) -> String {
    let subscription = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
    let request = join_group::Request {
        group_id: "g".to_string(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![join_group::Protocol { name: "range".to_string(), metadata: subscription }],
        ..Default::default()
    };
    let joined = client.ask(2, request).await;
    assert_eq!(joined.error_code, ErrorCode::NONE);
    let share = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xff";
    let assignment =
        sync_group::Assignment { member_id: joined.member_id.clone(), assignment: Bytes::from_static(share) };
    let request = sync_group::Request {
        group_id: "g".to_string(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![assignment],
        ..Default::default()
    };
    assert_eq!(client.ask(0, request).await.error_code, ErrorCode::NONE);
    joined.member_id
}

/// A column of what was said.
pub(super) fn positions(rows: &[Value], column: &str) -> Vec<Value> {
    rows.iter().map(|row| row[column].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_shown_moved_and_deleted_from_the_command_line() {
    let server = TestServer::start_with(|config| config.kafka.group_initial_rebalance_delay = Duration::ZERO).await;
    run(&server, &["topic", "create", "t", "--partitions", "2"], "").await.expect("made");
    for partition in ["0", "1"] {
        run(&server, &["topic", "produce", "t", "-p", partition], "a\nb\nc\nd\n").await.expect("produced");
    }
    refusal(&server, &["group", "describe", "g"], "group \"g\" does not exist").await;
    let reset = |more: &[&'static str]| [&["group", "reset", "g", "--topic", "t"], more].concat();
    let planned = json_lines(&server, &reset(&["--to-latest", "--dry-run"])).await;
    assert_eq!(positions(&planned, "to_offset"), [json!(4), json!(4)]);
    assert_eq!(json_lines(&server, &["group", "list"]).await, Vec::<Value>::new(), "nothing was done");
    json_lines(&server, &reset(&["--to-latest"])).await;
    let listed = json_lines(&server, &["group", "list"]).await;
    assert_eq!(positions(&listed, "group"), [json!("g")]);
    let of_one = ["group", "reset", "g", "--topic", "t:1", "--shift-by", "-3"];
    assert_eq!(positions(&json_lines(&server, &of_one).await, "to_offset"), [json!(1)]);
    let described = json_lines(&server, &["group", "describe", "g"]).await;
    assert_eq!(positions(&described, "position"), [json!(4), json!(1)]);
    assert_eq!(positions(&described, "lag"), [json!(0), json!(3)]);
    let all = json_lines(&server, &["group", "reset", "g", "--shift-by", "-100"]).await;
    assert_eq!(positions(&all, "from_offset"), [json!(4), json!(1)]);
    assert_eq!(positions(&all, "to_offset"), [json!(0), json!(0)], "not before the first record");
    for (target, offsets) in [("1970-01-01", [0, 0]), ("2999-01-01", [4, 4])] {
        let moved = json_lines(&server, &["group", "reset", "g", "--to-datetime", target]).await;
        assert_eq!(positions(&moved, "to_offset"), offsets.map(|offset| json!(offset)), "{target}");
    }
    let moved = json_lines(&server, &["group", "reset", "g", "--to-earliest"]).await;
    assert_eq!(positions(&moved, "to_offset"), [json!(0), json!(0)]);
    let mut client = KafkaClient::connect(&server).await;
    let member = join(&mut client).await;
    refusal(&server, &["group", "reset", "g", "--to-latest"], "Stop its consumers first.").await;
    refusal(&server, &["group", "delete", "g"], "NON_EMPTY_GROUP").await;
    let members = json_lines(&server, &["group", "describe", "g", "--members"]).await;
    assert_eq!(positions(&members, "member"), [json!(member)]);
    assert_eq!(positions(&members, "partitions"), [json!({"t": [0, 1]})]);
    let described = json_lines(&server, &["group", "describe", "g"]).await;
    assert_eq!(positions(&described, "member"), [json!(member), json!(member)]);
    let sql = server.connect().await;
    let rows = rows(&sql, "SELECT \"group\", generation, client_id, partitions FROM tidemill.group_members").await;
    assert_eq!(rows, [["g", "1", "test", "t:0,1"]]);
    let leave = leave_group::Request { group_id: "g".to_string(), member_id: member, ..Default::default() };
    assert_eq!(client.ask(0, leave).await.error_code, ErrorCode::NONE);
    assert_eq!(run(&server, &["group", "delete", "g"], "").await.as_deref(), Ok("deleted g\n"));
    refusal(&server, &["group", "delete", "g"], "GROUP_ID_NOT_FOUND").await;
    json_lines(&server, &reset(&["--to-latest"])).await;
    let some = ["group", "delete", "none", "g", "nobody"];
    refusal(&server, &some, "group \"none\" was not deleted: GROUP_ID_NOT_FOUND").await;
    refusal(&server, &some, "group \"nobody\" was not deleted: GROUP_ID_NOT_FOUND").await;
    assert_eq!(json_lines(&server, &["group", "list"]).await, Vec::<Value>::new(), "what could be deleted is");
    refusal(&server, &["group", "reset", "g", "--to-latest"], "group \"g\" stands nowhere").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_shown_and_aborted_from_the_command_line() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    refusal(&server, &["transaction", "describe", "id"], "transactional id \"id\" does not exist").await;
    refusal(&server, &["transaction", "abort", "id"], "transactional id \"id\" does not exist").await;
    let given = super::transactions::init(&mut client, 4).await;
    assert_eq!(super::transactions::add(&mut client, 3, &given, &[0]).await, [ErrorCode::NONE]);
    let described = json_lines(&server, &["transaction", "describe", "id"]).await;
    assert_eq!(positions(&described, "state"), [json!("Ongoing")]);
    assert_eq!(
        (positions(&described, "topic"), positions(&described, "partition")),
        (vec![json!("t")], vec![json!(0)])
    );
    let sql = server.connect().await;
    let open = "SELECT transactional_id, state, partitions FROM tidemill.transactions WHERE started_at IS NOT NULL";
    assert_eq!(rows(&sql, open).await, [["id", "Ongoing", "1"]]);
    let aborted = run(&server, &["transaction", "abort", "id"], "").await;
    assert_eq!(aborted.as_deref(), Ok("fenced id, which was Ongoing\n"));
    assert_eq!(rows(&sql, open).await, Vec::<Vec<String>>::new());
    assert_eq!(super::transactions::end(&mut client, 3, &given, true).await, ErrorCode::PRODUCER_FENCED);
    let listed = json_lines(&server, &["transaction", "list", "--state", "Empty"]).await;
    assert_eq!(positions(&listed, "transactional_id"), [json!("id")]);
    assert_eq!(json_lines(&server, &["transaction", "list", "--state", "Ongoing"]).await, Vec::<Value>::new());
    refusal(&server, &["transaction", "list", "--state", "Lost"], "no transaction is in a state \"Lost\"").await;
    server.stop().await;
}
