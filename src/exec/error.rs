//! What can go wrong in a task, and what a user is told of it.

use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::broker::BrokerError;
use crate::broker::LeftOutReason;
use crate::config::ByteSize;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::FormatError;
use crate::model::TopicPartition;
use crate::state::StateError;

/// A task's error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecError {
    /// A plan holds a node that no operator stands for.
    #[error("{0} is not supported in a standing query")]
    UnknownNode(String),
    /// An operator broke the contract of `Step`; our bug.
    #[error("operator {operator} broke its contract: {what}")]
    Contract {
        /// The operator.
        operator: String,
        /// What it did.
        what: &'static str,
    },
    /// An operator panicked; our bug, and the task starts again.
    #[error("operator panicked: {0}")]
    Panic(String),
    /// Arrow refused a batch.
    #[error("{0}")]
    Arrow(String),
    /// DataFusion refused an expression.
    #[error("{0}")]
    Expression(String),
    /// An error in data that the query was told not to accept, or that has no row to blame.
    #[error("{0}")]
    Data(Error),
    /// A record that its relation does not let pass (`on_error = 'fail'`).
    #[error("the record at offset {offset} of partition {partition} of \"{relation}\" cannot be read: {reason}")]
    BadRecord {
        /// The relation that declares how to read it.
        relation: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// Why it cannot be read.
        reason: String,
    },
    /// The rows of one round make more output than may wait for a cut: fewer have to be taken at once.
    #[error("the rows of one round make more output than fits into memory")]
    RoundTooLarge,
    /// One change makes more output than one commit may take, and there are no parts of it that could be committed alone.
    #[error(
        "one row makes more output than exec.change_bytes_max, {limit}: that of offset {offset} of partition {partition} of {topic}"
    )]
    ChangeTooLarge {
        /// Where it was read, for people.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// The bytes that it may make.
        limit: ByteSize,
    },
    /// A record of an internal topic is not what this version writes.
    #[error("internal record cannot be read: {0}")]
    InternalRecord(&'static str),
    /// A topic that is read was deleted.
    #[error("a topic that the query reads was deleted")]
    InputGone(TopicPartition),
    /// A cut was left out of its commit.
    #[error("a cut was left out of its commit: {0}")]
    LeftOut(Arc<LeftOutReason>),
    /// The positions of the query lie below what its input still holds.
    #[error("input_gap: position {position} is outside {log_start}..={log_end} of {input}")]
    InputGap {
        /// The input partition.
        input: String,
        /// Where the query would go on.
        position: i64,
        /// What is still there.
        log_start: i64,
        /// The end of what is there.
        log_end: i64,
    },
}

impl ExecError {
    /// A caught panic, with its text.
    pub fn of_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = match panic.downcast_ref::<&str>() {
            Some(text) => (*text).to_string(),
            None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "without a message".to_string()),
        };
        Self::Panic(text)
    }
}

impl From<FormatError> for ExecError {
    fn from(error: FormatError) -> Self {
        ExecError::Data(Error::from(error))
    }
}

impl From<StateError> for ExecError {
    fn from(error: StateError) -> Self {
        ExecError::Data(Error::from(error))
    }
}

impl From<BrokerError> for ExecError {
    fn from(error: BrokerError) -> Self {
        ExecError::Data(Error::from(error))
    }
}

impl From<ArrowError> for ExecError {
    fn from(error: ArrowError) -> Self {
        ExecError::Arrow(error.to_string())
    }
}

impl From<DataFusionError> for ExecError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<ExecError>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<Error>() {
                    Ok(told) => ExecError::Data(*told),
                    Err(other) => ExecError::Expression(other.to_string()),
                },
            },
            other => ExecError::Expression(other.strip_backtrace()),
        }
    }
}

impl From<ExecError> for DataFusionError {
    fn from(error: ExecError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<Error> for ExecError {
    fn from(error: Error) -> Self {
        ExecError::Data(error)
    }
}

impl From<ExecError> for Error {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::UnknownNode(_) => Error::unsupported(error.to_string()),
            ExecError::Contract { .. } | ExecError::Panic(_) | ExecError::Arrow(_) => {
                Error::internal(error.to_string())
            }
            ExecError::Expression(text) => Error::new(SqlState::INTERNAL_ERROR, text),
            ExecError::Data(told) => told,
            ExecError::RoundTooLarge => Error::new(SqlState::OUT_OF_MEMORY, error.to_string()),
            ExecError::ChangeTooLarge { .. } => Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, error.to_string())
                .hint("Start the server with a larger exec.change_bytes_max, and RESUME the query."),
            ExecError::LeftOut(_) => Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, error.to_string()),
            ExecError::BadRecord { .. } => Error::new(SqlState::DATA_CORRUPTED, error.to_string())
                .hint("With on_error = 'dlq' or 'skip' the relation lets such records pass."),
            ExecError::InputGone(_) => Error::new(SqlState::UNDEFINED_OBJECT, error.to_string()),
            ExecError::InternalRecord(_) => Error::new(SqlState::DATA_CORRUPTED, error.to_string()),
            ExecError::InputGap { .. } => Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, error.to_string())
                .detail("Records that the query has not read were removed by retention or compaction.")
                .hint("DROP the view and create it again to read what is still there."),
        }
    }
}
