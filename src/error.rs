//! The error that reaches a user: SQLSTATE, what, where, detail, hint.
//!
//! Rooms have narrow enums of their own and turn them into this at their border.

use std::fmt;
use std::sync::Arc;

/// A PostgreSQL SQLSTATE, five characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub &'static str);

#[allow(missing_docs, reason = "PostgreSQL's own names of its codes")]
impl SqlState {
    pub const PROTOCOL_VIOLATION: SqlState = SqlState("08P01");
    pub const CONNECTION_FAILURE: SqlState = SqlState("08006");
    pub const TRIGGERED_DATA_CHANGE_VIOLATION: SqlState = SqlState("27000");
    pub const FEATURE_NOT_SUPPORTED: SqlState = SqlState("0A000");
    pub const STRING_DATA_RIGHT_TRUNCATION: SqlState = SqlState("22001");
    pub const NUMERIC_VALUE_OUT_OF_RANGE: SqlState = SqlState("22003");
    pub const INVALID_DATETIME_FORMAT: SqlState = SqlState("22007");
    pub const DATETIME_FIELD_OVERFLOW: SqlState = SqlState("22008");
    pub const SUBSTRING_ERROR: SqlState = SqlState("22011");
    pub const DIVISION_BY_ZERO: SqlState = SqlState("22012");
    pub const INVALID_ARGUMENT_FOR_LOGARITHM: SqlState = SqlState("2201E");
    pub const INVALID_ARGUMENT_FOR_POWER_FUNCTION: SqlState = SqlState("2201F");
    pub const INVALID_REGULAR_EXPRESSION: SqlState = SqlState("2201B");
    pub const INVALID_PARAMETER_VALUE: SqlState = SqlState("22023");
    pub const INVALID_ESCAPE_SEQUENCE: SqlState = SqlState("22025");
    pub const INVALID_TEXT_REPRESENTATION: SqlState = SqlState("22P02");
    pub const BAD_COPY_FILE_FORMAT: SqlState = SqlState("22P04");
    pub const CARDINALITY_VIOLATION: SqlState = SqlState("21000");
    pub const NOT_NULL_VIOLATION: SqlState = SqlState("23502");
    pub const UNIQUE_VIOLATION: SqlState = SqlState("23505");
    pub const INVALID_CURSOR_STATE: SqlState = SqlState("24000");
    pub const READ_ONLY_SQL_TRANSACTION: SqlState = SqlState("25006");
    pub const NO_ACTIVE_SQL_TRANSACTION: SqlState = SqlState("25P01");
    pub const IN_FAILED_SQL_TRANSACTION: SqlState = SqlState("25P02");
    pub const INVALID_SQL_STATEMENT_NAME: SqlState = SqlState("26000");
    pub const INVALID_AUTHORIZATION: SqlState = SqlState("28000");
    pub const DEPENDENT_OBJECTS_STILL_EXIST: SqlState = SqlState("2BP01");
    pub const INVALID_CURSOR_NAME: SqlState = SqlState("34000");
    pub const INVALID_CATALOG_NAME: SqlState = SqlState("3D000");
    pub const SERIALIZATION_FAILURE: SqlState = SqlState("40001");
    pub const STATEMENT_COMPLETION_UNKNOWN: SqlState = SqlState("40003");
    pub const SYNTAX_ERROR: SqlState = SqlState("42601");
    pub const INSUFFICIENT_PRIVILEGE: SqlState = SqlState("42501");
    pub const GROUPING_ERROR: SqlState = SqlState("42803");
    pub const SEQUENCE_GENERATOR_LIMIT_EXCEEDED: SqlState = SqlState("2200H");
    pub const GENERATED_ALWAYS: SqlState = SqlState("428C9");
    pub const DATATYPE_MISMATCH: SqlState = SqlState("42804");
    pub const WRONG_OBJECT_TYPE: SqlState = SqlState("42809");
    pub const UNDEFINED_COLUMN: SqlState = SqlState("42703");
    pub const AMBIGUOUS_COLUMN: SqlState = SqlState("42702");
    pub const UNDEFINED_FUNCTION: SqlState = SqlState("42883");
    pub const CANNOT_COERCE: SqlState = SqlState("42846");
    pub const UNDEFINED_OBJECT: SqlState = SqlState("42704");
    pub const UNDEFINED_PARAMETER: SqlState = SqlState("42P02");
    pub const UNDEFINED_TABLE: SqlState = SqlState("42P01");
    pub const DUPLICATE_COLUMN: SqlState = SqlState("42701");
    pub const DUPLICATE_PREPARED_STATEMENT: SqlState = SqlState("42P05");
    pub const DUPLICATE_CURSOR: SqlState = SqlState("42P03");
    pub const INVALID_COLUMN_REFERENCE: SqlState = SqlState("42P10");
    pub const DUPLICATE_TABLE: SqlState = SqlState("42P07");
    pub const DUPLICATE_OBJECT: SqlState = SqlState("42710");
    pub const INVALID_TABLE_DEFINITION: SqlState = SqlState("42P16");
    /// What is defined by itself.
    pub const INVALID_OBJECT_DEFINITION: SqlState = SqlState("42P17");
    pub const WARNING: SqlState = SqlState("01000");
    pub const INSUFFICIENT_RESOURCES: SqlState = SqlState("53000");
    pub const DISK_FULL: SqlState = SqlState("53100");
    pub const OUT_OF_MEMORY: SqlState = SqlState("53200");
    pub const TOO_MANY_CONNECTIONS: SqlState = SqlState("53300");
    pub const CONFIGURATION_LIMIT_EXCEEDED: SqlState = SqlState("53400");
    pub const PROGRAM_LIMIT_EXCEEDED: SqlState = SqlState("54000");
    pub const STATEMENT_TOO_COMPLEX: SqlState = SqlState("54001");
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: SqlState = SqlState("55000");
    pub const OBJECT_IN_USE: SqlState = SqlState("55006");
    pub const LOCK_NOT_AVAILABLE: SqlState = SqlState("55P03");
    pub const QUERY_CANCELED: SqlState = SqlState("57014");
    pub const ADMIN_SHUTDOWN: SqlState = SqlState("57P01");
    pub const CANNOT_CONNECT_NOW: SqlState = SqlState("57P03");
    pub const IO_ERROR: SqlState = SqlState("58030");
    pub const SNAPSHOT_TOO_OLD: SqlState = SqlState("72000");
    pub const ASSERT_FAILURE: SqlState = SqlState("P0004");
    pub const DATA_CORRUPTED: SqlState = SqlState("XX001");
    pub const INTERNAL_ERROR: SqlState = SqlState("XX000");
}

