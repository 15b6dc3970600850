//! Colours for what is typed: keywords, texts, numbers, comments, commands.

use super::keywords::is_keyword;
use super::lexer::Kind;
use super::lexer::tokens;

const KEYWORD: &str = "\x1b[1;34m";
const TEXT: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const COMMENT: &str = "\x1b[90m";
const COMMAND: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

/// The text with colours; it takes as many columns as without.
pub(super) fn highlighted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() * 2);
    let mut is_command = false;
    for token in tokens(text) {
        let colour = match token.kind {
            Kind::Sign if token.is_sign('\\') => {
                is_command = true;
                COMMAND
            }
            _ if is_command && token.text.contains('\n') => {
                is_command = false;
                ""
            }
            _ if is_command => COMMAND,
            Kind::Word if is_keyword(token.text) => KEYWORD,
            Kind::Text => TEXT,
            Kind::Number => NUMBER,
            Kind::Comment => COMMENT,
            Kind::Word | Kind::Name | Kind::Sign | Kind::Space => "",
        };
        match colour {
            "" => shown.push_str(token.text),
            colour => shown.extend([colour, token.text, PLAIN]),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_colours_and_nothing_is_lost() {
        assert_eq!(
            highlighted("select a, 'x' -- b"),
            "\x1b[1;34mselect\x1b[0m a, \x1b[32m'x'\x1b[0m \x1b[90m-- b\x1b[0m"
        );
        assert_eq!(highlighted("\\d"), "\x1b[35m\\\x1b[0m\x1b[35md\x1b[0m");
        for text in ["", "é", "'open", "SELECT\n1.5 /* x */;", "\\x\nselect"] {
            let mut plain = highlighted(text);
            for colour in [KEYWORD, TEXT, NUMBER, COMMENT, COMMAND, PLAIN] {
                plain = plain.replace(colour, "");
            }
            assert_eq!(plain, text);
        }
    }
}
