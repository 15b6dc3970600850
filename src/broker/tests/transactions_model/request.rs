//! What clients send, as the network has it: delivered at once, later, twice, or never.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TIMEOUT_MS;
use super::id_name;
use super::local;
use super::output;
use crate::broker::Broker;
use crate::broker::TransactionError;
use crate::broker::TransactionVersion;
use crate::broker::coordinator::Stamp;
use crate::broker::tests::transactions::append_values;
use crate::broker::tests::transactions::offset_request;
use crate::model::Offset;
use crate::protocol::ControlMarker;

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Init,
    Produce { partition: i32 },
    Position,
    End { outcome: ControlMarker },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    Stamp(Result<Stamp, TransactionError>),
    /// A transaction is over, and this is the stamp from then on.
    Ended(Result<Stamp, TransactionError>),
    /// A batch was taken.
    At(Offset),
    /// A position was taken.
    Positioned,
    /// The transaction does not hold what was to be written, and nothing was.
    NotHeld(TransactionError),
    /// A batch, or a position, was refused; why is of no interest.
    Refused,
    /// There is none: the request, or its answer, is on its way.
    Lost,
}

/// One request of a client that has a stamp.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub id: usize,
    pub version: TransactionVersion,
    pub stamp: Stamp,
    /// The transaction's number: its records and positions have it as their value.
    pub transaction: usize,
    pub asked: Asked,
    /// Of the batch, if it is one.
    pub sequence: i32,
}

/// A new stamp; `expected` is the one that the client had.
pub(super) async fn init(broker: Arc<Broker>, id: usize, expected: Option<Stamp>) -> Answer {
    Answer::Stamp(local(&broker).init_producer(Some(&id_name(id)), TIMEOUT_MS, expected).await)
}

impl Request {
    /// Has the broker do it, as the door does.
    pub(super) async fn deliver(self, broker: Arc<Broker>) -> Answer {
        match self.asked {
            Asked::Init => unreachable!("it has a stamp"),
            Asked::Produce { partition } => self.produce(&broker, partition).await,
            Asked::Position => self.position(&broker).await,
            Asked::End { outcome } => {
                let (door, name) = (local(&broker), id_name(self.id));
                Answer::Ended(door.end_transaction(&name, self.stamp, outcome, self.version).await)
            }
        }
    }

    async fn produce(self, broker: &Arc<Broker>, partition: i32) -> Answer {
        let (door, name) = (local(broker), id_name(self.id));
        let held = match self.version {
            TransactionVersion::One => {
                let partitions = BTreeMap::from([(output(partition), "output".to_string())]);
                door.add_to_transaction(&name, self.stamp, partitions).await
            }
            TransactionVersion::Two => door.hold_in_transaction(&name, self.stamp, &[output(partition)]).await,
        };
        if let Err(error) = held {
            return Answer::NotHeld(error);
        }
        let values = [(output(partition), self.transaction.to_string())];
        match append_values(broker, self.stamp, self.sequence, &values).await {
            Ok(at) => Answer::At(at[0]),
            Err(_) => Answer::Refused,
        }
    }

    async fn position(self, broker: &Arc<Broker>) -> Answer {
        let (door, name) = (local(broker), id_name(self.id));
        if let Err(error) = door.add_offsets_to_transaction(&name, self.stamp, &name, self.version).await {
            return Answer::NotHeld(error);
        }
        let request = offset_request(&name, self.transaction as i64);
        match door.commit_offsets_in_transaction(self.stamp, request).await {
            Ok(outcomes) if outcomes.iter().all(Result::is_ok) => Answer::Positioned,
            Ok(_) | Err(_) => Answer::Refused,
        }
    }
}
