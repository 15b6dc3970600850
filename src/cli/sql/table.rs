//! Results as people read them: aligned columns, or one line a field.

use std::fmt::Write;

use super::protocol::ResultColumn;
use super::width::centered;
use super::width::one_line;
use super::width::padded_left;
use super::width::padded_right;
use super::width::width;

/// Oids of types that are aligned to the right: int8 int2 int4 oid float4 float8 numeric.
pub(super) const NUMBERS: [u32; 7] = [20, 21, 23, 26, 700, 701, 1700];

/// A result whose column widths are set by its first rows; a wider one that comes later makes them wider.
pub(in crate::cli) struct Table {
    columns: Vec<ResultColumn>,
    widths: Vec<usize>,
    expanded: bool,
    null: String,
    printed: usize,
}

impl Table {
    /// A table as wide as its names and `first` rows need.
    pub fn new(columns: Vec<ResultColumn>, first: &[Vec<Option<String>>], expanded: bool) -> Self {
        let widths = columns.iter().map(|column| width(&column.name)).collect();
        let mut table = Self { columns, widths, expanded, null: String::new(), printed: 0 };
        first.iter().for_each(|row| table.widen(row));
        table
    }

    /// With this text for NULL.
    pub(super) fn with_null(mut self, null: &str) -> Self {
        self.null = null.to_string();
        self.widths.iter_mut().for_each(|widest| *widest = (*widest).max(width(null)));
        self
    }

    /// For rows that are not known yet: as wide as values of the types often are.
    pub(super) fn with_usual_widths(mut self) -> Self {
        for (widest, column) in self.widths.iter_mut().zip(&self.columns) {
            *widest = (*widest).max(usual_width(column.oid));
        }
        self
    }

    /// One line a field from here on.
    pub(super) fn expand(&mut self) {
        self.expanded = true;
    }

    /// Columns that an aligned line takes.
    pub(super) fn line_width(&self) -> usize {
        self.widths.iter().map(|width| width + 3).sum::<usize>().saturating_sub(1)
    }

    fn widen(&mut self, row: &[Option<String>]) {
        for (widest, cell) in self.widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(&one_line(cell.as_deref().unwrap_or(&self.null))));
        }
    }

    /// The names and the line under them; nothing for an expanded table.
    pub fn header(&self) -> String {
        if self.expanded {
            return String::new();
        }
        let names: Vec<String> =
            self.columns.iter().zip(&self.widths).map(|(column, width)| centered(&column.name, *width)).collect();
        let rules: Vec<String> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        format!("{}\n{}\n", format!(" {} ", names.join(" | ")).trim_end(), rules.join("+"))
    }

    /// One row.
    pub fn row(&mut self, row: &[Option<String>]) -> String {
        self.printed += 1;
        if self.expanded {
            return self.expanded_row(row);
        }
        self.widen(row);
        self.aligned_row(row)
    }

    /// The line after the last row.
    pub fn footer(&self) -> String {
        match (self.expanded, self.printed) {
            (true, 0) => "(0 rows)\n".to_string(),
            (true, _) => String::new(),
            (false, 1) => "(1 row)\n".to_string(),
            (false, count) => format!("({count} rows)\n"),
        }
    }

    fn aligned_row(&self, row: &[Option<String>]) -> String {
        let cells = row.iter().zip(&self.columns).zip(&self.widths).map(|((cell, column), width)| {
            let text = one_line(cell.as_deref().unwrap_or(&self.null));
            if NUMBERS.contains(&column.oid) { padded_left(&text, *width) } else { padded_right(&text, *width) }
        });
        let line = format!(" {} ", cells.collect::<Vec<_>>().join(" | "));
        format!("{}\n", line.trim_end())
    }

    fn expanded_row(&self, row: &[Option<String>]) -> String {
        let names = self.columns.iter().map(|column| width(&column.name)).max().unwrap_or(0);
        let mut text = format!("-[ RECORD {} ]{}\n", self.printed, "-".repeat(names.saturating_sub(10)));
        for (column, cell) in self.columns.iter().zip(row) {
            let cell = one_line(cell.as_deref().unwrap_or(&self.null));
            let line = format!("{} | {cell}", padded_right(&column.name, names));
            writeln!(text, "{}", line.trim_end()).expect("a String takes what is written");
        }
        text
    }
}

/// How wide values of a type often are.
fn usual_width(oid: u32) -> usize {
    match oid {
        // bool, int2, int4
        16 | 21 | 23 => 6,
        // int8, numeric, float4, float8, date
        20 | 700 | 701 | 1082 | 1700 => 10,
        // time
        1083 => 15,
        // timestamp, timestamptz
        1114 | 1184 => 29,
        _ => 16,
    }
}

/// A column of PostgreSQL's type `oid`.
pub(in crate::cli) fn column(name: &str, oid: u32) -> ResultColumn {
    ResultColumn { name: name.to_string(), oid, modifier: -1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_tables_look_like_psql_s() {
        let rows = vec![vec![Some("DE".to_string()), Some("1".to_string())], vec![None, Some("12345".to_string())]];
        let mut table = Table::new(vec![column("country", 25), column("n", 20)], &rows, false);
        assert_eq!(table.line_width(), 17);
        let text = table.header() + &table.row(&rows[0]) + &table.row(&rows[1]) + &table.footer();
        assert_eq!(text, " country |   n\n---------+-------\n DE      |     1\n         | 12345\n(2 rows)\n");
    }

    #[test]
    fn expanded_tables_have_a_line_a_field() {
        let rows = vec![vec![Some("DE".to_string()), None]];
        let mut table = Table::new(vec![column("country", 25), column("n", 20)], &rows, true).with_null("-");
        assert_eq!(table.row(&rows[0]), "-[ RECORD 1 ]\ncountry | DE\nn       | -\n");
    }

    #[test]
    fn a_wider_row_that_comes_later_widens_those_after_it() {
        let mut table = Table::new(vec![column("a", 25), column("b", 25)], &[], false);
        let row = |a: &str| vec![Some(a.to_string()), Some("x".to_string())];
        assert_eq!(table.row(&row("1")), " 1 | x\n");
        assert_eq!(table.row(&row("123")), " 123 | x\n");
        assert_eq!(table.row(&row("1")), " 1   | x\n");
    }
}
