//! What a session can SET: one line a setting.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::timezone::Tz;

use crate::catalog::Compatibility;
use crate::catalog::EmitMode;
use crate::catalog::Semantics;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::format::NamedZone;
use crate::sql::nearest;

/// The version of PostgreSQL whose catalog and errors clients may expect.
pub const SERVER_VERSION: &str = concat!("15.0 (Tidemill ", env!("CARGO_PKG_VERSION"), ")");

/// How a value is checked and written.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Any text.
    Text,
    /// `on` or `off`.
    Boolean,
    /// Milliseconds, or a number with a unit.
    Duration,
    /// A whole number between the two.
    Integer(i64, i64),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A zone of the tz database, or an offset.
    Zone,
    /// `UTF8`, in its spellings.
    Encoding,
    /// Told, never set.
    ReadOnly,
}

struct Setting {
    name: &'static str,
    default: &'static str,
    kind: Kind,
    /// Whether clients are told of its value at the start and of each change.
    reported: bool,
    description: &'static str,
}

const fn setting(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    reported: bool,
    description: &'static str,
) -> Setting {
    Setting { name, default, kind, reported, description }
}

const ISOLATION: Kind = Kind::OneOf(&["read committed", "repeatable read", "serializable", "read uncommitted"]);
const LEVELS: Kind =
    Kind::OneOf(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]);

