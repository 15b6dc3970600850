//! A statement that changes rows of a table: it claims them, sees what is committed of them, and appends its change.
//!
//! Whoever holds a claim sees the newest row of each key that it claims, and nobody else's statement changes it before
//! the change is shown; nor does the table get further columns meanwhile. Kafka clients and queries that write the topic claim
//! nothing. See the design note 0019.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::new_null_array;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::apart::run_apart;
use super::append::Appending;
use super::append::check_not_null;
use super::core::Engine;
use super::text::write_text;
use crate::broker::Client;
use crate::catalog::Relation;
use crate::config::ByteSize;
use crate::error::Error;
use crate::error::Result;
use crate::error::Rule;
use crate::error::SqlState;
use crate::exec::Claim;
use crate::exec::KeptTable;
use crate::exec::TableLock;
use crate::format::RowKeys;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::TopicPartition;
use crate::plan::relation_key;
use crate::security::Principal;
use crate::state::StateError;
use crate::state::ViewSnapshot;

/// Keys of one statement that are claimed one by one; more claim the table.
const KEYS_CLAIMED_MAX: usize = 1_000;

/// What a statement makes of a table.
pub(super) struct TableChange {
    /// Rows as they are from now on, with all columns of the table.
    pub(super) rows: RecordBatch,
    /// The time of each of them, in milliseconds.
    pub(super) times: Vec<i64>,
    /// Nobody held the keys of the rows when they were claimed.
    pub(super) are_new: bool,
    /// Rows whose keys are gone.
    pub(super) gone: RecordBatch,
}

/// A claim, and the table.
pub(super) struct TableWrite {
    engine: Arc<Engine>,
    /// As it is while the claim is held.
    relation: Arc<Relation>,
    kept: Arc<KeptTable>,
    lock: TableLock,
}

impl TableWrite {
    /// Claims the rows of these encoded keys, or all of the table, and waits until it shows what is committed.
    pub(super) async fn begin(
        engine: &Arc<Engine>,
        relation: &Arc<Relation>,
        keys: Option<&[Vec<u8>]>,
    ) -> Result<Self> {
        let claim = match keys {
            Some(keys) if keys.len() <= KEYS_CLAIMED_MAX => Claim::Keys(keys),
            _ => Claim::All,
        };
        let mut kept = kept(engine, relation).await?;
        let lock = loop {
            let lock = kept.locks().lock(claim).await;
            match engine.runtime().kept(relation.id) {
                // It got further columns while this one waited, and is kept anew, with claims of its own.
                Some(anew) if !Arc::ptr_eq(&anew, &kept) => kept = anew,
                // A table that was dropped says so itself.
                _ => break lock,
            }
        };
        kept.catch_up().await?;
        let relation = engine.catalog()?.relation_by_id(relation.id).unwrap_or(relation).clone();
        Ok(Self { engine: Arc::clone(engine), relation, kept, lock })
    }

    /// The table, which may have got further columns since the statement was planned.
    pub(super) fn relation(&self) -> &Arc<Relation> {
        &self.relation
    }

    /// The rows of these keys, one batch of one row each, in their order.
    pub(super) async fn existing(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<RecordBatch>>> {
        let rows = self.look(keys, |view, key| view.get(key)).await?;
        // A view may have more columns than its relation.
        let own: Vec<usize> = (0..self.relation.columns.len()).collect();
        let rows = rows.into_iter().map(|row| row.map(|row| row.project(&own)).transpose());
        rows.collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::internal("a row without its columns").caused_by(error))
    }

    /// The partitions that hold each of these keys: more than one, or another than the key's hash calls for, where Kafka clients
    /// wrote them. Of a topic with one partition nothing is said.
    pub(super) async fn holders(&self, rows: &RecordBatch) -> Result<Vec<Vec<PartitionId>>> {
        if rows.num_rows() == 0 || self.view()?.partitions().len() <= 1 {
            return Ok(Vec::new());
        }
        let holders = |view: &ViewSnapshot, key: &[u8]| {
            let numbered = (0..).map(PartitionId).zip(view.partitions());
            let holds = numbered.map(|(number, partition)| Ok(partition.get(key)?.map(|_| number)));
            holds.filter_map(std::result::Result::transpose).collect::<std::result::Result<Vec<_>, StateError>>()
        };
        self.look(keys_of(&self.relation, rows)?, holders).await
    }

    fn view(&self) -> Result<Arc<ViewSnapshot>> {
        let view = self.engine.published().view(self.relation.id).cloned();
        view.ok_or_else(|| Error::internal("a kept table without its view"))
    }

    /// Asks the view of each key.
    async fn look<T: Send + 'static>(
        &self,
        keys: Vec<Vec<u8>>,
        ask: impl Fn(&ViewSnapshot, &[u8]) -> std::result::Result<T, StateError> + Send + 'static,
    ) -> Result<Vec<T>> {
        let view = self.view()?;
        // A row may have to be read from the disk.
        let looking = self
            .engine
            .query_threads()?
            .spawn(async move { keys.iter().map(|key| ask(&view, key)).collect::<std::result::Result<Vec<_>, _>>() });
        Ok(looking.join().await.map_err(Error::internal)??)
    }

    /// Appends a change, whole or not at all, whatever becomes of the client. It is durable and shown when this returns;
    /// answers the position after it in each partition.
    pub(super) async fn commit(
        self,
        client: &Arc<dyn Client>,
        change: &TableChange,
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        let (rows, gone) = (widened(&self.relation, &change.rows)?, widened(&self.relation, &change.gone)?);
        let rows_held = if change.are_new { Vec::new() } else { self.holders(&rows).await? };
        let gone_held = self.holders(&gone).await?;
        let Self { engine, relation, kept, lock } = self;
        let mut appending = Appending::new(&engine, client.as_ref(), &relation)?;
        let now_ms = engine.env().clock.wall_millis();
        appending.add_gone(&gone, now_ms, &gone_held)?;
        appending.add_in_place(&rows, &change.times, &rows_held)?;
        let bytes_max = engine.limits().insert_bytes_max;
        if bytes_max.as_usize() < appending.bytes() {
            return Err(too_large(&relation, bytes_max));
        }
        let batches = appending.finish();
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let client = match relation.session {
            None => Arc::clone(client),
            // Its topic is the server's.
            Some(_) => engine.client(&Principal::server()),
        };
        run_apart(async move {
            let ends = kept.append(client.as_ref(), batches).await;
            drop(lock);
            ends
        })
        .await
    }
}

