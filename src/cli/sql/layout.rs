//! A result in each of its forms, row by row.

use super::options::Display;
use super::options::Expanded;
use super::options::Format;
use super::protocol::ResultColumn;
use super::table::NUMBERS;
use super::table::Table;
use super::width::one_line;

/// A row as it came; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// A result that is being shown.
pub(super) enum Layout {
    /// Aligned, or a line a field.
    Table(Table),
    /// Fields with something between them.
    Fields(Fields),
    /// Objects.
    Json(Json),
    /// A Markdown table.
    Markdown(Vec<ResultColumn>, String),
}

/// Fields with something between them.
pub(super) struct Fields {
    columns: Vec<ResultColumn>,
    separator: String,
    null: String,
    quoting: Quoting,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    None,
    /// As RFC 4180 has it.
    Csv,
    /// A tab, a line break and a backslash are written with one.
    Tsv,
}

/// Objects.
pub(super) struct Json {
    columns: Vec<ResultColumn>,
    /// Within one array.
    array: bool,
    written: bool,
}

impl Layout {
    /// How a result is shown: `first` are its first rows, `endless` is one that may have no last row, `width` the terminal's.
    pub fn new(
        display: &Display,
        columns: Vec<ResultColumn>,
        first: &[Row],
        endless: bool,
        width: Option<usize>,
    ) -> Self {
        let fields = |columns, separator: &str, quoting| {
            let (separator, null) = (separator.to_string(), display.null.clone());
            Layout::Fields(Fields { columns, separator, null, quoting })
        };
        match display.format {
            Format::Unaligned => fields(columns, &display.separator, Quoting::None),
            Format::Csv => fields(columns, ",", Quoting::Csv),
            Format::Tsv => fields(columns, "\t", Quoting::Tsv),
            Format::Json => Layout::Json(Json { columns, array: !endless, written: false }),
            Format::Jsonl => Layout::Json(Json { columns, array: false, written: false }),
            Format::Markdown => Layout::Markdown(columns, display.null.clone()),
            Format::Table | Format::Vertical => {
                let expanded = display.format == Format::Vertical || display.expanded == Expanded::On;
                let mut table = Table::new(columns, first, expanded).with_null(&display.null);
                if endless {
                    table = table.with_usual_widths();
                }
                let too_wide = width.is_some_and(|width| width < table.line_width());
                if display.expanded == Expanded::Auto && too_wide {
                    table.expand();
                }
                Layout::Table(table)
            }
        }
    }

    /// What stands before the first row.
    pub fn header(&self) -> String {
        match self {
            Layout::Table(table) => table.header(),
            Layout::Fields(fields) => {
                let names: Vec<&str> = fields.columns.iter().map(|column| &column.name[..]).collect();
                fields.line(names.into_iter().map(Some))
            }
            Layout::Json(json) if json.array => "[".to_string(),
            Layout::Json(_) => String::new(),
            Layout::Markdown(columns, _) => {
                let names: Vec<String> = columns.iter().map(|column| markdown_cell(&column.name)).collect();
                let rules: Vec<&str> =
                    columns.iter().map(|column| if NUMBERS.contains(&column.oid) { "---:" } else { "---" }).collect();
                format!("| {} |\n| {} |\n", names.join(" | "), rules.join(" | "))
            }
        }
    }

    /// A row.
    pub fn row(&mut self, row: &[Option<String>]) -> String {
        match self {
            Layout::Table(table) => table.row(row),
            Layout::Fields(fields) => fields.line(row.iter().map(Option::as_deref)),
            Layout::Json(json) => json.object(row),
            Layout::Markdown(_, null) => {
                let cells: Vec<String> =
                    row.iter().map(|cell| markdown_cell(cell.as_deref().unwrap_or(null))).collect();
                format!("| {} |\n", cells.join(" | "))
            }
        }
    }

    /// What stands behind the last row, an empty line with it.
    pub fn footer(&self) -> String {
        match self {
            Layout::Table(table) => format!("{}\n", table.footer()),
            Layout::Json(json) if json.array => if json.written { "\n]\n" } else { "]\n" }.to_string(),
            Layout::Fields(Fields { quoting: Quoting::None, .. }) | Layout::Json(_) | Layout::Fields(_) => {
                String::new()
            }
            Layout::Markdown(..) => "\n".to_string(),
        }
    }

    /// Whether rows alone are a whole answer: an array of JSON needs its brackets.
    pub fn has_optional_header(&self) -> bool {
        !matches!(self, Layout::Json(_))
    }
}

