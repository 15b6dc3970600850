//! ARRAY, MAP and STRUCT in documents.
//!
//! A wrong element makes the whole value wrong, and the first is the one that is told; reading goes on behind the value, so
//! that a later duplicate of the field can still stand for it.

use arrow::array::Array;
use arrow::array::AsArray;

use super::coerce;
use super::coerce::Target;
use super::decode::Matched;
use super::encode::write_string;
use super::encode::write_value;
use super::scan::Kind;
use super::scan::Scanner;
use crate::format::FormatError;
use crate::format::NameMatch;
use crate::format::TimeStyle;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;
use crate::model::StructField;

/// The first error about a type or a range; what is malformed ends the reading.
#[derive(Default)]
struct Failed(Option<FormatError>);

impl Failed {
    /// The slot, or null in the place of what failed.
    fn take(&mut self, read: Result<Slot, FormatError>) -> Result<Slot, FormatError> {
        match read {
            Ok(slot) => Ok(slot),
            Err(error @ FormatError::Malformed { .. }) => Err(error),
            Err(error) => {
                self.0.get_or_insert(error);
                Ok(Slot::Null)
            }
        }
    }

    fn result(self, row: &mut Row, items: &[Slot]) -> Result<Slot, FormatError> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(row.nested(items)),
        }
    }
}

/// Reads a list for an ARRAY.
pub(super) fn array(
    scanner: &mut Scanner<'_>,
    target: Target<'_>,
    names: NameMatch,
    row: &mut Row,
) -> Result<Slot, FormatError> {
    let SqlType::Array(item) = target.sql_type else { unreachable!("{} is no array", target.sql_type) };
    let (mut items, mut failed) = (Vec::new(), Failed::default());
    scanner.expect(b'[')?;
    let mut first = true;
    while scanner.more(b']', &mut first)? {
        let read = coerce::read(scanner, Target { sql_type: item, ..target }, names, row);
        items.push(failed.take(read)?);
    }
    failed.result(row, &items)
}

/// Reads an object for a MAP. Of a key that comes twice the last value counts, in the first one's place.
pub(super) fn map(
    scanner: &mut Scanner<'_>,
    target: Target<'_>,
    names: NameMatch,
    row: &mut Row,
) -> Result<Slot, FormatError> {
    let SqlType::Map(key_type, value_type) = target.sql_type else { unreachable!("{} is no map", target.sql_type) };
    let mut places = std::collections::HashMap::new();
    let (mut items, mut failed) = (Vec::new(), Failed::default());
    scanner.expect(b'{')?;
    let mut first = true;
    while scanner.more(b'}', &mut first)? {
        let name = scanner.string()?.into_owned();
        let key = coerce::of_text(&name, Target { sql_type: key_type, ..target }, names, row);
        scanner.expect(b':')?;
        let key = failed.take(key)?;
        let read = coerce::read(scanner, Target { sql_type: value_type, ..target }, names, row);
        let value = failed.take(read)?;
        let place = *places.entry(name).or_insert_with(|| {
            items.extend([key, Slot::Null]);
            items.len() - 1
        });
        items[place] = value;
    }
    failed.result(row, &items)
}

/// Reads an object for a STRUCT; what is not there is null, and fields that are not declared are passed over.
pub(super) fn structure(
    scanner: &mut Scanner<'_>,
    target: Target<'_>,
    names: NameMatch,
    row: &mut Row,
) -> Result<Slot, FormatError> {
    let SqlType::Struct(fields) = target.sql_type else { unreachable!("{} is no struct", target.sql_type) };
    let mut items = vec![Slot::Null; fields.len()];
    let mut matched = vec![Matched::Not; fields.len()];
    let mut failed = Failed::default();
    scanner.expect(b'{')?;
    let mut first = true;
    while scanner.more(b'}', &mut first)? {
        let name = scanner.string()?;
        scanner.expect(b':')?;
        match find(fields, &name, names).filter(|(place, how)| matched[*place] <= *how) {
            None => scanner.skip(1, None)?,
            Some((place, how)) => {
                matched[place] = how;
                let field = Target { sql_type: &fields[place].sql_type, ..target };
                let read = coerce::read(scanner, field, names, row);
                items[place] = failed.take(read)?;
            }
        }
    }
    failed.result(row, &items)
}

fn find(fields: &[StructField], name: &str, names: NameMatch) -> Option<(usize, Matched)> {
    let place = |name: &str| fields.iter().position(|field| field.name == name);
    match (place(name), names) {
        (Some(place), _) => Some((place, Matched::Exactly)),
        (None, NameMatch::Exact) => None,
        (None, NameMatch::UpperFallback) => Some((place(&name.to_uppercase())?, Matched::Folded)),
    }
}

/// Reads a whole text as a document of a nested type, names and types as they are declared; `None` if it is none.
pub(in crate::format) fn read_text(text: &str, sql_type: &SqlType, row: &mut Row) -> Option<Slot> {
    let mut scanner = Scanner::new(text.as_bytes()).ok()?;
    if scanner.kind().ok()? == Kind::Null {
        return None;
    }
    let slot = coerce::read(&mut scanner, Target { column: "", sql_type }, NameMatch::Exact, row).ok()?;
    scanner.end().ok()?;
    Some(slot)
}

/// Appends a nested value that is not null.
pub(super) fn write(array: &dyn Array, row: usize, sql_type: &SqlType, times: TimeStyle, out: &mut Vec<u8>) {
    match sql_type {
        SqlType::Array(item) => {
            let values = array.as_list::<i32>().value(row);
            out.push(b'[');
            for place in 0..values.len() {
                if place != 0 {
                    out.push(b',');
                }
                write_value(values.as_ref(), place, item, times, out);
            }
            out.push(b']');
        }
        SqlType::Map(key_type, value_type) => {
            let entries = array.as_map().value(row);
            out.push(b'{');
            for place in 0..entries.len() {
                if place != 0 {
                    out.push(b',');
                }
                write_key(entries.column(0).as_ref(), place, key_type, times, out);
                out.push(b':');
                write_value(entries.column(1).as_ref(), place, value_type, times, out);
            }
            out.push(b'}');
        }
        SqlType::Struct(fields) => {
            let columns = array.as_struct().columns();
            out.push(b'{');
            for (place, (field, column)) in fields.iter().zip(columns).enumerate() {
                if place != 0 {
                    out.push(b',');
                }
                write_string(&field.name, out);
                out.push(b':');
                write_value(column.as_ref(), row, &field.sql_type, times, out);
            }
            out.push(b'}');
        }
        other => unreachable!("{other} is not nested"),
    }
}

/// The names of a document are texts, whatever the type of the keys.
fn write_key(array: &dyn Array, row: usize, sql_type: &SqlType, times: TimeStyle, out: &mut Vec<u8>) {
    let start = out.len();
    write_value(array, row, sql_type, times, out);
    if out[start] != b'"' {
        let text = String::from_utf8_lossy(&out[start..]).into_owned();
        out.truncate(start);
        write_string(&text, out);
    }
}