/// A table that is kept here.
async fn kept(engine: &Engine, relation: &Relation) -> Result<Arc<KeptTable>> {
    if let Some(kept) = engine.runtime().kept(relation.id) {
        return Ok(kept);
    }
    // Whoever gives it further columns keeps it anew in their turn.
    let _turn = engine.ddl().await;
    engine.runtime().kept(relation.id).ok_or_else(|| {
        let message = format!("the rows of \"{}\" are not kept here", relation.name);
        Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
    })
}

/// Rows with all columns that a table has: those that it got since the rows were made are null.
pub(super) fn widened(relation: &Relation, rows: &RecordBatch) -> Result<RecordBatch> {
    if rows.num_columns() == relation.columns.len() {
        return Ok(rows.clone());
    }
    let fields: Vec<_> = relation.columns.iter().map(|column| column.field()).collect();
    let column = |field: &Field| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows.num_rows()),
    };
    let columns = fields.iter().map(column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal("rows of a table with further columns").caused_by(error))
}

/// The error of a statement that changes more than may be held.
pub(super) fn too_large(relation: &Relation, bytes_max: ByteSize) -> Error {
    let message = format!("the rows that one statement changes in \"{}\" take more than {bytes_max}", relation.name);
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .detail("Nothing was changed.")
        .hint("Change them in parts, or raise limits.insert_bytes_max.")
}

/// The encoded key of each row.
pub(super) fn keys_of(relation: &Relation, rows: &RecordBatch) -> Result<Vec<Vec<u8>>> {
    let columns: Vec<ArrayRef> = relation_key(relation).iter().map(|at| Arc::clone(rows.column(*at))).collect();
    Ok(RowKeys::encode_rows(&columns, rows.num_rows())?)
}

/// The error of a key that is taken.
pub(super) fn taken(relation: &Relation, rows: &RecordBatch, row: usize) -> Error {
    let constraint = format!("{}_pkey", relation.name);
    let message = format!("duplicate key value violates unique constraint \"{constraint}\"");
    let rule = Rule { table: relation.name.clone(), column: None, constraint: Some(constraint) };
    let error = Error::new(SqlState::UNIQUE_VIOLATION, message).of_rule(rule);
    error.detail(key_detail(relation, rows, row, "already exists"))
}

/// A sentence about a row's key.
pub(super) fn key_detail(relation: &Relation, rows: &RecordBatch, row: usize, what: &str) -> String {
    let key = relation_key(relation);
    let names: Vec<&str> = key.iter().map(|at| relation.columns[*at].name.as_str()).collect();
    let value = |at: &usize| {
        let mut text = Vec::new();
        write_text(rows.column(*at).as_ref(), row, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let values: Vec<String> = key.iter().map(value).collect();
    format!("Key ({})=({}) {what}.", names.join(", "), values.join(", "))
}

/// Writes rows that replace those of their keys, with their times in milliseconds: nobody who changes one of these is in
/// the middle of it. Those of a table without a key replace none: nobody can hold a number that was just made.
pub(super) async fn replace_rows(
    engine: &Arc<Engine>,
    client: &Arc<dyn Client>,
    relation: &Arc<Relation>,
    rows: RecordBatch,
    times: Vec<i64>,
) -> Result<Vec<(TopicPartition, Offset)>> {
    let are_new = relation.row_key().is_some();
    let keys = if are_new { Vec::new() } else { keys_of(relation, &rows)? };
    let write = TableWrite::begin(engine, relation, Some(&keys)).await?;
    let gone = rows.slice(0, 0);
    write.commit(client, &TableChange { rows, times, are_new, gone }).await
}

/// Inserts rows whose keys must be free, with their times in milliseconds.
pub(super) async fn insert_new(
    engine: &Arc<Engine>,
    client: &Arc<dyn Client>,
    relation: &Arc<Relation>,
    rows: RecordBatch,
    times: Vec<i64>,
) -> Result<Vec<(TopicPartition, Offset)>> {
    check_not_null(relation, &rows)?;
    let keys = keys_of(relation, &rows)?;
    let mut seen: HashSet<&[u8]> = HashSet::with_capacity(keys.len());
    if let Some(twice) = keys.iter().position(|key| !seen.insert(key)) {
        return Err(taken(relation, &rows, twice));
    }
    let write = TableWrite::begin(engine, relation, Some(&keys)).await?;
    if let Some(row) = write.existing(keys).await?.iter().position(Option::is_some) {
        return Err(taken(relation, &rows, row));
    }
    let gone = rows.slice(0, 0);
    write.commit(client, &TableChange { rows, times, are_new: true, gone }).await
}
