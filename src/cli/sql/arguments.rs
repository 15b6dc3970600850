//! The arguments of `tidemill sql`, and whom they lead to.

use std::time::Duration;

use super::client::Beginning;
use super::client::Target;
use super::error::SqlError;
use super::lexer::unquoted;
use super::options::Display;
use super::options::Expanded;
use super::options::Format;
use super::options::Live;

const HOST: &str = "127.0.0.1";
const PORT: u16 = 7432;
const NAME: &str = "tidemill";

/// The arguments of `tidemill sql`.
#[derive(Debug, Clone, clap::Args)]
#[command(disable_help_flag = true)]
pub struct SqlArguments {
    /// The server's host [default: 127.0.0.1]
    #[arg(short = 'h', long, env = "PGHOST")]
    host: Option<String>,
    /// The server's port [default: 7432]
    #[arg(short, long, env = "PGPORT")]
    port: Option<u16>,
    /// The user's name [default: tidemill]
    #[arg(short = 'U', long, env = "PGUSER")]
    user: Option<String>,
    /// The database [default: tidemill]
    #[arg(short, long, env = "PGDATABASE")]
    database: Option<String>,
    /// Runs these statements and leaves; may be given again.
    #[arg(short, long)]
    pub(super) command: Vec<String>,
    /// Runs the statements of a file, after those of -c, and leaves; may be given again.
    #[arg(short, long)]
    pub(super) file: Vec<String>,
    /// Writes answers to a file, or to a command behind a `|`.
    #[arg(short, long)]
    pub(super) output: Option<String>,
    /// How results are shown.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Shows one line a field.
    #[arg(short = 'x', long)]
    expanded: bool,
    /// Shows rows only, without names and footer.
    #[arg(short = 't', long)]
    tuples_only: bool,
    /// Shows rows only, `|` between fields.
    #[arg(short = 'A', long)]
    bare: bool,
    /// What stands between unaligned fields.
    #[arg(short = 'F', long, default_value = "|")]
    field_separator: String,
    /// Rows of push queries change in place, by their key.
    #[arg(long)]
    live: bool,
    /// They change by these columns: a,b
    #[arg(long, value_delimiter = ',')]
    key: Vec<String>,
    /// The name that other sessions see [default: tidemill sql]
    #[arg(long, env = "PGAPPNAME")]
    application_name: Option<String>,
    /// Settings of the session: -c name=value
    #[arg(long, env = "PGOPTIONS", allow_hyphen_values = true)]
    options: Option<String>,
    /// Seconds that a connection may take to come about [default: as long as it takes]
    #[arg(long, env = "PGCONNECT_TIMEOUT")]
    connect_timeout: Option<u32>,
    /// Prints help.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// A database, or postgresql://user@host:port/database
    #[arg(value_name = "DATABASE")]
    place: Option<String>,
}

impl SqlArguments {
    /// Whom to talk to: what the place says wins over flags, and these over the environment.
    pub(super) fn target(&self) -> Result<Target, SqlError> {
        let place = match &self.place {
            Some(text) => Place::parse(text)?,
            None => Place::default(),
        };
        let host = place.host.or_else(|| self.host.clone()).unwrap_or_else(|| HOST.to_string());
        let port = place.port.or(self.port).unwrap_or(PORT);
        // An IPv6 address is told from its port by brackets.
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        Ok(Target {
            address: format!("{host}:{port}"),
            user: place.user.or_else(|| self.user.clone()).unwrap_or_else(|| NAME.to_string()),
            database: place.database.or_else(|| self.database.clone()).unwrap_or_else(|| NAME.to_string()),
        })
    }

    /// What the session begins with.
    pub(super) fn beginning(&self) -> Beginning {
        // 0 is for ever, as in PostgreSQL's clients.
        let seconds = self.connect_timeout.filter(|seconds| 0 < *seconds);
        Beginning {
            application_name: self.application_name.clone(),
            options: self.options.clone(),
            timeout: seconds.map(|seconds| Duration::from_secs(u64::from(seconds))),
        }
    }

    /// How results are shown; `terminal` is whether somebody looks at them.
    pub(super) fn display(&self, terminal: bool) -> Display {
        Display {
            format: if self.bare { Format::Unaligned } else { self.format },
            expanded: match (self.expanded, terminal) {
                (true, _) => Expanded::On,
                (false, true) => Expanded::Auto,
                (false, false) => Expanded::Off,
            },
            rows_only: self.bare || self.tuples_only,
            null: String::new(),
            separator: self.field_separator.clone(),
            pager: terminal,
            timing: false,
            live: match self.live || !self.key.is_empty() {
                true => Live::By(self.key.iter().map(|name| unquoted(name)).collect()),
                false => Live::Off,
            },
        }
    }
}

/// What a connection URI says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    database: Option<String>,
}

impl Place {
    fn parse(text: &str) -> Result<Self, SqlError> {
        let told = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let Some(rest) = told else {
            return Ok(Self { database: Some(text.to_string()), ..Self::default() });
        };
        let wrong = |what: &str| SqlError::Usage(format!("{text}: {what}"));
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        if !options.is_empty() {
            return Err(wrong("options behind a ? are not supported"));
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains(':') {
            return Err(wrong("passwords are not supported yet"));
        }
        let (host, port) = match host.rsplit_once(':') {
            // Within the brackets of an IPv6 address stands no port.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (host, ""),
        };
        let port = (!port.is_empty()).then(|| port.parse().map_err(|_| wrong("its port is no number up to 65535")));
        let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
        Ok(Self { host: some(host), port: port.transpose()?, user: some(user), database: some(database) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_database_or_an_address() {
        let place = |host: &str, port, user: &str, database: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
            Some(Place { host: some(host), port, user: some(user), database: some(database) })
        };
        for (text, expected) in [
            ("sales", place("", None, "", "sales")),
            ("postgresql://ann@db.example:5432/sales", place("db.example", Some(5432), "ann", "sales")),
            ("postgres://localhost", place("localhost", None, "", "")),
            ("postgres://[::1]:7432", place("[::1]", Some(7432), "", "")),
            ("postgres://[::1]", place("[::1]", None, "", "")),
            ("postgres://h:x", None),
            ("postgres://ann:secret@h", None),
            ("postgres://h?sslmode=require", None),
        ] {
            assert_eq!(Place::parse(text).ok(), expected, "{text}");
        }
    }
}
