//! An engine in memory, and answers as text.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;

use tidemill::broker;
use tidemill::cli::test::ClientLayer;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::config::Limits;
use tidemill::engine::Outcome;
use tidemill::engine::RowStream;
use tidemill::engine::Session;
use tidemill::engine::write_text;
use tidemill::env::Env;
use tidemill::error::Error;
use tidemill::state::SimulatedStores;

/// 2024-06-01: events of 2024-01 are not in the future, where they would be bad records.
pub(super) const NOW_MICROS: i64 = 1_717_200_000_000_000;

/// An engine whose queries move when they are driven.
pub(super) struct World(Pipeline);

impl World {
    pub(super) async fn new() -> Self {
        Self::with(PipelineOptions::default()).await
    }

    /// The same with other limits.
    pub(super) async fn with(options: PipelineOptions) -> Self {
        let options = PipelineOptions { wall_micros: NOW_MICROS, ..options };
        Self(Pipeline::open(options).await.expect("the engine opens"))
    }

    /// What another left in `env` and `stores`.
    pub(super) async fn over(options: PipelineOptions, env: Env, stores: SimulatedStores) -> Self {
        Self(Pipeline::reopen(options, env, stores).await.expect("the engine opens"))
    }

    /// Ends it in good order.
    pub(super) async fn close(self) {
        self.0.runtime().close().await;
    }

    /// A world whose sessions use the log through what `watch` makes of their client.
    pub(super) async fn watched(
        limits: Limits,
        watch: impl Fn(Arc<dyn broker::Client>) -> Arc<dyn broker::Client> + Send + Sync + 'static,
    ) -> Self {
        let layer = ClientLayer(Arc::new(watch));
        Self::with(PipelineOptions { limits, layer, ..PipelineOptions::default() }).await
    }

    /// Kills the process and starts it again over the same files.
    pub(super) async fn restart(self) -> Self {
        Self(self.0.restart().await.expect("the engine opens again"))
    }

    /// Moves the clocks.
    pub(super) fn advance(&self, by: Duration) {
        self.0.simulation().clock.advance(by);
    }

    pub(super) fn session(&self) -> Client {
        Client { session: self.0.session().expect("anybody may connect") }
    }

    /// Lets all queries read and commit all there is.
    pub(super) async fn drive(&self) {
        self.0.drive_with(64, &mut || true).await.expect("queries work");
    }

    /// Lets queries run for so many rounds of `rows` at most, and stops them where they stand.
    pub(super) async fn drive_some(&self, rounds: usize, rows: usize, cut: &mut (dyn FnMut() -> bool + Send)) {
        self.0.drive_rounds(rows, cut, Some(rounds)).await.expect("queries work");
    }
}

/// A session whose answers are text.
pub(super) struct Client {
    pub(super) session: Session,
}

impl Client {
    /// The answers of all statements of a text: rows with `|` and newlines, else the tag.
    pub(super) async fn ask(&mut self, text: &str) -> Result<String, Error> {
        let mut answers = Vec::new();
        for statement in self.session.parse(text)? {
            let outcome = self.session.execute(&statement, &[]).await?;
            let answer = answer(outcome).await;
            if answer.is_err() {
                self.session.fail();
            }
            answers.push(answer?);
        }
        Ok(answers.join("\n"))
    }

    /// An answer that must come.
    pub(super) async fn expect(&mut self, text: &str, expected: &str) {
        match self.ask(text).await {
            Ok(answer) => assert_eq!(answer, expected, "{text}"),
            Err(error) => panic!("{text}: {error:?}"),
        }
    }

    /// An error that must come: its code and message.
    pub(super) async fn refuse(&mut self, text: &str, state: &str, message: &str) -> Error {
        match self.ask(text).await {
            Ok(answer) => panic!("{text}: {answer}"),
            Err(error) => {
                assert_eq!((error.state().0, error.message()), (state, message), "{text}: {error:?}");
                error
            }
        }
    }

    /// The notices since the last look: code and message.
    pub(super) fn notices(&mut self) -> Vec<(&'static str, String)> {
        self.session.take_notices().into_iter().map(|notice| (notice.state.0, notice.message)).collect()
    }

    /// A COPY FROM STDIN with its data in chunks.
    pub(super) async fn copy_in(&mut self, text: &str, chunks: &[&str]) -> Result<String, Error> {
        let statement = self.session.parse(text)?.remove(0);
        let Outcome::CopyIn(mut sink) = self.session.execute(&statement, &[]).await? else { panic!("{text}") };
        for chunk in chunks {
            sink.data(chunk.as_bytes().to_vec().into()).await?;
        }
        sink.finish().await
    }
}

async fn answer(outcome: Outcome) -> Result<String, Error> {
    match outcome {
        Outcome::Rows { rows, .. } => text_of(rows).await,
        Outcome::Done { tag } => Ok(tag),
        Outcome::CopyOut(mut copy) => {
            let mut text = Vec::new();
            while let Some(chunk) = copy.chunks.next().await {
                text.extend_from_slice(&chunk?.bytes);
            }
            Ok(String::from_utf8(text).expect("UTF-8"))
        }
        Outcome::CopyOutRows(copy) => text_of(copy.rows).await,
        Outcome::CopyIn(_) => Ok("COPY IN".to_string()),
        Outcome::Empty => Ok(String::new()),
    }
}

pub(super) async fn text_of(mut rows: RowStream) -> Result<String, Error> {
    let mut lines = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                let mut cell = Vec::new();
                if column.is_null(row) {
                    cell.extend_from_slice(b"NULL");
                }
                write_text(column.as_ref(), row, &mut cell);
                String::from_utf8(cell).expect("UTF-8")
            });
            lines.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(lines.join("\n"))
}
