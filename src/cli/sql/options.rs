//! How results are shown: what `\pset`, `\x` and the flags change.

use super::error::SqlError;

/// A result's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// Aligned columns.
    #[default]
    #[value(alias = "aligned")]
    Table,
    /// One line a field.
    #[value(alias = "expanded")]
    Vertical,
    /// Fields with a separator between them.
    Unaligned,
    /// Comma-separated values with a line of names.
    Csv,
    /// Tab-separated values with a line of names.
    Tsv,
    /// An array of objects; an object a line for what does not end.
    Json,
    /// An object a line.
    Jsonl,
    /// A Markdown table.
    Markdown,
}

/// Whether a table is turned into one line a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expanded {
    /// Never.
    Off,
    /// Always.
    On,
    /// If its columns are wider than the terminal.
    Auto,
}

/// How a push query is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Live {
    /// Its rows scroll by.
    Off,
    /// Rows change in place by these columns; by the relation's key if none are named.
    By(Vec<String>),
}

/// All that says how results are shown.
#[derive(Debug, Clone)]
pub(super) struct Display {
    /// The form.
    pub format: Format,
    /// One line a field?
    pub expanded: Expanded,
    /// Without names and footer.
    pub rows_only: bool,
    /// What NULL is shown as, but for JSON.
    pub null: String,
    /// What stands between unaligned fields.
    pub separator: String,
    /// Whether long answers go through a pager.
    pub pager: bool,
    /// Whether the time of each statement is told.
    pub timing: bool,
    /// Push queries.
    pub live: Live,
}

impl Display {
    /// Changes one option, or with an empty value turns it over or tells it; the line to show.
    pub fn set(&mut self, option: &str, value: &str) -> Result<String, SqlError> {
        match option {
            "format" if !value.is_empty() => {
                let known = <Format as clap::ValueEnum>::from_str(value, true);
                self.format = known.map_err(|_| {
                    let all = "table, vertical, unaligned, csv, tsv, json, jsonl, markdown";
                    SqlError::Usage(format!("there is no format \"{value}\"; there are {all}"))
                })?;
            }
            "format" => {}
            "null" => self.null = value.to_string(),
            "fieldsep" => self.separator = value.to_string(),
            "pager" => self.pager = on_or_off(option, value)?.unwrap_or(!self.pager),
            "tuples_only" => self.rows_only = on_or_off(option, value)?.unwrap_or(!self.rows_only),
            "timing" => self.timing = on_or_off(option, value)?.unwrap_or(!self.timing),
            "expanded" => {
                self.expanded = match (value, self.expanded) {
                    ("auto", _) => Expanded::Auto,
                    ("", Expanded::On) => Expanded::Off,
                    ("", _) => Expanded::On,
                    _ => match on_or_off(option, value)? {
                        Some(true) => Expanded::On,
                        _ => Expanded::Off,
                    },
                }
            }
            _ => {
                let all = "expanded, fieldsep, format, null, pager, tuples_only";
                return Err(SqlError::Usage(format!("there is no option \"{option}\"; there are {all}")));
            }
        }
        Ok(self.told(option))
    }

    fn told(&self, option: &str) -> String {
        let switch = |on: bool| if on { "on" } else { "off" };
        match option {
            "format" => {
                let name = clap::ValueEnum::to_possible_value(&self.format);
                format!("Output format is {}.", name.map_or(String::new(), |name| name.get_name().to_string()))
            }
            "null" => format!("Null display is \"{}\".", self.null),
            "fieldsep" => format!("Field separator is \"{}\".", self.separator),
            "pager" => format!("Pager usage is {}.", switch(self.pager)),
            "tuples_only" => format!("Tuples only is {}.", switch(self.rows_only)),
            "timing" => format!("Timing is {}.", switch(self.timing)),
            _ => match self.expanded {
                Expanded::Auto => "Expanded display is used automatically.".to_string(),
                expanded => format!("Expanded display is {}.", switch(expanded == Expanded::On)),
            },
        }
    }
}

fn on_or_off(name: &str, text: &str) -> Result<Option<bool>, SqlError> {
    match text {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(SqlError::Usage(format!("{name} is on or off, not {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display() -> Display {
        Display {
            format: Format::Table,
            expanded: Expanded::Auto,
            rows_only: false,
            null: String::new(),
            separator: "|".to_string(),
            pager: true,
            timing: false,
            live: Live::Off,
        }
    }

    #[test]
    fn options_change_and_tell_what_they_are() {
        let mut display = display();
        for (option, value, told) in [
            ("expanded", "", "Expanded display is on."),
            ("expanded", "", "Expanded display is off."),
            ("expanded", "auto", "Expanded display is used automatically."),
            ("format", "CSV", "Output format is csv."),
            ("format", "", "Output format is csv."),
            ("format", "aligned", "Output format is table."),
            ("null", "∅", "Null display is \"∅\"."),
            ("pager", "off", "Pager usage is off."),
            ("timing", "", "Timing is on."),
        ] {
            assert_eq!(display.set(option, value).ok().as_deref(), Some(told));
        }
        for (option, value) in [("format", "xml"), ("expanded", "maybe"), ("border", "2"), ("pager", "3")] {
            assert!(matches!(display.set(option, value), Err(SqlError::Usage(_))), "{option} {value}");
        }
    }
}
