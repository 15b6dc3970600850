//! The demo from its first line to its summary. It works through the PostgreSQL door like any client.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::arguments::FraudArguments;
use super::feed::feed;
use super::progress::Shared;
use super::screen::Screen;
use super::settle::settle;
use super::setup::go_on;
use super::setup::make;
use super::view::psql;
use super::view::summary;
use super::watch::watch;
use crate::cli::datagen::Pace;
use crate::cli::datagen::PaymentOptions;
use crate::cli::datagen::Payments;
use crate::cli::demo::output::say;
use crate::cli::server::stop_signal;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::Target;
use crate::config::Config;
use crate::env::Env;
use crate::error::Error;
use crate::node::Node;

/// What the payments are made from unless told otherwise: few cards, so that each soon has a history, and much fraud.
const DEFAULTS: PaymentOptions = PaymentOptions { seed: 7, cards: 1000, noise: 0.1, attacks_per_million: 1000.0 };

/// Runs the demo until its time is over, its payments are sent, or Ctrl-C.
pub async fn run(env: &Env, config: Config, arguments: &FraudArguments) -> Result<(), Error> {
    let data_dir = config.data_dir.display().to_string();
    say(&format!("Tidemill {}: starting a server, data in {data_dir}\n", env!("CARGO_PKG_VERSION")));
    let node = Node::start(config, env.clone()).await?;
    say(&format!("{}\n\n", node.ready_line()));
    let address = node.pg_address().to_string();
    let shown = tokio::select! {
        shown = show(env, &address, arguments) => shown,
        // No clean stop: the next start recovers.
        failed = node.failed() => return Err(failed),
    };
    node.stop().await?;
    shown.map_err(Error::from)
}

async fn show(env: &Env, address: &str, arguments: &FraudArguments) -> Result<(), SqlError> {
    let mut stop: Stop = Box::pin(stop_signal());
    let mut payments = Payments::new(arguments.made.options(DEFAULTS));
    let mut control = connect(env, address).await?;
    let prepared = async {
        make(&mut control).await?;
        go_on(&mut control, &mut payments).await
    };
    let passed = tokio::select! {
        passed = prepared => passed?,
        () = &mut stop => return Ok(()),
    };
    say(&format!("\nAsk it yourself:\n\n    {}\n\n", psql(address)));

    let started = env.clock.monotonic();
    let shared = Shared::new(started, passed.len() as u64);
    shared.with(|progress| passed.iter().for_each(|payment| progress.labels.learn(payment)));
    let mut screen = Screen::new();
    let (mut sender, mut reader) = (connect(env, address).await?, connect(env, address).await?);
    // A session of its own: what it asks may be cut off in the middle.
    let mut looker = connect(env, address).await?;
    let pace = Pace::new(env.clock.clone(), Some(arguments.rate), arguments.count);
    let stopping = AtomicBool::new(false);
    let mut watching = Box::pin(watch(env, &mut reader, &shared));
    {
        let sending = feed(env, &mut sender, &mut payments, pace, &shared, &stopping);
        let showing = screen.show(env, &mut looker, address, &shared);
        let ending = async {
            match arguments.lasts {
                Some(lasts) => tokio::select! { () = &mut stop => {}, () = env.clock.sleep(lasts) => {} },
                None => (&mut stop).await,
            }
            stopping.store(true, Ordering::Relaxed);
            // The sender ends after what it is sending.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            sent = sending => sent?,
            failed = &mut watching => failed?,
            failed = showing => failed?,
            () = ending => {}
        }
    }
    let ended = env.clock.monotonic();
    tokio::select! {
        settled = settle(env, &mut control, &shared) => settled?,
        failed = &mut watching => failed?,
        // Who cannot wait hears what is known.
        () = stop_signal() => {}
    }
    drop(watching);
    let width = screen.width();
    say(&format!("\n{}", shared.with(|progress| summary(progress, ended, width))));
    control.close().await;
    Ok(())
}

type Stop = Pin<Box<dyn Future<Output = ()>>>;

async fn connect(env: &Env, address: &str) -> Result<Client, SqlError> {
    let target = Target { address: address.to_string(), user: "demo".to_string(), database: "tidemill".to_string() };
    Client::connect(env, &target).await
}
