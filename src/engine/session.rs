//! One client's session: settings, transaction status, cursors, notices.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::timezone::Tz;
use parking_lot::Mutex;

use super::advisory::Level;
use super::advisory::SessionLocks;
use super::core::Engine;
use super::cursor::Cursor;
use super::outcome::Description;
use super::outcome::Notice;
use super::outcome::Outcome;
use super::outcome::OutputField;
use super::outcome::TransactionStatus;
use super::outcome::Value;
use super::prepared::Prepared;
use super::read::Given;
use super::recent::RecentTexts;
use super::settings::Settings;
use super::shape::Shape;
use super::statement;
use super::temporary::TemporaryTables;
use super::variables::Variables;
use crate::broker::Client;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Offset;
use crate::model::SqlType;
use crate::model::TopicPartition;
use crate::security::Principal;
use crate::sql;
use crate::sql::DATABASE;
use crate::sql::Statement;

/// Notices that wait to be taken; older ones are dropped beyond it.
const NOTICES_MAX: usize = 100;

/// What a client says when it connects.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// The database; there is one, and `postgres` and the user's own name stand for it.
    pub database: String,
    /// Settings of the start-up packet; those that are unknown are passed over with a notice.
    pub parameters: Vec<(String, String)>,
    /// The number by which the door knows it.
    pub process: i32,
}

/// Up to where the session's own INSERTs wrote, for `read_your_writes`.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<Mutex<BTreeMap<TopicPartition, Offset>>>);

impl Written {
    /// Remembers the positions after an append.
    pub(super) fn note(&self, ends: Vec<(TopicPartition, Offset)>) {
        let mut written = self.0.lock();
        for (partition, end) in ends {
            let known = written.entry(partition).or_insert(end);
            *known = (*known).max(end);
        }
    }

    /// All of them.
    pub(super) fn ends(&self) -> Vec<(TopicPartition, Offset)> {
        self.0.lock().iter().map(|(partition, end)| (*partition, *end)).collect()
    }
}

/// What a transaction block has to know at its end.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Whether a statement took effect, which no ROLLBACK takes back.
    pub(super) wrote: bool,
    /// The savepoints, oldest first.
    pub(super) savepoints: Vec<String>,
    /// What SET LOCAL replaced.
    pub(super) settings: BTreeMap<String, Option<String>>,
}

/// A statement that PREPARE gave a name.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) statement: Prepared,
    /// The types of its parameters.
    pub(super) types: Vec<SqlType>,
    pub(super) fields: Option<Vec<OutputField>>,
}

/// One client's session. Methods that are async are safe to drop at any await.
pub struct Session {
    pub(super) engine: Arc<Engine>,
    pub(super) principal: Principal,
    pub(super) client: Arc<dyn Client>,
    pub(super) settings: Settings,
    pub(super) cursors: HashMap<String, Cursor>,
    pub(super) prepared: HashMap<String, Named>,
    pub(super) written: Written,
    pub(super) status: TransactionStatus,
    pub(super) block: Block,
    pub(super) recent: RecentTexts,
    pub(super) variables: Variables,
    /// Rows that the parts of the statement that runs left to those behind them.
    pub(super) given: Vec<Given>,
    pub(super) temporary: TemporaryTables,
    /// Its advisory locks.
    pub(super) locks: Arc<SessionLocks>,
    /// The number by which the door knows it.
    pub(super) process: i32,
    notices: Vec<Notice>,
    parameter_changes: Vec<(String, String)>,
}

