//! Documents straight into columns, for those in the usual form; the rest is left to the reader of slots.
//!
//! A document's fields mostly come in the order and with the blanks of the one before: so each name is compared, with its
//! quotes, colon and blanks, with what stood there last time, and found by name only if it differs. Values are read by
//! `quick`, and those that it does not know by `coerce`.
//!
//! Invariants:
//!   * `None` means "not decided here": the columns are cut back and the document is read again, by slots, which alone tells
//!     what is wrong with it
//!   * a document that is taken here gives the values that the slots would give

use std::collections::HashMap;

use super::coerce;
use super::coerce::Target;
use super::scan::Scanner;
use crate::format::NameMatch;
use crate::format::column_builder::ColumnBuilder;
use crate::format::column_builder::Digits;
use crate::format::value::Row;
use crate::model::Column;
use crate::model::SqlType;

/// How many fields that no column has are remembered of a document.
const UNKNOWN_MAX: usize = 64;
/// How often, for each of its fields, a reader learns another order; those of documents without one are then found by name.
const ORDERS_MAX: usize = 8;
/// Entries of a MAP whose keys are compared one by one; larger ones are left to the slots.
const ENTRIES_MAX: usize = 32;

/// A reader of one relation's documents; what it has learned of their form changes how fast it is, never what it reads.
pub(in crate::format) struct DirectReader {
    fields: Fields,
    names: NameMatch,
}

/// The fields of a document or of a STRUCT.
struct Fields {
    nodes: Vec<Node>,
    by_name: HashMap<String, usize>,
    heads: Vec<Head>,
    /// Where in `heads` each field was seen.
    head_of: Vec<usize>,
    unknown: usize,
    orders: usize,
    /// How many objects were read, and in which of them each field was last seen: one that comes twice is told so.
    objects: u64,
    seen_in: Vec<u64>,
}

/// What stands before a value: `"name":` with blanks, and whose value it is.
struct Head {
    bytes: Vec<u8>,
    place: Option<usize>,
}

/// One column, element or field.
struct Node {
    /// The place of its builder among those of its parent.
    builder: usize,
    sql_type: SqlType,
    children: Children,
}

enum Children {
    None,
    Item(Box<Node>),
    Entry(Box<Node>, Box<Node>),
    Fields(Box<Fields>),
}

/// What all values of a document share.
struct Reading<'r, 'a> {
    scanner: Scanner<'a>,
    names: NameMatch,
    row: &'r mut Row,
}

impl DirectReader {
    /// A reader of documents with these columns; each with its place among the builders.
    pub(in crate::format) fn new(columns: &[(usize, Column)], names: NameMatch) -> Self {
        let nodes = columns.iter().map(|(index, column)| Node::new(*index, &column.sql_type)).collect();
        Self { fields: Fields::new(nodes, columns.iter().map(|(_, column)| column.name.as_str())), names }
    }

    /// Appends the document's values, one to each of its columns. `None`: the builders are to be cut back.
    pub(in crate::format) fn read(
        &mut self,
        bytes: &[u8],
        builders: &mut [ColumnBuilder],
        row: &mut Row,
    ) -> Option<()> {
        let scanner = Scanner::new(bytes).ok()?;
        let mut reading = Reading { scanner, names: self.names, row };
        reading.scanner.skip_space()?;
        self.fields.read(&mut reading, builders)?;
        reading.scanner.end().ok()
    }
}

impl Node {
    fn new(builder: usize, sql_type: &SqlType) -> Self {
        let child = |place: usize, sql_type: &SqlType| Box::new(Node::new(place, sql_type));
        let children = match sql_type {
            SqlType::Array(item) => Children::Item(child(0, item)),
            SqlType::Map(key, value) => Children::Entry(child(0, key), child(1, value)),
            SqlType::Struct(fields) => {
                let nodes = fields.iter().enumerate().map(|(place, field)| Node::new(place, &field.sql_type)).collect();
                Children::Fields(Box::new(Fields::new(nodes, fields.iter().map(|field| field.name.as_str()))))
            }
            _ => Children::None,
        };
        Self { builder, sql_type: sql_type.clone(), children }
    }

