//! Case files are JSON with comments; they become blanks, so that a parser's places stay true.

/// The text with `// ..` and `/* .. */` outside of strings replaced by blanks.
pub(super) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, keep) = if rest.starts_with('"') {
            (string_length(rest), true)
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), false)
        } else {
            (1, true)
        };
        match keep {
            true => out.push_str(&rest[..length]),
            false => out.extend(rest[..length].chars().map(|character| if character == '\n' { '\n' } else { ' ' })),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => (),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn comments_become_blanks_and_strings_stay() {
        let text = "{ // é \"x\"\n \"a//b\\\"//\": 1, /* \n */ \"c\": \"/*\" }";
        let blanked = blank(text);
        let value: serde_json::Value = serde_json::from_str(&blanked).expect("JSON");
        assert_eq!(value["a//b\"//"], 1);
        assert_eq!(value["c"], "/*");
        assert_eq!(blanked.lines().count(), text.lines().count());
    }
}
