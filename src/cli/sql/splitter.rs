//! Where a statement ends: at a `;` outside quotes, comments and dollar quotes; or a backslash there, which begins a command.

use super::lexer::Kind;
use super::lexer::tokens;

/// What stops a text of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A statement ends after the `;` that begins at this byte.
    Semicolon(usize),
    /// A command begins at this byte.
    Command(usize),
}

/// The first `;` or backslash of a text that is not inside of anything.
pub(super) fn first_stop(text: &str) -> Option<Stop> {
    tokens(text).find_map(|token| match token.is_sign(';') {
        true => Some(Stop::Semicolon(token.at)),
        false => token.is_sign('\\').then_some(Stop::Command(token.at)),
    })
}

/// Whether all that was typed can be run: its last statement has its `;`, or a command stands last.
pub(super) fn is_whole(mut text: &str) -> bool {
    loop {
        match first_stop(text) {
            Some(Stop::Semicolon(at)) => text = &text[at + 1..],
            // It takes the rest of its line.
            Some(Stop::Command(at)) => match text[at..].split_once('\n') {
                Some((_, rest)) if !is_blank(rest) => text = rest,
                _ => return true,
            },
            None => return is_blank(text) && tokens(text).all(|token| token.closed),
        }
    }
}

/// All statements of a text, without their `;`; a last one needs none. Comments alone are no statement.
pub(in crate::cli) fn statements(mut text: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(end) = tokens(text).find(|token| token.is_sign(';')).map(|token| token.end()) {
        found.push(text[..end - 1].trim().to_string());
        text = &text[end..];
    }
    found.push(text.trim().to_string());
    found.retain(|statement| !is_blank(statement));
    found
}

/// Whether a text has nothing but space and comments.
pub(super) fn is_blank(text: &str) -> bool {
    tokens(text).all(|token| matches!(token.kind, Kind::Space | Kind::Comment))
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
            "SELECT `;`;",
            "SELECT $$;$$;",
            "SELECT $a$;$$;$a$;",
            "SELECT 1 -- ;\n;",
            "SELECT /* ; /* ; */ ; */ 1;",
            "SELECT $1;",
            "SELECT 'ü;';",
        ];
        for text in whole {
            assert_eq!(first_stop(text), Some(Stop::Semicolon(text.len() - 1)), "{text}");
            assert_eq!(first_stop(&text[..text.len() - 1]), None, "{text}");
            assert!(is_whole(text) && !is_whole(&text[..text.len() - 1]), "{text}");
        }
    }

    #[test]
    fn a_command_may_stand_behind_a_statement_and_not_inside_of_a_text() {
        assert_eq!(first_stop("SELECT 1 \\gx"), Some(Stop::Command(9)));
        assert_eq!(first_stop("SELECT '\\gx'"), None);
        for text in ["\\d", "SELECT 1\n\\gx\n", "SELECT 1; \\d t", "", "-- a\n", "\\x\nSELECT 1;"] {
            assert!(is_whole(text), "{text}");
        }
        for text in ["SELECT 1", "SELECT 1; SELECT", "\\x\nSELECT 1", "/* ", "'"] {
            assert!(!is_whole(text), "{text}");
        }
    }

    #[test]
    fn statements_are_split_and_comments_alone_are_none() {
        assert_eq!(statements("-- a\nSELECT 1;\n;SELECT 2; -- b"), ["-- a\nSELECT 1", "SELECT 2"]);
        assert!(is_blank(" -- x\n /* y */ "));
        assert!(!is_blank("/* y */ SELECT 1"));
    }
}
