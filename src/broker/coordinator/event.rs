//! What reaches the groups' state machine, and what it wants done.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::client_transaction::Stamp;
use super::consumer::Topics;
use super::offset_record::GroupRecord;
use super::offset_record::OffsetValue;
use crate::broker::CommitOffsets;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::Generation;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::Heartbeat;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::LeaveGroup;
use crate::broker::SyncGroup;
use crate::broker::SyncedGroup;
use crate::model::Offset;
use crate::model::TopicPartition;

/// The time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct Now {
    /// For timeouts: never goes back.
    pub monotonic: Duration,
    /// For records and what is kept over restarts.
    pub wall_ms: i64,
}

/// Where an answer goes. Who went away is not missed.
pub(in crate::broker) struct Reply<T>(oneshot::Sender<T>);

impl<T: Send + 'static> Reply<T> {
    pub(in crate::broker) fn new() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

pub(in crate::broker) type JoinReply = Reply<Result<JoinedGroup, GroupError>>;
pub(in crate::broker) type SyncReply = Reply<Result<SyncedGroup, GroupError>>;
pub(in crate::broker) type ConsumerReply = Reply<Result<ConsumerHeartbeatAnswer, GroupError>>;
pub(in crate::broker) type UnitReply = Reply<Result<(), GroupError>>;
/// One outcome per member or partition, in the order of the request.
pub(in crate::broker) type EachReply = Reply<Result<Vec<Result<(), GroupError>>, GroupError>>;
pub(in crate::broker) type QueryReply = Reply<Result<Generation, GroupError>>;

/// The number of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::broker) struct WriteId(pub u64);

/// What happened.
#[derive(Debug)]
pub(in crate::broker) enum GroupEvent {
    /// A member joins; if it has no name, it gets one that ends with these random bytes.
    Join(JoinGroup, [u8; 16], Arc<Topics>, JoinReply),
    Sync(SyncGroup, Arc<Topics>, SyncReply),
    Heartbeat(Heartbeat, Arc<Topics>, UnitReply),
    Leave(LeaveGroup, EachReply),
    /// A member of the consumer protocol comes or goes, while there are these topics.
    ConsumerHeartbeat(ConsumerHeartbeat, Arc<Topics>, ConsumerReply),
    Commit(CommitOffsets, EachReply),
    /// As `Commit`, within the transaction of a producer: the positions count once it is committed.
    CommitInTransaction(CommitOffsets, Stamp, EachReply),
    /// Forget a group without members.
    Delete(String, UnitReply),
    /// Forget positions of these partitions.
    DeleteOffsets(String, Vec<TopicPartition>, EachReply),
    /// A standing query's task becomes a member of its group.
    JoinQuery {
        group: String,
        member: String,
        reply: QueryReply,
    },
    /// Forget a group whatever it has.
    Forget {
        group: String,
        reply: UnitReply,
    },
    /// A write is durable; its first record is at `at`. Writes of one partition become durable in their order.
    Written {
        write: WriteId,
        at: Offset,
    },
    /// A write left nothing.
    Refused {
        write: WriteId,
        error: GroupError,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(in crate::broker) enum GroupEffect {
    /// Append these to the group's partition, all or none; in the transaction of `producer`, if there is one.
    Write { write: WriteId, group: String, records: Vec<GroupRecord>, producer: Option<Stamp> },
    /// Tell somebody.
    Answer(Answer),
}

/// An answer on its way.
pub(in crate::broker) struct Answer(Box<dyn FnOnce() + Send>);

impl Answer {
    pub(in crate::broker) fn tell(self) {
        (self.0)();
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Who waits for a change of a group of the consumer protocol, and what it is told then.
#[derive(Debug)]
pub(super) enum Told {
    Heartbeat(ConsumerReply, ConsumerHeartbeatAnswer),
    /// A member of the classic protocol.
    Joined(JoinReply, JoinedGroup),
}

impl Told {
    pub(super) fn tell(self, cx: &mut Cx<'_>, outcome: Result<(), GroupError>) {
        match self {
            Self::Heartbeat(reply, answer) => cx.answer(reply, outcome.map(|()| answer)),
            Self::Joined(reply, joined) => cx.answer(reply, outcome.map(|()| joined)),
        }
    }
}

/// Who removed members of a group of the consumer protocol, and what became of each.
#[derive(Debug)]
pub(super) struct Removed {
    pub reply: EachReply,
    pub outcomes: Vec<Result<(), GroupError>>,
}

/// What goes on once a write is durable.
#[derive(Debug)]
pub(super) enum Pending {
    /// The leader's shares of this generation.
    Shares {
        generation: i32,
        shares: BTreeMap<String, Bytes>,
    },
    /// A static member came back under another name.
    StaticMember {
        generation: i32,
        before: String,
        member: String,
        skips: bool,
    },
    Offsets {
        offsets: Vec<(TopicPartition, String, OffsetValue)>,
        outcomes: Vec<Result<(), GroupError>>,
        reply: EachReply,
    },
    OffsetsInTransaction {
        producer: Stamp,
        records: Vec<GroupRecord>,
        outcomes: Vec<Result<(), GroupError>>,
        reply: EachReply,
    },
    OffsetsDeleted {
        partitions: Vec<TopicPartition>,
        outcomes: Vec<Result<(), GroupError>>,
        reply: EachReply,
    },
    OffsetsExpired {
        partitions: Vec<TopicPartition>,
    },
    /// The group is to be forgotten.
    Deleted {
        reply: Option<UnitReply>,
    },
    QueryJoined {
        generation: Generation,
        reply: QueryReply,
    },
    /// What a group of the consumer protocol changed: how it is taken back, and who is to be told what.
    Consumer {
        undo: Vec<GroupRecord>,
        waiting: Vec<Told>,
        removed: Option<Removed>,
    },
    Nothing,
}

/// Writes that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Writes {
    next: u64,
    pub pending: BTreeMap<WriteId, (String, Pending)>,
}

impl Writes {
    /// Whether something of `group` is on its way to the disk.
    pub(super) fn of_group(&self, group: &str) -> bool {
        self.pending.values().any(|(name, _)| name == group)
    }

    /// Who waits for the last change of a group of the consumer protocol that is on its way to the disk.
    pub(super) fn waiting_consumers(&mut self, group: &str) -> Option<&mut Vec<Told>> {
        self.pending.values_mut().rev().find_map(|(name, pending)| match pending {
            Pending::Consumer { waiting, .. } if name == group => Some(waiting),
            _ => None,
        })
    }
}

/// What one group has at hand during one event.
pub(super) struct Cx<'a> {
    pub now: Now,
    pub config: &'a GroupConfig,
    pub group: &'a str,
    pub writes: &'a mut Writes,
    pub effects: &'a mut Vec<GroupEffect>,
}

impl Cx<'_> {
    pub(super) fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: T) {
        let tell = move || drop(reply.0.send(answer));
        self.effects.push(GroupEffect::Answer(Answer(Box::new(tell))));
    }

    /// Has `records` written; `then` is what follows.
    pub(super) fn write(&mut self, records: Vec<GroupRecord>, then: Pending) {
        self.write_as(None, records, then);
    }

    /// As `write`, within a transaction.
    pub(super) fn write_as(&mut self, producer: Option<Stamp>, records: Vec<GroupRecord>, then: Pending) {
        let write = WriteId(self.writes.next);
        self.writes.next += 1;
        self.writes.pending.insert(write, (self.group.to_string(), then));
        self.effects.push(GroupEffect::Write { write, group: self.group.to_string(), records, producer });
    }
}
