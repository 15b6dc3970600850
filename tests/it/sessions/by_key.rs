//! Statements that are read by key: their answers are those of a plan, for any key, condition and parameter.

use arrow::array::timezone::Tz;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::engine::Outcome;
use tidemill::engine::Value;
use tidemill::engine::read_text;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tidemill::error::Error;
use tidemill::model::SqlType;
use tidemill::security::Principal;

use super::harness::Client;
use super::harness::World;
use super::harness::text_of;

/// Columns that views are grouped by: name, type as it is declared, values as texts. Some values are at the edges of what
/// keys can say.
const COLUMNS: [(&str, &str, &[&str]); 11] = [
    ("i", "INT", &["-2147483648", "-1", "0", "1", "2", "2147483647"]),
    ("b", "BIGINT", &["-9223372036854775807", "-1", "0", "1", "256", "9223372036854775807"]),
    ("t", "TEXT", &["", "a", "a b", "aa", "it's", "ü", "ÿÿ"]),
    ("f", "BOOLEAN", &["true", "false"]),
    ("d", "DECIMAL(10,2)", &["-1.50", "0.00", "0.01", "1.00", "99999999.99"]),
    ("x", "DOUBLE", &["-1.5", "-0.25", "0", "1", "2.5", "1e300"]),
    ("day", "DATE", &["1969-12-31", "2024-02-29", "2024-03-01"]),
    ("at", "TIME", &["00:00:00", "01:02:03.5", "23:59:59.999999"]),
    ("ts", "TIMESTAMP", &["1969-12-31 23:59:59.999999", "2024-01-01 00:00:00", "2024-01-02 03:04:05.678901"]),
    ("tz", "TIMESTAMPTZ", &["1969-12-31 23:59:59+00", "2024-01-01 00:00:00+00", "2024-01-01 01:00:00+00"]),
    ("raw", "BYTES", &["\\x", "\\x00", "\\x00ff", "\\xff"]),
];

/// Values that no row has, or no value of the column may be.
const OTHERS: [(&str, &[&str]); 4] = [
    ("INT", &["7", "4294967297", "-3000000000"]),
    ("BIGINT", &["7"]),
    ("TEXT", &["b"]),
    ("DECIMAL(10,2)", &["0.005", "7", "1.000", "123456789012.25"]),
];

struct Draw(SeededRandom);

impl Draw {
    fn below(&self, below: usize) -> usize {
        usize::try_from(self.0.next_u64() % below as u64).expect("it is small")
    }

    fn of<'a, T: ?Sized>(&self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// A column of the key: name, declared type.
type Column = (&'static str, &'static str, &'static [&'static str]);

/// One condition: its text with literals, its text with parameters, their values.
struct Condition {
    literal: String,
    open: String,
    values: Vec<(SqlType, Option<String>)>,
}

/// A statement by key, over a view whose key is `key`.
struct Drawn {
    conditions: Vec<Condition>,
    items: String,
    order: Option<String>,
    limit: Option<usize>,
}

fn sql_type(declared: &str) -> SqlType {
    match declared {
        "INT" => SqlType::Int,
        "BIGINT" => SqlType::BigInt,
        "TEXT" => SqlType::Text,
        "BOOLEAN" => SqlType::Boolean,
        "DECIMAL(10,2)" => SqlType::Decimal { precision: 10, scale: 2 },
        "DOUBLE" => SqlType::Double,
        "DATE" => SqlType::Date,
        "TIME" => SqlType::Time,
        "TIMESTAMP" => SqlType::Timestamp,
        "TIMESTAMPTZ" => SqlType::TimestampTz,
        "BYTES" => SqlType::Bytes,
        other => panic!("no type of the test: {other}"),
    }
}

/// A value as a literal of its column.
fn literal(declared: &str, text: &str) -> String {
    match declared {
        "INT" | "BIGINT" | "DECIMAL(10,2)" | "DOUBLE" | "BOOLEAN" => text.to_string(),
        _ => format!("'{}'", text.replace('\'', "''")),
    }
}

