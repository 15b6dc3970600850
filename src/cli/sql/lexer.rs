//! Statements as pieces: enough to tell words from what is quoted, for the prompt's colours, its completion, and the end of
//! a statement. What a statement means is the server's to say.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// `-- to the end of the line`, `/* .. */`.
    Comment,
    /// A keyword or a bare name.
    Word,
    /// `"a name"`, `` `a name` ``.
    Name,
    /// `'text'`, `E'text'`, `$$text$$`.
    Text,
    /// A number, or a parameter's `$1`.
    Number,
    /// Any other character.
    Sign,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it begins, in bytes.
    pub at: usize,
    /// Its text.
    pub text: &'a str,
    /// Whether its closing quote is there, if it needs one.
    pub closed: bool,
}

impl Token<'_> {
    /// Where it ends, in bytes.
    pub fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether it is this character.
    pub fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.text.starts_with(sign)
    }

    /// Whether it is this word, upper or lower case.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// The pieces of a text, without a gap.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        let (kind, length) = piece(rest, first);
        let token = Token { kind, at, text: &rest[..length.unwrap_or(rest.len())], closed: length.is_some() };
        at = token.end();
        Some(token)
    })
}

/// The pieces that say something.
pub(super) fn words(text: &str) -> Vec<Token<'_>> {
    tokens(text).filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment)).collect()
}

/// The kind of the first piece and its length, `None` if its end is missing.
fn piece(rest: &str, first: char) -> (Kind, Option<usize>) {
    match first {
        _ if first.is_whitespace() => (Kind::Space, Some(run(rest, char::is_whitespace))),
        '-' if rest.starts_with("--") => (Kind::Comment, Some(rest.find('\n').unwrap_or(rest.len()))),
        '/' if rest.starts_with("/*") => (Kind::Comment, block_comment(rest)),
        '\'' => (Kind::Text, quoted(rest, b'\'', false)),
        'e' | 'E' if rest[1..].starts_with('\'') => {
            (Kind::Text, quoted(&rest[1..], b'\'', true).map(|length| length + 1))
        }
        '"' => (Kind::Name, quoted(rest, b'"', false)),
        '`' => (Kind::Name, quoted(rest, b'`', false)),
        '$' => dollar(rest),
        _ if first.is_ascii_digit() => (Kind::Number, Some(run(rest, |c| c.is_alphanumeric() || c == '.'))),
        _ if joins_word(first) => (Kind::Word, Some(run(rest, joins_word))),
        _ => (Kind::Sign, Some(first.len_utf8())),
    }
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn joins_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
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

/// `$1`, or a text between two `$tag$`.
fn dollar(text: &str) -> (Kind, Option<usize>) {
    let digits = 1 + run(&text[1..], |c| c.is_ascii_digit());
    if 1 < digits {
        return (Kind::Number, Some(digits));
    }
    let name = run(&text[1..], |c| c.is_alphanumeric() || c == '_');
    if !text[1 + name..].starts_with('$') {
        return (Kind::Sign, Some(1));
    }
    let tag = &text[..name + 2];
    (Kind::Text, text[tag.len()..].find(tag).map(|length| length + 2 * tag.len()))
}

/// A name as it is: bare ones are lower case.
pub(super) fn unquoted(text: &str) -> String {
    match text.strip_prefix(['"', '`']) {
        Some(rest) => rest.trim_end_matches(['"', '`']).replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        words(text).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn pieces_are_told_apart() {
        assert_eq!(
            kinds("SELECT a$b, \"x\"\"y\" -- no\n FROM/* /* */ */t WHERE n=$1 AND s = E'\\'' OR 1.5e3<$$;$$"),
            [
                (Kind::Word, "SELECT"),
                (Kind::Word, "a$b"),
                (Kind::Sign, ","),
                (Kind::Name, "\"x\"\"y\""),
                (Kind::Word, "FROM"),
                (Kind::Word, "t"),
                (Kind::Word, "WHERE"),
                (Kind::Word, "n"),
                (Kind::Sign, "="),
                (Kind::Number, "$1"),
                (Kind::Word, "AND"),
                (Kind::Word, "s"),
                (Kind::Sign, "="),
                (Kind::Text, "E'\\''"),
                (Kind::Word, "OR"),
                (Kind::Number, "1.5e3"),
                (Kind::Sign, "<"),
                (Kind::Text, "$$;$$"),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_reaches_to_the_end_and_says_so() {
        for text in ["'a", "\"a", "`a", "/* a /* b */", "$x$ a $y$", "E'a\\'", "'", "E'"] {
            let last = tokens(text).last().expect("a piece");
            assert!(!last.closed && last.end() == text.len(), "{text}: {last:?}");
        }
    }

    #[test]
    fn every_byte_belongs_to_one_piece() {
        for text in
            ["", "ü'ü;", "$", "$$", "a$$b", "-", "/", "\\d x", "'é\u{1f980}", "1.2.3..4", "e", "E", "\u{0}\u{7f}"]
        {
            let mut end = 0;
            for token in tokens(text) {
                assert_eq!(token.at, end);
                assert!(!token.text.is_empty());
                end = token.end();
            }
            assert_eq!(end, text.len());
        }
    }
}
