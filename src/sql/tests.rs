//! Texts and what they parse to, as a table.

use sqlparser::ast;

use super::*;
use crate::error::Error;
use crate::error::Position;

fn only(text: &str) -> Statement {
    let mut all = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0).statement
}

fn refused(text: &str) -> Error {
    match parse(text) {
        Ok(parsed) => panic!("{text} parsed to {parsed:?}"),
        Err(error) => error,
    }
}

/// One line that shows all that matters.
fn shown(statement: &Statement) -> String {
    let names = |names: &[Name]| names.iter().map(|name| name.value.clone()).collect::<Vec<_>>().join(",");
    let query = |select: &Select| match select.emit {
        Some(emit) => format!("{} EMIT {emit:?}", select.ast),
        None => select.ast.to_string(),
    };
    let options = |options: &[WithOption]| {
        options.iter().map(|option| format!("{}={}", option.name.value, option.value)).collect::<Vec<_>>().join(",")
    };
    match statement {
        Statement::CreateSource(create) => {
            let columns: Vec<String> = create
                .columns
                .iter()
                .map(|column| format!("{} {} {:?}", column.name.value, column.data_type, column.role))
                .collect();
            format!("{:?} {} [{}] {{{}}}", create.kind, create.name.value, columns.join(", "), options(&create.options))
        }
        Statement::CreateAs(create) => {
            format!(
                "{:?} {} {{{}}} {}",
                create.kind,
                create.name.value,
                options(&create.options),
                query(&create.select)
            )
        }
        Statement::InsertRows(insert) => {
            let row = |row: &Vec<ast::Expr>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let rows: Vec<String> = insert.rows.iter().map(row).collect();
            format!("{}({}) {}", insert.target.value, names(&insert.columns), rows.join(" / "))
        }
        Statement::InsertSelect(insert) => {
            format!("{}({}) {}", insert.target.value, names(&insert.columns), query(&insert.select))
        }
        Statement::Select(select) => query(select),
        Statement::CopyTo { source: CopySource::Select(select), format } => format!("{} {format:?}", query(select)),
        Statement::CopyFrom { target, columns, format } => format!("{}({}) {format:?}", target.value, names(columns)),
        Statement::Declare { name, hold, select } => format!("{} hold={hold} {}", name.value, query(select)),
        Statement::Move { name, direction } => format!("{direction:?} {}", name.value),
        Statement::Fetch { name, direction } => format!("{direction:?} {}", name.value),
        other => format!("{other:?}"),
    }
}