impl Drawn {
    fn new(draw: &Draw, key: &[Column]) -> Self {
        let (mut conditions, mut number) = (Vec::new(), 0);
        for column in &key[..1 + draw.below(key.len())] {
            let is_range = draw.below(4) == 0;
            conditions.push(Condition::new(draw, column, is_range, &mut number));
            if is_range {
                break;
            }
        }
        // The order of conditions is nobody's business.
        if draw.below(2) == 0 {
            conditions.reverse();
            let mut number = 0;
            conditions.iter_mut().for_each(|condition| condition.renumber(&mut number));
        }
        // Rows that are the same in what they are sorted by may come in any order, so nothing else of them is asked.
        if draw.below(3) == 0 {
            let (name, ..) = key[(conditions.len() - draw.below(2)).min(key.len() - 1)];
            let direction = draw.of(&["", " DESC"]);
            let order = format!(" ORDER BY {name}{direction}{}", draw.of(&["", " NULLS FIRST", " NULLS LAST"]));
            return Self { conditions, items: name.to_string(), order: Some(order), limit: Some(draw.below(5)) };
        }
        let key_names: Vec<&str> = key.iter().map(|(name, ..)| *name).collect();
        let items = match draw.below(4) {
            0 => "*".to_string(),
            1 => "n".to_string(),
            2 => format!("n AS \"N\", v.{0}, {0}", key_names[draw.below(key_names.len())]),
            _ => format!("{}, n AS m", key_names.join(", ")),
        };
        Self { conditions, items, order: None, limit: (draw.below(8) == 0).then(|| draw.below(3)) }
    }

    /// The values of its parameters, with that of LIMIT.
    fn values(&self) -> Vec<(SqlType, Option<String>)> {
        let limit = self.limit.map(|limit| (SqlType::BigInt, Some(limit.to_string())));
        self.conditions.iter().flat_map(|condition| condition.values.clone()).chain(limit).collect()
    }

    /// Its text with literals or with parameters; the same in words that are not read by key.
    fn texts(&self, of: impl Fn(&Condition) -> &str, limit: impl Fn(usize) -> String) -> (String, String) {
        let all: Vec<&str> = self.conditions.iter().map(of).collect();
        let limit = self.limit.map(|rows| format!(" LIMIT {}", limit(rows))).unwrap_or_default();
        let (items, all, order) = (&self.items, all.join(" AND "), self.order.as_deref().unwrap_or_default());
        let by_key = format!("SELECT {items} FROM v WHERE {all}{order}{limit}");
        (by_key, format!("SELECT {items} FROM v WHERE ({all}) AND true{order}{limit}"))
    }
}

impl Condition {
    fn new(draw: &Draw, column: &Column, is_range: bool, number: &mut usize) -> Self {
        let (name, declared, values) = *column;
        let others = OTHERS.iter().find(|(of, _)| *of == declared).map_or(&[][..], |(_, others)| *others);
        let value = || {
            let all: Vec<&str> = values.iter().chain(others.iter().filter(|_| draw.below(3) == 0)).copied().collect();
            (draw.below(12) != 0).then(|| draw.of(&all).to_string())
        };
        let mut drawn = Vec::new();
        let mut operand = |literals: &mut Vec<String>, open: &mut Vec<String>| {
            let value = value();
            // NULL is told by a parameter: as a literal it is the planner's, like whatever has no literal.
            literals.push(value.as_deref().map_or("NULL".to_string(), |text| literal(declared, text)));
            *number += 1;
            open.push(format!("${number}"));
            drawn.push((sql_type(declared), value));
        };
        let (mut literals, mut open) = (Vec::new(), Vec::new());
        let shape = match (is_range, draw.below(5)) {
            (false, 0) => {
                (0..1 + draw.below(3)).for_each(|_| operand(&mut literals, &mut open));
                "in"
            }
            (false, 1) => {
                operand(&mut literals, &mut open);
                "turned"
            }
            (false, 2) if !declared.starts_with("DECIMAL") => {
                (0..draw.below(4)).for_each(|_| operand(&mut literals, &mut open));
                "any"
            }
            (false, _) => {
                operand(&mut literals, &mut open);
                "="
            }
            (true, 0) => {
                (0..2).for_each(|_| operand(&mut literals, &mut open));
                "between"
            }
            (true, 1) => {
                (0..2).for_each(|_| operand(&mut literals, &mut open));
                "inside"
            }
            (true, _) => {
                operand(&mut literals, &mut open);
                draw.of(&["<", "<=", ">", ">="])
            }
        };
        if shape == "any" {
            // One parameter holds all of them.
            *number = *number + 1 - open.len();
            open = vec![format!("${number}")];
            drawn = vec![(SqlType::Array(Box::new(sql_type(declared))), Some(array_text(&drawn)))];
            let literal = format!("{name} = ANY (ARRAY[{}])", literals.join(", "));
            return Self { literal, open: format!("{name} = ANY ({})", open[0]), values: drawn };
        }
        let text = |values: &[String]| match shape {
            "in" => format!("{name} IN ({})", values.join(", ")),
            "turned" => format!("({} = v.{name})", values[0]),
            "between" => format!("{name} BETWEEN {} AND {}", values[0], values[1]),
            "inside" => format!("{} < {name} AND {name} <= {}", values[0], values[1]),
            operator => format!("{name} {operator} {}", values[0]),
        };
        Self { literal: text(&literals), open: text(&open), values: drawn }
    }

