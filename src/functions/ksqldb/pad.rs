//! `LPAD` and `RPAD` of texts and bytes: as PostgreSQL's, but a length or a filling that makes no sense gives null.

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// Characters or bytes of the longest result: one value is not to take a server's memory.
const LENGTH_MAX: i64 = 10_000_000;

const OVERLOADS: &[Overload] = &[
    Overload { arguments: &[Type::Text, Type::Int, Type::Text], result: Type::Text },
    Overload { arguments: &[Type::Bytes, Type::Int, Type::Bytes], result: Type::Bytes },
];

/// `lpad(text, INT, text) -> text`, `lpad(BYTES, INT, BYTES) -> BYTES`, and `rpad`; both cut at the end.
///
/// Null for null, for a length below 0 and for an empty filling. 54000 beyond 10 million characters.
pub static DEFINITIONS: [Definition; 2] = [
    Definition {
        name: "__ksql_lpad",
        about: "Filled up at its left to a length, or cut to it.",
        overloads: OVERLOADS,
        nulls: Nulls::GiveNull,
        compute: |cells| {
            pad(cells, |mut filling, kept| {
                filling.extend(kept);
                filling
            })
        },
    },
    Definition {
        name: "__ksql_rpad",
        about: "Filled up at its right to a length, or cut to it.",
        overloads: OVERLOADS,
        nulls: Nulls::GiveNull,
        compute: |cells| {
            pad(cells, |filling, mut kept| {
                kept.extend(filling);
                kept
            })
        },
    },
];

/// The parts that a padded value is put together of.
type Join = fn(Vec<u32>, Vec<u32>) -> Vec<u32>;

fn pad(cells: &[Cell<'_>], join: Join) -> Result<Answer, Error> {
    let units = |cell: Cell<'_>| -> Vec<u32> {
        match cell {
            Cell::Text(text) => text.chars().map(u32::from).collect(),
            other => other.bytes().iter().copied().map(u32::from).collect(),
        }
    };
    let (mut kept, filling) = (units(cells[0]), units(cells[2]));
    if LENGTH_MAX < cells[1].int() {
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "requested length too large"));
    }
    let Ok(length) = usize::try_from(cells[1].int()) else { return Ok(Answer::Null) };
    if filling.is_empty() {
        return Ok(Answer::Null);
    }
    kept.truncate(length);
    let missing = length - kept.len();
    let padded = join(filling.into_iter().cycle().take(missing).collect(), kept);
    Ok(match cells[0] {
        Cell::Text(_) => Answer::Text(padded.into_iter().filter_map(char::from_u32).collect()),
        _ => Answer::Bytes(padded.into_iter().filter_map(|byte| u8::try_from(byte).ok()).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_null() {
        let both = |text, length, filling| {
            let cells = [Cell::Text(text), Cell::Int(length), Cell::Text(filling)];
            DEFINITIONS.each_ref().map(|definition| (definition.compute)(&cells).expect("it fits"))
        };
        let texts = |left: &str, right: &str| [Answer::Text(left.to_owned()), Answer::Text(right.to_owned())];
        assert_eq!(both("hé", 5, "xy"), texts("xyxhé", "héxyx"));
        assert_eq!(both("héllo", 2, "x"), texts("hé", "hé"));
        assert_eq!(both("hi", 0, "x"), texts("", ""));
        assert_eq!(both("hi", -1, "x"), [Answer::Null, Answer::Null]);
        assert_eq!(both("hi", 4, ""), [Answer::Null, Answer::Null]);
        let bytes = [Cell::Bytes(b"a\xFF"), Cell::Int(3), Cell::Bytes(b"z")];
        assert_eq!((DEFINITIONS[0].compute)(&bytes).ok(), Some(Answer::Bytes(b"za\xFF".to_vec())));
        let long = [Cell::Text("a"), Cell::Int(LENGTH_MAX + 1), Cell::Text("b")];
        assert!((DEFINITIONS[0].compute)(&long).is_err());
    }
}