/// All settings, by name without regard to case.
const SETTINGS: &[Setting] = &[
    setting("application_name", "", Kind::Text, true, "The client's own name."),
    setting("auto_offset_reset", "latest", Kind::OneOf(&["latest", "earliest"]), false, "Where push queries begin."),
    setting("block_size", "8192", Kind::ReadOnly, false, "What PostgreSQL answers; pages have no fixed size."),
    setting("bytea_output", "hex", Kind::OneOf(&["hex"]), false, "How bytes are written as text."),
    setting("client_encoding", "UTF8", Kind::Encoding, true, "The encoding of texts on the wire."),
    setting("client_min_messages", "notice", LEVELS, false, "The least notice that is sent; errors always are."),
    setting(
        "compatibility",
        "postgres",
        Kind::OneOf(&["postgres", "ksqldb"]),
        false,
        "Whose answers are given where PostgreSQL and ksqlDB disagree.",
    ),
    setting("DateStyle", "ISO, MDY", Kind::Text, true, "Accepted; dates are written as ISO 8601 does."),
    setting(
        "default_transaction_isolation",
        "read committed",
        ISOLATION,
        false,
        "What a transaction begins with; a statement reads one commit.",
    ),
    setting("default_transaction_read_only", "off", Kind::Boolean, false, "What a transaction begins with."),
    setting(
        "emit",
        "net",
        Kind::OneOf(&["net", "all"]),
        false,
        "Whether new queries tell one change per key and cut, or all.",
    ),
    setting("extra_float_digits", "1", Kind::Integer(-15, 3), false, "Accepted; numbers are written in full."),
    setting(
        "fetch_linger",
        "0",
        Kind::Duration,
        false,
        "How long FETCH on a push cursor waits for more rows after the first; 0 waits for all.",
    ),
    setting("idle_in_transaction_session_timeout", "0", Kind::Duration, false, "Accepted."),
    setting("integer_datetimes", "on", Kind::ReadOnly, true, "Times are whole numbers of microseconds."),
    setting("IntervalStyle", "postgres", Kind::OneOf(&["postgres"]), true, "How intervals are written."),
    setting("is_superuser", "on", Kind::ReadOnly, true, "Whether the user may do anything."),
    setting("jit", "off", Kind::Boolean, false, "Accepted."),
    setting(
        "ksql_output_topic_name_prefix",
        "",
        Kind::Text,
        false,
        "What stands before the name of a topic that a query writes, where WITH names none.",
    ),
    setting(
        "ksql_persistence_default_format_key",
        "",
        Kind::Text,
        false,
        "The key format of a CREATE over a topic that tells none.",
    ),
    setting(
        "ksql_persistence_default_format_value",
        "",
        Kind::Text,
        false,
        "The value format of a CREATE over a topic that tells none.",
    ),
    setting(
        "ksql_persistence_wrap_single_values",
        "on",
        Kind::Boolean,
        false,
        "Whether a single JSON value stands in an object where WITH does not say.",
    ),
    setting(
        "ksql_query_pull_table_scan_enabled",
        "on",
        Kind::Boolean,
        false,
        "Whether, under ksqldb, a SELECT may read a whole table; off wants its key in WHERE.",
    ),
    setting("lc_collate", "C", Kind::ReadOnly, false, "Texts are ordered by their bytes."),
    setting("lc_ctype", "C.UTF-8", Kind::ReadOnly, false, "Letters are those of Unicode."),
    setting(
        "lock_timeout",
        "0",
        Kind::Duration,
        false,
        "How long a statement waits for an advisory lock, or ADD COLUMN for statements that change rows; 55P03 beyond, 0 is for ever.",
    ),
    setting("max_function_args", "100", Kind::ReadOnly, false, "What PostgreSQL answers."),
    setting("max_identifier_length", "63", Kind::ReadOnly, false, "What PostgreSQL answers; names may be longer."),
    setting("max_index_keys", "32", Kind::ReadOnly, false, "What PostgreSQL answers; keys may have more columns."),
    setting(
        "read_your_writes",
        "off",
        Kind::Boolean,
        false,
        "Whether a SELECT waits until what it names shows what the session wrote, and what lay in the inputs of a query that it made; 55000 if a query on the way has failed.",
    ),
    setting("row_security", "on", Kind::Boolean, false, "Accepted."),
    setting("search_path", "public", Kind::Text, false, "Accepted; relations live in the schema public."),
    setting("server_encoding", "UTF8", Kind::ReadOnly, true, "The encoding of stored texts."),
    setting("server_version", SERVER_VERSION, Kind::ReadOnly, true, "The version of PostgreSQL that is spoken."),
    setting("server_version_num", "150000", Kind::ReadOnly, false, "The same as a number."),
    setting("session_authorization", "", Kind::ReadOnly, true, "Who is connected."),
    setting(
        "snapshot",
        "latest",
        Kind::OneOf(&["latest", "aligned"]),
        false,
        "Whether the views that a SELECT names reflect the newest of each, or all the same of what they stand on.",
    ),
    setting(
        "snapshot_timeout",
        "5s",
        Kind::Duration,
        false,
        "How long an aligned SELECT waits until its views reflect the same, and holds them; 55P03 beyond, 0 is for ever.",
    ),
    setting(
        "standard_conforming_strings",
        "on",
        Kind::OneOf(&["on"]),
        true,
        "Backslashes in texts stand for themselves.",
    ),
    setting("statement_timeout", "0", Kind::Duration, false, "How long a statement may take; 0 is for ever."),
    setting(
        "synchronous_commit",
        "on",
        Kind::OneOf(&["on", "local", "remote_write", "remote_apply", "off"]),
        false,
        "Accepted; an INSERT is durable before its answer.",
    ),
    setting("TimeZone", "UTC", Kind::Zone, true, "In which zone instants are written and read."),
    setting("transaction_isolation", "read committed", ISOLATION, false, "A statement reads one commit."),
    setting("transaction_read_only", "off", Kind::Boolean, false, "Whether what changes something is refused (25006)."),
];

/// One session's settings.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    values: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
    read: Read,
    version: u64,
}

/// What every statement asks for, read once.
#[derive(Debug, Clone)]
struct Read {
    compatibility: Compatibility,
    reads_own_writes: bool,
    is_aligned: bool,
    statement_timeout: Option<Duration>,
    zone_name: String,
    zone: Tz,
}

impl Settings {
    /// Defaults; `user` is told as the authorised one.
    pub(super) fn new(user: &str) -> Self {
        let defaults = BTreeMap::from([("session_authorization".to_string(), user.to_string())]);
        let read = Read::of(&BTreeMap::new(), &defaults);
        Self { values: BTreeMap::new(), defaults, read, version: 0 }
    }

