//! Declarations, options and changes.

use super::*;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::SqlType;
use crate::model::TopicId;
use crate::sql;

fn declared(text: &str, compatibility: Compatibility) -> Result<Declared> {
    let mut parsed = sql::parse(text)?;
    let sql::Statement::CreateSource(create) = parsed.remove(0).statement else { panic!("{text} is a CREATE") };
    declare(&create, &RelationOptions::read(&create.options)?, compatibility)
}

fn refused(text: &str) -> crate::error::Error {
    declared(text, Compatibility::Postgres).expect_err(text)
}

fn relation(id: u64, name: &str) -> Relation {
    Relation {
        id: RelationId(id),
        name: name.to_string(),
        kind: RelationKind::Stream,
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
        columns: vec![Column { name: "a".to_string(), sql_type: SqlType::Int, role: ColumnRole::Value }],
        formats: Formats { key: Format::None, value: Format::Json, wrap_single_value: true },
        topic: name.to_string(),
        topic_id: TopicId([7; 16]),
        partitions: 1,
        timestamp_column: None,
        timestamp_format: None,
        window: None,
        on_error: OnError::DeadLetter,
        dead_letter_topic: None,
        query: None,
        compatibility: Compatibility::Postgres,
        statement: String::new(),
        owner: "ann".to_string(),
    }
}

fn query(id: u64, source: u64, sink: u64) -> QueryDefinition {
    QueryDefinition {
        id: QueryId(id),
        name: format!("csas_q_{id}"),
        sink: RelationId(sink),
        sources: vec![RelationId(source)],
        statement: String::new(),
        bound_text: String::new(),
        semantics: Semantics::default(),
        internal_topics: Vec::new(),
        state_layouts: Vec::new(),
        state: QueryState::Running,
        begins_anew: false,
    }
}

#[test]
fn a_declaration_keeps_its_order_and_folds_its_names() {
    let text = "CREATE TABLE T (Name TEXT, \"Id\" BIGINT PRIMARY KEY, d DECIMAL(12,2)) WITH (value_format='DELIMITED', value_delimiter='|')";
    let declared = declared(text, Compatibility::Postgres).expect("it is right");
    let names: Vec<&str> = declared.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["name", "Id", "d"]);
    assert_eq!(declared.columns[1].role, ColumnRole::Key);
    assert_eq!(declared.columns[2].sql_type, SqlType::Decimal { precision: 12, scale: 2 });
    assert_eq!(declared.formats.key, Format::Kafka);
    assert_eq!(declared.formats.value, Format::Delimited { delimiter: '|' });
}

#[test]
fn ksqldb_folds_to_upper_case_and_finds_its_timestamp() {
    let text =
        "CREATE STREAM s (id INT KEY, ts BIGINT, `x` STRING) WITH (kafka_topic='t', timestamp='ts', format='json')";
    let declared = declared(text, Compatibility::Ksqldb).expect("it is right");
    let names: Vec<&str> = declared.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["ID", "TS", "x"]);
    assert_eq!(declared.timestamp_column, Some(1));
    assert_eq!(declared.formats.key, Format::Json);
}

#[test]
fn a_key_that_kafka_cannot_write_is_json_unless_told() {
    let text = "CREATE TABLE t (a INT, b TEXT, PRIMARY KEY (a, b))";
    assert_eq!(declared(text, Compatibility::Postgres).expect("it is right").formats.key, Format::Json);
    assert_eq!(
        refused("CREATE TABLE t (a DATE PRIMARY KEY) WITH (key_format = 'KAFKA')").state(),
        SqlState::INVALID_TABLE_DEFINITION
    );
}

#[test]
fn windows_in_the_key_add_their_bounds() {
    let text = "CREATE STREAM s (id INT KEY, v INT) WITH (window_type='TUMBLING', window_size='30 SECONDS')";
    let bounds = declared(text, Compatibility::Postgres).expect("it is right").columns.split_off(2);
    assert_eq!(bounds[0].role, ColumnRole::WindowStart);
    assert_eq!(bounds[1].name, "windowend");
}

#[test]
fn a_table_without_a_key_has_one_that_nobody_sees() {
    let keyless = declared("CREATE TABLE t (a INT, b TEXT)", Compatibility::Postgres).expect("it is right");
    assert_eq!(keyless.columns.last(), Some(&Column::row_key()));
    assert_eq!(keyless.formats.key, Format::Kafka);
    let refused = declared("CREATE TABLE t (a INT)", Compatibility::Ksqldb).expect_err("there it needs one");
    assert_eq!(refused.message(), "Tables require a PRIMARY KEY. Please define the PRIMARY KEY.");
}

