//! Lines that are drawn again in place, while a push query goes on.

use super::error::SqlError;
use super::layout::Row;
use super::protocol::ResultColumn;
use super::report::show;
use super::width::cut;

/// A line of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// As it is.
    Plain(String),
    /// That has just changed, or is a heading.
    Strong(String),
}

/// What rows come to look like.
pub(super) trait Picture: Send {
    /// The result begins.
    fn begin(&mut self, columns: Vec<ResultColumn>) -> Result<(), SqlError>;

    /// A row has come; `at_micros` is now, since 1970.
    fn row(&mut self, row: Row, at_micros: i64);

    /// Its lines for so many columns and at most so many rows.
    fn lines(&mut self, size: (usize, usize)) -> Vec<Line>;
}

/// Where a picture is drawn: over what was drawn before.
pub(super) struct Canvas {
    colours: bool,
    drawn: usize,
}

impl Canvas {
    /// Nothing is drawn yet.
    pub fn new(colours: bool) -> Self {
        Self { colours, drawn: 0 }
    }

    /// Draws lines over the ones before, cut to so many columns.
    pub fn draw(&mut self, lines: &[Line], columns: usize) -> Result<(), SqlError> {
        let text = self.drawn_over(lines, columns);
        self.drawn = lines.len();
        show(&text)
    }

    fn drawn_over(&self, lines: &[Line], columns: usize) -> String {
        let mut text = String::new();
        if 0 < self.drawn {
            // To the beginning of the first line that was drawn.
            text.push_str(&format!("\r\x1b[{}A", self.drawn));
        }
        for line in lines {
            match line {
                Line::Strong(line) if self.colours => {
                    text.push_str(&format!("\x1b[1m{}\x1b[0m\x1b[K\n", cut(line, columns)));
                }
                Line::Strong(line) | Line::Plain(line) => text.push_str(&format!("{}\x1b[K\n", cut(line, columns))),
            }
        }
        // What a taller picture has left.
        text + "\x1b[J"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_over_the_one_before_and_never_wraps() {
        let mut canvas = Canvas::new(true);
        let lines = [Line::Strong("heading".to_string()), Line::Plain("0123456789".to_string())];
        assert_eq!(canvas.drawn_over(&lines, 4), "\x1b[1mhead\x1b[0m\x1b[K\n0123\x1b[K\n\x1b[J");
        canvas.drawn = 2;
        assert!(canvas.drawn_over(&lines[..1], 80).starts_with("\r\x1b[2A"));
    }
}