    /// Another one after each change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    fn changed(&mut self) {
        self.version += 1;
        self.read = Read::of(&self.values, &self.defaults);
    }

    /// Sets a value that RESET goes back to: from the start-up packet.
    pub(super) fn set_default(&mut self, name: &str, value: &str) -> Result<()> {
        let (name, value) = checked(name, value)?;
        self.defaults.insert(name, value);
        self.changed();
        Ok(())
    }

    /// Sets a value; gives the name and value to report to the client, if that is a reported setting.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<Option<(String, String)>> {
        let Some(value) = value else { return self.reset(name) };
        let (name, value) = checked(name, value)?;
        self.values.insert(name.clone(), value.clone());
        self.changed();
        Ok(reported(&name).then_some((name, value)))
    }

    /// Goes back to the default.
    pub(super) fn reset(&mut self, name: &str) -> Result<Option<(String, String)>> {
        let name = known(name).map_or_else(|| custom(name), |setting| Ok(setting.name.to_string()))?;
        self.values.remove(&name);
        self.changed();
        Ok(reported(&name).then(|| (name.clone(), self.get(&name).unwrap_or_default())))
    }

    /// Goes back to all defaults.
    pub(super) fn reset_all(&mut self) -> Vec<(String, String)> {
        let changed: Vec<String> = self.values.keys().filter(|name| reported(name)).cloned().collect();
        self.values.clear();
        self.changed();
        changed.into_iter().map(|name| (name.clone(), self.get(&name).unwrap_or_default())).collect()
    }

    /// The value of a setting, `None` if there is none of that name.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        value(&self.values, &self.defaults, name)
    }

    /// What was set; `None` if the setting has its default.
    pub(super) fn told(&self, name: &str) -> Option<String> {
        self.values.get(&canonical(name)).cloned()
    }

    /// The value of a setting, or 42704 with the nearest name.
    pub(super) fn show(&self, name: &str) -> Result<String> {
        self.get(name).ok_or_else(|| unknown(name))
    }

    /// All settings: name, value, description.
    pub(super) fn all(&self) -> Vec<(String, String, &'static str)> {
        let value = |setting: &Setting| self.get(setting.name).unwrap_or_default();
        SETTINGS.iter().map(|setting| (setting.name.to_string(), value(setting), setting.description)).collect()
    }

    /// What a client is told when it starts.
    pub(super) fn reported(&self) -> Vec<(String, String)> {
        let told = SETTINGS.iter().filter(|setting| setting.reported);
        told.map(|setting| (setting.name.to_string(), self.get(setting.name).unwrap_or_default())).collect()
    }

    pub(super) fn semantics(&self) -> Semantics {
        Semantics {
            compatibility: self.compatibility(),
            emit: if self.is("emit", "all") { EmitMode::All } else { EmitMode::Net },
        }
    }

    pub(super) fn compatibility(&self) -> Compatibility {
        self.read.compatibility
    }

    /// Whether a SELECT waits for what the session wrote.
    pub(super) fn reads_own_writes(&self) -> bool {
        self.read.reads_own_writes
    }

    /// Whether the views that a SELECT names reflect the same of what they stand on.
    pub(super) fn is_aligned(&self) -> bool {
        self.read.is_aligned
    }

    /// How long a statement may take, `None` for ever.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        self.read.statement_timeout
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).is_some_and(|set| set == value)
    }

    /// A duration, `None` for 0.
    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name).and_then(|value| duration(&value))
    }

    /// Whether the client wants notices of this severity, `NOTICE` or `WARNING`.
    pub(super) fn wants_notice(&self, severity: &str) -> bool {
        match self.get("client_min_messages").as_deref() {
            Some("error") => false,
            Some("warning") => severity == "WARNING",
            _ => true,
        }
    }

    pub(super) fn zone_name(&self) -> &str {
        &self.read.zone_name
    }

    /// The zone.
    pub(super) fn zone(&self) -> Tz {
        self.read.zone
    }
}

impl Read {
    fn of(values: &BTreeMap<String, String>, defaults: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| value(values, defaults, name).unwrap_or_default();
        // A value that is no zone was refused when it was set.
        let (_, zone_name) = NamedZone::of_session(&get("TimeZone")).unwrap_or_default();
        Self {
            compatibility: match get("compatibility").as_str() {
                "ksqldb" => Compatibility::Ksqldb,
                _ => Compatibility::Postgres,
            },
            reads_own_writes: get("read_your_writes") == "on",
            is_aligned: get("snapshot") == "aligned",
            statement_timeout: duration(&get("statement_timeout")),
            zone: zone_name.parse().unwrap_or_else(|_| "UTC".parse().expect("UTC is a zone")),
            zone_name,
        }
    }
}

