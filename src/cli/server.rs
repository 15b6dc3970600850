//! `tidemill server`: a node from its first line to SIGTERM.

use std::io;
use std::io::Write;

use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tracing::info;
use tracing::warn;

use crate::config::Config;
use crate::env::Env;
use crate::error::Error;
use crate::node::Node;

/// Serves until SIGTERM or SIGINT; prints one line on standard output once it serves.
pub async fn run(env: &Env, config: Config) -> Result<(), Error> {
    let node = Node::start(config, env.clone()).await?;
    let mut out = io::stdout().lock();
    // Who started us may have closed our output; the server serves all the same.
    let _ = writeln!(out, "{}", node.ready_line()).and_then(|()| out.flush());
    drop(out);
    tokio::select! {
        () = stop_signal() => {
            info!("stopping");
            node.stop().await
        }
        // No clean stop: what was written last is not known, and the next start finds out.
        failed = node.failed() => Err(failed),
    }
}

/// Resolves at SIGTERM or SIGINT.
pub(super) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("signals cannot be heard; the server runs until it is killed");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
