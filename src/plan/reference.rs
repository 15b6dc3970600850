//! All functions that a user may call, as a reference has them: each way of calling one, and what it gives.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;

use super::Functions;
use super::functions::TABLE_FUNCTIONS;
use crate::catalog::Compatibility;
use crate::functions::shown_name;
use crate::model::SqlType;

/// Types of results that are told one by one; of more it is `any`.
const RESULTS_MAX: usize = 3;

/// Window functions that standing queries have, where the query around them limits them.
const RANKS: [&str; 3] = ["row_number", "rank", "dense_rank"];

/// What kind of function it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionKind {
    /// A value of a row's values.
    Scalar,
    /// A value of a group's rows.
    Aggregate,
    /// A value of a row and its neighbours.
    Window,
    /// Rows of a row's values.
    Table,
}

impl FunctionKind {
    /// Its name, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            FunctionKind::Scalar => "scalar",
            FunctionKind::Aggregate => "aggregate",
            FunctionKind::Window => "window",
            FunctionKind::Table => "table",
        }
    }
}

/// One way to call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUsage {
    /// The name that is typed, lower case.
    pub name: String,
    /// Its kind.
    pub kind: FunctionKind,
    /// What stands between the parentheses.
    pub arguments: String,
    /// The type of what it gives, if that can be told without a call.
    pub result: Option<String>,
    /// `immutable`, `stable` or `volatile`.
    pub volatility: &'static str,
    /// The one mode in which it answers so, `None` for both.
    pub mode: Option<Compatibility>,
    /// Whether standing queries can call it; queries that are read once can call all but some aggregates.
    pub standing: bool,
    /// What it gives, in a sentence.
    pub about: String,
}

impl Functions {
    /// All functions by name, with each way of calling them.
    pub fn reference(&self) -> Vec<FunctionUsage> {
        let mut all = Vec::new();
        // What has a name for the binder alone says nothing of itself.
        let is_hidden = |name: &str, told: Option<&Documentation>| shown_name(name) != name && told.is_none();
        for (name, function) in self.scalar.iter().filter(|(name, function)| !is_hidden(name, function.documentation()))
        {
            let signature = function.signature();
            let told = Told { documentation: function.documentation(), own_name: function.name() };
            let result = || results(&signature.type_signature, |types| function.return_type(types).ok());
            let usage = FunctionUsage {
                mode: self.mode(name, |name| self.scalar.contains_key(name)),
                ..usage(name, FunctionKind::Scalar, signature.volatility, true)
            };
            all.extend(told.usages(usage, result));
        }
        for (name, function) in &self.aggregate {
            let signature = function.signature();
            let told = Told { documentation: function.documentation(), own_name: function.name() };
            let result = || results(&signature.type_signature, |types| function.return_type(types).ok());
            let usage = FunctionUsage {
                mode: self.mode(name, |name| self.aggregate.contains_key(name)),
                ..usage(
                    name,
                    FunctionKind::Aggregate,
                    signature.volatility,
                    self.is_standing_aggregate(shown_name(name)),
                )
            };
            all.extend(told.usages(usage, result));
        }
        for function in SessionStateDefaults::default_window_functions() {
            let told = Told { documentation: function.documentation(), own_name: function.name() };
            let standing = RANKS.contains(&function.name());
            let usage = usage(function.name(), FunctionKind::Window, function.signature().volatility, standing);
            all.extend(told.usages(usage, || None));
        }
        for name in TABLE_FUNCTIONS {
            all.push(FunctionUsage {
                arguments: "array".to_string(),
                result: Some(if name == "cube_explode" { "array" } else { "element" }.to_string()),
                about: match name {
                    "cube_explode" => {
                        "A row for each way in which elements stand or are NULL, as an array; else as explode."
                    }
                    _ => "A row for each element, in the SELECT list of a standing query over a stream; none for NULL.",
                }
                .to_string(),
                ..usage(name, FunctionKind::Table, Volatility::Immutable, true)
            });
        }
        all.retain(|usage| !usage.name.starts_with("__"));
        all.sort_by(|left, right| {
            (&left.name, left.kind, &left.arguments).cmp(&(&right.name, right.kind, &right.arguments))
        });
        all
    }

    /// The only mode in which a function is called by its shown name.
    fn mode(&self, name: &str, is_there: impl Fn(&str) -> bool) -> Option<Compatibility> {
        if shown_name(name) != name {
            return Some(Compatibility::Ksqldb);
        }
        is_there(&format!("__ksql_{name}")).then_some(Compatibility::Postgres)
    }
}

fn usage(name: &str, kind: FunctionKind, volatility: Volatility, standing: bool) -> FunctionUsage {
    FunctionUsage {
        name: shown_name(name).to_string(),
        kind,
        arguments: String::new(),
        result: None,
        volatility: match volatility {
            Volatility::Immutable => "immutable",
            Volatility::Stable => "stable",
            Volatility::Volatile => "volatile",
        },
        mode: None,
        standing,
        about: String::new(),
    }
}

/// What a function says of itself.
struct Told<'a> {
    documentation: Option<&'a Documentation>,
    own_name: &'a str,
}

