//! Backslash commands: what there is, and how a line is read as one.

use super::copy::CopyCommand;
use super::describe::Description;
use super::error::SqlError;

/// What a backslash asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// `\q`
    Quit,
    /// `\?`
    Help,
    /// `\d`, `\dt pattern`, `\l` ...
    Describe(Description),
    /// `\x`, `\timing`, `\pset null -` ...: an option and its value.
    Option(String, String),
    /// `\live [on | off | columns]`
    Live(String),
    /// `\plot column`
    Plot(String),
    /// `\g`, `\gx`: runs what was typed, or the last statement again.
    Go {
        /// With one line a field.
        expanded: bool,
    },
    /// `\watch [seconds]`: again and again.
    Watch(f64),
    /// `\p`
    Print,
    /// `\r`
    Reset,
    /// `\e [file]`
    Edit(Option<String>),
    /// `\i file`
    Include(String),
    /// `\o [file | |command]`
    Output(String),
    /// `\copy ..`
    Copy(CopyCommand),
    /// `\echo text`
    Echo(String),
    /// `\c`
    Connect,
    /// `\conninfo`
    Connection,
}

/// A command as `\?` and the completion have it.
pub(super) struct Known {
    /// Its names.
    pub names: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    read: fn(&str, &str) -> Result<Command, SqlError>,
}

const LISTS: &[&str] = &["\\d", "\\dt", "\\dv", "\\dm", "\\ds", "\\dq", "\\df", "\\dn", "\\du", "\\dT", "\\dx", "\\l"];

/// All commands, in the order of `\?`.
pub(super) const COMMANDS: &[Known] = &[
    known(&["\\g"], "", "runs what was typed, or the last statement again", |_, argument| {
        none(argument, Command::Go { expanded: false })
    }),
    known(&["\\gx"], "", "the same, with one line a field", |_, argument| {
        none(argument, Command::Go { expanded: true })
    }),
    known(&["\\watch"], " [seconds]", "runs it every 2 seconds, or as told, until Ctrl-C", |name, argument| {
        let seconds = if argument.is_empty() { Some(2.0) } else { argument.parse().ok() };
        let seconds = seconds.filter(|seconds: &f64| (0.0..=86_400.0).contains(seconds));
        seconds.map(Command::Watch).ok_or_else(|| SqlError::Usage(format!("{name} takes seconds, not {argument}")))
    }),
    known(&["\\plot"], " column", "charts a column of it over time", |name, argument| match argument {
        "" => Err(SqlError::Usage(format!("{name} takes the name of a column"))),
        column => Ok(Command::Plot(column.to_string())),
    }),
    known(
        &["\\live"],
        " [on | off | columns]",
        "shows push queries in place, by key or by these columns",
        |_, argument| Ok(Command::Live(argument.to_string())),
    ),
    known(&["\\e", "\\edit"], " [file]", "edits the last statement, or a file, and runs it", |_, argument| {
        Ok(Command::Edit((!argument.is_empty()).then(|| unquoted(argument))))
    }),
    known(&["\\p"], "", "shows what was typed so far", |_, argument| none(argument, Command::Print)),
    known(&["\\r"], "", "forgets it", |_, argument| none(argument, Command::Reset)),
    known(LISTS, "[+] [pattern]", LISTS_HELP, |name, argument| {
        Description::read(name, argument).map(Command::Describe)
    }),
    known(
        &["\\copy"],
        " name [(columns)] | (query) FROM | TO 'file' [(FORMAT csv | text | parquet, ...)]",
        "a file of this machine",
        |_, argument| CopyCommand::parse(argument).map(Command::Copy),
    ),
    known(&["\\i", "\\ir"], " file", "runs a file of statements", |name, argument| match argument {
        "" => Err(SqlError::Usage(format!("{name} takes the name of a file"))),
        file => Ok(Command::Include(unquoted(file))),
    }),
    known(&["\\o"], " [file | |command]", "writes answers there, or to the screen again", |_, argument| {
        Ok(Command::Output(unquoted(argument)))
    }),
    known(&["\\echo"], " text", "shows a text", |_, argument| Ok(Command::Echo(argument.to_string()))),
    known(&["\\x"], " [on | off | auto]", "one line a field", |_, argument| option("expanded", argument)),
    known(&["\\t"], " [on | off]", "rows only", |_, argument| option("tuples_only", argument)),
    known(&["\\format"], " [name]", "table, vertical, unaligned, csv, tsv, json, jsonl, markdown", |_, argument| {
        option("format", argument)
    }),
    known(&["\\pset"], " option [value]", "expanded, fieldsep, format, null, pager, tuples_only", |name, argument| {
        match argument.split_once(char::is_whitespace).unwrap_or((argument, "")) {
            ("", _) => Err(SqlError::Usage(format!("{name} takes an option and its value"))),
            (name, value) => option(name, value),
        }
    }),
    known(&["\\timing"], " [on | off]", "how long each statement took", |_, argument| option("timing", argument)),
    known(&["\\conninfo"], "", "where this session is", |_, argument| none(argument, Command::Connection)),
    known(&["\\c", "\\connect"], "", "connects anew", |_, argument| none(argument, Command::Connect)),
    known(&["\\?", "\\h", "\\help"], "", "this page", |_, _| Ok(Command::Help)),
    known(&["\\q", "\\quit"], "", "leaves; so does Ctrl-D", |_, argument| none(argument, Command::Quit)),
];

