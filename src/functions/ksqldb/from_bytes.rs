//! `INT_FROM_BYTES`, `BIGINT_FROM_BYTES`, `DOUBLE_FROM_BYTES`, `UUID_FROM_BYTES`: values from their bytes.

use crate::error::Error;
use crate::error::SqlState;
use crate::format::uuid_text;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const ORDERED: &[Type] = &[Type::Bytes, Type::Text];

/// `int_from_bytes(BYTES [, 'BIG_ENDIAN' | 'LITTLE_ENDIAN']) -> INT`, and for BIGINT and DOUBLE; null gives null.
///
/// 22P03 for another number of bytes, 22023 for another order.
/// `uuid_from_bytes(BYTES) -> TEXT`, which ksqlDB calls `uuid(BYTES)`; null of null, and of another number of bytes than 16.
pub static DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "int_from_bytes",
        about: "Four bytes as a number, 'BIG_ENDIAN' unless 'LITTLE_ENDIAN' is told.",
        overloads: &[
            Overload { arguments: &[Type::Bytes], result: Type::Int },
            Overload { arguments: ORDERED, result: Type::Int },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(i64::from(i32::from_be_bytes(big_endian(cells)?)))),
    },
    Definition {
        name: "bigint_from_bytes",
        about: "Eight bytes as a number, 'BIG_ENDIAN' unless 'LITTLE_ENDIAN' is told.",
        overloads: &[
            Overload { arguments: &[Type::Bytes], result: Type::BigInt },
            Overload { arguments: ORDERED, result: Type::BigInt },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(i64::from_be_bytes(big_endian(cells)?))),
    },
    Definition {
        name: "double_from_bytes",
        about: "Eight bytes as a double, 'BIG_ENDIAN' unless 'LITTLE_ENDIAN' is told.",
        overloads: &[
            Overload { arguments: &[Type::Bytes], result: Type::Double },
            Overload { arguments: ORDERED, result: Type::Double },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Double(f64::from_be_bytes(big_endian(cells)?))),
    },
    Definition {
        name: "uuid_from_bytes",
        about: "Sixteen bytes as a UUID, also by the name uuid(bytes); NULL of another number of bytes.",
        overloads: &[Overload { arguments: &[Type::Bytes], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::text(<[u8; 16]>::try_from(cells[0].bytes()).ok().map(uuid_text))),
    },
];

fn big_endian<const N: usize>(cells: &[Cell<'_>]) -> Result<[u8; N], Error> {
    let bytes = cells[0].bytes();
    let mut number: [u8; N] = bytes.try_into().map_err(|_| {
        let message = format!("{} bytes where the number has {N}", bytes.len());
        Error::new(SqlState("22P03"), message)
    })?;
    match cells.get(1).map(|order| order.text().to_ascii_uppercase()).as_deref() {
        None | Some("BIG_ENDIAN") => {}
        Some("LITTLE_ENDIAN") => number.reverse(),
        Some(other) => {
            let message = format!("unknown order of bytes \"{other}\"");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("The orders are BIG_ENDIAN and LITTLE_ENDIAN."));
        }
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_an_order_and_a_count() {
        let four = Cell::Bytes(&[0, 0, 1, 2]);
        assert_eq!(big_endian(&[four]).ok(), Some([0, 0, 1, 2]));
        assert_eq!(big_endian(&[four, Cell::Text("big_endian")]).ok(), Some([0, 0, 1, 2]));
        assert_eq!(big_endian(&[four, Cell::Text("LITTLE_ENDIAN")]).ok(), Some([2, 1, 0, 0]));
        assert!(big_endian::<4>(&[four, Cell::Text("PDP")]).is_err());
        assert!(big_endian::<8>(&[four]).is_err());
    }

    #[test]
    fn a_uuid_has_its_bytes_in_order() {
        let bytes = [0, 1, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF];
        assert_eq!(uuid_text(bytes), "00012233-4455-6677-8899-aabbccddeeff");
        assert_eq!(uuid_text([0; 16]), "00000000-0000-0000-0000-000000000000");
    }
}
