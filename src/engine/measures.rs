//! Metrics of standing queries, looked at when they are asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::core::Engine;
use super::system::lags;
use super::system::standing;
use crate::broker::Client;
use crate::broker::GroupDescription;
use crate::broker::GroupOffset;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::catalog::QueryDefinition;
use crate::error::Result;
use crate::exec::TaskStatus;
use crate::metrics::Metrics;
use crate::model::QueryId;
use crate::security::Principal;

/// One number of a query, by the query's name.
type Told<'a> = (Vec<(&'a str, &'a str)>, f64);

impl Engine {
    /// Brings the metrics of standing queries up to date.
    pub async fn measure(&self, metrics: &Metrics) -> Result<()> {
        let catalog = self.catalog()?;
        let client = self.client(&Principal::server());
        let groups = client.groups().await?;
        let (records, seconds) = (lags(&groups), self.seconds_behind(&*client, &groups).await);
        let queries: Vec<_> = catalog.queries().collect();
        let states = queries
            .iter()
            .map(|query| (vec![("query", query.name.as_str()), ("state", standing(self, query).state)], 1.0));
        let help = "1 for the state that a standing query is in: RUNNING, RESTORING, PAUSED, ERROR, FAILED.";
        metrics.tell("tidemill_query_state", help, "gauge", states);
        let records = records.into_iter().map(|(query, lag)| (query, lag as f64)).collect();
        let help = "Records that a standing query has still to read; not there before its first commit.";
        metrics.tell("tidemill_query_lag_records", help, "gauge", known(&queries, &records));
        let help =
            "Age of the oldest record that a standing query has still to read, by the record's time; 0 with none.";
        metrics.tell("tidemill_query_lag_seconds", help, "gauge", known(&queries, &seconds));
        let tasks: Vec<(&str, Vec<TaskStatus>)> = queries
            .iter()
            .filter_map(|query| Some((query.name.as_str(), self.runtime().status(query.id)?.tasks)))
            .collect();
        let count = |name, help, of: fn(&TaskStatus) -> u64| {
            let sum = |tasks: &[TaskStatus]| tasks.iter().map(of).sum::<u64>() as f64;
            let told = tasks.iter().map(|(query, tasks)| (vec![("query", *query)], sum(tasks)));
            metrics.tell(name, help, "counter", told);
        };
        let help = "Rows that a standing query has taken.";
        count("tidemill_query_rows_total", help, |task| task.counts.rows);
        let help = "Rows that came too late for an operator of a standing query.";
        count("tidemill_query_late_rows_total", help, |task| task.counts.late);
        let help = "Records that a standing query could not read: dead letters, or skipped.";
        count("tidemill_query_bad_records_total", help, |task| task.counts.bad);
        let help = "Rows that an expression of a standing query failed on, or that could not be written.";
        count("tidemill_query_processing_errors_total", help, |task| task.counts.errors);
        Ok(())
    }

    /// How old what queries have still to read is, by the time of its first record.
    async fn seconds_behind(&self, client: &dyn Client, groups: &[GroupDescription]) -> HashMap<QueryId, f64> {
        let now_ms = self.env().clock.wall_micros() / 1000;
        let mut behind: HashMap<QueryId, f64> = HashMap::new();
        for group in groups {
            let Some(query) = QueryId::of_group(&group.group) else { continue };
            for offset in &group.offsets {
                let age_ms = match offset.lag {
                    Some(1..) => first_time(client, offset).await.map_or(0, |time| (now_ms - time).max(0)),
                    _ => 0,
                };
                let oldest = behind.entry(query).or_default();
                *oldest = oldest.max(age_ms as f64 / 1000.0);
            }
        }
        behind
    }
}

/// What is known of queries, by their names.
fn known<'a>(queries: &[&'a Arc<QueryDefinition>], of: &HashMap<QueryId, f64>) -> Vec<Told<'a>> {
    let told = |query: &&'a Arc<QueryDefinition>| Some((vec![("query", query.name.as_str())], *of.get(&query.id)?));
    queries.iter().filter_map(told).collect()
}

/// The time of the first record behind a position.
async fn first_time(client: &dyn Client, offset: &GroupOffset) -> Option<i64> {
    let from = Position { partition: offset.partition, offset: offset.committed.offset, leader_epoch: None };
    // The first batch comes whole, however few bytes are asked for.
    let fetched = client.fetch(from, Isolation::ReadCommitted, 1, Duration::ZERO).await.ok()?;
    Some(fetched.batches.first()?.batch.header().base_timestamp)
}
