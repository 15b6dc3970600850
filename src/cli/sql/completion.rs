//! What may stand where the cursor is, of what there is.

use super::command::COMMANDS;
use super::keywords::BEFORE_QUERY;
use super::keywords::BEFORE_RELATION;
use super::keywords::BEFORE_SETTING;
use super::keywords::CLAUSES;
use super::keywords::SHOWN;
use super::keywords::STATEMENTS;
use super::lexer::Kind;
use super::lexer::Token;
use super::lexer::unquoted;
use super::lexer::words;
use super::names::Names;
use super::names::Relation;
use crate::catalog::option_names;

/// What may be completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// The text from this byte on may become one of these.
    Words(usize, Vec<String>),
    /// The name of a file.
    File,
}

/// What the text before the cursor may go on with.
pub(super) fn complete(names: &Names, text: &str) -> Completion {
    // The statement that the cursor is in.
    let begin = words(text).iter().rfind(|token| token.is_sign(';')).map_or(0, Token::end);
    let tokens = words(&text[begin..]);
    // A command may stand behind what was typed before; it takes the rest of its line.
    let backslash = tokens.iter().rposition(|token| token.is_sign('\\'));
    if let Some(first) = backslash.filter(|first| !text[begin + tokens[*first].at..].contains('\n')) {
        return command(names, text, begin + tokens[first].at, &tokens[first..]);
    }
    // Nothing completes what is quoted, but names.
    let last = tokens.last().copied();
    if last.is_some_and(|last| last.kind == Kind::Text && !last.closed) {
        return topic_or_nothing(names, text, begin, &tokens);
    }
    let typed = last.filter(|last| begin + last.end() == text.len() && is_begun(last));
    let (before, prefix) = match typed {
        Some(typed) => (&tokens[..tokens.len() - 1], typed.text),
        None => (&tokens[..], ""),
    };
    let start = text.len() - prefix.len();
    let all = &tokens[..];
    Completion::Words(start, candidates(names, before, all, prefix))
}

fn is_begun(token: &Token<'_>) -> bool {
    token.kind == Kind::Word || (token.kind == Kind::Name && !token.closed)
}

