//! Texts as wide as a terminal shows them, and without what would move its cursor.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// With spaces before it.
pub(super) fn padded_left(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

/// With spaces behind it.
pub(super) fn padded_right(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// With spaces around it.
pub(super) fn centered(text: &str, to: usize) -> String {
    let room = to.saturating_sub(width(text));
    format!("{}{text}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
}

/// Its beginning, at most so many columns.
pub(super) fn cut(text: &str, to: usize) -> &str {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += character.width().unwrap_or(0);
        if to < taken {
            return &text[..at];
        }
    }
    text
}

/// A value in one line: a line break is `↵`, and what else would move a terminal's cursor is told as psql tells it.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(moves_cursor) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => shown.push('\u{21b5}'),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("    "),
            c if c.is_control() => write!(shown, "\\x{:02X}", u32::from(c)).expect("a String takes what is written"),
            c if turns_text(c) => write!(shown, "\\u{:04X}", u32::from(c)).expect("a String takes what is written"),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn moves_cursor(character: char) -> bool {
    character.is_control() || turns_text(character)
}

/// Marks that have what follows them run the other way, the rest of the table with it.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!(width("漢字"), 4);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(padded_left("漢", 4), "  漢");
        assert_eq!(cut("漢字漢字", 5), "漢字");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn no_value_moves_the_cursor() {
        assert_eq!(one_line("a\nb\u{1b}[2J\r\u{7f}"), "a\u{21b5}b\\x1B[2J\\r\\x7F");
        assert_eq!(one_line("a\u{202e}b"), "a\\u202Eb");
        assert!(matches!(one_line("plain"), Cow::Borrowed("plain")));
    }
}