#[test]
fn wrong_declarations_say_why() {
    let cases = [
        ("CREATE SOURCE TABLE t (a INT)", "42P16", "a SOURCE table needs a PRIMARY KEY"),
        ("CREATE TABLE t (a INT) WITH (kafka_topic = 't')", "42P16", "a table over a named topic needs a PRIMARY KEY"),
        ("CREATE TABLE t (\"?.row\" INT)", "42701", "column name \"?.row\" conflicts with a system column name"),
        ("CREATE STREAM s (a INT PRIMARY KEY)", "42P16", "a stream cannot have a PRIMARY KEY"),
        ("CREATE STREAM s (a INT, A TEXT)", "42701", "column \"a\" specified more than once"),
        ("CREATE STREAM s (a POINT3)", "42704", "type \"POINT3\" does not exist"),
        ("CREATE STREAM s (a VARCHAR(0))", "22023", "length for type varchar must be at least 1"),
        ("CREATE STREAM s (a DECIMAL(40,2))", "0A000", "DECIMAL of more than 38 digits is not supported"),
        ("CREATE STREAM s (a DECIMAL(0))", "22023", "DECIMAL precision 0 must be between 1 and 38"),
        ("CREATE STREAM s (a INT) WITH (partition = 4)", "22023", "unknown option \"partition\""),
        ("CREATE STREAM s (a INT) WITH (partitions = 0)", "22023", "option \"partitions\" cannot be \"0\""),
        ("CREATE STREAM s (a INT) WITH (value_format = 'AVRO')", "0A000", "format AVRO is not supported"),
        ("CREATE STREAM s (a INT) WITH (timestamp = 'b')", "42703", "column \"b\" does not exist"),
        ("CREATE STREAM s (a INT) WITH (timestamp = 'a')", "42804", "column \"a\" cannot give the event time"),
        ("CREATE STREAM s (a INT) WITH (emit = 'all', emit = 'net')", "42601", "option \"emit\" is given twice"),
    ];
    for (text, state, message) in cases {
        let error = refused(text);
        assert_eq!((error.state().0, error.message()), (state, message), "{text}");
    }
    let hint = refused("CREATE STREAM s (a INT) WITH (partition = 4)");
    assert_eq!(hint.hint_text(), Some("Did you mean \"partitions\"?"));
}

#[test]
fn changes_survive_their_bytes_and_newer_bytes_are_refused() {
    let changes = [
        Change::CreateRelation(Box::new(relation(1, "s"))),
        Change::CreateQuery(Box::new(query(1, 1, 1))),
        Change::SetQueryState { query: QueryId(1), state: QueryState::Paused },
        Change::ReplaceQuery(Box::new(query(1, 1, 1))),
        Change::DropQuery(QueryId(1)),
        Change::CreateView(Box::new(view(2, "v", "SELECT a FROM s", &[("s", 1)]))),
        Change::ReplaceView(Box::new(view(2, "w", "SELECT a FROM s", &[("s", 1)]))),
        Change::DropView(RelationId(2)),
        Change::DropRelation(RelationId(1)),
        Change::CreateType(Box::new(named_type())),
        Change::DropType("t".to_string()),
    ];
    let mut catalog = Catalog::default();
    for change in changes {
        let read = Change::decode(&change.encode()).expect("own bytes");
        assert_eq!(read, change);
        catalog = catalog.apply(&read).expect("they fit in this order");
    }
    assert_eq!((catalog.relations().count(), catalog.named_types().len()), (0, 0));
    assert!(matches!(Change::decode(b"{\"format\":2}"), Err(CatalogError::UnknownFormat { format: 2 })));
    assert!(matches!(Change::decode(b"\xff"), Err(CatalogError::Unreadable(_))));
}

fn named_type() -> TypeDefinition {
    let [name, owner, statement] = ["t", "o", "s"].map(str::to_string);
    TypeDefinition { name, sql_type: SqlType::Array(Box::new(SqlType::Int)), owner, statement }
}

fn view(id: u64, name: &str, query: &str, reads: &[(&str, u64)]) -> PlainView {
    PlainView {
        id: RelationId(id),
        name: name.to_string(),
        columns: relation(1, "s").columns,
        names_columns: false,
        query: query.to_string(),
        reads: reads.iter().map(|(name, id)| (name.to_string(), RelationId(*id))).collect(),
        statement: String::new(),
        owner: "ann".to_string(),
    }
}

