//! Why a configuration is refused, with the nearest known name where one was misspelt.

use crate::error::Error;
use crate::error::SqlState;
use crate::nearest::nearest;

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("cannot read the configuration in {file}: {message}")]
    NotToml {
        /// Which.
        file: String,
        /// What the TOML parser says.
        message: String,
    },
    /// A name that is no knob.
    #[error("unknown setting \"{name}\" in {origin}")]
    Unknown {
        /// As it was written.
        name: String,
        /// The file and its line, the environment or the flags.
        origin: String,
        /// The known name that looks most like it, if one looks like it.
        nearest: Option<String>,
    },
    /// A value of the wrong kind, or out of bounds.
    #[error("{name} in {origin} must be {wanted}, not {value}")]
    Invalid {
        /// The knob, as it is called there.
        name: String,
        /// The file and its line, the environment or the flags.
        origin: String,
        /// What it takes.
        wanted: String,
        /// As it was written.
        value: String,
    },
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let user = Error::new(SqlState::INVALID_PARAMETER_VALUE, error.to_string());
        match &error {
            ConfigError::Unknown { nearest: Some(nearest), .. } => user.hint(format!("Did you mean \"{nearest}\"?")),
            ConfigError::Unknown { nearest: None, .. } => user.hint("docs/reference/config.md has all settings."),
            ConfigError::NotToml { .. } | ConfigError::Invalid { .. } => user,
        }
    }
}

/// The error of a name that is none of `known`.
pub(super) fn unknown(name: String, origin: String, known: &[String]) -> ConfigError {
    let nearest = nearest(&name, known.iter().map(String::as_str)).map(str::to_string);
    ConfigError::Unknown { name, origin, nearest }
}
