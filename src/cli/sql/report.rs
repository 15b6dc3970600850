//! Errors and notices as they are told: on standard error, with the place in the statement.

use std::io;
use std::io::Write;

use super::error::SqlError;
use super::protocol::Report;
use super::width::padded_right;
use super::width::width;

/// Writes to standard output at once, so that a pipe sees rows as they come.
pub(super) fn show(text: &str) -> Result<(), SqlError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(SqlError::Output)
}

/// Writes to standard error; when even that is gone there is nobody to tell.
pub(super) fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Tells an error, with the place in the statement if the server named one.
pub(super) fn complain(error: &SqlError, statement: &str) {
    match error {
        SqlError::Statement(report) | SqlError::Fatal(report) => tell(&render_report(report, statement)),
        SqlError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        SqlError::Told(_) => {}
        other => tell(&format!("tidemill sql: {other}\n")),
    }
}

/// A report as psql shows it, with the SQLSTATE.
pub(super) fn render_report(report: &Report, statement: &str) -> String {
    let state = match report.state.as_str() {
        "" | "00000" => String::new(),
        state => format!(" {state}:"),
    };
    let mut text = format!("{}:{state} {}\n", report.severity, report.message);
    if let Some(position) = report.position {
        text.push_str(&caret(statement, position));
    }
    if let Some(detail) = &report.detail {
        text.push_str(&format!("DETAIL:  {detail}\n"));
    }
    if let Some(hint) = &report.hint {
        text.push_str(&format!("HINT:  {hint}\n"));
    }
    text
}

/// The line that has the character `position` (from 1) of the statement, and a caret under it.
fn caret(statement: &str, position: usize) -> String {
    let before: String = statement.chars().take(position.saturating_sub(1)).collect();
    let line_number = before.matches('\n').count() + 1;
    let Some(line) = statement.lines().nth(line_number - 1) else { return String::new() };
    let column = before.rsplit('\n').next().map_or(0, width);
    let label = format!("LINE {line_number}: ");
    format!("{label}{line}\n{}^\n", padded_right("", label.len() + column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_at_their_character() {
        assert_eq!(caret("SELECT nope", 8), "LINE 1: SELECT nope\n               ^\n");
        assert_eq!(caret("SELECT\n  ünope", 11), "LINE 2:   ünope\n           ^\n");
        assert_eq!(caret("SELECT '漢', x", 13), "LINE 1: SELECT '漢', x\n                     ^\n");
        assert_eq!(caret("", 5), "");
    }
}
