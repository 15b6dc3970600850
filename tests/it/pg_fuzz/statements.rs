//! Statements: those of the samples and of `tests/sql`, and what becomes of them when tokens go, come, and change places.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::chance::Chance;

/// Longer ones say nothing that shorter ones do not.
const STATEMENT_BYTES_MAX: usize = 4000;
const EDGES: [&str; 34] = [
    "0",
    "-1",
    "1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999999999999999999",
    "1e308",
    "1e400",
    "1e-400",
    "0.5",
    "1.5e-3",
    ".5",
    "NULL",
    "''",
    "'NaN'",
    "'infinity'",
    "'2024-02-30'",
    "'0001-01-01'",
    "'294276-12-31'",
    "'é😀'",
    "'%'",
    "'\\'",
    "'('",
    "ARRAY[]",
    "ARRAY[NULL]",
    "MAP()",
    "now()",
    "$1",
    "*",
    "true",
    "INTERVAL '1 month'",
];
const WORDS: [&str; 32] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "UNION ALL",
    "WITH",
    "AS",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "USING",
    "WINDOW TUMBLING (SIZE 1 HOUR)",
    "EMIT CHANGES",
    "EMIT FINAL",
    "PARTITION BY",
    "OVER ()",
    "FILTER (WHERE true)",
    "DISTINCT",
    "CASE WHEN",
    "END",
    "CAST(",
    "::int",
    "::text",
    "::timestamptz",
    "IS NULL",
    "NOT",
    "IN (SELECT 1)",
    "WITHIN 1 HOUR",
];

/// All statements that the repository has.
pub(super) fn all() -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&root.join("sql"), &mut found);
    collect(&root.join("tests/sql"), &mut found);
    found.retain(|statement| statement.len() < STATEMENT_BYTES_MAX);
    found
}

fn collect(path: &Path, found: &mut Vec<String>) {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).expect("it lists").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        return entries.iter().for_each(|entry| collect(entry, found));
    }
    let read = || fs::read_to_string(path).expect("a text");
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("sql") => found.extend(read().split(";\n").map(str::to_string)),
        Some("slt") => read().split("\n\n").for_each(|block| {
            let mut lines = block.lines().skip_while(|line| line.starts_with('#'));
            let head = lines.next().unwrap_or_default();
            if head.starts_with("statement") || head.starts_with("query") {
                let body: Vec<&str> = lines.take_while(|line| *line != "----").collect();
                found.push(body.join("\n"));
            }
        }),
        _ => {}
    }
}

/// Words, numbers, texts between quotes, spaces and signs.
fn tokens(statement: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut letters = statement.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut token = String::from(letter);
        if letter == '\'' || letter == '"' {
            for inner in letters.by_ref() {
                token.push(inner);
                if inner == letter {
                    break;
                }
            }
        } else {
            let alike = |next: char| {
                (letter.is_alphanumeric() || letter == '_') && (next.is_alphanumeric() || next == '_')
                    || letter.is_whitespace() && next.is_whitespace()
            };
            while let Some(next) = letters.next_if(|next| alike(*next)) {
                token.push(next);
            }
        }
        found.push(token);
    }
    found
}

/// A statement made of others.
pub(super) fn mutated(chance: &mut Chance, statements: &[String]) -> String {
    let mut made = tokens(chance.one_of::<String>(statements));
    for _ in 0..=chance.below(4) {
        change(chance, &mut made, statements);
    }
    let mut text = made.concat();
    if chance.below(20) == 0 {
        let at = chance.below(text.len());
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(at);
    }
    text.retain(|letter| letter != '\0');
    text
}

fn change(chance: &mut Chance, made: &mut Vec<String>, statements: &[String]) {
    let at = chance.below(made.len());
    let other = tokens(chance.one_of::<String>(statements));
    match chance.below(11) {
        _ if made.is_empty() => *made = other,
        0 => {
            made.remove(at);
        }
        1 => made.insert(at, made[at].clone()),
        2 => {
            let with = chance.below(made.len());
            made.swap(at, with);
        }
        3 | 4 if !other.is_empty() => made[at] = chance.one_of(&other).clone(),
        5 if !other.is_empty() => {
            made.truncate(at);
            let from = chance.below(other.len());
            made.extend_from_slice(&other[from..]);
        }
        6 => replace_value(chance, made),
        7 => made[at] = EDGES[chance.below(EDGES.len())].to_string(),
        8 => made.insert(at, format!(" {} ", WORDS[chance.below(WORDS.len())])),
        9 => {
            let depth = 1 << chance.below(9);
            made[at] = format!("{}{}{}", "(".repeat(depth), made[at], ")".repeat(depth));
        }
        _ => {
            let until = (at + chance.below(8)).min(made.len());
            made.drain(at..until);
        }
    }
}

/// A number or a text becomes another: what stands around it still fits.
fn replace_value(chance: &mut Chance, made: &mut [String]) {
    let is_value = |token: &String| token.starts_with(|letter: char| letter.is_ascii_digit() || letter == '\'');
    let places: Vec<usize> = (0..made.len()).filter(|at| is_value(&made[*at])).collect();
    if !places.is_empty() {
        let at = *chance.one_of(&places);
        made[at] = EDGES[chance.below(EDGES.len())].to_string();
    }
}
