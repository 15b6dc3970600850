//! Our own cases pass, and the runner says so when one does not.

use std::path::Path;
use std::path::PathBuf;

use super::CaseFile;
use super::Pipeline;
use super::PipelineOptions;
use super::expand::expand;
use super::report::Outcome;
use super::report::Verdict;
use super::run::run;
use crate::env::Env;

async fn verdicts(stem: &str, file: &CaseFile) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for case in file.tests.iter().flat_map(|node| expand(stem, node)) {
        verdicts.push(run(&case).await);
    }
    verdicts
}

#[tokio::test]
async fn every_case_of_ours_passes() {
    let env = Env::real();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let files: Vec<PathBuf> = env.disk.read_dir(&folder).expect("the folder of cases");
    assert!(!files.is_empty());
    for path in files {
        let stem = path.display().to_string();
        let file = CaseFile::read(env.disk.as_ref(), &path).expect("a file of cases");
        for verdict in verdicts(&stem, &file).await {
            assert_eq!(verdict.outcome, Outcome::Passed, "{}", verdict.case);
            assert_ne!(verdict.same_message, Some(false), "{}: another message", verdict.case);
        }
    }
}

#[tokio::test]
async fn answers_of_selects_are_compared() {
    let answers = |select: &str, rows: &str| {
        format!(
            r#"{{"name": "n", "statements": [
                "CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic = 's', value_format = 'JSON', partitions = 1);",
                "{select}"],
             "inputs": [{{"topic": "s", "key": 1, "value": {{"a": 1}}}}, {{"topic": "s", "key": 1, "value": {{"a": 2}}}}],
             "responses": [{{}}, {{"query": [{rows}]}}], "outputConditions": {{"verifyOrder": true}}}}"#
        )
    };
    let (first, second) = (r#"{"row": {"columns": [1]}}"#, r#"{"row": {"columns": [2]}}"#);
    let other_name = r#"{"header": {"schema": "`B` INTEGER"}}"#;
    let two = "SELECT a FROM s EMIT CHANGES LIMIT 2;";
    for (select, rows, passes) in [
        (two, format!("{first}, {second}"), true),
        (two, format!("{second}, {first}"), false),
        (two, first.to_owned(), false),
        (two, format!("{first}, {second}, {second}"), false),
        (two, format!("{other_name}, {first}, {second}"), false),
        ("SELECT b FROM s EMIT CHANGES LIMIT 2;", format!("{first}, {second}"), false),
    ] {
        let text = format!(r#"{{"tests": [{}]}}"#, answers(select, &rows));
        let file = CaseFile::parse(&text).expect("a file of cases");
        let outcome = &verdicts("f", &file).await[0].outcome;
        assert_eq!(*outcome == Outcome::Passed, passes, "{select} {rows}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_differs_is_said_and_what_is_not_there_is_skipped() {
    let text = r#"{"tests": [
        {"name": "wrong value", "statements": [
            "CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic = 's', value_format = 'JSON');",
            "CREATE STREAM o AS SELECT id, a FROM s;"],
         "inputs": [{"topic": "s", "key": 1, "value": {"a": 1}}],
         "outputs": [{"topic": "O", "key": 1, "value": {"A": 2}}]},
        {"name": "one too many", "statements": [
            "CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic = 's', value_format = 'JSON');",
            "CREATE STREAM o AS SELECT id, a FROM s;"],
         "inputs": [{"topic": "s", "key": 1, "value": {"a": 1}}],
         "outputs": [{"topic": "O", "key": 1, "value": {"A": 1}}, {"topic": "O", "key": 1, "value": {"A": 1}}]},
        {"name": "no failure", "statements": [
            "CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic = 's', value_format = 'JSON');",
            "CREATE STREAM o AS SELECT id, a FROM s;"],
         "expectedException": {"message": "boom"}},
        {"name": "another format", "statements": [
            "CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic = 's', value_format = 'AVRO');"],
         "expectedException": {"message": "boom"}}
    ]}"#;
    let file = CaseFile::parse(text).expect("a file of cases");
    let outcomes: Vec<Outcome> = verdicts("f", &file).await.into_iter().map(|verdict| verdict.outcome).collect();
    assert_eq!(outcomes[0], Outcome::Failed("O[0]: value: A: wanted 2, got 1".to_owned()));
    assert_eq!(outcomes[1], Outcome::Failed("O: wanted 2 records, got 1".to_owned()));
    assert_eq!(outcomes[2], Outcome::Failed("it did not fail".to_owned()));
    assert!(matches!(&outcomes[3], Outcome::Skipped(feature) if feature.contains("AVRO")), "{:?}", outcomes[3]);
}

#[tokio::test]
async fn a_pipeline_goes_on_after_a_restart_where_it_stood() {
    let options = PipelineOptions { seed: 3, ..PipelineOptions::default() };
    let mut pipeline = Pipeline::open(options).await.expect("a pipeline");
    let statements = "CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic = 's', value_format = 'JSON'); \
        CREATE TABLE t WITH (key_format = 'KAFKA') AS SELECT id, SUM(a) AS total FROM s GROUP BY id;";
    pipeline.execute(statements).await.expect("statements of ours");
    let key = 1_i32.to_be_bytes();
    for value in [r#"{"a": 1}"#, r#"{"a": 2}"#] {
        pipeline.produce("s", 0, 0, Some(&key), Some(value.as_bytes())).await.expect("a record");
    }
    pipeline.drive().await.expect("two cuts");
    let mut pipeline = pipeline.restart().await.expect("the same files");
    pipeline.drive().await.expect("nothing to do");
    pipeline.produce("s", 0, 0, Some(&key), Some(br#"{"a": 4}"#)).await.expect("a record");
    pipeline.drive().await.expect("a cut");
    let values: Vec<String> = pipeline
        .records("t")
        .await
        .expect("the sink")
        .iter()
        .map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned())
        .collect();
    assert_eq!(values, [r#"{"total":1}"#, r#"{"total":3}"#, r#"{"total":7}"#]);
    pipeline.execute("SET emit = 'sometimes';").await.expect_err("no such value");
}