/// What was set, else its default; `None` if there is no setting of that name.
fn value(values: &BTreeMap<String, String>, defaults: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let known = known(name);
    let name = known.map_or(name, |setting| setting.name);
    let told = values.get(name).or_else(|| defaults.get(name)).cloned();
    // A transaction begins as the session's are to begin.
    let begun = || match name.starts_with("transaction_") {
        true => value(values, defaults, &format!("default_{name}")),
        false => None,
    };
    told.or_else(begun).or_else(|| known.map(|setting| setting.default.to_string()))
}

/// A duration, `None` for 0.
fn duration(value: &str) -> Option<Duration> {
    let milliseconds = duration_ms(value).unwrap_or(0);
    (0 < milliseconds).then(|| Duration::from_millis(milliseconds))
}

fn known(name: &str) -> Option<&'static Setting> {
    let underscored = name.replace('.', "_");
    SETTINGS
        .iter()
        .find(|setting| setting.name.eq_ignore_ascii_case(name) || setting.name.eq_ignore_ascii_case(&underscored))
}

/// One name for all spellings of a setting.
pub(super) fn canonical(name: &str) -> String {
    known(name).map_or_else(|| name.to_lowercase(), |setting| setting.name.to_string())
}

fn reported(name: &str) -> bool {
    known(name).is_some_and(|setting| setting.reported)
}

/// A name with a dot is a client's own: kept, never used, as PostgreSQL does.
fn custom(name: &str) -> Result<String> {
    if name.contains('.') { Ok(name.to_lowercase()) } else { Err(unknown(name)) }
}

fn unknown(name: &str) -> Error {
    let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""));
    match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
        Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
        None => error,
    }
}

fn checked(name: &str, value: &str) -> Result<(String, String)> {
    let Some(setting) = known(name) else { return Ok((custom(name)?, value.to_string())) };
    let invalid = |wanted: String| {
        let message = format!("invalid value for parameter \"{}\": \"{value}\"", setting.name);
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(format!("It takes {wanted}."))
    };
    let value = match setting.kind {
        Kind::Text => value.to_string(),
        Kind::Boolean => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" => "on".to_string(),
            "off" | "false" | "no" | "0" | "f" => "off".to_string(),
            _ => return Err(invalid("on or off".to_string())),
        },
        Kind::Duration => match duration_ms(value) {
            Some(milliseconds) => duration_text(milliseconds),
            None => {
                return Err(invalid("milliseconds up to 2147483647, or a number with us, ms, s, min, h or d".into()));
            }
        },
        Kind::Integer(least, greatest) => match value.trim().parse::<i64>() {
            Ok(number) if (least..=greatest).contains(&number) => number.to_string(),
            _ => return Err(invalid(format!("a number from {least} to {greatest}"))),
        },
        Kind::OneOf(choices) => match choices.iter().find(|choice| choice.eq_ignore_ascii_case(value)) {
            Some(choice) => (*choice).to_string(),
            None => return Err(invalid(choices.join(", "))),
        },
        Kind::Zone => match NamedZone::of_session(value) {
            Some((shown, _)) => shown,
            None => {
                let wanted =
                    "a name of the time zone database, hours east of UTC such as 2, or west of it such as +02:00";
                return Err(invalid(wanted.to_string()));
            }
        },
        Kind::Encoding => match value.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" | "unicode" => "UTF8".to_string(),
            _ => return Err(invalid("UTF8".to_string())),
        },
        Kind::ReadOnly => {
            let message = format!("parameter \"{}\" cannot be changed", setting.name);
            return Err(Error::new(SqlState("55P02"), message));
        }
    };
    Ok((setting.name.to_string(), value))
}

/// Units of time in milliseconds, greatest first, as PostgreSQL writes them.
const UNITS: &[(&str, f64)] =
    &[("d", 86_400_000.0), ("h", 3_600_000.0), ("min", 60_000.0), ("s", 1_000.0), ("ms", 1.0), ("us", 0.001)];

