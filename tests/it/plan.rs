//! Golden plans: every `tests/plan/*.txt` holds statements and what the planner says to each.
//!
//! A file is a list of cases, each `== name`, SQL, `--`, answer. The relations are those of `relations.sql`.
//! `BLESS=1 cargo test --test it plan` writes today's answers over the old ones.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use tidemill::catalog::Catalog;
use tidemill::catalog::Change;
use tidemill::catalog::Compatibility;
use tidemill::catalog::EmitMode;
use tidemill::catalog::Format;
use tidemill::catalog::Formats;
use tidemill::catalog::OnError;
use tidemill::catalog::Relation;
use tidemill::catalog::RelationKind;
use tidemill::catalog::Semantics;
use tidemill::catalog::WindowOfKey;
use tidemill::error::Error;
use tidemill::error::Result;
use tidemill::model::Column;
use tidemill::model::ColumnRole;
use tidemill::model::RelationId;
use tidemill::model::SqlType;
use tidemill::model::TopicId;
use tidemill::plan::Destination;
use tidemill::plan::Functions;
use tidemill::plan::StandingRequest;
use tidemill::sql::ObjectKind;
use tidemill::sql::Statement;

struct Case {
    name: String,
    sql: String,
    answer: String,
}

/// One relation a line: `stream|table name partitions key_format[ window_ms]: column type [KEY|START|END], ..`.
fn world(text: &str, compatibility: Compatibility) -> Catalog {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.enumerate().fold(Catalog::default(), |catalog, (index, line)| {
        let change = Change::CreateRelation(Box::new(relation(index, line, compatibility)));
        catalog.apply(&change).expect("relations have different names")
    })
}

fn relation(index: usize, line: &str, compatibility: Compatibility) -> Relation {
    let fold = |name: &str| match compatibility {
        Compatibility::Postgres => name.to_lowercase(),
        Compatibility::Ksqldb => name.to_uppercase(),
    };
    let (head, columns) = line.split_once(':').expect("a relation line has a colon");
    let words: Vec<&str> = head.split_whitespace().collect();
    let [kind, name, partitions, key, window @ ..] = words.as_slice() else { panic!("relation line {line:?}") };
    let format = match *key {
        "kafka" => Format::Kafka,
        "json" => Format::Json,
        _ => Format::None,
    };
    Relation {
        id: RelationId(index as u64 + 1),
        name: fold(name),
        kind: if *kind == "table" { RelationKind::Table } else { RelationKind::Stream },
        read_only: false,
        names_topic: false,
        owns_topic: false,
        not_null: Vec::new(),
        text_kinds: Default::default(),
        defaults: Default::default(),
        identity: None,
        ttl_ms: None,
        session: None,
        materialized_view: false,
        columns: columns.split(", ").map(|column| self::column(column, fold)).collect(),
        formats: Formats { key: format, value: Format::Json, wrap_single_value: true },
        topic: (*name).to_string(),
        topic_id: TopicId([index as u8; 16]),
        partitions: partitions.parse().expect("a number of partitions"),
        timestamp_column: None,
        timestamp_format: None,
        window: window.first().map(|size| WindowOfKey { size_ms: Some(size.parse().expect("milliseconds")) }),
        on_error: OnError::DeadLetter,
        dead_letter_topic: None,
        query: None,
        compatibility,
        statement: String::new(),
        owner: "tidemill".to_string(),
    }
}

fn column(text: &str, fold: impl Fn(&str) -> String) -> Column {
    let words: Vec<&str> = text.split_whitespace().collect();
    let sql_type = match words[1] {
        "BOOLEAN" => SqlType::Boolean,
        "INT" => SqlType::Int,
        "BIGINT" => SqlType::BigInt,
        "DOUBLE" => SqlType::Double,
        "DECIMAL(12,2)" => SqlType::Decimal { precision: 12, scale: 2 },
        "TEXT" => SqlType::Text,
        "DATE" => SqlType::Date,
        "TIMESTAMP" => SqlType::Timestamp,
        "TIMESTAMPTZ" => SqlType::TimestampTz,
        other => panic!("type {other}"),
    };
    let role = match words.get(2) {
        None => ColumnRole::Value,
        Some(&"KEY") => ColumnRole::Key,
        Some(&"START") => ColumnRole::WindowStart,
        Some(&"END") => ColumnRole::WindowEnd,
        Some(other) => panic!("role {other}"),
    };
    Column { name: fold(words[0]), sql_type, role }
}