const LISTS_HELP: &str = "relations; tables, views, streams (\\ds), standing queries (\\dq), functions, schemas, roles, \
                          types, extensions, databases (\\l); \\d name tells of one; + tells more";

const fn known(
    names: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    read: fn(&str, &str) -> Result<Command, SqlError>,
) -> Known {
    Known { names, usage, help, read }
}

impl Command {
    /// Reads a line that begins with a backslash.
    pub fn parse(line: &str) -> Result<Self, SqlError> {
        let line = line.trim();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim().trim_end_matches(';').trim();
        let name = name.trim_end_matches(';');
        let plain = name.trim_end_matches(['+', 'S']);
        let found = COMMANDS
            .iter()
            .find(|known| known.names.contains(&name) || (known.names == LISTS && LISTS.contains(&plain)));
        let unknown = || {
            let names = COMMANDS.iter().flat_map(|known| known.names).copied();
            let hint = crate::sql::nearest(name, names).map(|nearest| format!(" Did you mean {nearest}?"));
            SqlError::Usage(format!("unknown command {name}; \\? lists them.{}", hint.unwrap_or_default()))
        };
        (found.ok_or_else(unknown)?.read)(name, argument)
    }
}

/// What `\?` shows, in lines of at most so many columns.
pub(super) fn help(columns: usize) -> String {
    let mut text = String::new();
    for known in COMMANDS {
        let begin = format!("{}{}", known.names.join(" "), known.usage);
        // Beside it, or where it is too long or the terminal narrow, below.
        let indent = if 60 <= columns { 26 } else { 4 };
        let mut line = format!("{begin:indent$}");
        if indent < begin.len() + 1 {
            text.push_str(&format!("{begin}\n"));
            line = " ".repeat(indent);
        }
        for word in known.help.split(' ') {
            if columns < line.len() + word.len() && indent < line.len() {
                text.push_str(&format!("{}\n", line.trim_end()));
                line = " ".repeat(indent);
            }
            line.push_str(word);
            line.push(' ');
        }
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text + "\nA statement ends with ';'. Ctrl-C cancels what runs, Tab completes, Ctrl-R searches.\n"
}

fn none(argument: &str, command: Command) -> Result<Command, SqlError> {
    match argument {
        "" => Ok(command),
        other => Err(SqlError::Usage(format!("nothing is expected behind the command, not {other}"))),
    }
}

fn option(name: &str, value: &str) -> Result<Command, SqlError> {
    Ok(Command::Option(name.to_string(), unquoted(value.trim())))
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let option = |name: &str, value: &str| Some(Command::Option(name.to_string(), value.to_string()));
        assert_eq!(Command::parse("\\q").ok(), Some(Command::Quit));
        assert_eq!(Command::parse("\\timing").ok(), option("timing", ""));
        assert_eq!(Command::parse("\\x off").ok(), option("expanded", "off"));
        assert_eq!(Command::parse("\\pset null '(none)'").ok(), option("null", "(none)"));
        assert_eq!(Command::parse("\\i 'a b.sql'").ok(), Some(Command::Include("a b.sql".to_string())));
        assert_eq!(Command::parse("\\watch").ok(), Some(Command::Watch(2.0)));
        assert_eq!(Command::parse("\\gx;").ok(), Some(Command::Go { expanded: true }));
        assert_eq!(Command::parse("\\o").ok(), Some(Command::Output(String::new())));
        for name in LISTS {
            assert!(matches!(Command::parse(name), Ok(Command::Describe(_))), "{name}");
            assert!(matches!(Command::parse(&format!("{name}+")), Ok(Command::Describe(_))), "{name}+");
        }
        for wrong in
            ["\\", "\\zzz", "\\copy", "\\i", "\\watch -1", "\\watch x", "\\plot", "\\q now", "\\pset", "\\d 'x"]
        {
            assert!(matches!(Command::parse(wrong), Err(SqlError::Usage(_))), "{wrong}");
        }
        let Err(SqlError::Usage(message)) = Command::parse("\\timming") else { panic!("it is unknown") };
        assert!(message.ends_with("Did you mean \\timing?"), "{message}");
    }

    #[test]
    fn the_help_names_every_command_and_fits() {
        for columns in [40, 80] {
            let help = help(columns);
            for name in COMMANDS.iter().flat_map(|known| known.names) {
                assert!(help.contains(name), "{name}");
            }
            // What has to be typed is not broken.
            let long = help.lines().filter(|line| line.starts_with(' ') && columns < line.len());
            assert_eq!(long.count(), 0);
        }
    }
}
