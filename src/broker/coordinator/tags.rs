//! Tagged fields of Kafka's records.

use crate::protocol::PrimitiveError;
use crate::protocol::Reader;

/// Calls `each` with every tagged field that follows.
pub(super) fn for_each_tag<'a>(
    reader: &mut Reader<'a>,
    mut each: impl FnMut(u32, &mut Reader<'a>) -> Result<(), PrimitiveError>,
) -> Result<(), PrimitiveError> {
    let count = reader.unsigned_varint()?;
    for _ in 0..count {
        let tag = reader.unsigned_varint()?;
        let length = reader.unsigned_varint()? as usize;
        let (field, rest) = reader.remaining().split_at_checked(length).ok_or(PrimitiveError::Truncated)?;
        *reader = Reader::new(rest);
        each(tag, &mut Reader::new(field))?;
    }
    Ok(())
}