fn cases(text: &str) -> Vec<Case> {
    text.split("== ")
        .skip(1)
        .map(|case| {
            let (name, rest) = case.split_once('\n').expect("a case has a name");
            let (sql, answer) = rest.split_once("\n--\n").unwrap_or((rest, ""));
            Case { name: name.trim().to_string(), sql: sql.trim().to_string(), answer: answer.trim().to_string() }
        })
        .collect()
}

fn answer(sql: &str, compatibility: Compatibility, world: &Catalog) -> String {
    match explained(sql, compatibility, world) {
        Ok(text) => text.trim().to_string(),
        Err(error) => {
            let mut text = format!("{}: {}", error.state().0, error.message());
            if let Some(position) = error.position() {
                text.push_str(&format!("\nat {}: {}", position.0, after(sql, position.0)));
            }
            if let Some(detail) = error.detail_text() {
                text.push_str(&format!("\ndetail: {detail}"));
            }
            if let Some(hint) = error.hint_text() {
                text.push_str(&format!("\nhint: {hint}"));
            }
            text
        }
    }
}

fn after(sql: &str, position: u32) -> String {
    let rest: String = sql.chars().skip(position as usize - 1).collect();
    rest.split_whitespace().next().unwrap_or_default().to_string()
}

fn explained(sql: &str, compatibility: Compatibility, world: &Catalog) -> Result<String> {
    let emit = match compatibility {
        Compatibility::Postgres => EmitMode::Net,
        Compatibility::Ksqldb => EmitMode::All,
    };
    let semantics = Semantics { compatibility, emit };
    let statement = tidemill::sql::parse(sql)?.remove(0).statement;
    let (select, mut request) = match statement {
        Statement::CreateAs(create) => {
            let destination = Destination::Create { kind: create.kind, name: create.name.value.clone() };
            let mut request = StandingRequest::new(semantics, destination);
            for option in &create.options {
                match (option.name.value.to_lowercase().as_str(), option.value.to_lowercase().as_str()) {
                    ("key_format", "json") => request.key_format = Some(Format::Json),
                    ("key_format", "kafka") => request.key_format = Some(Format::Kafka),
                    ("partitions", count) => request.partitions = Some(count.parse().expect("a number")),
                    other => panic!("option {other:?}"),
                }
            }
            (create.select, request)
        }
        Statement::InsertSelect(insert) => {
            let relation = world
                .relation(&insert.target.value)
                .cloned()
                .ok_or_else(|| Error::internal(format!("no relation {}", insert.target.value)))?;
            (insert.select, StandingRequest::new(semantics, Destination::Insert { relation, columns: insert.columns }))
        }
        Statement::Select(select) => (select, StandingRequest::new(semantics, Destination::Client)),
        other => panic!("not planned: {other:?}"),
    };
    if let Destination::Create { kind, .. } = &mut request.destination
        && *kind == ObjectKind::MaterializedView
    {
        *kind = ObjectKind::Table;
    }
    let functions = Functions::new();
    let plan = tidemill::plan::plan_standing(&select, world, &functions, &request)?;
    let text = tidemill::plan::explain(&plan);
    let again = tidemill::plan::plan_bound(&plan.bound_text, world, &functions)?;
    assert_eq!(text, tidemill::plan::explain(&again), "the bound text gives another plan: {}", plan.bound_text);
    assert_eq!(plan.bound_text, again.bound_text, "the bound text changes when it is read");
    assert_eq!(plan.output, again.output);
    Ok(text)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan")
}

fn check(file: &str, compatibility: Compatibility) {
    let relations = fs::read_to_string(folder().join("relations")).expect("the relations are there");
    let world = world(&relations, compatibility);
    let path = folder().join(file);
    let text = fs::read_to_string(&path).expect("the cases are there");
    let mut blessed = String::new();
    let mut wrong = Vec::new();
    let cases = cases(&text);
    assert!(!cases.is_empty(), "{file} has no case");
    for case in cases {
        let answer = answer(&case.sql, compatibility, &world);
        if answer != case.answer {
            wrong.push(format!("== {}\n{}\nexpected:\n{}\nfound:\n{answer}\n", case.name, case.sql, case.answer));
        }
        blessed.push_str(&format!("== {}\n{}\n--\n{answer}\n\n", case.name, case.sql));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, blessed).expect("the cases can be written");
    } else {
        assert!(wrong.is_empty(), "{} of {file} differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn standing_plans_are_as_blessed() {
    check("standing.txt", Compatibility::Postgres);
}

#[test]
fn standing_plans_under_ksqldb_are_as_blessed() {
    check("ksqldb.txt", Compatibility::Ksqldb);
}

#[test]
fn refusals_are_as_blessed() {
    check("refused.txt", Compatibility::Postgres);
}
