//! UUIDs as texts: PostgreSQL's one form, read from each form that it takes.

use std::borrow::Cow;

/// Lower case, with hyphens behind the digits 8, 12, 16 and 20. `None` for a text that is no UUID: 32 hexadecimal digits, hyphens
/// behind each four or not, braces around them or not.
pub fn canonical_uuid(text: &str) -> Option<Cow<'_, str>> {
    let is_hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let is_canonical = |(at, byte): (usize, u8)| match byte {
        b'-' => is_hyphen(at),
        byte => !is_hyphen(at) && matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if text.len() == 36 && text.bytes().enumerate().all(is_canonical) {
        return Some(Cow::Borrowed(text));
    }
    uuid_bytes(text).map(|bytes| Cow::Owned(uuid_text(bytes)))
}

/// Its sixteen bytes.
pub fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let bare = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}')?,
        None => text,
    };
    let (mut number, mut digits) = (0u128, 0);
    let mut before = '-';
    for letter in bare.chars() {
        match letter.to_digit(16) {
            Some(digit) if digits < 32 => {
                number = number << 4 | u128::from(digit);
                digits += 1;
            }
            None if letter == '-' && before != '-' && digits % 4 == 0 && digits < 32 => {}
            _ => return None,
        }
        before = letter;
    }
    (digits == 32).then(|| number.to_be_bytes())
}

/// The text of sixteen bytes.
pub fn uuid_text(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    let part = |shift: u32, digits: u32| number >> shift & ((1 << (4 * digits)) - 1);
    let (a, b, c, d, e) = (part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12));
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_uuid_gives_the_one() {
        let one = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            one,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(canonical_uuid(text).as_deref(), Some(one), "{text}");
        }
        assert_eq!(uuid_bytes(one).map(uuid_text).as_deref(), Some(one));
        for text in [
            "",
            "a0eebc99",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
            "g0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a1100",
            "a0eebc99--9c0b4ef8bb6d6bb9bd380a11",
            "é0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(canonical_uuid(text), None, "{text}");
        }
    }
}
