//! Parameters of the extended protocol: no value changes on its way, and whatever reads rows takes them.

use std::time::SystemTime;

use bytes::BufMut;
use bytes::BytesMut;
use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Format;
use tokio_postgres::types::FromSql;
use tokio_postgres::types::IsNull;
use tokio_postgres::types::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::types::Type;

use super::server::TestServer;
use super::server::column;
use super::server::run;
use super::server::told;

type Boxed = Box<dyn std::error::Error + Sync + Send>;

/// A decimal as a client sends it.
#[derive(Debug)]
struct Decimal<'a> {
    digits: &'a str,
    format: fn() -> Format,
}

impl ToSql for Decimal<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match (self.format)() {
            Format::Text => out.put_slice(self.digits.as_bytes()),
            Format::Binary => out.put_slice(&binary(self.digits)),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        (self.format)()
    }

    tokio_postgres::types::to_sql_checked!();
}

/// What a server sends.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// PostgreSQL's binary numeric of plain digits: groups of four around the point, none of zeros at the ends.
fn binary(text: &str) -> Vec<u8> {
    let (sign, digits) = text.strip_prefix('-').map_or((0, text), |digits| (0x4000, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (before, after) = (whole.len().next_multiple_of(4), fraction.len().next_multiple_of(4));
    let padded = format!("{whole:0>before$}{fraction:0<after$}");
    let groups: Vec<u16> = padded
        .as_bytes()
        .chunks(4)
        .map(|four| four.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().skip(leading).rev().take_while(|group| **group == 0).count();
    let kept = &groups[leading..groups.len() - trailing];
    let weight = if kept.is_empty() { 0 } else { before as i16 / 4 - 1 - leading as i16 };
    let mut out = Vec::new();
    out.put_u16(kept.len() as u16);
    out.put_i16(weight);
    out.put_u16(sign);
    out.put_u16(fraction.len() as u16);
    kept.iter().for_each(|group| out.put_u16(*group));
    out
}

async fn ask(client: &Client, statement: &str, decimal: &Decimal<'_>) -> Result<Vec<Raw>, tokio_postgres::Error> {
    let prepared = client.prepare_typed(statement, &[Type::NUMERIC]).await?;
    let rows = client.query(&prepared, &[decimal]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

const FORMATS: [fn() -> Format; 2] = [|| Format::Text, || Format::Binary];

#[tokio::test(flavor = "multi_thread")]
async fn a_decimal_keeps_every_digit_as_text_and_as_binary() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    for digits in [
        "0",
        "1.50",
        "100",
        "-0.00000000000000000001",
        "0.12345678901234567890123456789012345678",
        "12345678901234567890.123456789012345678",
        "-99999999999999999999999999999999999999",
    ] {
        for format in FORMATS {
            let sent = Decimal { digits, format };
            for statement in ["SELECT $1", "SELECT $1::numeric", "SELECT coalesce($1, 0.0::numeric(1,0))"] {
                let got = ask(&client, statement, &sent).await.expect("it is a number");
                assert_eq!(got[0].0, binary(digits), "{statement} of {sent:?}");
            }
            let got = ask(&client, "SELECT $1::numeric::text", &sent).await.expect("it is a number");
            assert_eq!(String::from_utf8_lossy(&got[0].0), digits, "{sent:?}");
        }
    }
    for format in FORMATS {
        let long = Decimal { digits: "0.123456789012345678901234567890123456789", format };
        let refused = ask(&client, "SELECT $1", &long).await.err().expect("39 digits are refused");
        assert_eq!(told(&refused).0, "22003");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decimal_is_compared_as_it_is_and_rounded_only_by_an_insert() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE amounts (id INT PRIMARY KEY, n DECIMAL(20,4)) WITH (kafka_topic = 'amounts')").await;
    for (id, format) in FORMATS.into_iter().enumerate() {
        let insert = format!("INSERT INTO amounts VALUES ({id}, $1)");
        ask(&client, &insert, &Decimal { digits: "2.00005", format }).await.expect("the row is taken");
        for (digits, count) in [("2.0001", 0), ("2.00010000000000000000001", 1), ("2.00009999999999999999999", 0)] {
            let query = format!("SELECT id FROM amounts WHERE id = {id} AND n < $1");
            let found = ask(&client, &query, &Decimal { digits, format }).await.expect("it is compared").len();
            assert_eq!(found, count, "2.0001 < {digits}");
        }
    }
    assert_eq!(column(&client, "SELECT n FROM amounts").await, ["2.0001", "2.0001"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_a_parameter_is_described_as_it_is_sent() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    for (statement, told, described) in [
        ("SELECT $1", Type::NUMERIC, Type::NUMERIC),
        ("SELECT $1 + 0", Type::NUMERIC, Type::NUMERIC),
        ("SELECT $1", Type::INT8, Type::INT8),
        ("SELECT $1", Type::TIMESTAMPTZ, Type::TIMESTAMPTZ),
        ("SELECT $1", Type::BOOL, Type::BOOL),
        ("SELECT $1 || 'x'", Type::UNKNOWN, Type::TEXT),
    ] {
        let prepared = client.prepare_typed(statement, std::slice::from_ref(&told)).await.expect("it is planned");
        assert_eq!(prepared.columns()[0].type_(), &described, "{statement} of {told}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_in_with_have_the_parameters_that_they_name() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE prices (id INT PRIMARY KEY, told TEXT)").await;
    let statement = "WITH new AS (INSERT INTO prices VALUES ($1, 'costs $9') RETURNING id, told)
        SELECT id, told FROM new WHERE id = $1";
    let prepared = client.prepare(statement).await.expect("it is planned");
    assert_eq!(prepared.params(), [Type::INT4]);
    let rows = client.query(&prepared, &[&7]).await.expect("it runs");
    assert_eq!((rows[0].get::<_, i32>(0), rows[0].get::<_, &str>(1)), (7, "costs $9"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_several_types_is_described_as_the_one_in_which_they_meet() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    for (statement, described) in [
        ("SELECT CASE WHEN false THEN 1 ELSE 2.5 END", Type::NUMERIC),
        ("SELECT CASE WHEN false THEN 1 ELSE 3000000000 END", Type::INT8),
        ("SELECT CASE WHEN false THEN 1 ELSE 2.5::float8 END", Type::FLOAT8),
        ("SELECT CASE WHEN false THEN current_date ELSE localtimestamp END", Type::TIMESTAMP),
        ("SELECT coalesce(NULL::float8, 0.5)", Type::FLOAT8),
        ("SELECT 0.5 UNION ALL SELECT 1::float8", Type::FLOAT8),
        ("VALUES (1.5), (1::float8)", Type::FLOAT8),
        ("SELECT c FROM (SELECT CASE WHEN false THEN 1 ELSE 2.5 END AS c) AS s", Type::NUMERIC),
        ("SELECT '\\xff' UNION ALL SELECT '\\x01'::bytea", Type::BYTEA),
        ("SELECT 1e3", Type::NUMERIC),
    ] {
        let prepared = client.prepare(statement).await.expect("it is prepared");
        assert_eq!(*prepared.columns()[0].type_(), described, "{statement}");
        let rows = client.query(&prepared, &[]).await.expect("it runs");
        assert!(!rows.is_empty(), "{statement}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn push_queries_and_explain_take_parameters() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(
        &client,
        "CREATE STREAM sales (card TEXT KEY, n DECIMAL(12,2), sold_at TIMESTAMP)
            WITH (kafka_topic = 'sales', value_format = 'JSON', partitions = 1)",
    )
    .await;
    run(&client, "INSERT INTO sales VALUES ('it''s', 1.50, '2024-01-01'), ('b', 2.00, '2024-01-02')").await;
    run(&client, "SET auto_offset_reset = 'earliest'").await;

    let query = "SELECT card, $1::text AS said, n FROM sales WHERE n > $2 AND card = $3 EMIT CHANGES LIMIT $4";
    let prepared = client.prepare(query).await.expect("it is planned");
    let types: Vec<&Type> = prepared.params().iter().collect();
    assert_eq!(types, [&Type::TEXT, &Type::NUMERIC, &Type::TEXT, &Type::INT8]);
    let least = Decimal { digits: "1.4999999999", format: || Format::Binary };
    let rows = client.query(&prepared, &[&None::<&str>, &least, &"it's", &1i64]).await.expect("it ends by its LIMIT");
    let cells = (rows[0].get::<_, &str>(0), rows[0].get::<_, Option<&str>>(1), rows[0].get::<_, Raw>(2).0);
    assert_eq!((rows.len(), cells), (1, ("it's", None, binary("1.50"))));

    let grouped = "SELECT card, COUNT(*) AS sales FROM sales WHERE sold_at < $1::timestamp GROUP BY card
        HAVING COUNT(*) >= $2 EMIT CHANGES LIMIT 1";
    let prepared = client.prepare_typed(grouped, &[Type::TEXT]).await.expect("it is planned");
    let rows = client.query(&prepared, &[&"2024-01-02", &1i64]).await.expect("it ends by its LIMIT");
    assert_eq!((rows[0].get::<_, &str>(0), rows[0].get::<_, i64>(1)), ("it's", 1));

    for emit in ["", " EMIT CHANGES"] {
        let explain = format!("EXPLAIN SELECT card FROM sales WHERE n > $1{emit}");
        let least = Decimal { digits: "7.25", format: || Format::Text };
        let prepared = client.prepare(&explain).await.expect("it is planned");
        let lines = client.query(&prepared, &[&least]).await.expect("it is explained");
        assert!(lines.iter().any(|line| line.get::<_, &str>(0).contains("7.25")), "{explain}");
    }
    for (statement, state) in [
        ("SELECT card FROM sales WHERE n > $1 EMIT CHANGES", "42P02"),
        ("SELECT card FROM sales EMIT CHANGES LIMIT $1", "42P02"),
        ("CREATE STREAM dear AS SELECT * FROM sales WHERE n > $1", "42P02"),
    ] {
        let refused = client.simple_query(statement).await.map(|_: Vec<SimpleQueryMessage>| ());
        assert_eq!(told(&refused.expect_err("nobody gives the value")).0, state, "{statement}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_columns_changed_is_prepared_anew() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE kept (id INT PRIMARY KEY, n INT) WITH (kafka_topic = 'kept')").await;
    let prepared = client.prepare("SELECT n FROM kept").await.expect("it is planned");
    run(&client, "DROP TABLE kept DELETE TOPIC").await;
    run(&client, "CREATE TABLE kept (id INT PRIMARY KEY, n TEXT) WITH (kafka_topic = 'kept')").await;
    let refused = client.query(&prepared, &[]).await.expect_err("a text is no integer");
    assert_eq!(told(&refused).0, "0A000");
    assert_eq!(told(&refused).1, "cached plan must not change result type");
    server.stop().await;
}

/// An interval as a client sends it.
#[derive(Debug)]
struct Interval {
    text: &'static str,
    parts: (i64, i32, i32),
    format: fn() -> Format,
}

impl ToSql for Interval {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        let (micros, days, months) = self.parts;
        match (self.format)() {
            Format::Text => out.put_slice(self.text.as_bytes()),
            Format::Binary => {
                out.put_i64(micros);
                out.put_i32(days);
                out.put_i32(months);
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::INTERVAL
    }

    fn encode_format(&self, _: &Type) -> Format {
        (self.format)()
    }

    tokio_postgres::types::to_sql_checked!();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_is_one_as_text_and_as_binary() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let statement = "SELECT (TIMESTAMP '2024-01-31' + $1)::text || ' ' || ($1 = '32 days -1 hour')::text";
    let statement = client.prepare_typed(statement, &[Type::INTERVAL]).await.expect("it is prepared");
    assert_eq!(statement.params(), [Type::INTERVAL]);
    for format in [|| Format::Text, || Format::Binary] {
        let interval = Interval { text: "1 mon 2 days -1 hours", parts: (-3_600_000_000, 2, 1), format };
        let row = client.query_one(&statement, &[&interval]).await.expect("it is told");
        assert_eq!(row.get::<_, String>(0), "2024-03-01 23:00:00 true");
    }
    let junk = Interval { text: "junk", parts: (0, 0, 0), format: || Format::Text };
    let error = client.query(&statement, &[&junk]).await.expect_err("no interval");
    assert_eq!(error.code().map(|code| code.code()), Some("22007"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_time_is_infinite_in_binary() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let statement = "SELECT $1::timestamp, $1::timestamp > '9999-12-31', '-infinity'::timestamptz";
    let statement = client.prepare_typed(statement, &[Type::TIMESTAMP]).await.expect("it is prepared");
    let row = client.query_one(&statement, &[&Timestamp::<SystemTime>::PosInfinity]).await.expect("it is told");
    assert_eq!(row.get::<_, Timestamp<SystemTime>>(0), Timestamp::PosInfinity);
    assert!(row.get::<_, bool>(1));
    assert_eq!(row.get::<_, Timestamp<SystemTime>>(2), Timestamp::NegInfinity);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operand_is_of_the_type_that_the_client_tells() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE days (id INT PRIMARY KEY, day DATE, paid BOOLEAN) WITH (kafka_topic = 'days')").await;
    run(&client, "INSERT INTO days VALUES (1, '2024-02-28', true), (2, '2024-03-01', false)").await;
    // What nobody tells is as what stands beside it; it stays so when it has a value.
    let rows = client.query("SELECT $1 + 1, 7 / $2, $3 % 3", &[&41_i64, &2_i64, &5_i64]).await.expect("numbers");
    let found: (i64, i64, i64) = (rows[0].get(0), rows[0].get(1), rows[0].get(2));
    assert_eq!(found, (42, 3, 2));
    let one = |statement: &'static str, told: Type| {
        let client = &client;
        async move {
            let prepared = client.prepare_typed(statement, &[told]).await.expect("it is prepared");
            let rows = client.query(&prepared, &[&2_i16]).await.expect("it runs");
            rows[0].get::<_, String>(0)
        }
    };
    assert_eq!(one("SELECT (day + $1)::text FROM days WHERE id = 1", Type::INT2).await, "2024-03-01");
    assert_eq!(one("SELECT (interval '1 day' * $1)::text", Type::INT2).await, "2 days");
    let halves = client.prepare_typed("SELECT id * $1 FROM days WHERE id = 1", &[Type::FLOAT8]).await.expect("it is");
    assert_eq!(client.query(&halves, &[&0.5_f64]).await.expect("it runs")[0].get::<_, f64>(0), 0.5);
    let among =
        client.prepare_typed("SELECT id FROM days WHERE id = ANY ($1)", &[Type::INT2_ARRAY]).await.expect("it is");
    assert_eq!(client.query(&among, &[&vec![2_i16, 9]]).await.expect("it runs")[0].get::<_, i32>(0), 2);
    for statement in [
        "SELECT id FROM days WHERE $1 AND id = 1",
        "SELECT id FROM days WHERE $1 ORDER BY id",
        "SELECT CASE WHEN $1 THEN 1 ELSE 2 END",
    ] {
        let rows = client.query(statement, &[&true]).await.expect("a truth");
        assert_eq!(rows[0].get::<_, i32>(0), 1, "{statement}");
    }
    assert!(client.query("SELECT NOT $1", &[&false]).await.expect("a truth")[0].get::<_, bool>(0));
    server.stop().await;
}
