//! A push query as a table whose rows change in place, by key.

use std::collections::HashMap;

use super::error::SqlError;
use super::layout::Row;
use super::lexer::Kind;
use super::lexer::Token;
use super::lexer::unquoted;
use super::lexer::words;
use super::picture::Line;
use super::picture::Picture;
use super::protocol::ResultColumn;
use super::table::Table;

/// Keys that are kept; beyond it the one that has not changed for longest goes.
const ROWS_MAX: usize = 10_000;

/// See the file's head.
pub(super) struct LiveTable {
    /// Names of the columns of a key, as far as they are in the result; else its first column.
    by: Vec<String>,
    columns: Vec<ResultColumn>,
    keys: Vec<usize>,
    rows: HashMap<Row, Kept>,
    /// Counts changes.
    changes: u64,
    /// Changes that were drawn.
    drawn: u64,
    forgotten: u64,
    null: String,
}

struct Kept {
    row: Row,
    first: u64,
    last: u64,
}

impl LiveTable {
    /// One by these columns.
    pub fn new(by: Vec<String>, null: &str) -> Self {
        Self {
            by,
            columns: Vec::new(),
            keys: Vec::new(),
            rows: HashMap::new(),
            changes: 0,
            drawn: 0,
            forgotten: 0,
            null: null.to_string(),
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(key) = self.rows.iter().min_by_key(|(_, kept)| kept.last).map(|(key, _)| key.clone()) {
            self.rows.remove(&key);
            self.forgotten += 1;
        }
    }
}

impl Picture for LiveTable {
    fn begin(&mut self, columns: Vec<ResultColumn>) -> Result<(), SqlError> {
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        self.keys = self.by.iter().filter_map(place).collect();
        if self.keys.is_empty() {
            self.keys.push(0);
        }
        self.columns = columns;
        Ok(())
    }

    fn row(&mut self, row: Row, _at_micros: i64) {
        self.changes += 1;
        let key: Row = self.keys.iter().filter_map(|at| row.get(*at).cloned()).collect();
        let has_value = row.iter().enumerate().any(|(at, cell)| cell.is_some() && !self.keys.contains(&at));
        if !has_value && self.keys.len() < row.len() {
            // A key that is gone comes once more, alone.
            self.rows.remove(&key);
            return;
        }
        let now = self.changes;
        let kept = self.rows.entry(key).or_insert_with(|| Kept { row: Row::new(), first: now, last: now });
        kept.row = row;
        kept.last = now;
        if ROWS_MAX < self.rows.len() {
            self.forget_oldest();
        }
    }

    fn lines(&mut self, (columns, rows): (usize, usize)) -> Vec<Line> {
        let mut shown: Vec<&Kept> = self.rows.values().collect();
        // Heading, rule, and the line below.
        let room = rows.saturating_sub(3);
        if room < shown.len() {
            shown.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.last));
            shown.truncate(room);
        }
        shown.sort_unstable_by_key(|kept| kept.first);
        let texts: Vec<Row> = shown.iter().map(|kept| kept.row.clone()).collect();
        let mut table = Table::new(self.columns.clone(), &texts, false).with_null(&self.null);
        let mut lines: Vec<Line> =
            table.header().lines().map(|line| Line::Plain(super::width::cut(line, columns).to_string())).collect();
        for (kept, row) in shown.iter().zip(&texts) {
            let line = table.row(row).trim_end().to_string();
            lines.push(if self.drawn < kept.last { Line::Strong(line) } else { Line::Plain(line) });
        }
        let mut below = format!("{} of {} rows, {} changes", shown.len(), self.rows.len(), self.changes);
        if 0 < self.forgotten {
            below.push_str(&format!(", {} rows let go", self.forgotten));
        }
        lines.push(Line::Plain(below));
        self.drawn = self.changes;
        lines
    }
}

/// What a push query's rows change by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeySource {
    /// Its GROUP BY names them.
    Columns(Vec<String>),
    /// The key of the relation that it reads.
    Relation(String),
}