    /// Gives its parameters the next numbers.
    fn renumber(&mut self, number: &mut usize) {
        let mut rest = self.open.as_str();
        let mut open = String::new();
        while let Some((before, after)) = rest.split_once('$') {
            *number += 1;
            open.push_str(&format!("{before}${number}"));
            rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
        }
        self.open = open + rest;
    }
}

/// Values as the text of an array.
fn array_text(values: &[(SqlType, Option<String>)]) -> String {
    let escaped = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let element = |(_, value): &(SqlType, Option<String>)| value.as_ref().map_or("NULL".to_string(), escaped);
    format!("{{{}}}", values.iter().map(element).collect::<Vec<_>>().join(","))
}

/// The value of a parameter, of the type that the statement told.
fn value(told: &SqlType, text: Option<&str>, zone: Tz) -> Value {
    match text {
        None => Value::try_from(&told.arrow()).expect("every type has a null"),
        Some(text) => read_text(told, text, zone).expect("it is a value"),
    }
}

/// The rows of a statement as they come; the error by its code.
async fn rows(client: &mut Client, text: &str, values: &[Value]) -> Result<Vec<String>, Error> {
    let statement = client.session.parse(text)?.remove(0);
    let Outcome::Rows { rows, .. } = client.session.execute(&statement, values).await? else { panic!("{text}") };
    Ok(text_of(rows).await?.lines().map(str::to_string).collect())
}

/// Compares the answers of a statement that is read by key and of one that is planned.
async fn compare(client: &mut Client, (by_key, planned): &(String, String), values: &[Value], drawn: &Drawn) {
    match (rows(client, by_key, values).await, rows(client, planned, values).await) {
        (Ok(found), Ok(wanted)) if drawn.order.is_some() => assert_eq!(found, wanted, "{by_key} {values:?}"),
        (Ok(found), Ok(wanted)) if drawn.limit.is_some() => {
            assert_eq!(found.len(), wanted.len(), "{by_key} {values:?}");
            let all = planned.split(" LIMIT ").next().expect("there is a first");
            let values = &values[..values.len().saturating_sub(1)];
            let all = rows(client, all, values).await.expect("without LIMIT it is no error");
            assert!(found.iter().all(|row| all.contains(row)), "{by_key} {values:?}");
        }
        (Ok(mut found), Ok(mut wanted)) => {
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{by_key} {values:?}");
        }
        (Err(error), Err(wanted)) => assert_eq!(error.state(), wanted.state(), "{by_key} {values:?}"),
        (found, wanted) => panic!("{by_key} {values:?}: {found:?}, with a plan {wanted:?}"),
    }
}

async fn is_read_by_key(client: &mut Client, text: &str) -> bool {
    client.ask(&format!("EXPLAIN {text}")).await.is_ok_and(|plan| plan.starts_with("KeyRead: v, "))
}

