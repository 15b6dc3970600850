//! What is shown of a running statement: rows as they come, once the widths of their columns are known.

use super::error::SqlError;
use super::layout::Layout;
use super::layout::Row;
use super::lexer::Kind;
use super::lexer::words;
use super::options::Display;
use super::output::Output;
use super::protocol::Event;
use super::protocol::ResultColumn;
use super::report::render_report;
use super::report::tell;

/// Rows that are gathered to find the widths of columns; later rows are shown as they come.
const WIDTH_ROWS: usize = 1000;

/// See the file's head.
pub(super) struct Showing<'a> {
    display: &'a Display,
    output: &'a mut Output,
    /// The result may have no last row.
    endless: bool,
    /// The terminal's columns and rows.
    size: Option<(usize, usize)>,
    result: Option<Shown>,
    /// Whether the statement's rows came as COPY's data.
    copied: bool,
}

enum Shown {
    /// Widths are not known yet.
    Gathering(Vec<ResultColumn>, Vec<Row>),
    /// Rows are shown as they come; so many since the heading.
    Flowing(Layout, usize),
}

impl<'a> Showing<'a> {
    /// Shows what a statement gives.
    pub fn new(display: &'a Display, output: &'a mut Output, endless: bool, size: Option<(usize, usize)>) -> Self {
        let size = size.filter(|_| output.is_terminal());
        if let Some(size) = size.filter(|_| display.pager && !endless) {
            output.page(size);
        }
        Self { display, output, endless, size, result: None, copied: false }
    }

    /// Whether nobody reads what is to come.
    pub fn is_left(&self) -> bool {
        self.output.is_left()
    }

    /// Takes what the server says.
    pub fn event(&mut self, event: Event) -> Result<(), SqlError> {
        match event {
            Event::Columns(columns) => {
                self.result = Some(Shown::Gathering(columns, Vec::new()));
                // A push query's first row may be long in coming; its names are there from the start.
                if self.endless { self.flow() } else { Ok(()) }
            }
            Event::Row(row) => self.row(row),
            Event::Done(tag) => match self.result.take() {
                Some(result) => self.end(result),
                // Behind COPY's data it would be taken for a line of it.
                None if std::mem::take(&mut self.copied) || self.display.rows_only => Ok(()),
                None => self.output.write(&format!("{tag}\n")),
            },
            Event::CopyOut => {
                self.copied = true;
                Ok(())
            }
            Event::CopyData(bytes) => self.output.write(&String::from_utf8_lossy(&bytes)),
            Event::Notice(report) => {
                tell(&render_report(&report, ""));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: Row) -> Result<(), SqlError> {
        match &mut self.result {
            Some(Shown::Gathering(_, rows)) => {
                rows.push(row);
                if rows.len() < WIDTH_ROWS { Ok(()) } else { self.flow() }
            }
            Some(Shown::Flowing(layout, since)) => {
                // A heading has scrolled away when a screen is full.
                let is_table = matches!(layout, Layout::Table(_)) && !self.display.rows_only && self.endless;
                let again = is_table && self.size.is_some_and(|(_, rows)| rows <= *since + 3);
                *since = if again { 0 } else { *since + 1 };
                let header = if again { layout.header() } else { String::new() };
                self.output.write(&(header + &layout.row(&row)))
            }
            None => Ok(()),
        }
    }

    /// Sets the widths and shows what was gathered.
    fn flow(&mut self) -> Result<(), SqlError> {
        let Some(Shown::Gathering(columns, rows)) = self.result.take() else { return Ok(()) };
        let width = self.size.map(|(width, _)| width);
        let mut layout = Layout::new(self.display, columns, &rows, self.endless, width);
        if !self.display.rows_only || !layout.has_optional_header() {
            self.output.write(&layout.header())?;
        }
        for row in &rows {
            self.output.write(&layout.row(row))?;
        }
        self.result = Some(Shown::Flowing(layout, rows.len()));
        Ok(())
    }

    fn end(&mut self, result: Shown) -> Result<(), SqlError> {
        self.result = Some(result);
        self.flow()?;
        match self.result.take() {
            Some(Shown::Flowing(layout, _)) if !self.display.rows_only || !layout.has_optional_header() => {
                self.output.write(&layout.footer())
            }
            _ => Ok(()),
        }
    }

    /// What a failed statement had shown stays; its gathered rows are shown too.
    pub fn finish(mut self) -> Result<(), SqlError> {
        self.flow()
    }
}

/// Whether a statement is a bare SELECT with EMIT: it ends only when it is cancelled.
pub(super) fn is_endless(text: &str) -> bool {
    let words = words(text);
    words.first().is_some_and(|first| first.is_word("SELECT"))
        && words
            .windows(2)
            .any(|pair| pair[0].is_word("EMIT") && (pair[1].is_word("CHANGES") || pair[1].is_word("FINAL")))
}

/// Whether a statement may change what there is.
pub(super) fn changes_names(text: &str) -> bool {
    let first = words(text).into_iter().find(|token| token.kind == Kind::Word);
    first.is_some_and(|first| ["CREATE", "DROP", "ALTER", "INSERT", "TERMINATE"].iter().any(|word| first.is_word(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_select_with_emit_is_endless() {
        assert!(is_endless("select * from t emit changes;"));
        assert!(is_endless("SELECT 1 EMIT\nFINAL"));
        assert!(is_endless("SELECT 1 EMIT -- all\nCHANGES"));
        assert!(!is_endless("CREATE TABLE t AS SELECT 1 EMIT CHANGES"));
        assert!(!is_endless("SELECT emit FROM changes"));
        assert!(!is_endless("SELECT 'EMIT CHANGES'"));
    }

    #[test]
    fn statements_that_make_or_drop_are_known() {
        assert!(changes_names("-- a\ncreate stream s (a int)"));
        assert!(!changes_names("SELECT 'CREATE'"));
        assert!(!changes_names(""));
    }
}
