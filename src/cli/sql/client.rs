//! A connection to the server: one statement at a time, its events as they come.

use std::time::Duration;

use bytes::Buf;
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use super::error::SqlError;
use super::protocol::Event;
use super::protocol::ResultColumn;
use super::protocol::put_cancel;
use super::protocol::put_copy_data;
use super::protocol::put_copy_done;
use super::protocol::put_copy_fail;
use super::protocol::put_query;
use super::protocol::put_startup;
use super::protocol::put_terminate;
use super::protocol::take_event;
use super::report::render_report;
use super::report::tell;
use crate::env::Env;
use crate::env::Stream;

/// Bytes of COPY data that are gathered before they are sent.
const SEND_AT: usize = 64 << 10;

/// Whom to talk to, and as whom.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Target {
    /// `host:port`
    pub address: String,
    /// The user's name.
    pub user: String,
    /// The database.
    pub database: String,
}

/// What a session begins with, beside its target.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Beginning {
    /// `PGAPPNAME`: the name that others see.
    pub application_name: Option<String>,
    /// `PGOPTIONS`: settings as `-c name=value`.
    pub options: Option<String>,
    /// `PGCONNECT_TIMEOUT`: how long a connection may take to come about.
    pub timeout: Option<Duration>,
}

/// An open session.
pub(in crate::cli) struct Client {
    env: Env,
    address: String,
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    outgoing: BytesMut,
    process: i32,
    secret: i32,
    version: String,
}

impl Client {
    /// Connects and greets.
    pub async fn connect(env: &Env, target: &Target) -> Result<Self, SqlError> {
        Self::begin(env, target, &Beginning::default()).await
    }

    /// The same, with what a session begins with.
    pub async fn begin(env: &Env, target: &Target, beginning: &Beginning) -> Result<Self, SqlError> {
        let Some(timeout) = beginning.timeout else { return Self::greet(env, target, beginning).await };
        tokio::select! {
            connected = Self::greet(env, target, beginning) => connected,
            () = env.clock.sleep(timeout) => {
                let source = std::io::ErrorKind::TimedOut.into();
                Err(SqlError::Refused { address: target.address.clone(), source })
            }
        }
    }

    async fn greet(env: &Env, target: &Target, beginning: &Beginning) -> Result<Self, SqlError> {
        let refused = |source| SqlError::Refused { address: target.address.clone(), source };
        let stream = env.network.connect(&target.address).await.map_err(refused)?;
        let mut client = Self {
            env: env.clone(),
            address: target.address.clone(),
            stream,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            process: 0,
            secret: 0,
            version: String::new(),
        };
        let mut parameters = vec![
            ("user", &target.user[..]),
            ("database", &target.database),
            ("application_name", beginning.application_name.as_deref().unwrap_or("tidemill sql")),
            ("client_encoding", "UTF8"),
        ];
        parameters.extend(beginning.options.as_deref().map(|options| ("options", options)));
        put_startup(&mut client.outgoing, &parameters);
        client.send().await?;
        loop {
            match client.next().await? {
                Event::Ready => return Ok(client),
                Event::Failed(report) => return Err(SqlError::Fatal(report)),
                // Of a setting in PGOPTIONS that is none, say.
                Event::Notice(report) => tell(&render_report(&report, "")),
                Event::Key { process, secret } => (client.process, client.secret) = (process, secret),
                Event::Setting(name, value) if name == "server_version" => client.version = value,
                _ => {}
            }
        }
    }

    /// The server's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Sends a text of statements; `next` gives their events up to `Ready`.
    pub async fn query(&mut self, text: &str) -> Result<(), SqlError> {
        put_query(&mut self.outgoing, text);
        self.send().await
    }

    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event, SqlError> {
        loop {
            if let Some(event) = take_event(&mut self.incoming)? {
                if let Event::Failed(report) = &event
                    && report.severity == "FATAL"
                {
                    return Err(SqlError::Fatal(report.clone()));
                }
                return Ok(event);
            }
            if self.stream.read_buf(&mut self.incoming).await.map_err(SqlError::Lost)? == 0 {
                return Err(SqlError::Lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Runs statements for their effect: the rows are dropped, the last tag is told.
    pub async fn execute(&mut self, text: &str) -> Result<String, SqlError> {
        self.query(text).await?;
        self.finish().await
    }

    /// The rows of a small result with its columns.
    pub async fn rows(&mut self, text: &str) -> Result<(Vec<ResultColumn>, Vec<Vec<Option<String>>>), SqlError> {
        self.query(text).await?;
        let (mut columns, mut rows, mut failed) = (Vec::new(), Vec::new(), None);
        loop {
            match self.next().await? {
                Event::Columns(found) => columns = found,
                Event::Row(row) => rows.push(row),
                Event::Failed(report) => failed = Some(report),
                Event::Ready => return failed.map_or(Ok((columns, rows)), |report| Err(SqlError::Statement(report))),
                _ => {}
            }
        }
    }

    /// Sends data of a COPY FROM STDIN.
    pub async fn copy_data(&mut self, bytes: &[u8]) -> Result<(), SqlError> {
        put_copy_data(&mut self.outgoing, bytes);
        if self.outgoing.len() < SEND_AT { Ok(()) } else { self.send().await }
    }

    /// Ends a COPY FROM STDIN.
    pub async fn copy_done(&mut self) -> Result<(), SqlError> {
        put_copy_done(&mut self.outgoing);
        self.send().await
    }

    /// Gives a COPY FROM STDIN up.
    pub async fn copy_fail(&mut self, reason: &str) -> Result<(), SqlError> {
        put_copy_fail(&mut self.outgoing, reason);
        self.send().await
    }

    /// Reads up to `Ready`: the last tag, or the first error.
    pub async fn finish(&mut self) -> Result<String, SqlError> {
        let mut tag = String::new();
        let mut failed = None;
        loop {
            match self.next().await? {
                Event::Done(done) => tag = done,
                Event::Failed(report) => failed = failed.or(Some(report)),
                Event::CopyIn => self.copy_fail("no data is given here").await?,
                Event::Ready => return failed.map_or(Ok(tag), |report| Err(SqlError::Statement(report))),
                _ => {}
            }
        }
    }

    /// Asks the server, on a connection of its own, to cancel what runs here.
    pub async fn cancel(&self) -> Result<(), SqlError> {
        let mut stream = self.env.network.connect(&self.address).await.map_err(SqlError::Lost)?;
        let mut request = BytesMut::new();
        put_cancel(&mut request, self.process, self.secret);
        stream.write_all(&request).await.map_err(SqlError::Lost)?;
        // The server closes without a word; what it says is no matter.
        let _ = stream.read(&mut [0]).await;
        Ok(())
    }

    /// Says good bye.
    pub async fn close(mut self) {
        put_terminate(&mut self.outgoing);
        // The session ends either way.
        let _ = self.send().await;
        let _ = self.stream.shutdown().await;
    }

    async fn send(&mut self) -> Result<(), SqlError> {
        while self.outgoing.has_remaining() {
            self.stream.write_buf(&mut self.outgoing).await.map_err(SqlError::Lost)?;
        }
        self.stream.flush().await.map_err(SqlError::Lost)
    }
}