/// A view with `key` and a table's rows by chance.
async fn world(draw: &Draw, key: &[Column]) -> (World, Client) {
    let world = World::new().await;
    let mut client = world.session();
    let columns: Vec<String> = COLUMNS.iter().map(|(name, declared, _)| format!("{name} {declared}")).collect();
    let partitions = 1 + draw.below(2);
    client
        .expect(&format!("CREATE STREAM s ({}) WITH (partitions = {partitions})", columns.join(", ")), "CREATE STREAM")
        .await;
    let names: Vec<&str> = key.iter().map(|(name, ..)| *name).collect();
    let names = names.join(", ");
    let view = format!("CREATE MATERIALIZED VIEW v AS SELECT {names}, count(*) AS n FROM s GROUP BY {names}");
    client.ask(&view).await.expect("a view");
    for _ in 0..2 {
        let row = |_| {
            let cells = COLUMNS.iter().map(|(_, declared, values)| match draw.below(10) {
                0 => "NULL".to_string(),
                _ => literal(declared, draw.of(values)),
            });
            format!("({})", cells.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<String> = (0..40).map(row).collect();
        client.ask(&format!("INSERT INTO s VALUES {}", rows.join(", "))).await.expect("rows");
        world.drive().await;
    }
    (world, client)
}

#[tokio::test]
async fn what_is_read_by_key_is_what_a_plan_reads() {
    let utc: Tz = "UTC".parse().expect("a zone");
    let (mut by_key, mut asked) = (0, 0);
    for seed in 0..24 {
        let draw = Draw(SeededRandom::new(seed));
        let first = usize::try_from(seed).expect("it is small") % COLUMNS.len();
        let step = 1 + draw.below(5);
        let key: Vec<Column> = (0..1 + draw.below(3)).map(|at| COLUMNS[(first + at * step) % COLUMNS.len()]).collect();
        let (_world, mut client) = world(&draw, &key).await;
        if draw.below(2) == 0 {
            client.expect("SET TimeZone = 'Asia/Kolkata'", "SET").await;
        }
        for _ in 0..30 {
            let drawn = Drawn::new(&draw, &key);
            asked += 1;
            let literal = drawn.texts(|condition| &condition.literal, |rows| rows.to_string());
            by_key += usize::from(is_read_by_key(&mut client, &literal.0).await);
            assert!(!is_read_by_key(&mut client, &literal.1).await, "{} is not planned", literal.1);
            compare(&mut client, &literal, &[], &drawn).await;
            let given = drawn.values();
            let open = drawn.texts(|condition| &condition.open, |_| format!("${}", given.len()));
            let statements = [&open.0, &open.1].map(|text| client.session.parse(text).expect("it is one").remove(0));
            // A driver sends what it has: a number may be wider than its place.
            let is_wide = |text: &Option<String>| text.as_ref().is_some_and(|text| text.parse::<i32>().is_err());
            let known: Vec<Option<SqlType>> = given
                .iter()
                .map(|(of, text)| match of {
                    SqlType::Int if is_wide(text) || draw.below(3) == 0 => Some(SqlType::BigInt),
                    SqlType::Array(item) if **item == SqlType::Int => Some(SqlType::Array(Box::new(SqlType::BigInt))),
                    _ => None,
                })
                .collect();
            let mut told = Vec::new();
            for statement in &statements {
                told.push(client.session.describe(statement, &known).await.expect("it is described"));
            }
            assert_eq!(told[0], told[1], "{}", open.0);
            let values: Vec<Value> =
                given.iter().zip(&told[0].params).map(|((_, text), told)| value(told, text.as_deref(), utc)).collect();
            compare(&mut client, &open, &values, &drawn).await;
        }
    }
    assert!(asked / 2 < by_key, "only {by_key} of {asked} statements with literals were read by key");
}

#[tokio::test]
async fn the_shape_of_a_statement_tells_whether_it_is_read_by_key() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE STREAM s (a INT, b TEXT, c INT)", "CREATE STREAM").await;
    client.ask("CREATE MATERIALIZED VIEW v AS SELECT a, b, max(c) AS c FROM s GROUP BY a, b").await.expect("a view");
    for read in [
        "SELECT * FROM v WHERE a = 1 AND b = 'x'",
        "SELECT c FROM v AS w WHERE w.a = 1 LIMIT 1",
        "SELECT c AS d, a FROM v WHERE (a > 1) AND a <= 5",
        "SELECT c FROM V WHERE A IN (1, -2, 3) AND B = 'x'",
        "SELECT c FROM v WHERE a BETWEEN 1 AND 3",
        "SELECT c FROM v WHERE a = ANY (ARRAY[1, -2]) AND b = ANY (ARRAY['x'])",
        "SELECT c FROM v ORDER BY a LIMIT 5",
        "SELECT c AS d FROM v ORDER BY v.a DESC NULLS LAST LIMIT 2",
        "SELECT a, c FROM v WHERE a > 1 ORDER BY 1 DESC LIMIT 2",
        "SELECT * FROM v WHERE a = 1 ORDER BY a, b DESC LIMIT 2",
        "SELECT b AS x FROM v WHERE a = 1 ORDER BY x LIMIT 2",
        "SELECT c FROM v WHERE a IN (3, 1) ORDER BY a DESC LIMIT 2",
    ] {
        assert!(is_read_by_key(&mut client, read).await, "{read}");
    }
    for planned in [
        "SELECT * FROM v",
        "SELECT c FROM v WHERE b = 'x'",
        "SELECT c FROM v WHERE a = 1 AND c = 2",
        "SELECT c FROM v WHERE a = 1 OR a = 2",
        "SELECT c FROM v WHERE a = '1'",
        "SELECT c FROM v WHERE a = 1.0",
        "SELECT c FROM v WHERE a = 1 AND a = 2",
        "SELECT c FROM v WHERE a <> 1",
        "SELECT c FROM v WHERE a = NULL",
        "SELECT c + 1 FROM v WHERE a = 1",
        "SELECT DISTINCT c FROM v WHERE a = 1",
        "SELECT count(*) FROM v WHERE a = 1",
        "SELECT c FROM v WHERE a = 1 ORDER BY c",
        "SELECT c FROM v WHERE a = 1 ORDER BY c LIMIT 1",
        "SELECT c FROM v WHERE a = 1 ORDER BY b",
        "SELECT c FROM v LIMIT 1",
        "SELECT c FROM v ORDER BY b LIMIT 1",
        "SELECT c FROM v ORDER BY a, b LIMIT 1",
        "SELECT c AS a FROM v ORDER BY a LIMIT 1",
        "SELECT c FROM v WHERE a IN (1, 2) ORDER BY b LIMIT 1",
        "SELECT c FROM v ORDER BY a LIMIT 5000",
        "SELECT c FROM v WHERE a = ANY (ARRAY['1'])",
        "SELECT c FROM v WHERE a = 1 OFFSET 1",
        "SELECT c FROM v WHERE a NOT IN (1)",
        "SELECT c FROM v WHERE a > 1 AND b = 'x'",
        "SELECT v.c FROM v, v AS w WHERE v.a = 1",
        "SELECT c FROM s WHERE a = 1",
    ] {
        assert!(!is_read_by_key(&mut client, planned).await, "{planned}");
    }
    client.expect("SET compatibility = 'ksqldb'", "SET").await;
    assert!(!is_read_by_key(&mut client, "SELECT `c` FROM `v` WHERE `a` = 1").await);
}

#[tokio::test]
async fn a_prepared_read_sees_what_its_names_and_settings_mean_now() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMPTZ)", "CREATE TABLE").await;
    client.expect("INSERT INTO t VALUES (1, '2024-01-01 00:00+00')", "INSERT 0 1").await;
    let statement = client.session.parse("SELECT at FROM t WHERE id = $1").expect("it is one").remove(0);
    let described = client.session.describe(&statement, &[]).await.expect("it is described");
    assert_eq!(described.params, [SqlType::Int]);
    let read = async |client: &mut Client| {
        let outcome = client.session.execute(&statement, &[Value::Int32(Some(1))]).await?;
        let Outcome::Rows { rows, .. } = outcome else { panic!("no rows") };
        text_of(rows).await
    };
    assert_eq!(read(&mut client).await.expect("rows"), "2024-01-01 00:00:00+00");
    client.expect("SET TimeZone = 'Asia/Kolkata'", "SET").await;
    assert_eq!(read(&mut client).await.expect("rows"), "2024-01-01 05:30:00+05:30");
    client.expect("UPDATE t SET at = '2025-01-01 00:00+00' WHERE id = 1", "UPDATE 1").await;
    assert_eq!(read(&mut client).await.expect("rows"), "2025-01-01 05:30:00+05:30");
    client.expect("DROP TABLE t DELETE TOPIC", "DROP TABLE").await;
    assert_eq!(read(&mut client).await.expect_err("it is gone").state().0, "42P01");
    client.expect("CREATE TABLE t (id INT PRIMARY KEY, at TEXT)", "CREATE TABLE").await;
    client.expect("INSERT INTO t VALUES (1, 'now a text')", "INSERT 0 1").await;
    assert_eq!(read(&mut client).await.expect("rows"), "now a text");
}

