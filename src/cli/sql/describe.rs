//! The statements behind `\d`, `\dt`, `\l` and their kin.

use super::error::SqlError;
use super::lexer::Kind;
use super::lexer::unquoted;
use super::lexer::words;

/// What a describing command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    /// `\d`, `\dt` ..., without what stands behind.
    command: String,
    /// With a `+`.
    more: bool,
    /// A name or a pattern.
    pattern: Option<String>,
}

/// A statement that answers, and what is told if it has no row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// The statement.
    pub statement: String,
    /// Whether it is shown one line a field.
    pub expanded: bool,
    /// Told instead of an empty table; nothing for what may be missing.
    pub if_empty: Option<String>,
}

const RELATIONS: &str = "SELECT name, 'stream' AS type, topic, partitions, key_format, value_format, query, owner \
     FROM tidemill.streams UNION ALL \
     SELECT name, CASE WHEN query IS NULL THEN 'table' ELSE 'view' END AS type, topic, partitions, key_format, value_format, \
     query, owner FROM tidemill.tables UNION ALL \
     SELECT name, 'view' AS type, CAST(NULL AS TEXT) AS topic, CAST(NULL AS INT) AS partitions, CAST(NULL AS TEXT) AS key_format, \
     CAST(NULL AS TEXT) AS value_format, CAST(NULL AS TEXT) AS query, owner FROM tidemill.views";

impl Description {
    /// Reads the command's name, with `+` and `S`, and its argument.
    pub fn read(name: &str, argument: &str) -> Result<Self, SqlError> {
        let pattern = (!argument.is_empty()).then(|| argument.to_string());
        let is_name = |token: &super::lexer::Token<'_>| token.closed && token.kind != Kind::Text && !token.is_sign(';');
        if !words(argument).iter().all(is_name) {
            return Err(SqlError::Usage(format!("{name} takes a name or a pattern with * and ?, not {argument}")));
        }
        let command = name.trim_end_matches(['+', 'S']).to_string();
        Ok(Self { command, more: name.contains('+'), pattern })
    }

    /// The statements, in the order in which they are shown.
    pub fn listings(&self) -> Vec<Listing> {
        let types: &[&str] = match self.command.as_str() {
            "\\d" => match &self.pattern {
                Some(pattern) if !pattern.contains(['*', '?']) => return self.one(pattern),
                _ => &["stream", "table", "view"],
            },
            // A table of PostgreSQL's and one that a query keeps are both asked as one.
            "\\dt" => &["table", "view"],
            "\\dv" | "\\dm" => &["view"],
            "\\ds" => &["stream"],
            _ => return vec![self.other()],
        };
        let types: Vec<String> = types.iter().map(|name| format!("'{name}'")).collect();
        let columns = if self.more { "*" } else { "name, type, topic, query" };
        let condition = self.condition("name");
        let types = types.join(", ");
        vec![self.listing(format!(
            "SELECT {columns} FROM ({RELATIONS}) AS relations WHERE type IN ({types}){condition} ORDER BY name"
        ))]
    }

    /// One relation: its columns, and with a `+` all that is known of it.
    fn one(&self, name: &str) -> Vec<Listing> {
        let listing = |statement: String, expanded: bool| Listing { statement, expanded, if_empty: None };
        if let Some((schema, table)) = name.split_once('.').filter(|(schema, _)| unquoted(schema) != "public") {
            let (schema, table) = (literal(&unquoted(schema)), literal(&unquoted(table)));
            let statement = format!(
                "SELECT a.attname AS column, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type \
                 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON a.attrelid = c.oid \
                 JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
                 WHERE n.nspname = {schema} AND c.relname = {table} AND 0 < a.attnum ORDER BY a.attnum"
            );
            return vec![self.listing(statement)];
        }
        let bare = name.split_once('.').map_or(name, |(_, name)| name);
        let mut found = vec![listing(format!("DESCRIBE {bare}"), false)];
        if self.more {
            let name = literal(&unquoted(bare));
            for table in ["streams", "tables"] {
                found.push(listing(format!("SELECT * FROM tidemill.{table} WHERE name = {name}"), true));
            }
            found.push(listing(
                format!(
                    "SELECT name AS query, state, reason, lag, sources, sink FROM tidemill.queries WHERE sink = {name}"
                ),
                true,
            ));
        }
        found
    }