const PARSED: &[(&str, &str)] = &[
    (
        "CREATE STREAM payments (card_id TEXT KEY, amount DECIMAL(12,2), paid_at TIMESTAMP) WITH (kafka_topic = 'payments', partitions = 4);",
        "Stream payments [card_id TEXT Key, amount DECIMAL(12,2) Value, paid_at TIMESTAMP Value] {kafka_topic=payments,partitions=4}",
    ),
    (
        "CREATE STREAM s (a ARRAY<ARRAY<ARRAY<VARCHAR>>>, b INT)",
        "Stream s [a ARRAY<ARRAY<ARRAY<VARCHAR>>> Value, b INT Value] {}",
    ),
    ("create table t (id int primary key, name text)", "Table t [id INT PrimaryKey, name TEXT Value] {}"),
    ("CREATE TABLE t (a int, b text, PRIMARY KEY (A, b))", "Table t [a INT PrimaryKey, b TEXT PrimaryKey] {}"),
    (
        "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n FROM payments WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) GROUP BY country EMIT FINAL",
        "Table per_country {} SELECT country, COUNT(*) AS n FROM payments LATERAL VIEW __window('TUMBLING (SIZE 3600000 MILLISECONDS, GRACE PERIOD 300000 MILLISECONDS)') __w AS __c GROUP BY country EMIT Final",
    ),
    (
        "CREATE OR REPLACE MATERIALIZED VIEW IF NOT EXISTS v WITH (emit = 'all') AS SELECT 1",
        "MaterializedView v {emit=all} SELECT 1",
    ),
    (
        "SELECT * FROM s PARTITION BY v->a EMIT CHANGES LIMIT 3",
        "SELECT * FROM s DISTRIBUTE BY v -> a LIMIT 3 EMIT Changes",
    ),
    (
        "SELECT a.id FROM a JOIN b WITHIN 1 HOUR GRACE PERIOD 15 MINUTES ON a.id = b.id EMIT CHANGES",
        "SELECT a.id FROM a JOIN b WITH (__within('(3600000 MILLISECONDS, 3600000 MILLISECONDS) GRACE PERIOD 900000 MILLISECONDS')) ON a.id = b.id EMIT Changes",
    ),
    ("SELECT emit, within FROM t WHERE changes = 1", "SELECT emit, within FROM t WHERE changes = 1"),
    ("SELECT sum(x) OVER (PARTITION BY y) FROM s", "SELECT sum(x) OVER (PARTITION BY y) FROM s"),
    ("SELECT s.v->a = 1, x + `B C` FROM s", "SELECT s.v -> a = 1, x + `B C` FROM s"),
    (
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM s",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM s",
    ),
    ("INSERT INTO t VALUES ('c1', 12.50, now()), ('c2', -1, NULL)", "t() 'c1',12.50,now() / 'c2',-1,NULL"),
    ("INSERT INTO t (a, \"B\") VALUES (1, 2)", "t(a,B) 1,2"),
    ("INSERT INTO t (SELECT 1)", "t() (SELECT 1)"),
    ("INSERT INTO t (a) SELECT x FROM s EMIT CHANGES", "t(a) SELECT x FROM s EMIT Changes"),
    (
        "COPY (SELECT * FROM p WHERE amount > 1000 EMIT CHANGES) TO STDOUT;",
        "SELECT * FROM p WHERE amount > 1000 EMIT Changes CopyFormat { binary: false, csv: false, delimiter: '\\t', null: \"\\\\N\", header: Absent, quoting: Quoting { quote: 34, escape: 34, force_quote: Columns([]), force_not_null: Columns([]), force_null: Columns([]) } }",
    ),
    (
        "COPY t (a, b) FROM STDIN (FORMAT csv, HEADER, DELIMITER '|', NULL 'nil')",
        "t(a,b) CopyFormat { binary: false, csv: true, delimiter: '|', null: \"nil\", header: Told, quoting: Quoting { quote: 34, escape: 34, force_quote: Columns([]), force_not_null: Columns([]), force_null: Columns([]) } }",
    ),
    (
        "COPY t FROM STDIN WITH CSV HEADER",
        "t() CopyFormat { binary: false, csv: true, delimiter: ',', null: \"\", header: Told, quoting: Quoting { quote: 34, escape: 34, force_quote: Columns([]), force_not_null: Columns([]), force_null: Columns([]) } }",
    ),
    (
        "COPY t FROM STDIN (FORMAT csv, HEADER match)",
        "t() CopyFormat { binary: false, csv: true, delimiter: ',', null: \"\", header: Matched, quoting: Quoting { quote: 34, escape: 34, force_quote: Columns([]), force_not_null: Columns([]), force_null: Columns([]) } }",
    ),
    ("DECLARE _psql_cursor NO SCROLL CURSOR FOR\nSELECT 1", "_psql_cursor hold=false SELECT 1"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT 1 EMIT CHANGES", "c hold=true SELECT 1 EMIT Changes"),
    ("FETCH FORWARD 100 FROM c", "Forward(100) c"),
    ("FETCH NEXT FROM c", "Forward(1) c"),
    ("FETCH ALL IN c", "All c"),
    ("FETCH FORWARD ALL FROM c", "All c"),
    ("FETCH 7 c", "Forward(7) c"),
    ("FETCH c", "Forward(1) c"),
    ("LIST STREAMS", "Show(Streams)"),
    ("SHOW TRANSACTION ISOLATION LEVEL", "Show(Setting(\"transaction_isolation\"))"),
    ("SHOW server_version", "Show(Setting(\"server_version\"))"),
    (
        "SET 'auto.offset.reset' = 'earliest';",
        "Set { scope: Session, name: \"auto.offset.reset\", value: Some(\"earliest\") }",
    ),
    ("SET LOCAL emit = 'all'", "Set { scope: Block, name: \"emit\", value: Some(\"all\") }"),
    (
        "SET search_path = public, other",
        "Set { scope: Session, name: \"search_path\", value: Some(\"public, other\") }",
    ),
    ("SET SESSION statement_timeout TO DEFAULT", "Set { scope: Session, name: \"statement_timeout\", value: None }"),
    ("SET TIME ZONE 'UTC'", "Set { scope: Session, name: \"timezone\", value: Some(\"UTC\") }"),
    (
        "SET TIME ZONE INTERVAL '05:30' HOUR TO MINUTE",
        "Set { scope: Session, name: \"timezone\", value: Some(\"5.5\") }",
    ),
    (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SetModes(Session, [(\"transaction_read_only\", \"on\")])",
    ),
    ("SET TRANSACTION NOT DEFERRABLE", "SetModes(Block, [])"),
    ("UNSET 'auto.offset.reset'", "Reset(Some(\"auto.offset.reset\"))"),
    (
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "Begin(\"BEGIN\", [(\"transaction_isolation\", \"repeatable read\"), (\"transaction_read_only\", \"on\")])",
    ),
    ("START TRANSACTION", "Begin(\"START TRANSACTION\", [])"),
    ("END", "Commit"),
    ("ROLLBACK WORK", "Rollback"),
    ("TERMINATE ALL", "Terminate(None)"),
    ("UNLISTEN *", "Ignored(\"UNLISTEN\")"),
    ("-- nothing\n;", "Empty"),
    ("", "Empty"),
];

#[test]
fn texts_parse_to_statements() {
    for (text, expected) in PARSED {
        assert_eq!(shown(&only(text)), *expected, "{text}");
    }
}

const REFUSED: &[(&str, &str, u32, &str)] = &[
    ("SELCT 1", "42601", 1, "syntax error at or near \"SELCT\""),
    ("SELECT 1 FROM", "42601", 14, "syntax error at end of input"),
    ("SELECT\n  1 +\n  ) x", "42601", 16, "syntax error at or near \")\""),
    ("SELECT 'abc", "42601", 8, "unterminated string literal"),
    ("CREATE STREAM s (a INT) WITH (partitions 4)", "42601", 42, "syntax error at or near \"4\""),
    ("SELECT * FROM s WINDOW TUMBLING (SIZE 1 HOURS GROUP) ", "42601", 47, "syntax error at or near \"GROUP\""),
    ("SELECT * FROM s WINDOW TUMBLING (SIZE 0 HOURS)", "22023", 39, "a window needs a size greater than zero"),
    ("SELECT * FROM s WINDOW TUMBLING SIZE 1 HOUR", "42601", 33, "syntax error at or near \"SIZE\""),
    (
        "SELECT n, COUNT(*) FROM s GROUP BY n WINDOW TUMBLING (SIZE 1 HOUR) EMIT CHANGES",
        "42601",
        38,
        "syntax error at or near \"WINDOW\"",
    ),
    ("SELECT * FROM (SELECT * FROM s EMIT CHANGES) x", "42601", 32, "EMIT cannot stand here"),
    ("SELECT * FROM t LATERAL VIEW __window('TUMBLING') w", "42601", 17, "syntax error at or near \"LATERAL\""),
    ("SELECT * FROM t DISTRIBUTE BY a", "42601", 17, "syntax error at or near \"DISTRIBUTE\""),
    ("PREPARE p AS DROP TABLE t", "42601", 14, "only a SELECT, INSERT, UPDATE or DELETE can be prepared"),
    ("CREATE SOURCE VIEW s (a INT)", "42601", 8, "syntax error at or near \"SOURCE\""),
    ("CREATE SOURCE STREAM s AS SELECT a FROM b", "42601", 24, "syntax error at or near \"AS\""),
    ("CREATE TABLE t (a INT, PRIMARY KEY (b))", "42703", 37, "column \"b\" named in key does not exist"),
    ("SELECT 1; DROP TABEL t", "42601", 16, "syntax error at or near \"TABEL\""),
    ("SELECT 1 1", "42601", 10, "syntax error at or near \"1\""),
    ("COPY t FROM '/etc/passwd'", "0A000", 13, "COPY with a file or a program of the server is not supported"),
];

#[test]
fn refusals_say_where_and_why() {
    for (text, state, position, message) in REFUSED {
        let error = refused(text);
        assert_eq!((error.state().0, error.message()), (*state, *message), "{text}: {error:?}");
        assert_eq!(error.position(), Some(Position(*position)), "{text}");
    }
}

#[test]
fn a_misspelt_first_word_is_hinted() {
    assert_eq!(refused("SELCT 1").hint_text(), Some("Did you mean SELECT?"));
    assert_eq!(refused("xyzzy 1").hint_text(), None);
}

#[test]
fn statements_of_one_text_keep_their_own_text_and_place() {
    let parsed = parse("SELECT 'é;' ;\n -- second\n SELECT 2 AS two;").expect("both parse");
    let texts: Vec<&str> = parsed.iter().map(|parsed| parsed.text.as_str()).collect();
    assert_eq!(texts, ["SELECT 'é;'", "SELECT 2 AS two"]);
    assert_eq!(parsed[1].position, Position(27));
}

#[test]
fn spans_hold_character_places_of_the_whole_text() {
    let Statement::Select(select) = only("SELECT 'é',\n  nosuch FROM t") else { panic!("a query") };
    let ast::SetExpr::Select(body) = select.ast.body.as_ref() else { panic!("a SELECT") };
    let ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(identifier)) = &body.projection[1] else { panic!("a name") };
    assert_eq!((identifier.span.start.line, identifier.span.start.column), (1, 15));
}

#[test]
fn clauses_are_taken_out_and_leave_plain_sql() {
    let text = "SELECT * FROM a JOIN b WITHIN (1 HOUR, 2 DAYS) ON a.x = b.x WINDOW HOPPING (SIZE 2 SECONDS, ADVANCE BY 1 SECOND) PARTITION BY k";
    let Statement::Select(mut select) = only(text) else { panic!("a query") };
    let ast::SetExpr::Select(body) = select.ast.body.as_mut() else { panic!("a SELECT") };
    let window = take_window(body).expect("a window");
    let hopping = WindowClause::Hopping { size_ms: 2000, advance_ms: 1000, retention_ms: None, grace_ms: None };
    assert_eq!(window, Some(hopping));
    let within = take_within(&mut body.from[0].joins[0].relation).expect("a within");
    assert_eq!(within, Some(WithinClause { before_ms: 3_600_000, after_ms: 172_800_000, grace_ms: None }));
    assert_eq!(take_partition_by(body).len(), 1);
    assert_eq!(take_window(body).expect("none is left"), None);
    assert_eq!(body.to_string(), "SELECT * FROM a JOIN b ON a.x = b.x");
}

#[test]
fn a_bound_text_with_carriers_parses_again() {
    let Statement::Select(select) = only("SELECT * FROM s WINDOW SESSION (5 SECONDS) PARTITION BY k EMIT CHANGES")
    else {
        panic!("a query")
    };
    let again = parse_select(&format!("{} EMIT CHANGES", select.ast)).expect("printed text parses");
    assert_eq!(again.ast.to_string(), select.ast.to_string());
    assert_eq!(again.emit, select.emit);
}

#[test]
fn dollars_quote_texts_and_number_parameters() {
    let Statement::Select(select) = only("SELECT $$d'q$$, $x$a $$ b$x$, $1, $12") else { panic!("a query") };
    assert_eq!(select.ast.to_string(), "SELECT 'd''q', 'a $$ b', $1, $12");
}

#[test]
fn no_text_makes_the_parser_panic() {
    let words = [
        "SELECT",
        "CREATE",
        "STREAM",
        "TABLE",
        "(",
        ")",
        ",",
        "WINDOW",
        "TUMBLING",
        "SIZE",
        "1",
        "HOUR",
        "EMIT",
        "CHANGES",
        "PARTITION",
        "BY",
        "WITHIN",
        "ON",
        "JOIN",
        "'x'",
        "\"q\"",
        "`b`",
        ";",
        "FROM",
        "s",
        "=",
        "->",
        "COPY",
        "TO",
        "STDOUT",
        "AS",
        "WITH",
        "-",
        "$1",
        "é",
        "FETCH",
        "ALL",
        "DECLARE",
        "CURSOR",
        "FOR",
        "INSERT",
        "INTO",
        "VALUES",
        "SET",
        "'",
    ];
    for seed in 0..20_000_u64 {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits fit")
        };
        let length = next() % 14;
        let text: Vec<&str> = (0..length).map(|_| words[next() % words.len()]).collect();
        // Any answer is fine; the seed is in the panic's message through the text.
        let _ = parse(&text.join(" "));
    }
}
