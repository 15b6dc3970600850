//! Transactional ids of clients as they are now, for tools and people.

use std::fmt;
use std::str::FromStr;

use super::TransactionError;
use super::refused::reason;
use crate::broker::LocalBroker;
use crate::broker::TRANSACTION_STATE;
use crate::broker::coordinator::ClientTransaction;
use crate::broker::coordinator::Status;
use crate::broker::core::check_name;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;

/// How far a transaction is. Shown as Kafka calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// There is none yet, or the last one was forgotten.
    Empty,
    /// It takes records.
    Ongoing,
    /// It is committed, and its markers are being written.
    PrepareCommit,
    /// It is aborted, and its markers are being written.
    PrepareAbort,
    /// It is committed.
    CompleteCommit,
    /// It is aborted.
    CompleteAbort,
}

impl TransactionState {
    const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// It is none of Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no transaction is in such a state")]
pub struct UnknownTransactionState;

impl FromStr for TransactionState {
    type Err = UnknownTransactionState;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or(UnknownTransactionState)
    }
}

impl From<Status> for TransactionState {
    fn from(status: Status) -> Self {
        match status {
            Status::Empty => Self::Empty,
            Status::Ongoing => Self::Ongoing,
            Status::PrepareCommit => Self::PrepareCommit,
            Status::PrepareAbort => Self::PrepareAbort,
            Status::CompleteCommit => Self::CompleteCommit,
            Status::CompleteAbort => Self::CompleteAbort,
        }
    }
}

/// A transactional id of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The id.
    pub transactional_id: String,
    /// Its producer, and the producer's epoch.
    pub producer: (ProducerId, ProducerEpoch),
    /// How far its last transaction is.
    pub state: TransactionState,
    /// How long its transactions may take, in ms.
    pub timeout_ms: i32,
    /// When the transaction began that is not over, in ms since 1970-01-01 UTC.
    pub started_ms: Option<i64>,
    /// What that transaction holds, each with its topic's name.
    pub partitions: Vec<(TopicPartition, String)>,
}

impl LocalBroker {
    /// Every transactional id of a client, in their order. Those of the server's own commits, which last one commit each, are
    /// not among them.
    pub fn list_transactions(&self) -> Vec<TransactionDescription> {
        let all = self.broker.clients.all();
        all.into_iter().filter_map(|(id, transaction)| describe(id, &transaction)).collect()
    }

    /// One transactional id; `None` if nobody has it.
    pub fn describe_transaction(&self, id: &str) -> Result<Option<TransactionDescription>, TransactionError> {
        check_name("transactional id", id).map_err(|error| reason(&error))?;
        self.broker.check_coordinator(TRANSACTION_STATE, id).map_err(|error| reason(&error))?;
        Ok(self.broker.clients.get(id).and_then(|transaction| describe(id.to_string(), &transaction)))
    }
}

/// `None` for an id that was never given a producer.
fn describe(transactional_id: String, transaction: &ClientTransaction) -> Option<TransactionDescription> {
    let partitions = transaction.partitions().iter().map(|(partition, topic)| (*partition, topic.clone()));
    Some(TransactionDescription {
        transactional_id,
        producer: transaction.producer()?,
        state: transaction.status().into(),
        timeout_ms: transaction.timeout_ms(),
        started_ms: transaction.started_ms(),
        partitions: partitions.collect(),
    })
}