    /// Appends the next value.
    #[inline]
    fn read(&mut self, reading: &mut Reading<'_, '_>, builder: &mut ColumnBuilder) -> Option<()> {
        let scanner = &mut reading.scanner;
        let iso_times = reading.names == NameMatch::Exact;
        let taken = match builder {
            ColumnBuilder::Text(cells) => {
                scanner.quick_string_range().map(|range| cells.push_part(scanner.text.as_bytes(), range))
            }
            ColumnBuilder::BigInt(cells) => quick(scanner, |it| it.quick_number()?.whole()).map(|it| cells.push(it)),
            ColumnBuilder::Int(cells) => {
                quick(scanner, |it| i32::try_from(it.quick_number()?.whole()?).ok()).map(|it| cells.push(it))
            }
            ColumnBuilder::Double(cells) => quick(scanner, |it| it.quick_number()?.double()).map(|it| cells.push(it)),
            ColumnBuilder::Decimal(cells, Digits { precision, scale }) => {
                quick(scanner, |it| it.quick_number()?.unscaled(*precision, *scale)).map(|it| cells.push(it))
            }
            ColumnBuilder::Boolean(cells) => match scanner.byte() {
                Some(b't') => scanner.quick_take(b"true").then(|| cells.push(true)),
                _ => scanner.quick_take(b"false").then(|| cells.push(false)),
            },
            ColumnBuilder::Timestamp(cells, _) if scanner.byte() != Some(b'"') => {
                quick(scanner, |it| it.quick_number()?.whole()?.checked_mul(1000)).map(|it| cells.push(it))
            }
            ColumnBuilder::Timestamp(cells, _) if iso_times => scanner.quick_timestamp().map(|it| cells.push(it)),
            ColumnBuilder::Date(cells) if iso_times => scanner.quick_date().map(|it| cells.push(it)),
            ColumnBuilder::Timestamp(..)
            | ColumnBuilder::Date(_)
            | ColumnBuilder::Time(_)
            | ColumnBuilder::Bytes(_)
            | ColumnBuilder::Json(_)
            | ColumnBuilder::Jsonb(_) => None,
            ColumnBuilder::Nested(_) => return self.nested(reading, builder),
        };
        if taken.is_some() { taken } else { self.slot(reading, builder) }
    }

    /// The value by way of a slot, whatever its form.
    fn slot(&self, reading: &mut Reading<'_, '_>, builder: &mut ColumnBuilder) -> Option<()> {
        // Errors are told when the document is read again.
        let target = Target { column: "", sql_type: &self.sql_type };
        let slot = coerce::read(&mut reading.scanner, target, reading.names, reading.row).ok()?;
        builder.append(slot, reading.row);
        Some(())
    }

    fn nested(&mut self, reading: &mut Reading<'_, '_>, builder: &mut ColumnBuilder) -> Option<()> {
        let ColumnBuilder::Nested(nested) = builder else { unreachable!("only nested types come here") };
        match (&mut self.children, reading.scanner.byte()) {
            (Children::Item(item), Some(b'[')) => list(item, reading, &mut nested.children[0])?,
            (Children::Entry(key, value), Some(b'{')) => entries(key, value, reading, &mut nested.children)?,
            (Children::Fields(fields), Some(b'{')) => fields.read(reading, &mut nested.children)?,
            (_, Some(b'n')) => {
                reading.scanner.literal("null").ok()?;
                nested.push_null();
                return Some(());
            }
            _ => return None,
        }
        nested.push();
        Some(())
    }
}

/// Takes a value, or leaves the scanner where it stands.
#[inline]
fn quick<'a, T>(scanner: &mut Scanner<'a>, take: impl FnOnce(&mut Scanner<'a>) -> Option<T>) -> Option<T> {
    let start = scanner.at;
    let taken = take(scanner);
    if taken.is_none() {
        scanner.at = start;
    }
    taken
}

/// Whether another element follows, past the comma before it; `None` if neither it nor the end is there.
#[inline]
fn follows(scanner: &mut Scanner<'_>, close: u8) -> Option<bool> {
    let next = match scanner.byte() {
        Some(next) if next == b',' || next == close => next,
        _ => scanner.skip_space()?,
    };
    scanner.at += 1;
    match next {
        b',' => scanner.skip_space().map(|_| true),
        other => (other == close).then_some(false),
    }
}

/// Whether a list or object has no elements; past its opening, and past its end if it has none.
#[inline]
fn is_empty(scanner: &mut Scanner<'_>, close: u8) -> Option<bool> {
    scanner.at += 1;
    let empty = scanner.skip_space()? == close;
    scanner.at += usize::from(empty);
    Some(empty)
}

fn list(item: &mut Node, reading: &mut Reading<'_, '_>, builder: &mut ColumnBuilder) -> Option<()> {
    let mut more = !is_empty(&mut reading.scanner, b']')?;
    while more {
        item.read(reading, builder)?;
        more = follows(&mut reading.scanner, b']')?;
    }
    Some(())
}

/// The entries of a MAP. One whose key comes twice is left to the slots, which know which value counts.
fn entries(
    key: &mut Node,
    value: &mut Node,
    reading: &mut Reading<'_, '_>,
    builders: &mut [ColumnBuilder],
) -> Option<()> {
    let [keys, values] = builders else { unreachable!("a map has keys and values") };
    let mut seen = [""; ENTRIES_MAX];
    let mut count = 0;
    let mut more = !is_empty(&mut reading.scanner, b'}')?;
    while more {
        let name = reading.scanner.quick_string()?;
        if seen[..count].contains(&name) {
            return None;
        }
        *seen.get_mut(count)? = name;
        count += 1;
        if let ColumnBuilder::Text(cells) = &mut *keys {
            cells.push(name.as_bytes());
        } else {
            let target = Target { column: "", sql_type: &key.sql_type };
            let slot = coerce::of_text(name, target, reading.names, reading.row).ok()?;
            keys.append(slot, reading.row);
        }
        reading.scanner.expect(b':').ok()?;
        reading.scanner.skip_space()?;
        value.read(reading, values)?;
        more = follows(&mut reading.scanner, b'}')?;
    }
    Some(())
}