fn command(names: &Names, text: &str, begin: usize, tokens: &[Token<'_>]) -> Completion {
    let line = text[begin..].trim_start();
    let Some((name, argument)) = line.split_once(char::is_whitespace) else {
        let known = COMMANDS.iter().flat_map(|command| command.names).filter(|name| name.starts_with(line));
        return Completion::Words(text.len() - line.len(), known.map(|name| (*name).to_string()).collect());
    };
    let prefix = argument.rsplit(char::is_whitespace).next().unwrap_or_default();
    let before = tokens.iter().rev().nth(usize::from(!prefix.is_empty()));
    let is_file = match name {
        "\\i" | "\\ir" | "\\o" | "\\e" => true,
        "\\copy" => before.is_some_and(|word| word.is_word("FROM") || word.is_word("TO")),
        _ => false,
    };
    if is_file {
        return Completion::File;
    }
    let found = relations(names, prefix).collect();
    Completion::Words(text.len() - prefix.len(), found)
}

/// Topics stand in quotes behind PRINT.
fn topic_or_nothing(names: &Names, text: &str, begin: usize, tokens: &[Token<'_>]) -> Completion {
    let [.., before, last] = tokens else { return Completion::Words(text.len(), Vec::new()) };
    let start = begin + last.at + 1;
    let typed = &text[start..];
    let topics = names.topics.iter().filter(|topic| before.is_word("PRINT") && topic.starts_with(typed));
    Completion::Words(start, topics.map(|topic| format!("{topic}'")).collect())
}

fn candidates(names: &Names, before: &[Token<'_>], all: &[Token<'_>], prefix: &str) -> Vec<String> {
    let Some(last) = before.last() else { return keywords(STATEMENTS, prefix) };
    if last.is_sign('.') {
        return qualified(names, before, all, prefix);
    }
    if is_option(before) {
        let upper = prefix.chars().next().is_some_and(char::is_uppercase);
        let found = option_names().into_iter().filter(|name| begins(name, prefix));
        return found.map(|name| if upper { name.to_uppercase() } else { name.to_string() }).collect();
    }
    let follows = |list: &[&str]| list.iter().any(|word| last.is_word(word));
    // `FROM a, b`
    let clause =
        before.iter().rev().find(|token| ["SELECT", "FROM", "WHERE", "BY", "SET"].iter().any(|w| token.is_word(w)));
    let in_from = last.is_sign(',') && clause.is_some_and(|clause| clause.is_word("FROM"));
    if in_from || follows(BEFORE_RELATION) {
        return relations(names, prefix).collect();
    }
    if follows(BEFORE_SETTING) && before.len() <= 2 {
        let mut found = if last.is_word("SHOW") { keywords(SHOWN, prefix) } else { Vec::new() };
        found.extend(matching(&names.settings, prefix));
        return found;
    }
    if follows(BEFORE_QUERY) {
        return matching(&names.queries, prefix).collect();
    }
    let mut found: Vec<String> = Vec::new();
    for relation in named(names, all) {
        found.extend(matching(&relation.columns, prefix));
    }
    found.sort();
    found.dedup();
    if !prefix.is_empty() {
        found.extend(functions(names, prefix));
        found.extend(keywords(CLAUSES, prefix));
        found.extend(keywords(STATEMENTS, prefix));
    }
    found
}

/// Whether an option's name comes next: `CREATE .. WITH (a = 1, `.
fn is_option(before: &[Token<'_>]) -> bool {
    let is_next = before.last().is_some_and(|last| last.is_sign('(') || last.is_sign(','));
    let open = before.iter().rposition(|token| token.is_sign('(') || token.is_sign(')'));
    let Some((open, with)) = open.and_then(|open| Some((open, open.checked_sub(1)?))) else { return false };
    is_next && before[open].is_sign('(') && before[with].is_word("WITH") && before[0].is_word("CREATE")
}

/// Behind a dot: a relation's columns by its name or alias, or a schema's relations.
fn qualified(names: &Names, before: &[Token<'_>], all: &[Token<'_>], prefix: &str) -> Vec<String> {
    let Some(qualifier) = before.iter().rev().nth(1).map(|token| unquoted(token.text)) else { return Vec::new() };
    let schema = names.relations.iter().filter(|relation| relation.schema == qualifier);
    let found: Vec<String> =
        schema.map(|relation| quoted(&relation.name)).filter(|name| begins(name, prefix)).collect();
    if !found.is_empty() {
        return found;
    }
    let aliased = aliases(names, all).into_iter().find(|(alias, _)| *alias == qualifier);
    let relation = aliased.map(|(_, relation)| relation);
    let relation = relation.or_else(|| names.relations.iter().find(|relation| relation.name == qualifier));
    relation.map(|relation| matching(&relation.columns, prefix).collect()).unwrap_or_default()
}

/// `FROM name alias`, `JOIN name AS alias`.
fn aliases<'a>(names: &'a Names, all: &[Token<'_>]) -> Vec<(String, &'a Relation)> {
    let mut found = Vec::new();
    for (at, token) in all.iter().enumerate() {
        let name = unquoted(token.text);
        let Some(relation) = names.relations.iter().find(|relation| relation.name == name) else { continue };
        let behind = all[at + 1..].iter().find(|next| !next.is_word("AS"));
        if let Some(alias) = behind.filter(|alias| matches!(alias.kind, Kind::Word | Kind::Name)) {
            found.push((unquoted(alias.text), relation));
        }
    }
    found
}

/// The relations that a statement names.
fn named<'a>(names: &'a Names, all: &[Token<'_>]) -> Vec<&'a Relation> {
    let is_named = |relation: &&Relation| {
        all.iter().any(|token| matches!(token.kind, Kind::Word | Kind::Name) && unquoted(token.text) == relation.name)
    };
    names.relations.iter().filter(is_named).collect()
}

fn relations<'a>(names: &'a Names, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let own = names.relations.iter().filter(|relation| relation.schema == "public");
    let system = names.relations.iter().filter(|relation| relation.schema != "public");
    let schemas =
        ["tidemill.".to_string()].into_iter().filter(move |name| begins(name, prefix) && !names.relations.is_empty());
    let typed_schema = prefix.contains('.');
    own.map(|relation| quoted(&relation.name)).filter(move |name| begins(name, prefix)).chain(schemas).chain(
        system
            .map(|relation| format!("{}.{}", relation.schema, quoted(&relation.name)))
            .filter(move |name| typed_schema && begins(name, prefix)),
    )
}

fn functions<'a>(names: &'a Names, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    names.functions.iter().filter(move |name| begins(name, prefix)).map(move |name| {
        let upper = prefix.chars().next().is_some_and(char::is_uppercase);
        format!("{}(", if upper { name.to_uppercase() } else { name.clone() })
    })
}

fn matching<'a>(list: &'a [String], prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    list.iter().map(|name| quoted(name)).filter(move |name| begins(name, prefix))
}

/// Keywords, in the case in which they were begun.
fn keywords(list: &[&str], prefix: &str) -> Vec<String> {
    let lower = prefix.chars().next().is_some_and(char::is_lowercase);
    let found = list.iter().filter(|word| begins(word, prefix));
    found.map(|word| if lower { word.to_lowercase() } else { (*word).to_string() }).collect()
}

fn begins(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A name as it has to be written.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.');
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let relation = |schema: &str, name: &str, columns: &[&str]| Relation {
            schema: schema.to_string(),
            name: name.to_string(),
            columns: columns.iter().map(|name| (*name).to_string()).collect(),
        };
        Names {
            relations: vec![
                relation("public", "Odd Name", &["A"]),
                relation("public", "cards", &["card_id", "holder"]),
                relation("public", "payments", &["card_id", "amount", "paid_at"]),
                relation("tidemill", "topics", &["name", "partitions"]),
            ],
            functions: vec!["abs".to_string(), "avg".to_string()],
            settings: vec!["emit".to_string(), "timezone".to_string()],
            topics: vec!["payments_raw".to_string()],
            queries: vec!["per_card".to_string()],
        }
    }

    fn completed(text: &str) -> Vec<String> {
        match complete(&names(), text) {
            Completion::Words(start, found) => {
                assert!(text.is_char_boundary(start));
                found
            }
            Completion::File => vec!["a file".to_string()],
        }
    }

    #[test]
    fn what_may_come_depends_on_what_stands_before() {
        for (text, expected) in [
            ("SEL", &["SELECT"][..]),
            ("sel", &["select"]),
            ("SELECT 1; ins", &["insert"]),
            ("SELECT * FROM pay", &["payments"]),
            ("SELECT * FROM payments p JOIN ca", &["cards"]),
            ("SELECT * FROM payments, ca", &["cards"]),
            ("select * from od", &[]),
            ("select * from \"Od", &["\"Odd Name\""]),
            ("SELECT * FROM tidemill.to", &["topics"]),
            ("SELECT p.a FROM payments p WHERE p.", &["card_id", "amount", "paid_at"]),
            ("SELECT * FROM payments WHERE am", &["amount"]),
            ("SELECT * FROM payments p JOIN cards AS c ON c.h", &["holder"]),
            ("SELECT ab", &["abs("]),
            ("SELECT AV", &["AVG("]),
            ("SELECT x FROM payments GR", &["GRACE", "GROUP"]),
            ("CREATE STREAM s (a INT) WITH (kaf", &["kafka_topic"]),
            ("CREATE STREAM s (a INT) WITH (kafka_topic = 's', PARTI", &["PARTITIONS"]),
            ("SET em", &["emit"]),
            ("SHOW T", &["TABLES", "TOPICS", "timezone"]),
            ("TERMINATE p", &["per_card"]),
            ("PRINT 'pay", &["payments_raw'"]),
            ("SELECT 'pay", &[]),
            ("DESCRIBE c", &["cards"]),
            ("\\d pay", &["payments"]),
            ("\\timi", &["\\timing"]),
            ("\\i x", &["a file"]),
            ("\\copy payments FROM x", &["a file"]),
            ("\\copy pay", &["payments"]),
            ("SELECT *\n\\d pay", &["payments"]),
            ("SELECT 1 \\wat", &["\\watch"]),
            ("\\x\nSEL", &["SELECT"]),
            ("", STATEMENTS),
        ] {
            assert_eq!(completed(text), expected, "{text}");
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_completed() {
        for text in
            ["\\", ".", "a.", "'", "\"", "é", "SELECT é.", "FROM \"é", "\\d \"", "$$", ";;", "\\copy", "PRINT '"]
        {
            completed(text);
        }
    }
}
