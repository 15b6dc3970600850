//! Where a statement ends: at a `;` outside quotes, comments and dollar quotes.

/// The byte length of the first statement with its `;`, `None` if the text has no whole one.
pub(super) fn statement_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        at += match bytes[at] {
            b';' => return Some(at + 1),
            b'\'' => {
                let escapes = at != 0 && matches!(bytes[at - 1], b'e' | b'E') && !joins_word(text, at - 1);
                quoted(rest, b'\'', escapes)?
            }
            b'"' => quoted(rest, b'"', false)?,
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => block_comment(rest)?,
            b'$' if !joins_word(text, at) => match dollar_quoted(rest) {
                DollarQuote::None => 1,
                DollarQuote::Open => return None,
                DollarQuote::Closed(length) => length,
            },
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    None
}

/// All statements of a text, without their `;`; a last one needs none. Comments alone are no statement.
pub(in crate::cli) fn statements(mut text: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(end) = statement_end(text) {
        found.push(text[..end - 1].trim().to_string());
        text = &text[end..];
    }
    found.push(text.trim().to_string());
    found.retain(|statement| !is_blank(statement));
    found
}

/// Whether a text has nothing but space and comments.
pub(super) fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let skipped = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest).unwrap_or(rest.len())
        } else {
            return rest.is_empty();
        };
        rest = rest[skipped..].trim_start();
    }
}

/// Whether the character at `at` continues a word: then it begins nothing.
fn joins_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_' || before == '$')
}

/// The length of a quoted run; a doubled quote stands for one.
fn quoted(text: &str, quote: u8, escapes: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

/// The length of a comment, in which comments may nest.
fn block_comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

enum DollarQuote {
    None,
    Open,
    Closed(usize),
}

fn dollar_quoted(text: &str) -> DollarQuote {
    let Some(end) = text[1..].find('$') else { return DollarQuote::None };
    let tag = &text[..end + 2];
    let name = &tag[1..tag.len() - 1];
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_numeric());
    if !is_name {
        return DollarQuote::None;
    }
    match text[tag.len()..].find(tag) {
        Some(length) => DollarQuote::Closed(length + 2 * tag.len()),
        None => DollarQuote::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_at_a_semicolon_outside_quotes_and_comments() {
        let whole = [
            "SELECT 1;",
            "SELECT ';';",
            "SELECT 'it''s;';",
            r"SELECT E'\';';",
            "SELECT \";\";",
            "SELECT $$;$$;",
            "SELECT $a$;$$;$a$;",
            "SELECT 1 -- ;\n;",
            "SELECT /* ; /* ; */ ; */ 1;",
            "SELECT $1;",
            "SELECT 'ü;';",
        ];
        for text in whole {
            assert_eq!(statement_end(text), Some(text.len()), "{text}");
            assert_eq!(statement_end(&text[..text.len() - 1]), None, "{text}");
        }
    }

    #[test]
    fn statements_are_split_and_comments_alone_are_none() {
        assert_eq!(statements("-- a\nSELECT 1;\n;SELECT 2; -- b"), ["-- a\nSELECT 1", "SELECT 2"]);
        assert!(is_blank(" -- x\n /* y */ "));
        assert!(!is_blank("/* y */ SELECT 1"));
    }
}
