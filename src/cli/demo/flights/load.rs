//! The flights into their stream, once each, and the wait for the views that read them.
//!
//! COPY appends in order, and what it appended stays when the process is killed: the stream then holds the first flights
//! of the order in `Flights`, as many as it counts. The next start sends the rest, each flight once. Rows that somebody else inserted
//! before the load was done would be taken for flights that are there; the demo owns its stream until then.

use std::time::Duration;

use super::rows::Flights;
use crate::cli::demo::output::Progress;
use crate::cli::demo::output::say;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::send_batches;
use crate::env::Env;

/// The views of `sql/flights/02_views.sql`; each counts every flight once.
const VIEWS: [&str; 2] = ["delay_per_carrier_day", "delay_per_origin"];
/// Between two looks at a view.
const LOOK: Duration = Duration::from_millis(100);
/// A view that does not move for so long will not.
const STILL: Duration = Duration::from_secs(30);

/// Sends the flights that are not there yet, and waits until the views cover all.
pub(super) async fn load(env: &Env, client: &mut Client) -> Result<(), SqlError> {
    let start = env.clock.monotonic();
    let since = |earlier: Duration| env.clock.monotonic().saturating_sub(earlier).as_secs_f64();
    let flights = env.threads.blocking(Flights::read).await?;
    let (found, all) = (number(client, "SELECT COUNT(*) FROM flights").await?, flights.count());
    if all <= found {
        say(&format!("{found} flights are there from an earlier start; nothing is loaded.\n"));
    } else {
        if found != 0 {
            say(&format!("{found} of {all} flights are there from an earlier start; the rest follows.\n"));
        }
        send(env, client, &flights, found).await?;
        say(&format!("{} flights in {:.1} s: written to the log, durable.\n", all - found, since(start)));
    }
    let loaded = env.clock.monotonic();
    let rows = found.max(all);
    for view in VIEWS {
        let counted = caught_up(env, client, view, rows).await?;
        say(&format!("{view} counts {counted} of {rows} flights.\n"));
    }
    say(&format!("The views had caught up {:.1} s later.\n\n", since(loaded)));
    Ok(())
}

/// Sends all but the first `found`. One COPY a batch, so that the progress is what the server has acknowledged.
async fn send(env: &Env, client: &mut Client, flights: &Flights, found: usize) -> Result<(), SqlError> {
    let columns = flights.columns();
    let mut progress = Progress::new(env.clock.clone(), flights.count());
    let mut there = found;
    for batch in flights.after(found) {
        there += batch.num_rows();
        send_batches(client, "flights", &columns, std::iter::once(Ok(batch))).await?;
        progress.tell(there);
    }
    Ok(())
}

/// Waits until a view counts `rows` flights, or stands still; how many it counts.
async fn caught_up(env: &Env, client: &mut Client, view: &str, rows: usize) -> Result<usize, SqlError> {
    let question = format!("SELECT COALESCE(SUM(flights), 0) FROM {view}");
    let mut counted = number(client, &question).await?;
    let mut moved = env.clock.monotonic();
    while counted < rows && env.clock.monotonic().saturating_sub(moved) < STILL {
        env.clock.sleep(LOOK).await;
        let now = number(client, &question).await?;
        if now != counted {
            (counted, moved) = (now, env.clock.monotonic());
        }
    }
    Ok(counted)
}

async fn number(client: &mut Client, question: &str) -> Result<usize, SqlError> {
    let rows = client.rows(question).await?.1;
    let cell = rows.first().and_then(|row| row.first()).cloned().flatten();
    cell.and_then(|count| count.parse().ok()).ok_or(SqlError::Protocol("a count is no number"))
}