/// Where a query's key is to be found; `None` if it reads nothing.
pub(super) fn key_source(statement: &str) -> Option<KeySource> {
    let tokens = words(statement);
    let clause = |first: &str, second: Option<&str>| {
        tokens.iter().enumerate().find_map(|(at, token)| {
            let follows = second.is_none_or(|second| tokens.get(at + 1).is_some_and(|next| next.is_word(second)));
            (token.is_word(first) && follows).then_some(at + 1 + usize::from(second.is_some()))
        })
    };
    if let Some(start) = clause("GROUP", Some("BY")) {
        let ends = ["HAVING", "EMIT", "ORDER", "LIMIT", "WINDOW"];
        let list = tokens[start..].iter().take_while(|token| !ends.iter().any(|end| token.is_word(end)));
        let names: Vec<String> = list.filter(|token| is_name(token)).map(|token| unquoted(token.text)).collect();
        // A group of a window is another one in the next.
        let window = ["windowstart", "windowend"].map(str::to_string);
        return Some(KeySource::Columns(names.into_iter().chain(window).collect()));
    }
    let start = clause("FROM", None)?;
    let name = tokens[start..].iter().take_while(|token| is_name(token) || token.is_sign('.')).map(|token| token.text);
    // Behind the name may stand an alias.
    let mut relation = String::new();
    for text in name {
        if !relation.is_empty() && !relation.ends_with('.') && text != "." {
            break;
        }
        relation.push_str(text);
    }
    (!relation.is_empty()).then_some(KeySource::Relation(relation))
}

fn is_name(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[Option<&str>]) -> Row {
        cells.iter().map(|cell| cell.map(str::to_string)).collect()
    }

    fn begun(by: &[&str]) -> LiveTable {
        let mut table = LiveTable::new(by.iter().map(|name| (*name).to_string()).collect(), "");
        let columns = [("n", 20), ("country", 25)];
        let column = |(name, oid): (&str, u32)| ResultColumn { name: name.to_string(), oid, modifier: -1 };
        table.begin(columns.map(column).to_vec()).expect("it begins");
        table
    }

    fn texts(table: &mut LiveTable, size: (usize, usize)) -> Vec<String> {
        let text = |line: Line| match line {
            Line::Plain(text) => text,
            Line::Strong(text) => format!("*{text}"),
        };
        table.lines(size).into_iter().map(text).collect()
    }

    #[test]
    fn rows_change_in_place_and_go_when_their_key_comes_alone() {
        let mut table = begun(&["country", "absent"]);
        for cells in [[Some("1"), Some("DE")], [Some("1"), Some("CH")], [Some("2"), Some("DE")]] {
            table.row(row(&cells), 0);
        }
        let heading = [" n | country", "---+---------"];
        let shown = texts(&mut table, (80, 24));
        assert_eq!(shown[..2], heading);
        assert_eq!(shown[2..], ["* 2 | DE", "* 1 | CH", "2 of 2 rows, 3 changes"]);
        table.row(row(&[None, Some("DE")]), 0);
        table.row(row(&[Some("7"), Some("FR")]), 0);
        assert_eq!(texts(&mut table, (80, 24))[2..], [" 1 | CH", "* 7 | FR", "2 of 2 rows, 5 changes"]);
    }

    #[test]
    fn a_low_screen_shows_what_changed_last() {
        let mut table = begun(&["country"]);
        for number in 0..100 {
            table.row(row(&[Some("1"), Some(&format!("c{number}"))]), 0);
        }
        table.row(row(&[Some("2"), Some("c5")]), 0);
        let shown = texts(&mut table, (80, 5));
        assert_eq!(shown[2..], ["* 2 | c5", "* 1 | c99", "2 of 100 rows, 101 changes"]);
    }

    #[test]
    fn no_more_than_so_many_keys_are_kept() {
        let mut table = begun(&["country"]);
        for number in 0..ROWS_MAX + 5 {
            table.row(row(&[Some("1"), Some(&number.to_string())]), 0);
        }
        let last = texts(&mut table, (80, 4)).pop().expect("a line below");
        assert_eq!(last, format!("1 of {ROWS_MAX} rows, {} changes, 5 rows let go", ROWS_MAX + 5));
    }

    #[test]
    fn the_key_is_that_of_the_groups_or_of_the_relation() {
        let names = |names: &[&str]| Some(KeySource::Columns(names.iter().map(|name| (*name).to_string()).collect()));
        assert_eq!(
            key_source("SELECT a, COUNT(*) FROM t WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY a, \"B\" EMIT CHANGES"),
            names(&["a", "B", "windowstart", "windowend"])
        );
        let relation = |name: &str| Some(KeySource::Relation(name.to_string()));
        assert_eq!(key_source("SELECT * FROM per_country p WHERE n > 1 EMIT CHANGES;"), relation("per_country"));
        assert_eq!(key_source("SELECT * FROM \"Odd\" EMIT CHANGES"), relation("\"Odd\""));
        assert_eq!(key_source("SELECT * FROM public.t EMIT CHANGES"), relation("public.t"));
        assert_eq!(key_source("SELECT 1"), None);
    }
}