impl Fields {
    fn new<'n>(nodes: Vec<Node>, names: impl Iterator<Item = &'n str> + Clone) -> Self {
        let head = |(place, name): (usize, &str)| {
            let mut bytes = Vec::with_capacity(name.len() + 3);
            super::encode::write_string(name, &mut bytes);
            bytes.push(b':');
            Head { bytes, place: Some(place) }
        };
        Self {
            head_of: (0..nodes.len()).collect(),
            heads: names.clone().enumerate().map(head).collect(),
            by_name: names.enumerate().map(|(place, name)| (name.to_owned(), place)).collect(),
            seen_in: vec![0; nodes.len()],
            objects: 0,
            nodes,
            unknown: 0,
            orders: 0,
        }
    }

    /// Appends one cell to the builder of each field. The scanner stands at what should be `{`.
    fn read(&mut self, reading: &mut Reading<'_, '_>, builders: &mut [ColumnBuilder]) -> Option<()> {
        if reading.scanner.byte() != Some(b'{') {
            return None;
        }
        self.objects += 1;
        let object = self.objects;
        let (mut position, mut filled) = (0, 0);
        let mut more = !is_empty(&mut reading.scanner, b'}')?;
        while more {
            let place = self.name(&mut reading.scanner, &mut position, reading.names)?;
            match place {
                None => reading.scanner.skip(1, None).ok()?,
                Some(place) => {
                    if std::mem::replace(&mut self.seen_in[place], object) == object {
                        return None;
                    }
                    let node = &mut self.nodes[place];
                    node.read(reading, &mut builders[node.builder])?;
                    filled += 1;
                }
            }
            more = follows(&mut reading.scanner, b'}')?;
        }
        if filled < self.nodes.len() {
            let missing = self.nodes.iter().zip(&self.seen_in).filter(|(_, seen_in)| **seen_in != object);
            missing.for_each(|(node, _)| builders[node.builder].push_null());
        }
        Some(())
    }

    /// Whose value comes next; past its name. `Some(None)`: that of no column.
    #[inline]
    fn name(&mut self, scanner: &mut Scanner<'_>, position: &mut usize, names: NameMatch) -> Option<Option<usize>> {
        let start = scanner.at;
        if let Some(head) = self.heads.get(*position)
            && scanner.quick_take(&head.bytes)
            // More blanks than there were belong to the head too.
            && b' ' < scanner.byte()?
        {
            *position += 1;
            return Some(head.place);
        }
        scanner.at = start;
        self.other_name(scanner, position, names)
    }

    /// The same for a name that was not expected here, which is looked up and remembered.
    fn other_name(
        &mut self,
        scanner: &mut Scanner<'_>,
        position: &mut usize,
        names: NameMatch,
    ) -> Option<Option<usize>> {
        let start = scanner.at;
        let name = scanner.string().ok()?;
        scanner.expect(b':').ok()?;
        scanner.skip_space()?;
        let head = &scanner.bytes()[start..scanner.at];
        let upper = || match names {
            NameMatch::Exact => None,
            NameMatch::UpperFallback => self.by_name.get(&name.to_uppercase()).copied(),
        };
        let place = self.by_name.get(name.as_ref()).copied().or_else(upper);
        match place {
            Some(place) => self.see(place, head, position),
            None if self.unknown < UNKNOWN_MAX => {
                self.unknown += 1;
                self.heads.insert(*position, Head { bytes: head.to_vec(), place: None });
                self.head_of.iter_mut().filter(|at| *position <= **at).for_each(|at| *at += 1);
                *position += 1;
            }
            None => {}
        }
        Some(place)
    }

    /// Notes where a field was seen, and in which form.
    fn see(&mut self, place: usize, head: &[u8], position: &mut usize) {
        let at = self.head_of[place];
        let known = &mut self.heads[at].bytes;
        if known != head {
            known.clear();
            known.extend_from_slice(head);
        }
        if at < *position && self.orders < ORDERS_MAX * self.nodes.len() {
            // It came later than it used to: from now on it is expected here.
            self.orders += 1;
            let head = self.heads.remove(at);
            *position -= 1;
            self.heads.insert(*position, head);
            for (at, head) in self.heads.iter().enumerate() {
                if let Some(place) = head.place {
                    self.head_of[place] = at;
                }
            }
            *position += 1;
            return;
        }
        *position = at + 1;
    }
}