impl Session {
    pub(super) fn new(engine: Arc<Engine>, principal: Principal, options: SessionOptions) -> Result<Self> {
        let user = principal.name().as_str();
        let aliases = [DATABASE, "postgres", "", user];
        if !aliases.contains(&options.database.as_str()) {
            let message = format!("database \"{}\" does not exist", options.database);
            return Err(Error::new(SqlState::INVALID_CATALOG_NAME, message).hint(format!("Connect to \"{DATABASE}\".")));
        }
        let mut session = Self {
            client: engine.client(&principal),
            settings: Settings::new(user),
            given: Vec::new(),
            temporary: TemporaryTables::new(Arc::clone(&engine)),
            locks: Arc::new(SessionLocks::new(engine.advisory_locks())),
            process: options.process,
            engine,
            principal,
            cursors: HashMap::new(),
            prepared: HashMap::new(),
            written: Written::default(),
            status: TransactionStatus::Idle,
            block: Block::default(),
            recent: RecentTexts::default(),
            variables: Variables::default(),
            notices: Vec::new(),
            parameter_changes: Vec::new(),
        };
        let of_options = options.parameters.iter().filter(|(name, _)| name == "options");
        let mut given = Vec::new();
        for (_, text) in of_options {
            given.extend(command_line_settings(text)?);
        }
        let parameters = options.parameters.iter().filter(|(name, _)| name != "options");
        for (name, value) in parameters.chain(&given) {
            if let Err(error) = session.settings.set_default(name, value) {
                session.notice(Notice::warning(error.state(), error.message()));
            }
        }
        Ok(session)
    }

    /// The statements of a text, none for an empty one. Errors point into the whole text.
    pub fn parse(&self, text: &str) -> Result<Vec<Prepared>> {
        let text = self.variables.substituted(text);
        let text = text.as_ref();
        if let Some(statements) = self.recent.get(text) {
            return Ok(statements);
        }
        let shape = Shape::of(text);
        let known = shape.as_ref().and_then(|shape| self.recent.shape(shape));
        if let (Some(shape), Some(Some(statement))) = (&shape, &known) {
            return Ok(vec![statement.with_numbers(text, shape.numbers.clone())]);
        }
        let parsed = sql::parse(text).map_err(|error| match self.settings.compatibility() {
            Compatibility::Ksqldb => sql::unknown_statement(error, text),
            Compatibility::Postgres => error,
        })?;
        let some = parsed.into_iter().filter(|parsed| parsed.statement != Statement::Empty);
        let statements: Vec<Prepared> = some.map(Prepared::from).collect();
        match (shape, known) {
            (Some(shape), None) => {
                let statement = statement::shape_by_key(self, &statements, &shape);
                self.recent.put_shape(&shape, statement);
            }
            _ => self.recent.put(text, &statements),
        }
        Ok(statements)
    }

    /// What a statement takes and gives; `known` are the parameter types that the client told.
    pub async fn describe(&mut self, prepared: &Prepared, known: &[Option<SqlType>]) -> Result<Description> {
        self.given.clear();
        let described = statement::describe(self, prepared, known).await;
        described.map_err(|error| error.with_place(|position| prepared.line_and_column(position)))
    }

    /// The columns of an open cursor.
    pub fn describe_cursor(&self, name: &str) -> Option<Vec<OutputField>> {
        self.cursors.get(name).map(|cursor| cursor.fields.clone())
    }

