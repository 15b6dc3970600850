//! Results as people read them: aligned columns, or one line a field.

use std::fmt::Write;

use super::protocol::ResultColumn;

/// Oids of types that are aligned to the right: int8 int2 int4 oid float4 float8 numeric.
const NUMBERS: [u32; 7] = [20, 21, 23, 26, 700, 701, 1700];

/// A result whose column widths are set by its first rows.
pub(in crate::cli) struct Table {
    columns: Vec<ResultColumn>,
    widths: Vec<usize>,
    expanded: bool,
    printed: usize,
}

impl Table {
    /// A table as wide as its names and `first` rows need.
    pub fn new(columns: Vec<ResultColumn>, first: &[Vec<Option<String>>], expanded: bool) -> Self {
        let mut widths: Vec<usize> = columns.iter().map(|column| width(&column.name)).collect();
        for row in first {
            for (widest, cell) in widths.iter_mut().zip(row) {
                let lines = cell.as_deref().unwrap_or_default().split('\n');
                *widest = lines.map(width).fold(*widest, usize::max);
            }
        }
        Self { columns, widths, expanded, printed: 0 }
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
        if self.expanded { self.expanded_row(row) } else { self.aligned_row(row) }
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
            let text = cell.as_deref().unwrap_or_default().replace('\n', "\u{21b5}");
            if NUMBERS.contains(&column.oid) { padded_left(&text, *width) } else { padded_right(&text, *width) }
        });
        let line = format!(" {} ", cells.collect::<Vec<_>>().join(" | "));
        format!("{}\n", line.trim_end())
    }

    fn expanded_row(&self, row: &[Option<String>]) -> String {
        let names = self.columns.iter().map(|column| width(&column.name)).max().unwrap_or(0);
        let mut text = format!("-[ RECORD {} ]{}\n", self.printed, "-".repeat(names.saturating_sub(10)));
        for (column, cell) in self.columns.iter().zip(row) {
            let line = format!("{} | {}", padded_right(&column.name, names), cell.as_deref().unwrap_or_default());
            writeln!(text, "{}", line.trim_end()).expect("a String takes what is written");
        }
        text
    }
}

/// A column of PostgreSQL's type `oid`.
pub(in crate::cli) fn column(name: &str, oid: u32) -> ResultColumn {
    ResultColumn { name: name.to_string(), oid, modifier: -1 }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn padded_left(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

fn padded_right(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

fn centered(text: &str, to: usize) -> String {
    let room = to.saturating_sub(width(text));
    format!("{}{text}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_tables_look_like_psql_s() {
        let rows = vec![vec![Some("DE".to_string()), Some("1".to_string())], vec![None, Some("12345".to_string())]];
        let mut table = Table::new(vec![column("country", 25), column("n", 20)], &rows, false);
        let text = table.header() + &table.row(&rows[0]) + &table.row(&rows[1]) + &table.footer();
        assert_eq!(text, " country |   n\n---------+-------\n DE      |     1\n         | 12345\n(2 rows)\n");
    }

    #[test]
    fn expanded_tables_have_a_line_a_field() {
        let rows = vec![vec![Some("DE".to_string()), None]];
        let mut table = Table::new(vec![column("country", 25), column("n", 20)], &rows, true);
        assert_eq!(table.row(&rows[0]), "-[ RECORD 1 ]\ncountry | DE\nn       |\n");
    }
}