impl Told<'_> {
    /// Each way of calling it that it tells of; one if it tells of none.
    fn usages(&self, base: FunctionUsage, result: impl Fn() -> Option<String>) -> Vec<FunctionUsage> {
        let Some(told) = self.documentation else { return vec![FunctionUsage { result: result(), ..base }] };
        let is_alias = shown_name(self.own_name) != base.name;
        let about = match is_alias {
            true => format!("The same as {}.", shown_name(self.own_name)),
            false => first_sentence(&told.description),
        };
        let lines = told.syntax_example.lines().filter(|line| !line.trim().is_empty());
        let ways = lines.map(|line| match line.split_once(" -> ") {
            Some((call, result)) => (between_parentheses(call), Some(result.to_string())),
            None => (between_parentheses(line), result()),
        });
        let mut ways: Vec<(String, Option<String>)> = ways.collect();
        if !told.syntax_example.contains(" -> ") {
            // DataFusion shows one way; further lines are of an example.
            ways.truncate(1);
        }
        let usage = |(arguments, result)| FunctionUsage { arguments, result, about: about.clone(), ..base.clone() };
        ways.into_iter().map(usage).collect()
    }
}

fn between_parentheses(call: &str) -> String {
    let inner = call.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    inner.map_or(String::new(), |(inner, _)| inner.trim().to_string())
}

fn first_sentence(text: &str) -> String {
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |end| end + 1);
    let sentence = paragraph[..end].split_whitespace().collect::<Vec<_>>().join(" ");
    if sentence.is_empty() || sentence.ends_with(['.', ':']) { sentence } else { format!("{sentence}.") }
}

/// The types that a function gives for what its signature takes.
fn results(signature: &TypeSignature, result: impl Fn(&[DataType]) -> Option<DataType>) -> Option<String> {
    // What carries a document is a large text or large bytes to DataFusion: its functions of texts are not told of them.
    let is_document = |of: &DataType| matches!(of, DataType::LargeUtf8 | DataType::LargeBinary);
    let mut types = signature.get_example_types();
    types.retain(|types| !types.iter().any(is_document));
    let found: BTreeSet<String> =
        types.iter().filter_map(|types| result(types)).map(|found| SqlType::postgres_name_of(&found)).collect();
    match found.len() {
        0 => None,
        count if count <= RESULTS_MAX => Some(found.into_iter().collect::<Vec<_>>().join(" | ")),
        _ => Some("any".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "docs/reference/functions.md";

    fn row(usage: &FunctionUsage) -> String {
        let mode = match usage.mode {
            None => "",
            Some(Compatibility::Postgres) => "postgres",
            Some(Compatibility::Ksqldb) => "ksqldb",
        };
        let result = usage.result.as_deref().unwrap_or("any");
        let call = format!("{}({})", usage.name, usage.arguments).replace('|', "\\|");
        let standing = if usage.standing { "yes" } else { "" };
        let about = usage.about.replace('|', "\\|");
        format!("| `{call}` | {} | {} | {mode} | {standing} | {about} |", result.replace('|', "\\|"), usage.volatility)
    }

    /// The page as it should be.
    fn page(all: &[FunctionUsage]) -> String {
        let mut page = String::from(
            "# Functions\n\n\
             Made from the functions themselves: `BLESS=1 cargo test --lib plan::reference` writes this page. `SHOW FUNCTIONS`, `DESCRIBE FUNCTION name`, `tidemill.functions` and psql's `\\df` tell the same.\n\n\
             *mode* is the [`compatibility`](../sql/set.md) in which a function answers so, if that is one only; *standing* tells whether standing queries have it. A function that is not told otherwise\n\
             gives NULL for a NULL argument. An error gives NULL for its row in a standing query.\n",
        );
        for (kind, title) in [
            (FunctionKind::Scalar, "Scalar functions"),
            (FunctionKind::Aggregate, "Aggregates"),
            (FunctionKind::Window, "Window functions"),
            (FunctionKind::Table, "Table functions"),
        ] {
            page.push_str(&format!(
                "\n## {title}\n\n| call | gives | volatility | mode | standing | |\n|---|---|---|---|---|---|\n"
            ));
            for usage in all.iter().filter(|usage| usage.kind == kind) {
                page.push_str(&format!("{}\n", row(usage)));
            }
        }
        page
    }

    #[test]
    fn the_page_lists_exactly_these_functions() {
        let wanted = page(&Functions::new().reference());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(PAGE, &wanted).expect("the page can be written");
        }
        let found = std::fs::read_to_string(PAGE).unwrap_or_default();
        for (found, wanted) in found.lines().zip(wanted.lines()) {
            assert_eq!(found, wanted, "{PAGE} is not what the functions say; BLESS=1 writes it");
        }
        assert_eq!(found.lines().count(), wanted.lines().count(), "{PAGE}; BLESS=1 writes it");
    }

    #[test]
    fn every_function_says_what_it_gives() {
        let all = Functions::new().reference();
        let silent: Vec<&str> =
            all.iter().filter(|usage| usage.about.is_empty()).map(|usage| usage.name.as_str()).collect();
        assert!(silent.is_empty(), "{silent:?}");
        for name in ["mask", "elt", "split", "topk", "abs", "row_number", "explode", "transform", "now"] {
            assert!(all.iter().any(|usage| usage.name == name), "{name}");
        }
        let split: Vec<&FunctionUsage> = all.iter().filter(|usage| usage.name == "split").collect();
        assert_eq!(split.len(), 2, "a way for texts and one for bytes");
        let instr: Vec<_> = all.iter().filter(|usage| usage.name == "instr").map(|usage| usage.mode).collect();
        assert!(instr.contains(&Some(Compatibility::Ksqldb)), "{instr:?}");
        assert!(all.iter().all(|usage| !usage.name.starts_with("__")));
    }
}
