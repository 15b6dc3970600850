//! Matches of a pattern as Java's `Matcher` finds them, and its `split` and `replaceAll`.

use regex::Captures;
use regex::Regex;

/// One match after the other; other than the regex crate's, an empty one also right behind another.
pub fn matches<'a>(pattern: &'a Regex, text: &'a str) -> impl Iterator<Item = Captures<'a>> {
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let captures = pattern.captures_at(text, from?)?;
        let (start, end) = captures.get(0).map(|found| (found.start(), found.end()))?;
        from = match start == end {
            true => text[end..].chars().next().map(|next| end + next.len_utf8()),
            false => Some(end),
        };
        Some(captures)
    })
}

/// The parts between matches. A pattern that fits the empty text splits as `String.split` does: no empty part before the
/// text, and none at its end; another keeps all parts.
pub fn split(pattern: &Regex, text: &str) -> Vec<String> {
    let fits_nothing = pattern.find("").is_some();
    if !fits_nothing {
        return pattern.split(text).map(str::to_owned).collect();
    }
    let mut parts = Vec::new();
    let mut done = 0;
    for captures in matches(pattern, text) {
        let Some(found) = captures.get(0) else { continue };
        if found.end() == 0 {
            continue;
        }
        parts.push(text[done..found.start()].to_owned());
        done = found.end();
    }
    if done == 0 {
        return vec![text.to_owned()];
    }
    parts.push(text[done..].to_owned());
    while parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    parts
}

/// All matches replaced. In the replacement `$1` and `${name}` are groups, and a backslash takes the next character as it is;
/// the error says what is wrong with it, if there is a match at all.
pub fn replace_all(pattern: &Regex, text: &str, replacement: &str) -> Result<String, String> {
    let mut replaced = String::new();
    let mut done = 0;
    for captures in matches(pattern, text) {
        let Some(found) = captures.get(0) else { continue };
        replaced.push_str(&text[done..found.start()]);
        expand(replacement, pattern, &captures, &mut replaced)?;
        done = found.end();
    }
    replaced.push_str(&text[done..]);
    Ok(replaced)
}

fn expand(replacement: &str, pattern: &Regex, captures: &Captures<'_>, into: &mut String) -> Result<(), String> {
    let mut rest = replacement;
    while let Some(at) = rest.find(['\\', '$']) {
        into.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if sign == b'\\' {
            let next = rest.chars().next().ok_or("character to be escaped is missing")?;
            into.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        }
        let group = match rest.strip_prefix('{') {
            Some(name) => {
                let (name, after) = name.split_once('}').ok_or("named capturing group is missing trailing '}'")?;
                rest = after;
                let of_name = |known: Option<&str>| known == Some(name);
                pattern.capture_names().position(of_name).ok_or_else(|| format!("no group with name {{{name}}}"))?
            }
            None => take_group(&mut rest, captures.len())?,
        };
        into.push_str(captures.get(group).map_or("", |found| found.as_str()));
    }
    into.push_str(rest);
    Ok(())
}

/// The number of a group: as many digits as there are groups for, but one at least.
fn take_group(rest: &mut &str, groups: usize) -> Result<usize, String> {
    let digit = |text: &str| text.bytes().next().filter(u8::is_ascii_digit).map(|digit| usize::from(digit - b'0'));
    let mut group = digit(rest).ok_or("group index is missing")?;
    if groups <= group {
        return Err(format!("no group {group}"));
    }
    *rest = &rest[1..];
    while let Some(next) = digit(rest).map(|digit| group * 10 + digit).filter(|next| *next < groups) {
        group = next;
        *rest = &rest[1..];
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_as_java_splits_them() {
        for (text, pattern, parts) in [
            ("ab", "", vec!["a", "b"]),
            ("axb", "x*", vec!["a", "", "b"]),
            ("héé", "", vec!["h", "é", "é"]),
            ("", "", vec![""]),
            ("x", "x*", vec![]),
            ("-a-", "-", vec!["", "a", ""]),
            ("abc", "-", vec!["abc"]),
        ] {
            assert_eq!(split(&Regex::new(pattern).expect("a pattern"), text), parts, "{text} {pattern}");
        }
    }

    #[test]
    fn replacements_name_groups_as_javas_do() {
        for (text, pattern, replacement, result) in [
            ("a1", "(a)", "$1b", Some("ab1")),
            ("a", "(a)", "$10", Some("a0")),
            ("a", "a", "$0$0", Some("aa")),
            ("a", "a", "$1", None),
            ("a", "a", "$", None),
            ("a", "a", "$x", None),
            ("a", "a", "\\$x\\\\", Some("$x\\")),
            ("a", "a", "x\\", None),
            ("b", "a", "$1", Some("b")),
            ("a", "(?<n>a)", "${n}c", Some("ac")),
            ("a", "(?<n>a)", "${m}c", None),
            ("aab", "a*", "X", Some("XXbX")),
            ("b", "(a)?b", "[$1]", Some("[]")),
        ] {
            let pattern = Regex::new(pattern).expect("a pattern");
            assert_eq!(replace_all(&pattern, text, replacement).ok().as_deref(), result, "{text} {replacement}");
        }
    }
}
