//! An engine in memory, and answers as text.

use std::path::Path;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use futures::StreamExt;

use tidemill::broker;
use tidemill::broker::Broker;
use tidemill::broker::BrokerConfig;
use tidemill::cluster::MetadataLog;
use tidemill::cluster::NodeId;
use tidemill::config;
use tidemill::engine::Engine;
use tidemill::engine::EngineParts;
use tidemill::engine::Outcome;
use tidemill::engine::RowStream;
use tidemill::engine::Session;
use tidemill::engine::SessionOptions;
use tidemill::engine::write_text;
use tidemill::env::SimulatedDisk;
use tidemill::env::Simulation;
use tidemill::error::Error;
use tidemill::exec::DriveOptions;
use tidemill::exec::Runtime;
use tidemill::exec::RuntimeParts;
use tidemill::functions::Context;
use tidemill::log::FlushOn;
use tidemill::log::LogConfig;
use tidemill::log::LogDir;
use tidemill::security::Principal;
use tidemill::state::Publisher;
use tidemill::state::SimulatedStores;

/// An engine whose queries move when they are driven.
pub(super) struct World {
    pub(super) engine: Arc<Engine>,
    runtime: Arc<Runtime>,
    simulation: Simulation,
    stores: SimulatedStores,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::over(Simulation::new(7), SimulatedStores::new()).await
    }

    /// A world whose sessions use the log through what `watch` makes of their client.
    pub(super) async fn watched(
        limits: config::Limits,
        watch: impl Fn(Arc<dyn broker::Client>) -> Arc<dyn broker::Client> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Simulation::new(7), SimulatedStores::new(), limits, watch).await
    }

    async fn over(simulation: Simulation, stores: SimulatedStores) -> Self {
        Self::with(simulation, stores, config::Limits::default(), |client| client).await
    }

    async fn with(
        simulation: Simulation,
        stores: SimulatedStores,
        limits: config::Limits,
        watch: impl Fn(Arc<dyn broker::Client>) -> Arc<dyn broker::Client> + Send + Sync + 'static,
    ) -> Self {
        // 2024-06-01: events of 2024-01 are not in the future, where they would be bad records.
        simulation.clock.set_wall_micros(1_717_200_000_000_000);
        let env = &simulation.env;
        let metadata = MetadataLog::open(env, Path::new("/data/metadata"), NodeId(1)).expect("metadata opens");
        let log_config = LogConfig { flush_on: FlushOn::Wait, ..LogConfig::default() };
        let (log, _) = LogDir::open(env.clone(), Path::new("/data/log"), log_config).expect("the log opens");
        let broker_config = BrokerConfig { coordinator_partitions: 1, ..BrokerConfig::default() };
        let opened = Broker::open(env.clone(), log, Arc::clone(&metadata), broker_config).await;
        let broker = opened.expect("broker opens");
        let publisher = Arc::new(Publisher::new());
        let mut functions = ConfigOptions::default();
        functions.extensions.insert(Context::new(env.clock.wall_micros(), 7, "UTC"));
        let runtime = Runtime::manual(RuntimeParts {
            env: env.clone(),
            client: broker.client(Principal::server()),
            stores: Arc::new(stores.clone()),
            publisher: Arc::clone(&publisher),
            functions: Arc::new(functions),
            config: config::Exec::default(),
            transactional_id: "tidemill".to_string(),
            on_fatal: Arc::new(|error| panic!("{error:?}")),
        });
        let engine = Engine::open(EngineParts {
            env: env.clone(),
            limits,
            metadata,
            clients: Arc::new(move |principal| watch(broker.client(principal))),
            publisher,
            runtime: Arc::clone(&runtime),
        })
        .await
        .expect("the engine opens");
        Self { engine, runtime, simulation, stores }
    }

    /// Kills the process and starts it again over the same files.
    pub(super) async fn restart(self) -> Self {
        let Self { engine, runtime, simulation, stores } = self;
        runtime.close().await;
        drop((engine, runtime));
        let disk: SimulatedDisk = simulation.disk.clone();
        disk.kill_process();
        Self::over(Simulation::with_disk(8, disk), stores).await
    }

    /// Moves the clocks.
    pub(super) fn advance(&self, by: std::time::Duration) {
        self.simulation.clock.advance(by);
    }

    pub(super) fn session(&self) -> Client {
        let session = self.engine.session(Principal::loopback("ann"), SessionOptions::default());
        Client { session: session.expect("ann may connect") }
    }

    /// Lets all queries read and commit all there is.
    pub(super) async fn drive(&self) {
        let mut cut = || true;
        self.runtime
            .drive(DriveOptions { rows_per_round: 64, cut: &mut cut, rounds_max: None })
            .await
            .expect("queries work");
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
                text.extend_from_slice(&chunk?.0);
            }
            Ok(String::from_utf8(text).expect("UTF-8"))
        }
        Outcome::CopyIn(_) => Ok("COPY IN".to_string()),
        Outcome::Empty => Ok(String::new()),
    }
}

async fn text_of(mut rows: RowStream) -> Result<String, Error> {
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
