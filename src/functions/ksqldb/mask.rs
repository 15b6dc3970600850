//! `MASK` and its kin: letters and digits of a text made unreadable, their kind kept.

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const WHOLE: &[Overload] = &[
    Overload { arguments: &[Type::Text], result: Type::Text },
    Overload { arguments: &[Type::Text, Type::Text, Type::Text, Type::Text, Type::Text], result: Type::Text },
];
const PART: &[Overload] = &[
    Overload { arguments: &[Type::Text, Type::Int], result: Type::Text },
    Overload {
        arguments: &[Type::Text, Type::Int, Type::Text, Type::Text, Type::Text, Type::Text],
        result: Type::Text,
    },
];

/// `mask(text [, upper, lower, digit, other])` and `mask_left(text, INT [, ..])`, `mask_right`, `mask_keep_left`,
/// `mask_keep_right`, all to a text; a null text or number gives null, a null or empty sign leaves its kind as it is.
///
/// 22023 for a number below 0.
pub static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "mask",
        about: "Capital letters made X, small ones x, digits n and other characters -, or the signs that are told; a NULL sign \
                leaves its kind as it is.",
        overloads: WHOLE,
        nulls: Nulls::AreArguments,
        compute: |cells| masked(cells, 1, |_, _, _| true),
    },
    Definition {
        name: "mask_left",
        about: "MASK of the first n characters.",
        overloads: PART,
        nulls: Nulls::AreArguments,
        compute: |cells| masked(cells, 2, |at, _, n| at < n),
    },
    Definition {
        name: "mask_right",
        about: "MASK of the last n characters.",
        overloads: PART,
        nulls: Nulls::AreArguments,
        compute: |cells| masked(cells, 2, |at, length, n| length <= at.saturating_add(n)),
    },
    Definition {
        name: "mask_keep_left",
        about: "MASK of all but the first n characters.",
        overloads: PART,
        nulls: Nulls::AreArguments,
        compute: |cells| masked(cells, 2, |at, _, n| n <= at),
    },
    Definition {
        name: "mask_keep_right",
        about: "MASK of all but the last n characters.",
        overloads: PART,
        nulls: Nulls::AreArguments,
        compute: |cells| masked(cells, 2, |at, length, n| at.saturating_add(n) < length),
    },
];

/// Masks the characters that are `within` by their place, the text's length and the number; the signs stand from `signs` on.
fn masked(cells: &[Cell<'_>], signs: usize, within: fn(usize, usize, usize) -> bool) -> Result<Answer, Error> {
    if cells[..signs].contains(&Cell::Null) {
        return Ok(Answer::Null);
    }
    let count = match cells[..signs] {
        [_, count] => usize::try_from(count.int()).map_err(|_| {
            let message = format!("the number of characters to mask must not be below 0, as {} is", count.int());
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        })?,
        _ => 0,
    };
    let mut kinds = [Some('X'), Some('x'), Some('n'), Some('-')];
    for (kind, cell) in kinds.iter_mut().zip(&cells[signs..]) {
        *kind = cell.text().chars().next();
    }
    let [upper, lower, digit, other] = kinds;
    let text = cells[0].text();
    let length = text.chars().count();
    let mask = |(at, character): (usize, char)| {
        let sign = match character {
            _ if !within(at, length, count) => None,
            c if c.is_uppercase() => upper,
            c if c.is_lowercase() => lower,
            c if c.is_numeric() => digit,
            _ => other,
        };
        sign.unwrap_or(character)
    };
    Ok(Answer::Text(text.chars().enumerate().map(mask).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, cells: &[Cell<'_>]) -> Result<Answer, Error> {
        let definition = DEFINITIONS.iter().find(|definition| definition.name == name).expect("it is there");
        (definition.compute)(cells)
    }

    #[test]
    fn kinds_of_characters_keep_apart() {
        let text = Cell::Text("AbCd#$123é");
        let five = |name: &str| call(name, &[text, Cell::Int(5)]).expect("a text");
        for (answer, expected) in [
            (call("mask", &[text]).expect("a text"), "XxXx--nnnx"),
            (five("mask_left"), "XxXx-$123é"),
            (five("mask_right"), "AbCd#-nnnx"),
            (five("mask_keep_left"), "AbCd#-nnnx"),
            (five("mask_keep_right"), "XxXx-$123é"),
        ] {
            assert_eq!(answer, Answer::Text(expected.to_string()));
        }
        let signs = [Cell::Text("Q"), Cell::Null, Cell::Text("09"), Cell::Text("")];
        let all = [&[text][..], &signs].concat();
        assert_eq!(call("mask", &all).expect("a text"), Answer::Text("QbQd#$000é".to_string()));
    }

    #[test]
    fn numbers_of_any_size_are_answered() {
        let text = Cell::Text("Ab");
        for name in ["mask_left", "mask_right", "mask_keep_left", "mask_keep_right"] {
            assert!(call(name, &[text, Cell::Int(i64::MAX)]).is_ok(), "{name}");
            assert!(call(name, &[text, Cell::Int(-1)]).is_err(), "{name}");
            assert_eq!(call(name, &[text, Cell::Null]).expect("null"), Answer::Null);
            assert_eq!(call(name, &[Cell::Null, Cell::Int(1)]).expect("null"), Answer::Null);
        }
    }
}
