//! `tidemill.transactions`: the transactional ids of Kafka's clients.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::broker::TransactionDescription;
use crate::engine::core::Engine;
use crate::error::Result;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "transactions",
    columns: &[
        ("transactional_id", Kind::Text),
        ("state", Kind::Text),
        ("producer_id", Kind::BigInt),
        ("producer_epoch", Kind::Int),
        ("timeout_ms", Kind::Int),
        ("started_at", Kind::Timestamptz),
        ("partitions", Kind::BigInt),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let row = |transaction: TransactionDescription| {
        vec![
            text(transaction.transactional_id),
            text(transaction.state.name()),
            Cell::BigInt(transaction.producer.0.0),
            Cell::Int(i32::from(transaction.producer.1.0)),
            Cell::Int(transaction.timeout_ms),
            optional(transaction.started_ms, Cell::Millis),
            Cell::BigInt(i64::try_from(transaction.partitions.len()).unwrap_or(i64::MAX)),
        ]
    };
    Ok(engine.client(&Principal::server()).transactions().into_iter().map(row).collect())
}
