//! The sender: payments at their rate, until all are sent or it is told to stop.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::progress::Shared;
use crate::cli::datagen::Pace;
use crate::cli::datagen::Payment;
use crate::cli::datagen::Payments;
use crate::cli::datagen::send_payments;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::env::Env;

/// Sends payments. It ends between two batches, so that what it has labelled is what the server has.
pub(super) async fn feed(
    env: &Env,
    client: &mut Client,
    payments: &mut Payments,
    mut pace: Pace,
    shared: &Shared,
    stopping: &AtomicBool,
) -> Result<(), SqlError> {
    while !stopping.load(Ordering::Relaxed) {
        let due = pace.due().await;
        if due == 0 {
            break;
        }
        let batch: Vec<Payment> = payments.by_ref().take(due as usize).collect();
        shared.with(|progress| progress.send(&batch, env.clock.monotonic()));
        send_payments(client, &batch).await?;
        shared.with(|progress| progress.acknowledge(due, env.clock.monotonic()));
    }
    Ok(())
}
