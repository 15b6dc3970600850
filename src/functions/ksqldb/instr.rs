//! `INSTR(text, part [, position [, occurrence]])`: where a part stands, from 1; 0 for nowhere.

use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `instr(text, text [, INT [, INT]]) -> INT`, counted in UTF-16 units as in Java; a null text or part gives 0.
///
/// A position below 0 counts from the end and searches backwards.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "__ksql_instr",
    about: "Where a part begins in a text, from 1, and 0 if it does not: from a position on (below 0 backwards), the n-th time.",
    overloads: &[
        Overload { arguments: &[Type::Text, Type::Text], result: Type::Int },
        Overload { arguments: &[Type::Text, Type::Text, Type::Int], result: Type::Int },
        Overload { arguments: &[Type::Text, Type::Text, Type::Int, Type::Int], result: Type::Int },
    ],
    nulls: Nulls::AreArguments,
    compute: |cells| {
        let number = |place: usize| match cells.get(place) {
            None => Some(1),
            Some(Cell::Null) => None,
            Some(cell) => Some(cell.int()),
        };
        Ok(match (cells[0], cells[1], number(2), number(3)) {
            (Cell::Text(text), Cell::Text(part), Some(position), Some(occurrence)) => {
                Answer::Int(instr(text, part, position, occurrence))
            }
            (Cell::Text(_), Cell::Text(_), _, _) => Answer::Null,
            _ => Answer::Int(0),
        })
    },
}];

fn instr(text: &str, part: &str, position: i64, occurrence: i64) -> i64 {
    let text: Vec<u16> = text.encode_utf16().collect();
    let part: Vec<u16> = part.encode_utf16().collect();
    let (length, steps) = (text.len(), usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX));
    let (Ok(skipped), true) = (usize::try_from(occurrence.saturating_sub(1)), (1..=length).contains(&steps)) else {
        return 0;
    };
    // The occurrences may overlap.
    let starts = (0..=length.saturating_sub(part.len())).filter(|start| text[*start..].starts_with(&part));
    let found = match 0 < position {
        true => starts.filter(|start| steps - 1 <= *start).nth(skipped),
        false => starts.rev().filter(|start| start + part.len() <= length + 1 - steps).nth(skipped),
    };
    found.and_then(|start| i64::try_from(start + 1).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_searched_from_either_end() {
        let cases =
            [(1, 1, 2), (3, 1, 4), (1, 2, 4), (1, 3, 0), (-1, 1, 4), (-4, 1, 2), (-1, 2, 2), (-5, 1, 2), (-6, 1, 0)];
        for (position, occurrence, place) in cases {
            assert_eq!(instr("bananas", "an", position, occurrence), place, "{position} {occurrence}");
        }
        for (position, occurrence) in [(0, 1), (8, 1), (-8, 1), (1, 0), (i64::MIN, 1), (1, i64::MIN + 1)] {
            assert_eq!(instr("bananas", "an", position, occurrence), 0, "{position} {occurrence}");
        }
        assert_eq!(instr("banana", "ana", 1, 2), 4);
        assert_eq!(instr("banana", "ana", -1, 2), 2);
        assert_eq!(instr("\u{1F600}a", "a", 1, 1), 3);
        assert_eq!(instr("", "a", 1, 1), 0);
    }
}