/// Milliseconds of `250`, `250ms`, `1.5 s`, `5min`, to the nearest; `None` if it is none or more than PostgreSQL takes.
fn duration_ms(value: &str) -> Option<u64> {
    let value = value.trim();
    let end = value.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(value.len());
    let count: f64 = value[..end].parse().ok()?;
    let factor = match value[end..].trim_start() {
        "" => 1.0,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    let milliseconds = (count * factor).round_ties_even();
    (milliseconds <= f64::from(i32::MAX)).then_some(milliseconds as u64)
}

/// A duration as PostgreSQL shows it: in the greatest unit of which it is a whole number.
fn duration_text(milliseconds: u64) -> String {
    let whole = |(name, factor): &(&str, f64)| {
        let factor = *factor as u64;
        (0 < factor && milliseconds.is_multiple_of(factor)).then(|| format!("{}{name}", milliseconds / factor))
    };
    let shown = UNITS.iter().find_map(whole).filter(|_| 0 < milliseconds);
    shown.unwrap_or_else(|| milliseconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_and_reported_settings_are_told() {
        let mut settings = Settings::new("ann");
        let told = settings.set("timezone", Some("Europe/Berlin")).expect("a zone");
        assert_eq!(told, Some(("TimeZone".to_string(), "Europe/Berlin".to_string())));
        assert_eq!(settings.set("statement_timeout", Some("3s")).expect("a duration"), None);
        assert_eq!(settings.duration("statement_timeout"), Some(Duration::from_secs(3)));
        assert_eq!(settings.show("session_authorization").expect("it is one"), "ann");
        assert_eq!(settings.set("TIMEZONE", Some("Nowhere/X")).expect_err("no zone").state().0, "22023");
        assert_eq!(settings.set("server_version", Some("1")).expect_err("read only").state().0, "55P02");
        assert_eq!(settings.reset("timezone").expect("known"), Some(("TimeZone".to_string(), "UTC".to_string())));
    }

    #[test]
    fn the_page_lists_exactly_these_settings_and_defaults() {
        let page = include_str!("../../docs/sql/set.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        for setting in SETTINGS {
            let default = match setting.default {
                "" => "empty".to_string(),
                SERVER_VERSION => "`15.0 (Tidemill ..)`".to_string(),
                default => format!("`{default}`"),
            };
            let row = format!("| `{}` | {default} | {} |", setting.name, setting.description);
            assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/sql/set.md lacks: {row}");
        }
        assert_eq!(rows.len(), SETTINGS.len());
    }

    #[test]
    fn durations_are_taken_and_shown_as_postgres_does() {
        let mut settings = Settings::new("ann");
        for (given, shown) in [
            ("5000", "5s"),
            ("5s", "5s"),
            ("1min", "1min"),
            ("60000", "1min"),
            ("90 s", "90s"),
            ("1500", "1500ms"),
            ("1.5s", "1500ms"),
            ("2500us", "2ms"),
            ("24h", "1d"),
            ("0", "0"),
            ("0s", "0"),
            ("2147483647", "2147483647ms"),
        ] {
            settings.set("statement_timeout", Some(given)).expect("a duration");
            assert_eq!(settings.show("statement_timeout").expect("it is one"), shown, "{given}");
        }
        assert_eq!(settings.duration("statement_timeout"), Some(Duration::from_millis(2_147_483_647)));
        for wrong in ["", "s", "-1", "5 S", "1 week", "1e3", "2147483648", "1.2.3", "25d"] {
            let error = settings.set("statement_timeout", Some(wrong)).expect_err(wrong);
            assert_eq!(error.state().0, "22023", "{wrong}");
        }
    }

    #[test]
    fn a_client_hears_no_less_than_it_wants() {
        let mut settings = Settings::new("ann");
        for (least, heard) in [("notice", (true, true)), ("warning", (false, true)), ("error", (false, false))] {
            settings.set("client_min_messages", Some(least)).expect("a level");
            assert_eq!((settings.wants_notice("NOTICE"), settings.wants_notice("WARNING")), heard, "{least}");
        }
    }

    #[test]
    fn an_unknown_name_is_hinted_and_a_dotted_one_is_the_clients_own() {
        let mut settings = Settings::new("ann");
        let error = settings.set("statment_timeout", Some("1")).expect_err("misspelt");
        assert_eq!((error.state().0, error.hint_text()), ("42704", Some("Did you mean \"statement_timeout\"?")));
        settings.set("my.own", Some("x")).expect("a client's own");
        assert_eq!(settings.show("my.own").expect("kept"), "x");
        settings.set("auto.offset.reset", Some("earliest")).expect("ksqlDB's spelling");
        assert!(settings.is("auto_offset_reset", "earliest"));
    }
}