#[tokio::test]
async fn a_parameter_behind_any_is_an_array_of_what_it_is_compared_with() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", "CREATE TABLE").await;
    client.expect("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')", "INSERT 0 3").await;
    for (text, item) in [
        ("SELECT id FROM t WHERE id = ANY ($1) ORDER BY id DESC LIMIT 2", SqlType::Int),
        ("SELECT id FROM t WHERE name <> ALL ($1) ORDER BY id", SqlType::Text),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.name = ANY ($1))", SqlType::Text),
    ] {
        let statement = client.session.parse(text).expect("it is one").remove(0);
        let described = client.session.describe(&statement, &[]).await.expect("it is described");
        assert_eq!(described.params, [SqlType::Array(Box::new(item))], "{text}");
    }
    let utc: Tz = "UTC".parse().expect("a zone");
    let numbers = value(&SqlType::Array(Box::new(SqlType::Int)), Some("{2,NULL,3,2,9}"), utc);
    let found = rows(&mut client, "SELECT id FROM t WHERE id = ANY ($1) ORDER BY id DESC LIMIT 2", &[numbers]).await;
    assert_eq!(found.expect("rows"), ["3", "2"]);
}

#[tokio::test]
async fn texts_of_one_shape_differ_in_their_numbers_only() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE STREAM s (a INT, d DECIMAL(10,2), c INT)", "CREATE STREAM").await;
    client.ask("CREATE MATERIALIZED VIEW v AS SELECT a, d, max(c) AS c FROM s GROUP BY a, d").await.expect("a view");
    client.expect("INSERT INTO s VALUES (1, 1, 10), (1, 1.5, 20), (2, 0.05, 30)", "INSERT 0 3").await;
    world.drive().await;
    for (a, d, found) in
        [("1", "1", "10"), ("1", "1.50", "20"), ("2", "0.05", "30"), ("02", "0.050", "30"), ("2", "0.055", "")]
    {
        client.expect(&format!("SELECT c FROM v WHERE a = {a} AND d = {d}"), found).await;
        let text = format!("SELECT c FROM v WHERE d IN ({d}, 7) AND a = {a}");
        client.expect(&text, found).await;
        let described = client.session.parse(&text).expect("it is one").remove(0);
        let described = client.session.describe(&described, &[]).await.expect("it is described");
        assert!(described.params.is_empty());
        assert_eq!(described.fields.expect("it gives rows")[0].name, "c");
    }
    client.expect("SELECT c FROM v WHERE a = 99999999999 AND d = 1", "").await;
    client.expect("SELECT c FROM v WHERE a = 1 AND d = 1 LIMIT 0", "").await;
    client.expect("SELECT c FROM v WHERE a = 1 AND d = 1 LIMIT 1", "10").await;
    client.expect("SELECT 1 FROM v WHERE a = 2", "1").await;
    client.expect("SELECT 2 FROM v WHERE a = 2", "2").await;
    // The same shape over another view: errors are the planner's and point into the text.
    client.expect("DROP MATERIALIZED VIEW v DELETE TOPIC", "DROP MATERIALIZED VIEW").await;
    let error = client.refuse("SELECT c FROM v WHERE a = 2 AND d = 1", "42P01", "relation \"v\" does not exist").await;
    assert_eq!(error.position().map(|position| position.0), Some(15));
    client.ask("CREATE MATERIALIZED VIEW v AS SELECT c AS a, count(*) AS c FROM s GROUP BY c").await.expect("a view");
    world.drive().await;
    let error = client.refuse("SELECT c FROM v WHERE a = 10 AND d = 1", "42703", "column \"d\" does not exist").await;
    assert_eq!(error.position().map(|position| position.0), Some(34));
    client.expect("SELECT c FROM v WHERE a = 10", "1").await;
    client.expect("SELECT c FROM v WHERE a = 11", "").await;
}

#[tokio::test]
async fn who_may_not_read_hears_it_of_a_read_by_key_too() {
    let pipeline = Pipeline::open(PipelineOptions::default()).await.expect("the engine opens");
    let mut owner = pipeline.session().expect("anybody may connect");
    for text in ["CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'a')"] {
        let statement = owner.parse(text).expect("it is one").remove(0);
        owner.execute(&statement, &[]).await.expect("the owner may");
    }
    let mut nobody = pipeline.session_of(Principal::anonymous("eve")).expect("anybody may connect");
    let statement = nobody.parse("SELECT v FROM t WHERE id = 1").expect("it is one").remove(0);
    let refused = nobody.execute(&statement, &[]).await.err().expect("nobody may not");
    assert_eq!(refused.state().0, "42501");
    let refused = nobody.describe(&statement, &[]).await.expect_err("nor hear of its columns");
    assert_eq!(refused.state().0, "42501");
}
