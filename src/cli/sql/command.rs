//! Backslash commands.

use super::copy::CopyCommand;
use super::error::SqlError;

/// What a backslash asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `\q`
    Quit,
    /// `\?`
    Help,
    /// `\d`, `\dt`, `\d name`: statements that answer it.
    Statements(Vec<String>),
    /// `\timing [on|off]`
    Timing(Option<bool>),
    /// `\x [on|off]`
    Expanded(Option<bool>),
    /// `\i file`
    Include(String),
    /// `\copy ..`
    Copy(CopyCommand),
}

/// What `\?` shows.
pub(super) const HELP: &str = "\
\\d                 streams and tables
\\d name            the columns of one
\\dt                tables
\\ds                streams
\\dq                standing queries
\\copy name [(columns)] FROM 'file' [(FORMAT csv | text | parquet, ...)]
\\copy name | (query) TO 'file' [(FORMAT csv | text | parquet, ...)]
\\i file            runs a file of statements
\\x [on|off]        one line a field
\\timing [on|off]   how long each statement took
\\q                 leaves; so does Ctrl-D
\\?                 this page

A statement ends with ';'. Ctrl-C cancels what runs.
";

impl Command {
    /// Reads a line that begins with a backslash.
    pub fn parse(line: &str) -> Result<Self, SqlError> {
        let line = line.trim();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim().trim_end_matches(';').trim();
        Ok(match (name.trim_end_matches(';'), argument) {
            ("\\q" | "\\quit", "") => Command::Quit,
            ("\\?" | "\\h" | "\\help", _) => Command::Help,
            ("\\d", "") => Command::Statements(vec!["SHOW STREAMS".to_string(), "SHOW TABLES".to_string()]),
            ("\\d", relation) => Command::Statements(vec![format!("DESCRIBE {relation}")]),
            ("\\dt", "") => Command::Statements(vec!["SHOW TABLES".to_string()]),
            ("\\ds", "") => Command::Statements(vec!["SHOW STREAMS".to_string()]),
            ("\\dq", "") => Command::Statements(vec!["SHOW QUERIES".to_string()]),
            ("\\timing", switch) => Command::Timing(on_or_off(name, switch)?),
            ("\\x", switch) => Command::Expanded(on_or_off(name, switch)?),
            ("\\i", file) if !file.is_empty() => Command::Include(file.trim_matches('\'').to_string()),
            ("\\copy", rest) => Command::Copy(CopyCommand::parse(rest)?),
            _ => return Err(SqlError::Usage(format!("unknown command {line}; \\? lists them"))),
        })
    }
}

fn on_or_off(name: &str, text: &str) -> Result<Option<bool>, SqlError> {
    match text {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(SqlError::Usage(format!("{name} takes on or off, not {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(Command::parse("\\q").ok(), Some(Command::Quit));
        assert_eq!(Command::parse("\\d t;").ok(), Some(Command::Statements(vec!["DESCRIBE t".to_string()])));
        assert_eq!(Command::parse("\\timing").ok(), Some(Command::Timing(None)));
        assert_eq!(Command::parse("\\x off").ok(), Some(Command::Expanded(Some(false))));
        assert_eq!(Command::parse("\\i 'a b.sql'").ok(), Some(Command::Include("a b.sql".to_string())));
        for wrong in ["\\", "\\zzz", "\\x maybe", "\\copy", "\\i"] {
            assert!(matches!(Command::parse(wrong), Err(SqlError::Usage(_))), "{wrong}");
        }
    }
}
