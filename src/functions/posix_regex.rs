//! PostgreSQL's regular expressions, in the words in which the library reads them alike.
//!
//! `.` takes a line break too, classes such as `[[:alpha:]]` know all letters, `\m`, `\M`, `\y` and `[[:<:]]` are bounds of words,
//! and a bracket inside of brackets is one.

use std::cell::RefCell;

use regex::Captures;
use regex::Regex;
use regex::RegexBuilder;

use crate::error::Error;
use crate::error::SqlState;

/// What classes in brackets are made of.
const CLASSES: [(&str, &str); 12] = [
    ("alnum", r"\p{Alphabetic}\p{Nd}"),
    ("alpha", r"\p{Alphabetic}"),
    ("blank", r" \t"),
    ("cntrl", r"\p{Cc}"),
    ("digit", r"0-9"),
    ("graph", r"\p{L}\p{M}\p{N}\p{P}\p{S}"),
    ("lower", r"\p{Lowercase}"),
    ("print", r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}"),
    ("punct", r"\p{P}\p{S}"),
    ("space", r"\s"),
    ("upper", r"\p{Uppercase}"),
    ("word", r"\w"),
];

thread_local! {
    /// The pattern that was asked for last, which most rows ask for again.
    static LAST: RefCell<Option<(String, String, Pattern)>> = const { RefCell::new(None) };
}

/// A pattern with its flags.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// How it is found.
    pub regex: Regex,
    /// Whether all places are meant, and not the first one alone: the flag `g`.
    pub everywhere: bool,
}

impl Pattern {
    /// The pattern of a text and of the letters that are its flags: 2201B and 22023.
    pub fn of(pattern: &str, flags: &str) -> Result<Self, Error> {
        LAST.with_borrow_mut(|last| {
            if let Some((of_pattern, of_flags, known)) = last
                && of_pattern == pattern
                && of_flags == flags
            {
                return Ok(known.clone());
            }
            let read = Self::read(pattern, flags)?;
            *last = Some((pattern.to_owned(), flags.to_owned(), read.clone()));
            Ok(read)
        })
    }

    fn read(pattern: &str, flags: &str) -> Result<Self, Error> {
        let (mut everywhere, mut any_case, mut spread, mut literal) = (false, false, false, false);
        let (mut dot_takes_breaks, mut by_lines) = (true, false);
        for flag in flags.chars() {
            match flag {
                'g' => everywhere = true,
                'i' => any_case = true,
                'c' => any_case = false,
                'x' => spread = true,
                't' => spread = false,
                'q' => literal = true,
                'e' => literal = false,
                'n' | 'm' => (dot_takes_breaks, by_lines) = (false, true),
                's' => (dot_takes_breaks, by_lines) = (true, false),
                'p' => (dot_takes_breaks, by_lines) = (false, false),
                'w' => (dot_takes_breaks, by_lines) = (true, true),
                other => {
                    let message = format!("invalid regular expression option: \"{other}\"");
                    return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
                }
            }
        }
        let words = if literal { regex::escape(pattern) } else { translated(pattern) };
        let regex = RegexBuilder::new(&words)
            .case_insensitive(any_case)
            .ignore_whitespace(spread)
            .dot_matches_new_line(dot_takes_breaks)
            .multi_line(by_lines)
            .build()
            .map_err(|error| {
                let message = format!("invalid regular expression: \"{pattern}\"");
                Error::new(SqlState::INVALID_REGULAR_EXPRESSION, message).detail(error.to_string())
            })?;
        Ok(Self { regex, everywhere })
    }

    /// The text with what is found replaced: `\1` to `\9` are groups, `\&` is all that was found, `\\` a backslash.
    pub fn replaced(&self, text: &str, with: &str) -> String {
        let count = if self.everywhere { 0 } else { 1 };
        self.regex.replacen(text, count, |found: &Captures<'_>| written_out(found, with)).into_owned()
    }

    /// What lies between the places where it is found. Nothing found at an end, or right behind another place, parts nothing.
    pub fn parts(&self, text: &str) -> Vec<String> {
        let (mut parts, mut start) = (Vec::new(), 0);
        for found in self.regex.find_iter(text) {
            let is_nothing = found.is_empty() && (found.start() == start || found.end() == text.len());
            if !is_nothing {
                parts.push(text[start..found.start()].to_owned());
                start = found.end();
            }
        }
        parts.push(text[start..].to_owned());
        parts
    }
}

fn written_out(found: &Captures<'_>, with: &str) -> String {
    let mut written = String::with_capacity(with.len());
    let mut letters = with.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            written.push(letter);
            continue;
        }
        match letters.next() {
            Some('&') => written.push_str(&found[0]),
            Some(digit @ '1'..='9') => {
                let group = found.get(digit as usize - '0' as usize);
                written.push_str(group.map_or("", |group| group.as_str()));
            }
            Some('\\') | None => written.push('\\'),
            Some(other) => written.extend(['\\', other]),
        }
    }
    written
}

/// A pattern in the library's words, without its flags.
pub fn translated(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = match letter {
            '\\' => escaped(after, &mut written),
            '[' => bracket(rest, &mut written),
            // Braces that count nothing are braces.
            '{' if !after.starts_with(|digit: char| digit.is_ascii_digit()) => {
                written.push_str("\\{");
                after
            }
            letter => {
                written.push(letter);
                after
            }
        };
    }
    written
}

