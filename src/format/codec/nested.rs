//! Values inside of ARRAY, MAP and STRUCT, in the bytes of a row and of a key.
//!
//! Every value inside has a tag byte, `0` for null and `1` for a value. In a row an ARRAY and a MAP begin with the number of
//! their elements or entries and a STRUCT with the number of its fields, as varints. In a key each element of an ARRAY has a
//! byte `1` before it and the ARRAY ends with `0`, so that a list is below all lists that continue it; a STRUCT is its fields.

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::datatypes::DataType;

use super::key;
use super::row;
use crate::format::FormatError;
use crate::format::column_builder::ColumnBuilder;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;

const NULL: u8 = 0;
const VALUE: u8 = 1;
const MORE: u8 = 1;
const END: u8 = 0;

/// The SQL type whose one Arrow type this is.
pub(super) fn sql_type_of(data_type: &DataType) -> Option<SqlType> {
    SqlType::from_arrow(data_type).filter(|sql_type| sql_type.arrow() == *data_type)
}

/// Which bytes a value becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Row,
    Key,
}

impl Form {
    fn corrupt(self, reason: &str) -> FormatError {
        let what = if self == Form::Row { "state row" } else { "state key" };
        FormatError::Corrupt { what, reason: reason.to_owned() }
    }

    /// Appends a nested value that is not null.
    pub(super) fn write(self, array: &dyn Array, at: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match array.data_type() {
            DataType::List(_) => {
                let values = array.as_list::<i32>().value(at);
                if self == Form::Row {
                    row::push_varint(values.len() as u64, out);
                }
                for place in 0..values.len() {
                    if self == Form::Key {
                        out.push(MORE);
                    }
                    self.write_inner(&values, place, out)?;
                }
                if self == Form::Key {
                    out.push(END);
                }
                Ok(())
            }
            DataType::Map(..) if self == Form::Row => {
                let entries = array.as_map().value(at);
                row::push_varint(entries.len() as u64, out);
                for place in 0..entries.len() {
                    self.write_inner(entries.column(0), place, out)?;
                    self.write_inner(entries.column(1), place, out)?;
                }
                Ok(())
            }
            DataType::Struct(fields) => {
                if self == Form::Row {
                    row::push_varint(fields.len() as u64, out);
                }
                array.as_struct().columns().iter().try_for_each(|column| self.write_inner(column, at, out))
            }
            other => {
                let format = if self == Form::Row { "state row" } else { "state key" };
                Err(FormatError::Unsupported { format, what: other.to_string() })
            }
        }
    }

    fn write_inner(self, array: &ArrayRef, at: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if array.is_null(at) {
            out.push(NULL);
            return Ok(());
        }
        out.push(VALUE);
        if array.data_type().is_nested() {
            return self.write(array.as_ref(), at, out);
        }
        let one = array.slice(at, 1);
        match self {
            Form::Row => {
                let mut bytes = [std::mem::take(out)];
                let written = row::append(one.as_ref(), &mut bytes);
                [*out] = bytes;
                written
            }
            // It writes its own tag.
            Form::Key => {
                out.pop();
                key::column_writer(one.as_ref())?(0, out)
            }
        }
    }

    /// The column of nested values of this type; `is_null` tells those that are not there. In a key the tag has been read.
    pub(super) fn take(
        self,
        data_type: &DataType,
        rest: &mut [&[u8]],
        mut is_null: impl FnMut(usize, &mut &[u8]) -> Result<bool, FormatError>,
    ) -> Result<ArrayRef, FormatError> {
        let Some(sql_type) = sql_type_of(data_type) else {
            let format = if self == Form::Row { "state row" } else { "state key" };
            return Err(FormatError::Unsupported { format, what: data_type.to_string() });
        };
        let mut builder = ColumnBuilder::new(&sql_type, rest.len());
        let mut row = Row::default();
        for (place, rest) in rest.iter_mut().enumerate() {
            row.clear(0);
            let slot = match is_null(place, rest)? {
                true => Slot::Null,
                false => self.read(&sql_type, rest, &mut row)?,
            };
            builder.append(slot, &row);
        }
        Ok(builder.finish())
    }

    /// Reads a value that is not null.
    fn read(self, sql_type: &SqlType, rest: &mut &[u8], row: &mut Row) -> Result<Slot, FormatError> {
        let mut items = Vec::new();
        match sql_type {
            SqlType::Array(item) => match self {
                Form::Row => {
                    for _ in 0..self.count(rest, 1)? {
                        items.push(self.read_inner(item, rest, row)?);
                    }
                }
                Form::Key => loop {
                    match take_byte(self, rest)? {
                        END => break,
                        MORE => items.push(self.read_inner(item, rest, row)?),
                        _ => return Err(self.corrupt("an element without its mark")),
                    }
                },
            },
            SqlType::Map(key, value) => {
                for _ in 0..self.count(rest, 2)? {
                    let found = self.read_inner(key, rest, row)?;
                    if found == Slot::Null {
                        return Err(self.corrupt("a key of a map that is null"));
                    }
                    items.push(found);
                    items.push(self.read_inner(value, rest, row)?);
                }
            }
            SqlType::Struct(fields) => {
                if self == Form::Row && row::take_varint(rest)? != fields.len() as u64 {
                    return Err(self.corrupt("another number of fields than is declared"));
                }
                for field in fields {
                    items.push(self.read_inner(&field.sql_type, rest, row)?);
                }
            }
            simple => return self.read_simple(simple, rest, row),
        }
        Ok(row.nested(&items))
    }

    /// How many follow, each of which takes at least `bytes`: no length makes room for what is not there.
    fn count(self, rest: &mut &[u8], bytes: usize) -> Result<usize, FormatError> {
        let count = row::take_varint(rest)?;
        let count = usize::try_from(count).ok().filter(|count| *count <= rest.len() / bytes);
        count.ok_or_else(|| self.corrupt("more elements than there are bytes"))
    }

    fn read_inner(self, sql_type: &SqlType, rest: &mut &[u8], row: &mut Row) -> Result<Slot, FormatError> {
        match take_byte(self, rest)? {
            NULL => Ok(Slot::Null),
            VALUE => self.read(sql_type, rest, row),
            _ => Err(self.corrupt("a value without its tag")),
        }
    }

    fn read_simple(self, sql_type: &SqlType, rest: &mut &[u8], row: &mut Row) -> Result<Slot, FormatError> {
        let text = |slot: Slot, row: &Row| match (sql_type, slot) {
            (SqlType::Text | SqlType::Json | SqlType::Jsonb, Slot::Bytes { start, end })
                if std::str::from_utf8(&row.scratch[start..end]).is_err() =>
            {
                Err(self.corrupt("a text that is not UTF-8"))
            }
            _ => Ok(slot),
        };
        let slot = match self {
            Form::Row => row::read(sql_type, rest, row)?,
            Form::Key => key::read(sql_type, rest, row)?,
        };
        text(slot, row)
    }
}

fn take_byte(form: Form, rest: &mut &[u8]) -> Result<u8, FormatError> {
    let (byte, after) = rest.split_first().ok_or_else(|| form.corrupt("it ends inside a nested value"))?;
    *rest = after;
    Ok(*byte)
}
