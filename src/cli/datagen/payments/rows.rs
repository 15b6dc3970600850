//! Rows of the small tables, and their forms as lines.

use std::fmt::Write;

use serde_json::Map;
use serde_json::Value;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) enum Cell {
    Text(String),
    Number(i64),
    Null,
}

/// All rows of one relation.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Rows {
    pub relation: &'static str,
    pub columns: &'static [&'static str],
    /// As many cells each as there are columns; none has a tab, a backslash or the end of a line in it.
    pub rows: Vec<Vec<Cell>>,
}

impl Rows {
    /// The relation with its columns, as COPY takes it.
    pub fn target(&self) -> String {
        format!("{} ({})", self.relation, self.columns.join(", "))
    }

    /// Lines of COPY's text format.
    pub fn copy_lines(&self) -> String {
        let mut lines = String::new();
        for row in &self.rows {
            let cells = row.iter().map(|cell| match cell {
                Cell::Text(text) => text.clone(),
                Cell::Number(number) => number.to_string(),
                Cell::Null => "\\N".to_string(),
            });
            writeln!(lines, "{}", cells.collect::<Vec<_>>().join("\t")).expect("a String takes what is written");
        }
        lines
    }

    /// Lines of JSON.
    pub fn json_lines(&self) -> String {
        let mut lines = String::new();
        for row in &self.rows {
            let fields = self.columns.iter().zip(row).map(|(column, cell)| {
                let value = match cell {
                    Cell::Text(text) => Value::from(text.as_str()),
                    Cell::Number(number) => Value::from(*number),
                    Cell::Null => Value::Null,
                };
                (column.to_string(), value)
            });
            writeln!(lines, "{}", Value::Object(fields.collect::<Map<_, _>>()))
                .expect("a String takes what is written");
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_lines_of_copy_and_of_json() {
        let row = vec![Cell::Text("a\"b".to_string()), Cell::Number(3), Cell::Null];
        let rows = Rows { relation: "t", columns: &["x", "y", "z"], rows: vec![row] };
        assert_eq!(rows.target(), "t (x, y, z)");
        assert_eq!(rows.copy_lines(), "a\"b\t3\t\\N\n");
        assert_eq!(rows.json_lines(), "{\"x\":\"a\\\"b\",\"y\":3,\"z\":null}\n");
    }
}
