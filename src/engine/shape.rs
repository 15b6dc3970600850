//! The shape of a text: the text with `$1`, `$2` and so on where its numbers stand. Clients without parameters send the
//! same shape again and again, `WHERE id = 1`, `WHERE id = 2`; one that is read by key is parsed once.

/// Numbers of one text.
const NUMBERS_MAX: usize = 16;

/// See the file's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// The text without its numbers.
    pub(super) text: String,
    /// Their digits, in the order in which they stand.
    pub(super) numbers: Vec<String>,
}

impl Shape {
    /// The shape of a text of plain words, numbers and signs; `None` for one without numbers, and for one in which digits may
    /// be something else: in quotes, comments, parameters, names that are not ASCII.
    pub(super) fn of(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" \t\r\n_.,*()=<>".contains(&byte);
        if !text.bytes().all(is_plain) {
            return None;
        }
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (mut shape, mut numbers) = (String::with_capacity(text.len() + 8), Vec::new());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let word = &rest[..rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())];
            if !first.is_ascii_digit() {
                // A point before digits belongs to them.
                let length = word.len().max(1);
                if first == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit()) {
                    return None;
                }
                shape.push_str(&rest[..length]);
                rest = &rest[length..];
                continue;
            }
            let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
            let after = &rest[word.len()..];
            let fraction =
                after.strip_prefix('.').map(|after| &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())]);
            let length = word.len() + fraction.map_or(0, |fraction| 1 + fraction.len());
            let is_whole = is_number(word) && fraction.is_none_or(|digits| !digits.is_empty() && is_number(digits));
            if !is_whole || rest[length..].starts_with('.') || numbers.len() == NUMBERS_MAX {
                return None;
            }
            numbers.push(rest[..length].to_string());
            shape.push_str(&format!("${}", numbers.len()));
            rest = &rest[length..];
        }
        (!numbers.is_empty()).then_some(Self { text: shape, numbers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_out_where_they_are_numbers() {
        let shape = |text: &str| Shape::of(text).map(|shape| (shape.text, shape.numbers.join(" ")));
        let told = |text: &str, numbers: &str| Some((text.to_string(), numbers.to_string()));
        assert_eq!(shape("SELECT a1 FROM t2 WHERE x=10"), told("SELECT a1 FROM t2 WHERE x=$1", "10"));
        assert_eq!(shape("x IN (1,02, 3.50) LIMIT 7"), told("x IN ($1,$2, $3) LIMIT $4", "1 02 3.50 7"));
        assert_eq!(shape("t.c = 1"), told("t.c = $1", "1"));
        for other in
            ["SELECT a", "x = '1'", "x = $1", "x = 1e5", "x = .5", "x = 1.", "x = 1.2.3", "\"x1\" = 1", "x = -1"]
        {
            assert_eq!(shape(other), None, "{other}");
        }
        assert_eq!(shape("x = 1 -- 2"), None);
        assert_eq!(shape("ü = 1"), None);
        assert_eq!(shape(&"1 ".repeat(NUMBERS_MAX + 1)), None);
    }
}