/// A stream `s (a INT)` with views over it, numbered from 2.
/// A view's name, its query, and the relations that it reads with their numbers.
type View<'a> = (&'a str, &'a str, &'a [(&'a str, u64)]);

fn with_views(views: &[View<'_>]) -> Catalog {
    let stream = Change::CreateRelation(Box::new(relation(1, "s")));
    let catalog = Catalog::default().apply(&stream).expect("the name is free");
    (2..).zip(views).fold(catalog, |catalog, (id, (name, query, reads))| {
        catalog.apply(&Change::CreateView(Box::new(view(id, name, query, reads)))).expect("it fits")
    })
}

fn expanded(catalog: &Catalog, text: &str) -> Result<String> {
    let mut query = sql::parse_select(text)?.ast;
    catalog.expand_views(query.as_mut())?;
    Ok(query.to_string())
}

#[test]
fn the_queries_of_views_stand_in_the_places_of_their_names() {
    let catalog = with_views(&[
        ("v", "SELECT a FROM s", &[("s", 1)]),
        ("above", "SELECT v.a + 1 FROM public.v", &[("v", 2)]),
        ("star", "SELECT * FROM s", &[("s", 1)]),
        ("own", "WITH s AS (SELECT 1 AS a) SELECT s.a FROM s, v", &[("v", 2)]),
    ]);
    // It goes on to mean what it meant.
    let renamed = Change::ReplaceView(Box::new(view(2, "w", "SELECT a FROM s", &[("s", 1)])));
    let catalog = catalog.apply(&renamed).expect("the name is free");
    for (text, with_queries) in [
        ("SELECT * FROM w", "SELECT * FROM (SELECT a FROM s) AS w"),
        ("SELECT x.a FROM tidemill.public.W x", "SELECT x.a FROM (SELECT a FROM s) x"),
        ("SELECT 1 FROM above", "SELECT 1 FROM (SELECT v.a + 1 AS \"a\" FROM (SELECT a FROM s) AS v) AS above"),
        ("SELECT a FROM star", "SELECT a FROM (SELECT \"a\" FROM (SELECT * FROM s) AS \"star\") AS star"),
        (
            "SELECT a FROM s WHERE a IN (SELECT a FROM w)",
            "SELECT a FROM s WHERE a IN (SELECT a FROM (SELECT a FROM s) AS w)",
        ),
        // What WITH names is something else, but for the query that it names so.
        (
            "WITH w AS (SELECT a FROM w) SELECT a FROM w",
            "WITH w AS (SELECT a FROM (SELECT a FROM s) AS w) SELECT a FROM w",
        ),
        (
            "WITH w AS (SELECT 1 AS a) SELECT a FROM w, public.w x",
            "WITH w AS (SELECT 1 AS a) SELECT a FROM w, (SELECT a FROM s) x",
        ),
        (
            "WITH s AS (SELECT 1 AS a) SELECT s.a FROM s, w",
            "WITH \"?with_s\" AS (SELECT 1 AS a) SELECT s.a FROM \"?with_s\" AS s, (SELECT a FROM s) AS w",
        ),
        (
            "SELECT 1 FROM own",
            "SELECT 1 FROM (WITH \"?with_s\" AS (SELECT 1 AS a) SELECT s.a FROM \"?with_s\" AS s, (SELECT a FROM s) AS v) AS own",
        ),
        ("SELECT a FROM nosuch, s", "SELECT a FROM nosuch, s"),
    ] {
        assert_eq!(expanded(&catalog, text).expect(text), with_queries, "{text}");
    }
}

#[test]
fn views_over_views_have_bounds() {
    let mut catalog = with_views(&[("v2", "SELECT a FROM s", &[("s", 1)])]);
    for id in 3..60 {
        let (before, name) = (format!("v{}", id - 1), format!("v{id}"));
        let query = format!("SELECT a FROM {before}");
        let over = view(id, &name, &query, &[(before.as_str(), id - 1)]);
        catalog = catalog.apply(&Change::CreateView(Box::new(over))).expect("it fits");
    }
    assert!(expanded(&catalog, "SELECT a FROM v51").is_ok());
    let refused = expanded(&catalog, "SELECT a FROM v52").expect_err("it is deeper");
    assert_eq!(refused.state(), SqlState::STATEMENT_TOO_COMPLEX);
    let mut catalog = with_views(&[("v2", "SELECT a FROM s", &[("s", 1)])]);
    for id in 3..40 {
        let (before, name) = (format!("v{}", id - 1), format!("v{id}"));
        let query = format!("SELECT x.a FROM {before} x, {before} y");
        let over = view(id, &name, &query, &[(before.as_str(), id - 1)]);
        catalog = catalog.apply(&Change::CreateView(Box::new(over))).expect("it fits");
    }
    let refused = expanded(&catalog, "SELECT a FROM v39").expect_err("it is two to the 37th queries");
    assert_eq!(refused.state(), SqlState::STATEMENT_TOO_COMPLEX);
}

#[test]
fn what_a_view_reads_stays() {
    let catalog = with_views(&[("v", "SELECT a FROM s", &[("s", 1)]), ("w", "SELECT a FROM v", &[("v", 2)])]);
    for change in [Change::DropRelation(RelationId(1)), Change::DropView(RelationId(2))] {
        assert!(matches!(catalog.apply(&change), Err(CatalogError::ReadByViews { .. })));
    }
    let taken = Change::CreateRelation(Box::new(relation(4, "v")));
    assert!(matches!(catalog.apply(&taken), Err(CatalogError::NameTaken { .. })));
    let used = Change::CreateRelation(Box::new(relation(3, "t")));
    assert!(matches!(catalog.apply(&used), Err(CatalogError::RelationIdTaken { .. })));
    let unknown = Change::CreateView(Box::new(view(4, "x", "SELECT a FROM y", &[("y", 9)])));
    assert!(matches!(catalog.apply(&unknown), Err(CatalogError::UnknownRelation { .. })));
    assert!(catalog.reads_view(&[("w".to_string(), RelationId(3))], RelationId(2)));
    assert!(!catalog.reads_view(&[("s".to_string(), RelationId(1))], RelationId(2)));
}

#[test]
fn a_name_stands_for_one_type_at_a_time() {
    let create = Change::CreateType(Box::new(named_type()));
    let catalog = Catalog::default().apply(&create).expect("the name is free");
    assert!(matches!(catalog.apply(&create), Err(CatalogError::TypeTaken { .. })));
    let mut wanted = sql::parse_type("MAP<TEXT, STRUCT<a t, b ARRAY<T>>>").expect("a type");
    catalog.resolve(&mut wanted, Compatibility::Postgres).expect("names are known");
    let known = sql::parse_type("MAP<TEXT, STRUCT<a ARRAY<INT>, b ARRAY<ARRAY<INT>>>>").expect("a type");
    let types = [&wanted, &known].map(|named| sql_type(named, Compatibility::Postgres).expect("known types"));
    assert_eq!(types[0], types[1]);
    let mut other = sql::parse_type("t").expect("a type");
    catalog.resolve(&mut other, Compatibility::Ksqldb).expect("nothing is to be done");
    assert_eq!(other, sql::parse_type("t").expect("a type"), "T is another name than t");
    let without = catalog.apply(&Change::DropType("t".to_string())).expect("it is there");
    assert!(matches!(without.apply(&Change::DropType("t".to_string())), Err(CatalogError::UnknownType { .. })));
}

#[test]
fn what_a_query_kept_is_nobodys_once_it_is_gone() {
    let kept = |id, name, key| {
        let role = if key { ColumnRole::Key } else { ColumnRole::Value };
        let columns = vec![Column { name: "k".to_string(), sql_type: SqlType::Int, role }];
        let kind = RelationKind::Table;
        let relation = Relation { kind, columns, query: Some(QueryId(1)), ..relation(id, name) };
        Change::CreateRelation(Box::new(relation))
    };
    for (key, keeper) in [(true, None), (false, Some(QueryId(1)))] {
        let catalog = Catalog::default().apply(&kept(1, "t", key)).expect("the name is free");
        let catalog = catalog.apply(&Change::CreateQuery(Box::new(query(1, 1, 1)))).expect("its relation exists");
        let catalog = catalog.apply(&Change::DropQuery(QueryId(1))).expect("it exists");
        assert_eq!(catalog.relation("t").expect("it stays").query, keeper, "with a key: {key}");
    }
}

#[test]
fn ids_are_never_reused_and_what_is_used_stays() {
    let create = |id, name| Change::CreateRelation(Box::new(relation(id, name)));
    let catalog = Catalog::default().apply(&create(1, "s")).expect("first").apply(&create(2, "t")).expect("second");
    let catalog = catalog.apply(&Change::CreateQuery(Box::new(query(1, 1, 2)))).expect("both exist");
    let used = catalog.apply(&Change::DropRelation(RelationId(1))).expect_err("it is read");
    assert_eq!(crate::error::Error::from(used).state(), SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    let catalog = catalog.apply(&Change::DropQuery(QueryId(1))).expect("it exists");
    let catalog = catalog.apply(&Change::DropRelation(RelationId(2))).expect("nobody uses it");
    assert_eq!(catalog.next_relation_id(), RelationId(3));
    assert_eq!(catalog.next_query_id(), QueryId(2));
    assert!(matches!(catalog.apply(&create(2, "u")), Err(CatalogError::RelationIdTaken { .. })));
    assert!(matches!(catalog.apply(&create(3, "s")), Err(CatalogError::NameTaken { .. })));
    assert_eq!(catalog.nearest_relation("S1"), Some("s"));
}
