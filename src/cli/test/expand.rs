//! One case written, several run: once for each of its formats and settings.

use serde_json::Value;

use super::case::CaseNode;

/// A case to be run.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// File, name, format and setting.
    pub(super) id: String,
    pub(super) node: CaseNode,
    /// What keeps it from being run, known before it is.
    pub(super) waits_for: Option<String>,
}

/// ksqlDB's second planner: an experiment of theirs with other rules for keys.
const SECOND_PLANNER: &str = "ksql.new.query.planner.enabled";

/// Settings of ksqlDB that change no answer here, or that the engine has too.
const HARMLESS: [&str; 3] =
    ["auto.offset.reset", "ksql.output.topic.name.prefix", "ksql.query.pull.table.scan.enabled"];

/// Settings of ksqlDB that ask for other rules unless they are `false`.
const DEFAULTS: [&str; 2] = ["ksql.functions.substring.legacy.args", "use.exact.numeric.comparison"];

/// The runs of a case of the file `stem`.
pub(super) fn expand(stem: &str, node: &CaseNode) -> Vec<Case> {
    let formats: Vec<Option<&String>> = optional(&node.format);
    let mut cases = Vec::new();
    for format in formats {
        for config in optional(&node.config) {
            let mut one = node.clone();
            let mut id = format!("{stem} - {}", node.name);
            if let Some(format) = format {
                id.push_str(&format!(" - {format}"));
                put_format(&mut one, format);
            }
            if let Some(config) = config {
                for (name, value) in &mut one.properties {
                    if *value == "{CONFIG}" {
                        id.push_str(&format!(" - {name}={config}"));
                        *value = Value::String(config.clone());
                    }
                }
            }
            let waits_for = waits_for(&one);
            cases.push(Case { id, node: one, waits_for });
        }
    }
    cases
}

fn optional(values: &[String]) -> Vec<Option<&String>> {
    if values.is_empty() { vec![None] } else { values.iter().map(Some).collect() }
}

fn put_format(node: &mut CaseNode, format: &str) {
    for statement in &mut node.statements {
        *statement = statement.replace("{FORMAT}", format);
    }
    for topic in &mut node.topics {
        for half in [&mut topic.key_format, &mut topic.value_format].into_iter().flatten() {
            *half = half.replace("{FORMAT}", format);
        }
    }
}

fn waits_for(node: &CaseNode) -> Option<String> {
    if !node.enabled {
        return Some("the case is disabled in its file".to_owned());
    }
    for (name, value) in &node.properties {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // How Kafka Streams is tuned changes no answer here, nor do settings that say what holds anyway.
        let harmless = name.starts_with("ksql.streams.")
            || HARMLESS.contains(&name.as_str())
            || name.starts_with("ksql.persistence.")
            || (DEFAULTS.contains(&name.as_str()) && text == "false")
            // Of a case for both planners the answers are those of the first.
            || (name == SECOND_PLANNER && (text == "false" || node.config.iter().any(|config| config == "false")));
        if !harmless {
            return Some(format!("setting {name} = {text}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test::CaseFile;

    #[test]
    fn a_case_runs_once_for_each_format_and_setting() {
        let text = r#"{"tests": [{"name": "n", "format": ["JSON", "DELIMITED"], "config": ["true", "false"],
            "properties": {"ksql.functions.substring.legacy.args": "{CONFIG}"},
            "statements": ["CREATE STREAM A WITH (value_format='{FORMAT}');"]}]}"#;
        let file = CaseFile::parse(text).expect("a case");
        let cases = expand("f", &file.tests[0]);
        let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids[0], "f - n - JSON - ksql.functions.substring.legacy.args=true");
        assert_eq!(ids.len(), 4);
        assert_eq!(cases[3].node.statements[0], "CREATE STREAM A WITH (value_format='DELIMITED');");
        assert_eq!(cases.iter().filter(|case| case.waits_for.is_some()).count(), 2);
    }

    #[test]
    fn a_case_for_the_second_planner_alone_waits() {
        let waiting = |config: &str, value: &str| {
            let text = format!(
                r#"{{"tests": [{{"name": "n", "config": {config}, "statements": ["SHOW TABLES;"],
                    "properties": {{"ksql.new.query.planner.enabled": "{value}"}}}}]}}"#
            );
            let file = CaseFile::parse(&text).expect("a case");
            expand("f", &file.tests[0]).iter().filter(|case| case.waits_for.is_some()).count()
        };
        assert_eq!(waiting(r#"["true", "false"]"#, "{CONFIG}"), 0);
        assert_eq!(waiting("[]", "true"), 1);
        assert_eq!(waiting("[]", "false"), 0);
    }
}
