//! Documents into slots: an object's fields by name, or one bare value.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::coerce;
use super::coerce::Target;
use super::direct::DirectReader;
use super::scan::Kind;
use super::scan::Scanner;
use crate::format::FormatError;
use crate::format::NameMatch;
use crate::format::WrapSingle;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::Column;

/// The columns of one half of a record that a document carries.
pub(in crate::format) struct JsonColumns {
    /// The place among the relation's columns, and the column.
    columns: Vec<(usize, Column)>,
    by_name: HashMap<String, usize>,
    names: NameMatch,
    wrap: WrapSingle,
    /// What the last batch left: it knows the form of the documents.
    reader: Mutex<Option<Box<DirectReader>>>,
}

/// Which field of a duplicate wins: the exact name before the folded one, then the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matched {
    Not,
    Folded,
    Exactly,
}

fn target(column: &Column) -> Target<'_> {
    Target { column: &column.name, sql_type: &column.sql_type }
}

impl JsonColumns {
    pub(in crate::format) fn new(columns: Vec<(usize, Column)>, names: NameMatch, wrap: WrapSingle) -> Self {
        let by_name = columns.iter().enumerate().map(|(place, (_, column))| (column.name.clone(), place)).collect();
        Self { columns, by_name, names, wrap, reader: Mutex::default() }
    }

    /// What reads documents straight into columns, until it is given back; `None` where a value stands without an object.
    pub(in crate::format) fn take_reader(&self) -> Option<Box<DirectReader>> {
        match self.wrap {
            WrapSingle::Unwrapped => None,
            WrapSingle::Wrapped => {
                let known = self.reader.lock().take();
                Some(known.unwrap_or_else(|| Box::new(DirectReader::new(&self.columns, self.names))))
            }
        }
    }

    /// Keeps what reads documents for the next batch.
    pub(in crate::format) fn keep_reader(&self, reader: Box<DirectReader>) {
        *self.reader.lock() = Some(reader);
    }

    /// Reads a document; `false` if it is `null`.
    pub(in crate::format) fn decode(&self, bytes: &[u8], row: &mut Row) -> Result<bool, FormatError> {
        let mut scanner = Scanner::new(bytes)?;
        let kind = scanner.kind()?;
        let there = match (self.wrap, kind) {
            (_, Kind::Null) => {
                scanner.literal("null")?;
                false
            }
            (WrapSingle::Unwrapped, _) => {
                let (index, column) = &self.columns[0];
                let slot = coerce::read(&mut scanner, target(column), self.names, row)?;
                row.slots[*index] = slot;
                true
            }
            (WrapSingle::Wrapped, Kind::Object) => {
                self.object(&mut scanner, row)?;
                true
            }
            (WrapSingle::Wrapped, _) => {
                let reason = "the document is not an object".to_owned();
                return Err(FormatError::Malformed { format: "JSON", reason });
            }
        };
        scanner.end()?;
        Ok(there)
    }

    fn object(&self, scanner: &mut Scanner<'_>, row: &mut Row) -> Result<(), FormatError> {
        let mut matched = vec![Matched::Not; self.columns.len()];
        let mut failed: Option<(usize, FormatError)> = None;
        // Documents name their fields in one order, mostly the declared one.
        let mut next = 0;
        scanner.expect(b'{')?;
        let mut first = true;
        while scanner.more(b'}', &mut first)? {
            let name = scanner.string()?;
            scanner.expect(b':')?;
            let Some((place, how)) = self.find(&name, next).filter(|(place, how)| matched[*place] <= *how) else {
                scanner.skip(1, None)?;
                continue;
            };
            next = place + 1;
            matched[place] = how;
            let (index, column) = &self.columns[place];
            match coerce::read(scanner, target(column), self.names, row) {
                Ok(slot) => {
                    row.slots[*index] = slot;
                    failed = failed.filter(|(earlier, _)| *earlier != place);
                }
                Err(error @ FormatError::Malformed { .. }) => return Err(error),
                Err(error) => {
                    row.slots[*index] = Slot::Null;
                    failed.get_or_insert((place, error));
                }
            }
        }
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    fn find(&self, name: &str, next: usize) -> Option<(usize, Matched)> {
        if self.columns.get(next).is_some_and(|(_, column)| column.name == name) {
            return Some((next, Matched::Exactly));
        }
        if let Some(place) = self.by_name.get(name) {
            return Some((*place, Matched::Exactly));
        }
        match self.names {
            NameMatch::Exact => None,
            NameMatch::UpperFallback => self.by_name.get(&name.to_uppercase()).map(|place| (*place, Matched::Folded)),
        }
    }
}