    fn other(&self) -> Listing {
        let statement = match (self.command.as_str(), self.more) {
            ("\\dq", false) => {
                let condition = self.condition("name");
                format!(
                    "SELECT name, state, lag, sources, sink FROM tidemill.queries WHERE true{condition} ORDER BY name"
                )
            }
            ("\\dq", true) => {
                format!("SELECT * FROM tidemill.queries WHERE true{} ORDER BY name", self.condition("name"))
            }
            ("\\df", more) => {
                let columns = if more { "*" } else { "name, result, arguments, kind" };
                format!(
                    "SELECT {columns} FROM tidemill.functions WHERE true{} ORDER BY name, arguments",
                    self.condition("name")
                )
            }
            ("\\dn", _) => format!(
                "SELECT nspname AS name FROM pg_catalog.pg_namespace WHERE true{} ORDER BY nspname",
                self.condition("nspname")
            ),
            ("\\du", _) => format!(
                "SELECT rolname AS name, rolsuper AS superuser, rolcanlogin AS login FROM pg_catalog.pg_roles \
                 WHERE rolname NOT LIKE 'pg\\_%'{} ORDER BY rolname",
                self.condition("rolname")
            ),
            ("\\dT", _) => format!(
                "SELECT typname AS name FROM pg_catalog.pg_type WHERE typtype = 'b' AND typname NOT LIKE '\\_%'{} ORDER BY typname",
                self.condition("typname")
            ),
            ("\\dx", _) => format!(
                "SELECT extname AS name, extversion AS version FROM pg_catalog.pg_extension WHERE true{} ORDER BY extname",
                self.condition("extname")
            ),
            _ => format!(
                "SELECT datname AS name, pg_catalog.pg_encoding_to_char(encoding) AS encoding FROM pg_catalog.pg_database \
                 WHERE true{} ORDER BY datname",
                self.condition("datname")
            ),
        };
        self.listing(statement)
    }

    fn listing(&self, statement: String) -> Listing {
        let what = self.pattern.as_ref().map(|pattern| format!(" named {pattern}")).unwrap_or_default();
        let kind = match self.command.as_str() {
            "\\d" => "relation",
            "\\dt" => "table",
            "\\dv" | "\\dm" => "view",
            "\\ds" => "stream",
            "\\dq" => "standing query",
            "\\df" => "function",
            "\\dn" => "schema",
            "\\du" => "role",
            "\\dT" => "type",
            "\\dx" => "extension",
            _ => "database",
        };
        Listing { statement, expanded: false, if_empty: Some(format!("There is no {kind}{what}.\n")) }
    }

    /// `*` and `?` of a pattern as LIKE has them.
    fn condition(&self, column: &str) -> String {
        let Some(pattern) = &self.pattern else { return String::new() };
        let bare = unquoted(pattern.rsplit('.').next().unwrap_or(pattern));
        let like =
            bare.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%").replace('*', "%").replace('?', "_");
        format!(" AND {column} LIKE {}", literal(&like))
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(name: &str, argument: &str) -> Vec<String> {
        let description = Description::read(name, argument).expect("it is right");
        description.listings().into_iter().map(|listing| listing.statement).collect()
    }

    #[test]
    fn a_name_is_described_and_a_pattern_is_looked_for() {
        assert_eq!(statements("\\d", "cards"), ["DESCRIBE cards"]);
        assert_eq!(statements("\\d", "public.\"A b\""), ["DESCRIBE \"A b\""]);
        assert_eq!(statements("\\d+", "cards").len(), 4);
        assert!(statements("\\dt", "pay_*")[0].contains("AND name LIKE 'pay\\_%'"));
        assert!(statements("\\d", "tidemill.topics")[0].contains("n.nspname = 'tidemill' AND c.relname = 'topics'"));
        for wrong in ["t; DROP TABLE t", "'t", "\"t", "'t'"] {
            assert!(Description::read("\\d", wrong).is_err(), "{wrong}");
        }
    }
}
