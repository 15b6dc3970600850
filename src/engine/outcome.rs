//! What a statement answers, as the doors carry it.

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::scalar::ScalarValue;
use futures::stream::BoxStream;

use super::copy_in::CopyInSink;
use crate::catalog::TextKind;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;

/// A parameter's value, of the type that `Session::describe` told.
pub type Value = ScalarValue;

/// Rows as they come. It borrows nothing of the session, so that several portals can be open at once; dropping it
/// ends the query.
pub type RowStream = BoxStream<'static, Result<RecordBatch>>;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputField {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether the texts are intervals, for which there is no SQL type here.
    pub is_interval: bool,
    /// What its texts are.
    pub text_kind: Option<TextKind>,
    /// The column that it is, if it is one of a relation.
    pub origin: Option<Origin>,
}

/// A column of a relation as PostgreSQL's catalogs number it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// `pg_class.oid`
    pub table_oid: u32,
    /// `pg_attribute.attnum`
    pub column: i16,
}

impl OutputField {
    /// A column of a type.
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> Self {
        Self { name: name.into(), sql_type, is_interval: false, text_kind: None, origin: None }
    }
}

/// What a statement takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The type of each parameter, `$1` first.
    pub params: Vec<SqlType>,
    /// The numbers of those that are UUIDs, from 1; their type is TEXT.
    pub uuids: Vec<usize>,
    /// The columns, `None` if it gives no rows.
    pub fields: Option<Vec<OutputField>>,
}

impl Description {
    /// What takes these parameters, of which none is a UUID, and gives these columns.
    pub fn new(params: Vec<SqlType>, fields: Option<Vec<OutputField>>) -> Self {
        Self { params, uuids: Vec::new(), fields }
    }

    /// The same with parameters that are UUIDs.
    pub fn with_uuids(self, uuids: Vec<usize>) -> Self {
        Self { uuids, ..self }
    }
}

/// Some lines of a COPY TO STDOUT.
pub struct CopyLines {
    /// All of them.
    pub bytes: Bytes,
    /// Where each ends.
    pub ends: Vec<usize>,
    /// How many rows they hold; a header holds none.
    pub rows: u64,
}

/// The lines of a COPY TO STDOUT.
pub struct CopyOut {
    /// The number of columns.
    pub columns: usize,
    /// Whole lines.
    pub chunks: BoxStream<'static, Result<CopyLines>>,
    /// Whether it ends only when it is cancelled.
    pub push: bool,
}

/// The rows of a COPY TO STDOUT in binary.
pub struct CopyOutRows {
    /// Their columns.
    pub fields: Vec<OutputField>,
    /// The rows.
    pub rows: RowStream,
}

/// What a statement answers.
pub enum Outcome {
    /// Rows.
    Rows {
        /// Their columns.
        fields: Vec<OutputField>,
        /// The rows; their columns have exactly the fields' Arrow types or can be cast to them.
        rows: RowStream,
        /// Whether it ends only when it is cancelled or reaches a LIMIT.
        push: bool,
        /// The tag, to which the number of rows is added.
        tag: &'static str,
    },
    /// No rows.
    Done {
        /// The whole tag.
        tag: String,
    },
    /// Lines for the client.
    CopyOut(CopyOut),
    /// Rows for the client, in binary.
    CopyOutRows(CopyOutRows),
    /// Data from the client.
    CopyIn(Box<CopyInSink>),
    /// There was no statement.
    Empty,
}

/// Where a session stands, as ReadyForQuery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside of a transaction block.
    Idle,
    /// In one.
    Open,
    /// In one that failed: all but its end is refused.
    Failed,
}

/// Something to tell besides the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `00000` for a plain notice.
    pub state: SqlState,
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// One line.
    pub message: String,
    /// A sentence.
    pub detail: Option<String>,
    /// A sentence that says what to type.
    pub hint: Option<String>,
}

impl Notice {
    /// A NOTICE.
    pub fn new(message: impl Into<String>) -> Self {
        Self { state: SqlState("00000"), severity: "NOTICE", message: message.into(), detail: None, hint: None }
    }

    /// A WARNING with its code.
    pub fn warning(state: SqlState, message: impl Into<String>) -> Self {
        Self { state, severity: "WARNING", ..Self::new(message) }
    }

    /// Adds what to type.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