impl Fields {
    fn line<'a>(&self, cells: impl Iterator<Item = Option<&'a str>>) -> String {
        let cells: Vec<String> = cells.map(|cell| self.cell(cell)).collect();
        format!("{}\n", cells.join(&self.separator))
    }

    fn cell(&self, cell: Option<&str>) -> String {
        let Some(text) = cell else { return self.null.clone() };
        match self.quoting {
            Quoting::None => text.to_string(),
            // An empty text is no NULL.
            Quoting::Csv if text == self.null || text.contains(['"', ',', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Quoting::Csv => text.to_string(),
            Quoting::Tsv => text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r"),
        }
    }
}

impl Json {
    fn object(&mut self, row: &[Option<String>]) -> String {
        let fields = self.columns.iter().zip(row).map(|(column, cell)| {
            let value = cell.as_deref().map_or("null".to_string(), |text| json_value(column.oid, text));
            format!("{}:{value}", json_text(&column.name))
        });
        let object = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        let text = match (self.array, self.written) {
            (false, _) => format!("{object}\n"),
            (true, false) => format!("\n{object}"),
            (true, true) => format!(",\n{object}"),
        };
        self.written = true;
        text
    }
}

/// A value of a type with this oid as JSON: numbers, booleans and JSON as such, the rest as text.
fn json_value(oid: u32, text: &str) -> String {
    let as_it_is = match oid {
        16 => return if text == "t" { "true" } else { "false" }.to_string(),
        // JSON has no NaN and no infinity.
        oid if NUMBERS.contains(&oid) => {
            text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e'))
        }
        114 | 3802 => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        _ => false,
    };
    if as_it_is { text.to_string() } else { json_text(text) }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn markdown_cell(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('|', "\\|");
    let lines: Vec<_> = escaped.split('\n').map(one_line).collect();
    lines.join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sql::options::Live;

    fn shown(format: Format, endless: bool) -> String {
        let columns = [("a,b", 25), ("n", 20), ("ok", 16), ("j", 114), ("d", 701)];
        let column = |(name, oid): (&str, u32)| ResultColumn { name: name.to_string(), oid, modifier: -1 };
        let rows: Vec<Row> = [
            [Some("x|\"y\"\n\\"), Some("1"), Some("t"), Some("{\"k\":[1]}"), Some("NaN")],
            [Some(""), None, Some("f"), Some("{"), Some("1.5e+20")],
        ]
        .map(|row| row.map(|cell| cell.map(str::to_string)).to_vec())
        .to_vec();
        let display = Display {
            format,
            expanded: Expanded::Off,
            rows_only: false,
            null: String::new(),
            separator: "|".to_string(),
            pager: false,
            timing: false,
            live: Live::Off,
        };
        let mut layout = Layout::new(&display, columns.map(column).to_vec(), &rows, endless, Some(80));
        let mut text = layout.header();
        rows.iter().for_each(|row| text += &layout.row(row));
        text + &layout.footer()
    }

    #[test]
    fn values_are_quoted_as_their_form_wants_it() {
        assert_eq!(shown(Format::Unaligned, false), "a,b|n|ok|j|d\nx|\"y\"\n\\|1|t|{\"k\":[1]}|NaN\n||f|{|1.5e+20\n");
        assert_eq!(
            shown(Format::Csv, false),
            "\"a,b\",n,ok,j,d\n\"x|\"\"y\"\"\n\\\",1,t,\"{\"\"k\"\":[1]}\",NaN\n\"\",,f,{,1.5e+20\n"
        );
        assert_eq!(shown(Format::Tsv, false).lines().nth(1), Some("x|\"y\"\\n\\\\\t1\tt\t{\"k\":[1]}\tNaN"));
        assert_eq!(
            shown(Format::Markdown, false),
            "| a,b | n | ok | j | d |\n| --- | ---: | --- | --- | ---: |\n\
             | x\\|\"y\"<br>\\\\ | 1 | t | {\"k\":[1]} | NaN |\n|  |  | f | { | 1.5e+20 |\n\n"
        );
    }

    #[test]
    fn json_reads_back() {
        let array = shown(Format::Json, false);
        let read: serde_json::Value = serde_json::from_str(&array).expect("it is JSON");
        assert_eq!(read[0]["a,b"], "x|\"y\"\n\\");
        assert_eq!(read[0]["j"]["k"][0], 1);
        assert_eq!(read[1]["n"], serde_json::Value::Null);
        assert_eq!(read[1]["j"], "{");
        let lines = shown(Format::Json, true);
        assert_eq!(lines, shown(Format::Jsonl, false));
        assert_eq!(lines.lines().map(serde_json::from_str::<serde_json::Value>).filter(Result::is_ok).count(), 2);
    }

    #[test]
    fn no_cell_of_a_markdown_table_moves_the_cursor() {
        assert_eq!(markdown_cell("a\r\u{1b}[31m|\nb"), "a\\r\\x1B[31m\\|<br>b");
    }

    #[test]
    fn a_table_that_is_wider_than_the_terminal_is_turned() {
        let columns = vec![ResultColumn { name: "name".to_string(), oid: 25, modifier: -1 }];
        let rows = vec![vec![Some("x".repeat(50))]];
        let display = |expanded| Display {
            format: Format::Table,
            expanded,
            rows_only: false,
            null: String::new(),
            separator: "|".to_string(),
            pager: false,
            timing: false,
            live: Live::Off,
        };
        for (expanded, width, turned) in [
            (Expanded::Auto, Some(40), true),
            (Expanded::Auto, Some(80), false),
            (Expanded::Auto, None, false),
            (Expanded::Off, Some(40), false),
        ] {
            let layout = Layout::new(&display(expanded), columns.clone(), &rows, false, width);
            assert_eq!(layout.header().is_empty(), turned, "{width:?}");
        }
    }
}
