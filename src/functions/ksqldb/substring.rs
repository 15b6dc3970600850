//! `SUBSTRING(text, position [, length])`, also of bytes: negative positions count from the end, nothing is an error.

use crate::error::Error;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `substring(text, INT [, INT]) -> text`, `substring(BYTES, INT [, INT]) -> BYTES`; null gives null.
///
/// Positions begin at 1; 0 is read as 1; both ends are brought back into the value.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "__ksql_substring",
    about: "The part from a position on, from 1, from the end if it is below 0, of at most so many characters or bytes.",
    overloads: &[
        Overload { arguments: &[Type::Text, Type::Int], result: Type::Text },
        Overload { arguments: &[Type::Text, Type::Int, Type::Int], result: Type::Text },
        Overload { arguments: &[Type::Bytes, Type::Int], result: Type::Bytes },
        Overload { arguments: &[Type::Bytes, Type::Int, Type::Int], result: Type::Bytes },
    ],
    nulls: Nulls::GiveNull,
    compute: |cells| Ok::<_, Error>(substring(cells)),
}];

fn substring(cells: &[Cell<'_>]) -> Answer {
    let (position, length) = (cells[1].int(), cells.get(2).map_or(i64::MAX, |length| length.int()));
    match cells[0] {
        Cell::Text(text) => {
            let (start, length) = span(text.chars().count(), position, length);
            Answer::Text(text.chars().skip(start).take(length).collect())
        }
        other => {
            let (start, length) = span(other.bytes().len(), position, length);
            Answer::Bytes(other.bytes().iter().skip(start).take(length).copied().collect())
        }
    }
}

/// Where the part begins, counted from 0, and how long it is.
fn span(count: usize, position: i64, length: i64) -> (usize, usize) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let start = match position {
        ..=-1 => count.saturating_add(position).max(0),
        0 => 0,
        _ => (position - 1).min(count),
    };
    (start as usize, length.clamp(0, count - start) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_or_from_the_end() {
        for (position, length, part) in
            [(1, 2, "hé"), (0, 2, "hé"), (2, i64::MAX, "éllo"), (-2, 9, "lo"), (-9, 2, "hé"), (9, 2, ""), (2, -1, "")]
        {
            let cells = [Cell::Text("héllo"), Cell::Int(position), Cell::Int(length)];
            assert_eq!(substring(&cells), Answer::Text(part.to_owned()), "{position} {length}");
        }
        assert_eq!(substring(&[Cell::Bytes(b"a\xFFb"), Cell::Int(2)]), Answer::Bytes(b"\xFFb".to_vec()));
    }
}
