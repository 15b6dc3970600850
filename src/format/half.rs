//! One half of a record, key or value: its columns and its format.

use arrow::array::Array;
use arrow::array::ArrayRef;

use super::CodecOptions;
use super::FormatError;
use super::FormatSpec;
use super::NameMatch;
use super::WrapSingle;
use super::delimited::DelimitedColumns;
use super::json::JsonColumns;
use super::json::JsonWriter;
use super::kafka;
use crate::model::Column;
use crate::model::ColumnRole;

/// The columns of `role`, with their places.
pub(super) fn columns_of(columns: &[Column], role: &ColumnRole) -> Vec<(usize, Column)> {
    columns.iter().cloned().enumerate().filter(|(_, column)| column.role == *role).collect()
}

/// The columns of a half in the way its format reads and writes them.
pub(super) enum Half {
    /// Nothing is read or written.
    None,
    Kafka(usize, Column),
    Json(JsonColumns, JsonWriter),
    Delimited(DelimitedColumns),
}

impl Half {
    /// The half of the columns of `role`, refused if the format cannot carry them.
    pub(super) fn new(
        columns: &[Column],
        role: ColumnRole,
        format: FormatSpec,
        options: &CodecOptions,
    ) -> Result<Self, FormatError> {
        let columns = columns_of(columns, &role);
        let unsupported = |what: &str| FormatError::Unsupported { format: format.name(), what: what.to_owned() };
        Ok(match format {
            _ if columns.is_empty() && role == ColumnRole::Key => Half::None,
            FormatSpec::None => return Err(unsupported("columns")),
            FormatSpec::Kafka => match <[(usize, Column); 1]>::try_from(columns) {
                Ok([(index, column)]) => {
                    kafka::check(&column)?;
                    Half::Kafka(index, column)
                }
                Err(columns) if columns.is_empty() => Half::None,
                Err(_) => return Err(unsupported("more than one column")),
            },
            FormatSpec::Json => {
                // A single key column stands bare; a single value column as it was declared.
                let wrap = match role {
                    ColumnRole::Value => options.wrap_single,
                    _ => WrapSingle::Unwrapped,
                };
                let wrap = if columns.len() == 1 { wrap } else { WrapSingle::Wrapped };
                let writer = JsonWriter::new(&columns, options.times, wrap);
                Half::Json(JsonColumns::new(columns, options.names, wrap), writer)
            }
            FormatSpec::Delimited { delimiter } => {
                if let Some((_, column)) = columns.iter().find(|(_, column)| column.sql_type.is_nested()) {
                    return Err(unsupported(&format!("column \"{}\" of type {}", column.name, column.sql_type)));
                }
                let (names, times) = (options.names, options.times);
                Half::Delimited(DelimitedColumns { columns, delimiter, names, times })
            }
        })
    }

    /// Whether every column of the half is null in this row.
    pub(super) fn is_all_null(&self, arrays: &[ArrayRef], row: usize) -> bool {
        match self {
            Half::None => true,
            Half::Kafka(index, _) => arrays[*index].is_null(row),
            Half::Json(_, writer) => writer.is_all_null(arrays, row),
            Half::Delimited(columns) => columns.columns.iter().all(|(index, _)| arrays[*index].is_null(row)),
        }
    }

    /// Whether a null in a single column has a form other than "no bytes". Only JSON has one, and ksqlDB never
    /// writes it.
    pub(super) fn writes_bare_null(names: NameMatch) -> bool {
        names == NameMatch::Exact
    }
}
