//! What can go wrong with keyed state and read views.

use arrow::error::ArrowError;

use crate::error::Error;
use crate::error::SqlState;
use crate::format::FormatError;

/// A failure of a store, a state table or a view.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system does not let the stores' directory be opened, or it could not be even after it was emptied.
    #[error("the state directory could not be opened: {cause}")]
    Open {
        /// Why, in a line.
        cause: String,
        /// What the store says.
        #[source]
        source: fjall::Error,
    },
    /// Another process has the stores open.
    #[error("the state directory is in use by another process")]
    Locked,
    /// A store could not be read or written.
    #[error("store {store} could not be used")]
    Store {
        /// Which one.
        store: String,
        /// What it says.
        #[source]
        source: fjall::Error,
    },
    /// The directory of the stores could not be emptied.
    #[error("the state directory could not be emptied")]
    Io(#[from] std::io::Error),
    /// A store does not say which changelog position it stands at, or says it in bytes that are not ours.
    #[error("store {store} has no valid position")]
    Corrupt {
        /// Which one.
        store: String,
    },
    /// A page of a view is not what was written, or cannot be written.
    #[error("a page of a view could not be used")]
    Page(#[from] FormatError),
    /// A key is longer than stores take.
    #[error("a state key of {bytes} bytes is longer than {KEY_BYTES_MAX}")]
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// Rows of a view do not have its columns, or as many keys as rows.
    #[error("{rows} rows with {keys} keys do not fit a view")]
    Misfit {
        /// Rows given.
        rows: usize,
        /// Keys given.
        keys: usize,
    },
    /// Arrow refused to put rows together.
    #[error("the rows of a view could not be put together")]
    Arrow(#[from] ArrowError),
}

/// The longest key that a state table takes, in bytes: fjall's limit less the store's number and a tag, and less one,
/// so that a range may begin just after it.
pub const KEY_BYTES_MAX: usize = 65_535 - 9 - 1;

const CACHE: &str = "State is a cache: nothing is lost, and all of it is made again from the log.";
const REBUILD: &str = "Use ALTER QUERY .. REBUILD, or start the server again.";

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        let message = error.to_string();
        match &error {
            StateError::Open { .. } => Error::new(SqlState::IO_ERROR, message)
                .detail("It was left as it is.")
                .hint("Mend that and start again. The limit of open files is ulimit -n, or LimitNOFILE of a systemd unit.")
                .caused_by(error),
            StateError::Store { .. } | StateError::Io(_) => {
                Error::new(SqlState::IO_ERROR, message).caused_by(error)
            }
            StateError::Locked => Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .hint("Stop the other server, or give this one its own --data-dir."),
            StateError::Corrupt { .. } => Error::new(SqlState::DATA_CORRUPTED, message).detail(CACHE).hint(REBUILD),
            StateError::Page(_) => {
                Error::new(SqlState::DATA_CORRUPTED, message).detail(CACHE).hint(REBUILD).caused_by(error)
            }
            StateError::KeyTooLong { .. } => Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message),
            StateError::Misfit { .. } | StateError::Arrow(_) => Error::internal(message).caused_by(error),
        }
    }
}
