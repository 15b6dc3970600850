//! Why `tidemill sql` cannot go on, and the exit code that says so.

use std::io;

use super::protocol::Report;
use crate::error::Error;
use crate::error::SqlState;

/// What can go wrong on the client's side.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SqlError {
    /// There is no server at the address.
    #[error("could not connect to {address}: {source}")]
    Refused {
        /// `host:port`
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the server is lost: {0}")]
    Lost(io::Error),
    /// The server said no before a session existed, or ended it.
    #[error("{}: {}", .0.severity, .0.message)]
    Fatal(Box<Report>),
    /// The server answered a statement with an error.
    #[error("{}", .0.message)]
    Statement(Box<Report>),
    /// What came is not PostgreSQL's protocol.
    #[error("the server does not speak PostgreSQL's protocol: {0}")]
    Protocol(&'static str),
    /// The reader of our output is gone, or the terminal failed.
    #[error("could not write the output: {0}")]
    Output(io::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// As it was given.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A Parquet file could not be read or written.
    #[error("{path}: {message}")]
    Parquet {
        /// As it was given.
        path: String,
        /// Why.
        message: String,
    },
    /// Ctrl-C between two statements of a script.
    #[error("stopped by Ctrl-C")]
    Interrupted,
    /// An error that ended a script, and was told where it happened.
    #[error("{0}")]
    Told(Box<SqlError>),
    /// Another program, such as an editor, could not be run.
    #[error("could not run {program}: {source}")]
    Program {
        /// Its command.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A command that is not known, or is used wrongly.
    #[error("{0}")]
    Usage(String),
}

impl SqlError {
    /// The same, of a statement that nobody typed: its places say nothing.
    pub fn without_place(self) -> Self {
        match self {
            SqlError::Statement(report) => SqlError::Statement(Box::new(Report { position: None, ..*report })),
            other => other,
        }
    }

    /// Whether the prompt comes back after it.
    pub fn leaves_session(&self) -> bool {
        matches!(
            self,
            SqlError::Statement(_)
                | SqlError::File { .. }
                | SqlError::Parquet { .. }
                | SqlError::Program { .. }
                | SqlError::Interrupted
                | SqlError::Told(_)
                | SqlError::Usage(_)
        )
    }

    /// psql's exit codes: 2 when there is no connection, 1 for the rest; and a shell's 130 for Ctrl-C.
    pub fn exit_code(&self) -> u8 {
        match self {
            SqlError::Refused { .. } | SqlError::Lost(_) | SqlError::Fatal(_) | SqlError::Protocol(_) => 2,
            // Who closed our output has seen enough.
            SqlError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            SqlError::Interrupted => 130,
            SqlError::Told(error) => error.exit_code(),
            SqlError::Output(_)
            | SqlError::Program { .. }
            | SqlError::Statement(_)
            | SqlError::File { .. }
            | SqlError::Parquet { .. }
            | SqlError::Usage(_) => 1,
        }
    }
}

/// For commands that end with it: what the server said, with its detail and hint.
impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        let state = match &error {
            SqlError::Refused { .. } | SqlError::Lost(_) | SqlError::Fatal(_) => SqlState::CONNECTION_FAILURE,
            SqlError::Protocol(_) => SqlState::PROTOCOL_VIOLATION,
            SqlError::Statement(_) => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            SqlError::Output(_) | SqlError::File { .. } | SqlError::Parquet { .. } | SqlError::Program { .. } => {
                SqlState::IO_ERROR
            }
            SqlError::Interrupted => SqlState::QUERY_CANCELED,
            SqlError::Told(_) => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            SqlError::Usage(_) => SqlState::INVALID_PARAMETER_VALUE,
        };
        let mut told = Error::new(state, error.to_string());
        if let SqlError::Statement(report) | SqlError::Fatal(report) = error {
            told = report.detail.into_iter().fold(told, Error::detail);
            told = report.hint.into_iter().fold(told, Error::hint);
        }
        told
    }
}