    /// Runs a statement up to its answer; rows are computed as they are taken.
    pub async fn execute(&mut self, prepared: &Prepared, parameters: &[Value]) -> Result<Outcome> {
        if self.status == TransactionStatus::Failed && !statement::ends_failed_block(&prepared.statement) {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Error::new(SqlState::IN_FAILED_SQL_TRANSACTION, message));
        }
        // A statement that was cancelled may have left some.
        self.given.clear();
        let in_block = self.status == TransactionStatus::Open;
        let outcome = match self.check_may_write(prepared) {
            Ok(()) => statement::execute(self, prepared, parameters).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(_) => self.block.wrote |= in_block && statement::takes_effect(&prepared.statement),
            Err(_) => self.fail(),
        }
        outcome.map_err(|error| error.with_place(|position| prepared.line_and_column(position)))
    }

    /// Refuses a statement that changes something in a transaction that is only to read.
    pub(super) fn check_may_write(&self, prepared: &Prepared) -> Result<()> {
        let reads_only = match self.status {
            TransactionStatus::Idle => self.settings.is("default_transaction_read_only", "on"),
            TransactionStatus::Open | TransactionStatus::Failed => self.settings.is("transaction_read_only", "on"),
        };
        if !reads_only || !statement::takes_effect(&prepared.statement) {
            return Ok(());
        }
        let message = format!("cannot execute {} in a read-only transaction", command(&prepared.text));
        Err(Error::new(SqlState::READ_ONLY_SQL_TRANSACTION, message))
    }

    /// Makes an open transaction a failed one: after an error of the door's own, or a cancel.
    pub fn fail(&mut self) {
        if self.status == TransactionStatus::Open {
            self.status = TransactionStatus::Failed;
            self.locks.release(Level::Transaction);
        }
    }

    /// All that the client asked for together is answered. Outside of a block that was one transaction, which ends here.
    pub async fn answered(&mut self) {
        if self.status == TransactionStatus::Idle {
            self.locks.release(Level::Transaction);
            if let Err(error) = statement::end_transaction(self).await {
                self.notice(Notice::warning(error.state(), error.message()));
            }
        }
    }

    /// What exists, as the session sees it.
    pub(super) fn catalog(&self) -> Result<Arc<Catalog>> {
        let catalog = self.engine.catalog()?;
        Ok(match self.temporary.session() {
            None => catalog,
            session => Arc::new(catalog.seen_by(session)),
        })
    }

    /// Where the session stands.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.status
    }

    /// What is to be told besides answers, once.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Reported settings that changed, once.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.parameter_changes)
    }

    /// The settings that a client is told when it starts.
    pub fn startup_parameters(&self) -> Vec<(String, String)> {
        self.settings.reported()
    }

    /// The client's own name.
    pub fn application_name(&self) -> String {
        self.settings.get("application_name").unwrap_or_default()
    }

    /// The zone in which instants are read and written.
    pub fn zone(&self) -> Tz {
        self.settings.zone()
    }

    /// How long a statement may take, `None` for ever.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.settings.statement_timeout()
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() < NOTICES_MAX && self.settings.wants_notice(notice.severity) {
            self.notices.push(notice);
        }
    }

    pub(super) fn report(&mut self, changes: impl IntoIterator<Item = (String, String)>) {
        self.parameter_changes.extend(changes);
    }
}

/// The settings in a start-up packet's `options`: `-c name=value` and `--name=value`, with `\` before a blank that belongs to
/// a value.
fn command_line_settings(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => words.last_mut().expect("there is one").extend(letters.next()),
            blank if blank.is_whitespace() => words.push(String::new()),
            letter => words.last_mut().expect("there is one").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    let mut settings = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_string()),
            None => {
                let message = format!("invalid command-line argument for server process: {word}");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).hint("Say -c name=value."));
            }
        };
        let setting = setting.unwrap_or_default();
        let Some((name, value)) = setting.split_once('=') else {
            let message = match word.starts_with("--") {
                true => format!("--{setting} requires a value"),
                false => format!("-c {setting} requires a value"),
            };
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        };
        // PostgreSQL's command line takes a dash for an underscore.
        settings.push((name.replace('-', "_"), value.to_string()));
    }
    Ok(settings)
}

/// What a statement is called: its first word, and the kind of what it makes or takes away.
fn command(text: &str) -> String {
    let mut words = text.split_whitespace().map(str::to_uppercase);
    let first = words.next().unwrap_or_default();
    match first.as_str() {
        "ALTER" | "CREATE" | "DROP" => format!("{first} {}", words.next().unwrap_or_default()),
        "WITH" => "a statement that changes data".to_string(),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_the_command_line_of_postgres() {
        let settings = command_line_settings("-c statement_timeout=5s --search-path=a\\ b -cemit=all");
        let settings = settings.expect("three settings");
        let expected = [("statement_timeout", "5s"), ("search_path", "a b"), ("emit", "all")];
        assert_eq!(settings, expected.map(|(name, value)| (name.to_string(), value.to_string())));
        for garbage in ["garbage", "-c", "-c emit", "--emit", "-x y"] {
            assert_eq!(command_line_settings(garbage).expect_err(garbage).state(), SqlState::SYNTAX_ERROR);
        }
    }
}