/// The place in a statement's text at which an error was found: a character, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position(pub u32);

/// What a user is told. Message: lower case, one line, no full stop. Detail and hint: sentences.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<Position>,
    /// What stands before the place, of an error whose message tells its place.
    before_place: Option<&'static str>,
    /// The rule of a table that a row breaks.
    rule: Option<Rule>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// A rule of a table of the schema public, for clients that know it by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The table.
    pub table: String,
    /// The column, of a rule about one that has no name of its own.
    pub column: Option<String>,
    /// The constraint.
    pub constraint: Option<String>,
}

/// A result whose error is told to a user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with its code and its message.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        let message = message.into();
        let (detail, hint, position, before_place, rule, source) = (None, None, None, None, None, None);
        Self(Box::new(Inner { state, message, detail, hint, position, before_place, rule, source }))
    }

    /// Our own bug: XX000.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(SqlState::INTERNAL_ERROR, message)
    }

    /// Something that is known and not there yet: 0A000.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(SqlState::FEATURE_NOT_SUPPORTED, message)
    }

    /// Points at a character of the statement; the first place told stays.
    pub fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// The same, pointing nowhere: its place is one of another text.
    pub fn without_place(mut self) -> Self {
        self.0.position = None;
        self
    }

    /// The same with another message.
    pub fn reworded(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Says that the message begins with `words` and the place, as some of ksqlDB's do. Who has the text puts it there:
    /// `with_place`.
    pub fn tells_place(mut self, words: &'static str) -> Self {
        self.0.before_place = Some(words);
        self
    }

    /// Puts the place before the message of an error that tells it: the line and the column of `place`, both from 1.
    pub fn with_place(mut self, place: impl FnOnce(Position) -> (usize, usize)) -> Self {
        if let (Some(words), Some(position)) = (self.0.before_place.take(), self.0.position) {
            let (line, column) = place(position);
            self.0.message = format!("{words}Line: {line}, Col: {column}: {}", self.0.message);
        }
        self
    }

    /// Adds a sentence that explains.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a sentence that says what to type.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Tells which rule is broken.
    pub fn of_rule(mut self, rule: Rule) -> Self {
        self.0.rule = Some(rule);
        self
    }

    /// Keeps the cause, for the server's own log.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The code.
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// The message, without detail or hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The sentence that explains.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The sentence that says what to type.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The rule that is broken.
    pub fn rule(&self) -> Option<&Rule> {
        self.0.rule.as_ref()
    }

    /// The place in the statement.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.0.message, self.0.state.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("state", &self.0.state.0)
            .field("message", &self.0.message)
            .field("detail", &self.0.detail)
            .field("hint", &self.0.hint)
            .field("position", &self.0.position)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}