/// What is behind a backslash outside of brackets; gives what follows.
fn escaped<'a>(rest: &'a str, written: &mut String) -> &'a str {
    let Some(letter) = rest.chars().next() else {
        written.push('\\');
        return rest;
    };
    match letter {
        'm' => written.push_str(r"\b{start}"),
        'M' => written.push_str(r"\b{end}"),
        'y' => written.push_str(r"\b"),
        'Y' => written.push_str(r"\B"),
        'Z' => written.push_str(r"\z"),
        letter => written.extend(['\\', letter]),
    }
    &rest[letter.len_utf8()..]
}

/// A class in brackets; gives what follows.
fn bracket<'a>(pattern: &'a str, written: &mut String) -> &'a str {
    for (bound, words) in [("[[:<:]]", r"\b{start}"), ("[[:>:]]", r"\b{end}")] {
        if let Some(rest) = pattern.strip_prefix(bound) {
            written.push_str(words);
            return rest;
        }
    }
    written.push('[');
    let mut rest = &pattern[1..];
    if let Some(after) = rest.strip_prefix('^') {
        written.push('^');
        rest = after;
    }
    let mut is_first = true;
    while let Some(letter) = rest.chars().next() {
        let mut after = &rest[letter.len_utf8()..];
        match letter {
            ']' if !is_first => {
                written.push(']');
                return after;
            }
            '[' => match named_class(after) {
                Some((class, behind)) => {
                    written.push_str(class);
                    after = behind;
                }
                None => written.push_str("\\["),
            },
            '\\' => {
                written.push('\\');
                if let Some(escaped) = after.chars().next() {
                    written.push(escaped);
                    after = &after[escaped.len_utf8()..];
                }
            }
            // The library would take two of them for an operator.
            ']' | '&' | '~' => written.extend(['\\', letter]),
            letter => written.push(letter),
        }
        (rest, is_first) = (after, false);
    }
    rest
}

/// `:alpha:]` and what follows.
fn named_class(rest: &str) -> Option<(&'static str, &str)> {
    let (name, behind) = rest.strip_prefix(':')?.split_once(":]")?;
    CLASSES.iter().find(|(known, _)| *known == name).map(|(_, class)| (*class, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_postgresql_reads_them() {
        for (pattern, flags, text, found) in [
            ("[[:alpha:]]+", "", "1äß2", Some("äß")),
            ("[[:upper:]]", "", "aÄ", Some("Ä")),
            ("[^[:space:]]+", "", " x y", Some("x")),
            ("[[:<:]]b", "", "ab b", Some("b")),
            (r"\mb\M", "", "ab b", Some("b")),
            ("[]a]+", "", "x]a", Some("]a")),
            ("[[a]+", "", "x[a", Some("[a")),
            ("[a&&b]+", "", "x&b", Some("&b")),
            ("a.b", "", "a\nb", Some("a\nb")),
            ("a.b", "n", "a\nb", None),
            ("^b$", "", "a\nb", None),
            ("^b$", "n", "a\nb", Some("b")),
            ("^b$", "w", "a\nb", Some("b")),
            ("a.b", "p", "a\nb", None),
            ("A", "i", "a", Some("a")),
            ("a b", "x", "ab", Some("ab")),
            ("a.", "q", "ab a.", Some("a.")),
            ("a{b", "", "a{b", Some("a{b")),
            ("a{2}", "", "aaa", Some("aa")),
        ] {
            let pattern = Pattern::of(pattern, flags).expect("it is read");
            assert_eq!(pattern.regex.find(text).map(|found| found.as_str()), found, "{pattern:?} in {text:?}");
        }
        assert_eq!(Pattern::of("(", "").expect_err("open").state(), SqlState::INVALID_REGULAR_EXPRESSION);
        assert_eq!(Pattern::of("a", "k").expect_err("no flag").state(), SqlState::INVALID_PARAMETER_VALUE);
    }

    #[test]
    fn replacements_have_backslashes_and_no_dollars() {
        for (text, pattern, with, flags, replaced) in [
            ("cost: 5", "5", "$5", "", "cost: $5"),
            ("ab", "(a)(b)", r"\2\1", "", "ba"),
            ("ab", "b", r"[\&]", "", "a[b]"),
            ("ab", "b", r"\\1", "", r"a\1"),
            ("ab", "b", r"\x", "", r"a\x"),
            ("aa", "a", "b", "", "ba"),
            ("aa", "a", "b", "g", "bb"),
            ("a", "(a)(b)?", r"\1\2!", "", "a!"),
        ] {
            assert_eq!(
                Pattern::of(pattern, flags).expect("it is read").replaced(text, with),
                replaced,
                "{text} {with}"
            );
        }
    }

    #[test]
    fn nothing_at_the_ends_parts_nothing() {
        for (text, pattern, parts) in [
            ("abc", "", vec!["a", "b", "c"]),
            ("a1b2", "[0-9]", vec!["a", "b", ""]),
            ("axb", "x*", vec!["a", "b"]),
            ("1a", "[0-9]", vec!["", "a"]),
            ("", "", vec![""]),
            ("the quick", r"\s+", vec!["the", "quick"]),
        ] {
            assert_eq!(Pattern::of(pattern, "").expect("it is read").parts(text), parts, "{text:?} by {pattern:?}");
        }
    }
}
