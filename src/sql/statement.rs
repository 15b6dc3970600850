//! What a text asks for, before any name is looked up.

use sqlparser::ast;

use crate::error::Position;

/// An identifier with the place where it stood. `value` is unfolded; `quoted` says that it must not be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The text between the quotes, or the bare word as typed.
    pub value: String,
    /// Whether it was quoted.
    pub quoted: bool,
    /// Where it stood.
    pub position: Position,
}

/// `EMIT CHANGES` or `EMIT FINAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emit {
    /// Every change.
    Changes,
    /// One row per window, when it closes.
    Final,
}

/// A query with what our dialect adds to it.
///
/// `ast` carries WINDOW, WITHIN and PARTITION BY in the slots that `lower.rs` documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// The query.
    pub ast: Box<ast::Query>,
    /// The EMIT clause, if one was written.
    pub emit: Option<Emit>,
    /// The query's own text, cut out of the statement.
    pub text: String,
}

/// What a CREATE or DROP is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `STREAM`
    Stream,
    /// `TABLE`
    Table,
    /// `MATERIALIZED VIEW`: a table that a query keeps
    MaterializedView,
}

/// Whether a declared column is part of the record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// In the value.
    Value,
    /// `KEY`
    Key,
    /// `PRIMARY KEY`
    PrimaryKey,
}

/// A column as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    /// The name.
    pub name: Name,
    /// The type, in sqlparser's words; `catalog::sql_type` turns it into ours.
    pub data_type: ast::DataType,
    /// Key or value.
    pub role: KeyRole,
}

/// One `name = value` of a WITH clause; numbers and booleans as their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithOption {
    /// The name.
    pub name: Name,
    /// The value, without quotes.
    pub value: String,
}

/// `CREATE [OR REPLACE] STREAM|TABLE [IF NOT EXISTS] name (columns) WITH (options)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    /// Stream or table.
    pub kind: ObjectKind,
    /// `OR REPLACE`
    pub or_replace: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The relation.
    pub name: Name,
    /// Its columns; a trailing `PRIMARY KEY (a, b)` is already folded into their roles.
    pub columns: Vec<ColumnDefinition>,
    /// The WITH clause.
    pub options: Vec<WithOption>,
}

/// `CREATE [OR REPLACE] STREAM|TABLE|MATERIALIZED VIEW [IF NOT EXISTS] name [WITH (options)] AS select`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateAs {
    /// Stream, table or materialized view.
    pub kind: ObjectKind,
    /// `OR REPLACE`
    pub or_replace: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The relation.
    pub name: Name,
    /// The WITH clause.
    pub options: Vec<WithOption>,
    /// The query.
    pub select: Select,
}

/// `INSERT INTO name [(columns)] VALUES (..), ..`.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertRows {
    /// The relation.
    pub target: Name,
    /// The named columns, empty if none were named.
    pub columns: Vec<Name>,
    /// The rows, each an expression per column.
    pub rows: Vec<Vec<ast::Expr>>,
}

/// `INSERT INTO name [(columns)] SELECT ..`: over streams a standing query, else read once and appended.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertSelect {
    /// The relation.
    pub target: Name,
    /// The named columns, empty if none were named.
    pub columns: Vec<Name>,
    /// The query.
    pub select: Select,
}

/// `DROP STREAM|TABLE|MATERIALIZED VIEW [IF EXISTS] name [DELETE TOPIC]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropRelation {
    /// What it must be.
    pub kind: ObjectKind,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The relation.
    pub name: Name,
    /// `DELETE TOPIC`
    pub delete_topic: bool,
}

/// The format of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {
    /// CSV rather than text.
    pub csv: bool,
    /// One byte between fields: tab for text, comma for csv, unless told.
    pub delimiter: char,
    /// The text of NULL: `\N` for text, empty for csv, unless told.
    pub null: String,
    /// A first line with names.
    pub header: bool,
}

/// What COPY reads.
#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    /// A relation, with the named columns (empty: all).
    Relation(Name, Vec<Name>),
    /// A query.
    Select(Select),
}

/// What SHOW lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowObject {
    /// `SHOW STREAMS`
    Streams,
    /// `SHOW TABLES`
    Tables,
    /// `SHOW QUERIES`
    Queries,
    /// `SHOW TOPICS`
    Topics,
    /// `SHOW ALL`
    AllSettings,
    /// `SHOW name`, a setting
    Setting(String),
}

/// How many rows FETCH wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// `FETCH [FORWARD] n`
    Forward(u64),
    /// `FETCH ALL`
    All,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Nothing: an empty text or only comments.
    Empty,
    /// A stream or table over a topic.
    CreateSource(CreateSource),
    /// A relation that a query keeps.
    CreateAs(CreateAs),
    /// A relation goes.
    Drop(DropRelation),
    /// Rows.
    InsertRows(InsertRows),
    /// Rows of a query.
    InsertSelect(InsertSelect),
    /// A pull query, or a push query when `emit` is there.
    Select(Select),
    /// `EXPLAIN [ANALYZE] select`
    Explain {
        /// Run it, and tell what it cost.
        analyze: bool,
        /// What is explained.
        select: Select,
    },
    /// `DESCRIBE name`
    Describe(Name),
    /// `SHOW ..`
    Show(ShowObject),
    /// `SET [SESSION|LOCAL] name = value`; `None` is DEFAULT.
    Set {
        /// The setting, lower case.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// `RESET name`, or `RESET ALL` as `None`.
    Reset(Option<String>),
    /// `COPY .. TO STDOUT`
    CopyTo {
        /// What is read.
        source: CopySource,
        /// How it is written.
        format: CopyFormat,
    },
    /// `COPY name [(columns)] FROM STDIN`
    CopyFrom {
        /// The relation.
        target: Name,
        /// The named columns, empty for all.
        columns: Vec<Name>,
        /// How it is read.
        format: CopyFormat,
    },
    /// `DECLARE name CURSOR FOR select`
    Declare {
        /// The cursor.
        name: Name,
        /// Its query.
        select: Select,
    },
    /// `FETCH n FROM name`
    Fetch {
        /// The cursor.
        name: Name,
        /// How many.
        direction: FetchDirection,
    },
    /// `CLOSE name`, or `CLOSE ALL` as `None`.
    Close(Option<Name>),
    /// `BEGIN`, `START TRANSACTION`
    Begin,
    /// `COMMIT`, `END`
    Commit,
    /// `ROLLBACK`, `ABORT`
    Rollback,
    /// `DEALLOCATE name`, or `DEALLOCATE ALL` as `None`.
    Deallocate(Option<Name>),
    /// `DISCARD ALL`
    DiscardAll,
    /// `UNLISTEN *` and such, which drivers send and which change nothing here; the tag to answer.
    Ignored(&'static str),
}
