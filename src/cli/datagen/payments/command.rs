//! The command: its arguments, and the loop from the generator to the output.

use super::generator::PaymentOptions;
use super::generator::Payments;
use super::output::LineFile;
use super::output::Output;
use super::output::send_tables;
use super::pace::Pace;
use crate::cli::server::stop_signal;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::Target;
use crate::env::Env;
use crate::error::Error;

/// The arguments of `tidemill datagen payments`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// How many payments; without it they go on until Ctrl-C
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Payments a second; without it as many as are taken
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    rate: Option<f64>,
    #[command(flatten)]
    made: MadeFrom,
    /// Writes the labels of thieves' payments to this file, which no server sees
    #[arg(long, value_name = "FILE")]
    labels: Option<String>,
    /// Writes lines of JSON to this file, not to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    output: Option<String>,
    /// Sends them to the relations of a server (sql/fraud/01_relations.sql makes them), cards and merchants first
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "table")]
    server: Option<String>,
    /// Writes the rows of this table instead of payments
    #[arg(long, value_name = "TABLE", value_parser = ["cards", "merchants"], conflicts_with_all = ["count", "rate", "labels"])]
    table: Option<String>,
}

const DEFAULTS: PaymentOptions = PaymentOptions { seed: 7, cards: 5000, noise: 0.1, attacks_per_million: 200.0 };

/// What decides on the payments, the same for every command that makes them.
#[derive(Debug, Clone, clap::Args)]
pub struct MadeFrom {
    /// All chance follows from it [default: 7]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How often honest holders do what looks like fraud, from 0 to 1 [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    noise: Option<f64>,
    /// How many cards there are [default: 5000; demo: 1000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    cards: Option<u64>,
    /// Attacks of each kind for a million honest payments [default: 200; demo: 1000]
    #[arg(long, value_name = "NUMBER", value_parser = attacks)]
    attacks_per_million: Option<f64>,
}

impl MadeFrom {
    /// The options of the generator, those of `defaults` where none were given.
    pub fn options(&self, defaults: PaymentOptions) -> PaymentOptions {
        PaymentOptions {
            seed: self.seed.unwrap_or(defaults.seed),
            cards: self.cards.map_or(defaults.cards, |cards| cards as usize),
            noise: self.noise.unwrap_or(defaults.noise),
            attacks_per_million: self.attacks_per_million.unwrap_or(defaults.attacks_per_million),
        }
    }
}

/// Reads a number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    bounded(text, f64::MIN_POSITIVE, 1e9, "a number above 0")
}

fn share(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1.0, "a number from 0 to 1")
}

fn attacks(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1e5, "a number from 0 to 100000")
}

fn bounded(text: &str, low: f64, high: f64, wanted: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| low <= *number && *number <= high);
    number.ok_or_else(|| format!("{wanted} is needed"))
}

/// Makes payments until all are made, or Ctrl-C.
pub async fn run(env: &Env, arguments: &Arguments) -> Result<(), Error> {
    let done = tokio::select! {
        done = make(env, arguments) => done,
        () = stop_signal() => Ok(()),
    };
    match done {
        // Who closed our output has seen enough.
        Err(SqlError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Error::from),
    }
}

async fn make(env: &Env, arguments: &Arguments) -> Result<(), SqlError> {
    let mut payments = Payments::new(arguments.made.options(DEFAULTS));
    let mut output = match (&arguments.output, &arguments.server) {
        (Some(path), _) => Output::File(LineFile::create(env.disk.as_ref(), path)?),
        (None, Some(address)) => Output::Server(Box::new(connect(env, address).await?)),
        (None, None) => Output::Standard,
    };
    if let Some(table) = &arguments.table {
        let rows = payments.tables().into_iter().find(|rows| rows.relation == table);
        return rows.map_or(Ok(()), |rows| output.write_lines(&rows.json_lines()));
    }
    let mut labels = arguments.labels.as_ref().map(|path| LineFile::create(env.disk.as_ref(), path)).transpose()?;
    if let Output::Server(client) = &mut output {
        send_tables(client, &payments).await?;
    }
    let mut pace = Pace::new(env.clock.clone(), arguments.rate, arguments.count);
    loop {
        let due = pace.due().await;
        if due == 0 {
            break;
        }
        let batch: Vec<_> = payments.by_ref().take(due as usize).collect();
        if let Some(file) = &mut labels {
            let mut lines = String::new();
            batch.iter().for_each(|payment| payment.label_line(&mut lines));
            file.write(&lines)?;
        }
        output.write_payments(&batch).await?;
    }
    if let Output::Server(client) = output {
        client.close().await;
    }
    Ok(())
}

/// A session with the server at `address`.
pub(super) async fn connect(env: &Env, address: &str) -> Result<Client, SqlError> {
    let target = Target { address: address.to_string(), user: "datagen".to_string(), database: "tidemill".to_string() };
    Client::connect(env, &target).await
}
