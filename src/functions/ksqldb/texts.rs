//! `INITCAP`, `TRIM`, `REPLACE`, `REGEXP_REPLACE` and `LIKE` with Java's answers.

use std::cell::RefCell;

use regex::Regex;

use super::regexp_extract::pattern;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::java_regex;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const ONE: &[Overload] = &[Overload { arguments: &[Type::Text], result: Type::Text }];
const THREE: &[Overload] = &[Overload { arguments: &[Type::Text, Type::Text, Type::Text], result: Type::Text }];

/// What Java's `.` does not stand for: the ends of lines.
const NO_LINE_END: &str = r"[^\n\r\u{85}\u{2028}\u{2029}]";

/// `initcap(text)`, `trim(text)`, `replace(text, old, new)`, `regexp_replace(text, pattern, new) -> text`, and what `LIKE` and
/// `LIKE .. ESCAPE` are: `like(text, pattern [, escape]) -> BOOLEAN`; null gives null.
///
/// 2201B for what is no pattern and for a replacement of a group that is not there, 22025 for a pattern of LIKE that ends
/// with its escape.
pub static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "__ksql_initcap",
        about: "The first letter of each word large, the others small; words end at white space.",
        overloads: ONE,
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(initcap(cells[0].text()))),
    },
    Definition {
        name: "__ksql_trim",
        about: "Without the characters up to U+0020 at both ends: spaces, ends of lines, tabs.",
        overloads: ONE,
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let trimmed = cells[0].text().trim_matches(|character: char| character <= ' ');
            Ok(Answer::Text(trimmed.to_owned()))
        },
    },
    Definition {
        name: "__ksql_replace",
        about: "Each place of a text in another replaced; the empty text is everywhere.",
        overloads: THREE,
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(cells[0].text().replace(cells[1].text(), cells[2].text()))),
    },
    Definition {
        name: "__ksql_regexp_replace",
        about: "All matches of a pattern replaced; $1 and ${name} are groups, a backslash takes the next character as it is.",
        overloads: THREE,
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let replaced = java_regex::replace_all(&pattern(cells[1].text())?, cells[0].text(), cells[2].text());
            replaced.map(Answer::Text).map_err(|reason| {
                let message = format!("invalid replacement \"{}\": {reason}", cells[2].text());
                Error::new(SqlState::INVALID_REGULAR_EXPRESSION, message)
            })
        },
    },
    Definition {
        name: "__ksql_like",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Text, Type::Text], result: Type::Boolean },
            Overload { arguments: &[Type::Text, Type::Text, Type::Text], result: Type::Boolean },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| like(cells).map(Answer::Boolean),
    },
];

fn initcap(text: &str) -> String {
    let mut begins = true;
    let mut capital = String::with_capacity(text.len());
    for character in text.chars() {
        match begins {
            true => capital.extend(character.to_uppercase()),
            false => capital.extend(character.to_lowercase()),
        }
        begins = character.is_whitespace();
    }
    capital
}

thread_local! {
    /// The pattern of LIKE of the row before with its escape, which are most often the next one's too.
    static LAST: RefCell<Option<(String, Option<char>, Regex)>> = const { RefCell::new(None) };
}

fn like(cells: &[Cell<'_>]) -> Result<bool, Error> {
    let (text, pattern) = (cells[0].text(), cells[1].text());
    let escape = cells.get(2).and_then(|escape| escape.text().chars().next());
    let known = LAST.with_borrow(|last| match last {
        Some((known, known_escape, regex)) if known == pattern && *known_escape == escape => Some(regex.is_match(text)),
        _ => None,
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let invalid = |message: &str| Error::new(SqlState("22025"), message);
    let regex =
        regex_of_like(pattern, escape).ok_or_else(|| invalid("LIKE pattern must not end with escape character"))?;
    let regex = Regex::new(&regex).map_err(|error| invalid("invalid LIKE pattern").detail(error.to_string()))?;
    let fits = regex.is_match(text);
    LAST.set(Some((pattern.to_owned(), escape, regex)));
    Ok(fits)
}

/// `None` if nothing is behind an escape.
fn regex_of_like(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut regex = r"\A".to_owned();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            character if Some(character) == escape => {
                regex.push_str(&regex::escape(characters.next()?.encode_utf8(&mut [0; 4])));
            }
            '%' => {
                regex.push_str(NO_LINE_END);
                regex.push('*');
            }
            '_' => regex.push_str(NO_LINE_END),
            character => regex.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(r"\z");
    Some(regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &[&str]) -> Option<Answer> {
        let cells: Vec<Cell<'_>> = arguments.iter().map(|argument| Cell::Text(argument)).collect();
        let definition = DEFINITIONS.iter().find(|definition| definition.name == name).expect("it is there");
        (definition.compute)(&cells).ok()
    }

    #[test]
    fn texts_are_turned_as_java_turns_them() {
        for (name, arguments, wanted) in [
            ("__ksql_initcap", vec!["Don't A-b (x) X_y"], Some("Don't A-b (x) X_y")),
            ("__ksql_initcap", vec!["THE quick\tfox"], Some("The Quick\tFox")),
            ("__ksql_trim", vec!["\t\u{1} a b\r\n "], Some("a b")),
            ("__ksql_trim", vec!["\u{a0}a"], Some("\u{a0}a")),
            ("__ksql_replace", vec!["ab", "", "-"], Some("-a-b-")),
            ("__ksql_replace", vec!["foobar", "foo", "bar"], Some("barbar")),
            ("__ksql_regexp_replace", vec!["a1", "(a)", "$1b"], Some("ab1")),
            ("__ksql_regexp_replace", vec!["a1", "(a", "$1b"], None),
            ("__ksql_regexp_replace", vec!["a1", "a", "$1b"], None),
        ] {
            assert_eq!(call(name, &arguments), wanted.map(|text| Answer::Text(text.to_owned())), "{arguments:?}");
        }
    }

    #[test]
    fn a_pattern_of_like_stands_for_one_line() {
        for (arguments, wanted) in [
            (vec!["abc", "a%c"], Some(true)),
            (vec!["a\nc", "a%c"], Some(false)),
            (vec!["a\nc", "a_c"], Some(false)),
            (vec!["a\nc", "a\n%"], Some(true)),
            (vec!["abc", "b"], Some(false)),
            (vec!["a.c", "a.c"], Some(true)),
            (vec!["abc", "a.c"], Some(false)),
            (vec!["a\\bc", "a\\%"], Some(true)),
            (vec!["a%c", "a!%c", "!"], Some(true)),
            (vec!["abc", "a!%c", "!"], Some(false)),
            (vec!["abc", "abc!", "!"], None),
        ] {
            assert_eq!(call("__ksql_like", &arguments), wanted.map(Answer::Boolean), "{arguments:?}");
        }
    }
}
