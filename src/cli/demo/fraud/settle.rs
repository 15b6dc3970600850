//! How far the queries are, and the wait until they have taken in everything.

use std::time::Duration;

use super::progress::Shared;
use super::setup::number;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::env::Env;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Queries that do not move for so long will not.
const STILL: Duration = Duration::from_secs(30);

/// Records that are still to be read.
pub(super) async fn behind(client: &mut Client) -> Result<u64, SqlError> {
    Ok(number(client, "SELECT COALESCE(SUM(lag), 0) FROM tidemill.queries").await? as u64)
}

/// Waits until no query has anything left to read and all alerts have come, or nothing moves any more.
pub(super) async fn settle(env: &Env, client: &mut Client, shared: &Shared) -> Result<(), SqlError> {
    let mut last = None;
    let mut moved = env.clock.monotonic();
    let mut quiet = 0;
    while quiet < 2 && env.clock.monotonic().saturating_sub(moved) < STILL {
        // Two queries are not looked at in one moment: what one has just written another may seem to have read.
        let left = behind(client).await?;
        let written = number(client, "SELECT COUNT(*) FROM alerts").await?;
        let come = shared.with(|progress| {
            progress.behind = Some(left);
            progress.alerts.len()
        });
        quiet = if left == 0 && written <= come { quiet + 1 } else { 0 };
        let now = Some((left, written, come));
        if now != last {
            (last, moved) = (now, env.clock.monotonic());
        }
        env.clock.sleep(LOOK).await;
    }
    Ok(())
}
