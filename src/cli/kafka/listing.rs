//! What a command found: aligned for people, or one JSON object a line.

use std::io::Write;

use serde_json::Map;
use serde_json::Value;

use crate::cli::sql::Table;
use crate::cli::sql::column;
use crate::error::Error;
use crate::error::SqlState;

/// PostgreSQL's types of the columns: numbers stand at the right.
const INT8: u32 = 20;
const TEXT: u32 = 25;

/// How rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Format {
    /// Aligned columns
    Table,
    /// One JSON object a line
    Json,
}

/// Rows on their way out. The first ones set the columns' widths.
pub(in crate::cli) struct Listing {
    format: Format,
    columns: &'static [&'static str],
    table: Option<Table>,
}

impl Listing {
    /// No rows yet.
    pub fn new(format: Format, columns: &'static [&'static str]) -> Self {
        Self { format, columns, table: None }
    }

    /// Shows rows with a value a column; `false` if nobody reads them any more.
    pub fn show(&mut self, rows: Vec<Vec<Value>>) -> Result<bool, Error> {
        let mut text = String::new();
        match self.format {
            Format::Json => {
                for row in rows {
                    let names = self.columns.iter().map(|name| name.to_string());
                    text += &Value::Object(names.zip(row).collect::<Map<_, _>>()).to_string();
                    text.push('\n');
                }
            }
            Format::Table => {
                let is_number = |index: usize| rows.iter().all(|row| row[index].is_number() || row[index].is_null());
                let types: Vec<bool> = (0..self.columns.len()).map(is_number).collect();
                let cells: Vec<Vec<Option<String>>> =
                    rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect();
                let table = self.table.get_or_insert_with(|| {
                    let columns = self.columns.iter().zip(types);
                    let columns = columns.map(|(name, number)| column(name, if number { INT8 } else { TEXT }));
                    let table = Table::new(columns.collect(), &cells, false);
                    text += &table.header();
                    table
                });
                cells.iter().for_each(|row| text += &table.row(row));
            }
        }
        say(&text)
    }

    /// Whether rows were shown.
    pub fn has_begun(&self) -> bool {
        self.table.is_some()
    }

    /// Ends a table with the number of its rows.
    pub fn end(self) -> Result<(), Error> {
        match self.table {
            Some(table) => say(&table.footer()).map(drop),
            None => Ok(()),
        }
    }
}

/// Shows all rows there are.
pub(in crate::cli) fn show_all(
    format: Format,
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
) -> Result<(), Error> {
    let mut listing = Listing::new(format, columns);
    match listing.show(rows)? {
        true => listing.end(),
        false => Ok(()),
    }
}

fn cell(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Writes text; `false` if nobody reads it any more.
pub(in crate::cli) fn say(text: &str) -> Result<bool, Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new(SqlState::IO_ERROR, format!("could not write: {error}")).caused_by(error)),
    }
}
