//! Fetch sessions (KIP-227): what a client asked for before it need not say again, and what did not change it is not told again.
//!
//! A session belongs to its connection and goes with it: a client that comes back on another one is told that there is none, and
//! asks for all again.
//!
//! Invariants:
//!   * a session's epoch rises with each of its requests; another one changes nothing
//!   * partitions that sessions remember, over all connections, are bounded; without room there is no session

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::protocol::ErrorCode;
use crate::protocol::fetch as message;
use message::FetchPartition;
use message::FetchTopic;
use message::PartitionResponse;
use message::Request;
use message::Response;

/// The session epoch of a request that wants no session, or ends its own.
const NO_SESSION: i32 = -1;
/// The session epoch of a request that says all that it wants, and wants a session of it.
const NEW_SESSION: i32 = 0;

/// A partition as requests name it: topic by name or id, number.
type Key = (String, [u8; 16], i32);

/// How a request is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// With all that it names.
    Whole,
    /// With all that it names, and a session.
    New,
    /// With what changed since the request before.
    Incremental,
}

/// What one client asked for.
#[derive(Debug)]
pub(super) struct FetchSession {
    id: i32,
    /// Of its next request.
    epoch: i32,
    by_id: bool,
    /// In the order in which they are read: who had records comes last the next time.
    order: BTreeMap<u64, Key>,
    known: HashMap<Key, Known>,
    next_place: u64,
    room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Known {
    place: u64,
    asked: FetchPartition,
    /// High watermark, last stable offset and log start offset as they were told.
    told: Option<[i64; 3]>,
}

/// Finds out how `request` is to be answered; one that goes on gets all that its session knows. The session that is `held` stays,
/// or goes.
pub(super) fn begin(held: &mut Option<FetchSession>, request: &mut Request, by_id: bool) -> Result<Kind, ErrorCode> {
    let is_held = held.as_ref().is_some_and(|session| session.id == request.session_id);
    match request.session_epoch {
        NO_SESSION | NEW_SESSION => {
            let kind = if request.session_epoch == NEW_SESSION { Kind::New } else { Kind::Whole };
            if is_held || kind == Kind::New {
                *held = None;
            }
            Ok(kind)
        }
        epoch => {
            let Some(session) = held.as_mut().filter(|_| is_held) else {
                return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
            };
            if epoch != session.epoch {
                return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
            }
            if by_id != session.by_id {
                return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
            }
            session.epoch = session.epoch.checked_add(1).unwrap_or(1);
            session.forget(request);
            if !session.remember(std::mem::take(&mut request.topics)) {
                // The client is to say all that it wants again, and gets it without a session.
                *held = None;
                return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
            }
            request.topics = session.topics();
            Ok(Kind::Incremental)
        }
    }
}

/// Completes the answer to a request of `kind`, whose topics were `asked`.
pub(super) fn end(
    held: &mut Option<FetchSession>,
    kind: Kind,
    asked: Vec<FetchTopic>,
    response: &mut Response,
    make: impl FnOnce() -> Option<FetchSession>,
) {
    match kind {
        Kind::Whole => {}
        Kind::New => {
            let session = make().and_then(|mut session| session.remember(asked).then_some(session));
            *held = session;
            if let Some(session) = held {
                response.session_id = session.id;
                session.note(response);
            }
        }
        Kind::Incremental => {
            if let Some(session) = held {
                response.session_id = session.id;
                session.keep_news(response);
            }
        }
    }
}

impl FetchSession {
    /// A session without partitions. `room` is for those of all connections.
    pub fn new(id: i32, by_id: bool, room: &Arc<Semaphore>) -> Option<Self> {
        let room = Arc::clone(room).try_acquire_many_owned(0).ok()?;
        let (order, known) = (BTreeMap::new(), HashMap::new());
        Some(Self { id, epoch: 1, by_id, order, known, next_place: 0, room })
    }

    fn forget(&mut self, request: &Request) {
        for topic in &request.forgotten_topics_data {
            for partition in &topic.partitions {
                let known = self.known.remove(&(topic.topic.clone(), topic.topic_id, *partition));
                if let Some(known) = known {
                    self.order.remove(&known.place);
                    drop(self.room.split(1));
                }
            }
        }
    }

    /// Takes over where the client stands; whether there was room.
    fn remember(&mut self, topics: Vec<FetchTopic>) -> bool {
        for topic in topics {
            for asked in topic.partitions {
                let key = (topic.topic.clone(), topic.topic_id, asked.partition);
                if let Some(known) = self.known.get_mut(&key) {
                    (known.asked, known.told) = (asked, None);
                    continue;
                }
                let Ok(room) = Arc::clone(self.room.semaphore()).try_acquire_owned() else { return false };
                self.room.merge(room);
                let place = self.take_place();
                self.order.insert(place, key.clone());
                self.known.insert(key, Known { place, asked, told: None });
            }
        }
        true
    }

    fn take_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    /// All partitions in their order; one after the other of a topic stand together.
    fn topics(&self) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for key in self.order.values() {
            let (topic, topic_id, _) = key;
            let asked = self.known[key].asked.clone();
            match topics.last_mut().filter(|last| last.topic == *topic && last.topic_id == *topic_id) {
                Some(last) => last.partitions.push(asked),
                None => {
                    let (topic, topic_id) = (topic.clone(), *topic_id);
                    topics.push(FetchTopic { topic, topic_id, partitions: vec![asked] });
                }
            }
        }
        topics
    }

    /// Remembers what a client is told.
    fn note(&mut self, response: &Response) {
        for topic in &response.responses {
            for partition in &topic.partitions {
                self.has_news(&topic.topic, topic.topic_id, partition);
            }
        }
    }

    /// Leaves out what the client knows.
    fn keep_news(&mut self, response: &mut Response) {
        for topic in &mut response.responses {
            let (name, id) = (topic.topic.clone(), topic.topic_id);
            topic.partitions.retain(|partition| self.has_news(&name, id, partition));
        }
        response.responses.retain(|topic| !topic.partitions.is_empty());
    }

    /// Whether a partition's answer differs from the last one; remembers this one.
    fn has_news(&mut self, topic: &str, topic_id: [u8; 16], partition: &PartitionResponse) -> bool {
        let key = (topic.to_string(), topic_id, partition.partition_index);
        let has_records = partition.records.0.iter().any(|piece| !piece.is_empty());
        let place = has_records.then(|| self.take_place());
        let Some(known) = self.known.get_mut(&key) else { return true };
        if let Some(place) = place {
            self.order.remove(&known.place);
            known.place = place;
            self.order.insert(place, key);
        }
        // Errors are told each time.
        let is_fine = partition.error_code == ErrorCode::NONE && partition.diverging_epoch.epoch < 0;
        let now = [partition.high_watermark, partition.last_stable_offset, partition.log_start_offset];
        let told = std::mem::replace(&mut known.told, is_fine.then_some(now));
        has_records || !is_fine || told != Some(now)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Pieces;
    use message::ForgottenTopic;
    use message::TopicResponse;

    fn room() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(3))
    }

    fn topic(partitions: &[i32]) -> FetchTopic {
        let partition = |partition: &i32| FetchPartition { partition: *partition, ..FetchPartition::default() };
        FetchTopic {
            topic: "t".to_string(),
            partitions: partitions.iter().map(partition).collect(),
            ..Default::default()
        }
    }

    fn request(session_id: i32, session_epoch: i32, partitions: &[i32]) -> Request {
        let topics = if partitions.is_empty() { Vec::new() } else { vec![topic(partitions)] };
        Request { session_id, session_epoch, topics, ..Request::default() }
    }

    /// Partitions with their high watermark and records.
    fn response(partitions: &[(i32, i64, &'static str)]) -> Response {
        let partition = |(partition_index, high_watermark, records): &(i32, i64, &'static str)| PartitionResponse {
            partition_index: *partition_index,
            high_watermark: *high_watermark,
            records: Pieces(vec![Bytes::from_static(records.as_bytes())]),
            ..PartitionResponse::default()
        };
        let partitions = partitions.iter().map(partition).collect();
        Response {
            responses: vec![TopicResponse { topic: "t".to_string(), partitions, ..Default::default() }],
            ..Response::default()
        }
    }

    fn numbers(topics: &[FetchTopic]) -> Vec<i32> {
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|it| it.partition)).collect()
    }

    fn told(response: &Response) -> Vec<i32> {
        response.responses.iter().flat_map(|topic| topic.partitions.iter().map(|it| it.partition_index)).collect()
    }

    /// A session of partitions 0 and 1, whose high watermark 5 was told.
    fn session(room: &Arc<Semaphore>) -> Option<FetchSession> {
        let (mut held, mut asked) = (None, request(0, NEW_SESSION, &[0, 1]));
        assert_eq!(begin(&mut held, &mut asked, false), Ok(Kind::New));
        let mut answer = response(&[(0, 5, ""), (1, 5, "")]);
        end(&mut held, Kind::New, asked.topics, &mut answer, || FetchSession::new(7, false, room));
        assert_eq!((answer.session_id, told(&answer)), (7, vec![0, 1]));
        held
    }

    #[test]
    fn a_session_tells_what_changed_and_reads_last_what_had_records() {
        let room = room();
        let mut held = session(&room);
        let mut asked = request(7, 1, &[]);
        assert_eq!(begin(&mut held, &mut asked, false), Ok(Kind::Incremental));
        assert_eq!(numbers(&asked.topics), [0, 1]);
        let mut answer = response(&[(0, 6, "records"), (1, 5, "")]);
        end(&mut held, Kind::Incremental, asked.topics, &mut answer, || None);
        assert_eq!((answer.session_id, told(&answer)), (7, vec![0]));
        let mut asked = request(7, 2, &[]);
        assert_eq!(begin(&mut held, &mut asked, false), Ok(Kind::Incremental));
        assert_eq!(numbers(&asked.topics), [1, 0]);
        let mut answer = response(&[(1, 6, ""), (0, 6, "")]);
        end(&mut held, Kind::Incremental, asked.topics, &mut answer, || None);
        assert_eq!(told(&answer), [1], "its high watermark moved");
        let mut asked = request(7, 3, &[0]);
        begin(&mut held, &mut asked, false).expect("it goes on");
        let mut answer = response(&[(1, 6, ""), (0, 6, "")]);
        end(&mut held, Kind::Incremental, asked.topics, &mut answer, || None);
        assert_eq!(told(&answer), [0], "who asks again is told");
    }

    #[test]
    fn partitions_are_added_and_forgotten_within_the_room() {
        let room = room();
        let mut held = session(&room);
        assert_eq!(room.available_permits(), 1);
        let forgotten = ForgottenTopic { topic: "t".to_string(), partitions: vec![0, 9], ..Default::default() };
        let mut asked = Request { forgotten_topics_data: vec![forgotten], ..request(7, 1, &[2, 3]) };
        assert_eq!(begin(&mut held, &mut asked, false), Ok(Kind::Incremental));
        assert_eq!((numbers(&asked.topics), room.available_permits()), (vec![1, 2, 3], 0));
        let mut asked = request(7, 2, &[4]);
        assert_eq!(begin(&mut held, &mut asked, false), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
        assert_eq!(room.available_permits(), 3, "the session is gone");
        let (mut held, mut asked) = (None, request(0, NEW_SESSION, &[0, 1, 2, 3]));
        begin(&mut held, &mut asked, false).expect("all that is asked for is answered");
        let mut answer = response(&[]);
        end(&mut held, Kind::New, asked.topics, &mut answer, || FetchSession::new(8, false, &room));
        assert_eq!((answer.session_id, room.available_permits()), (0, 3), "without a session");
    }

    #[test]
    fn another_session_epoch_or_way_to_name_topics_is_refused_and_changes_nothing() {
        let room = room();
        let mut held = session(&room);
        let mut ask = |id, epoch, by_id| begin(&mut held, &mut request(id, epoch, &[]), by_id);
        assert_eq!(ask(8, 1, false), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
        assert_eq!(ask(7, 2, false), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
        assert_eq!(ask(7, 1, true), Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
        assert_eq!(ask(0, NO_SESSION, false), Ok(Kind::Whole), "beside the session");
        assert_eq!(ask(7, 1, false), Ok(Kind::Incremental));
        assert_eq!(ask(7, NO_SESSION, false), Ok(Kind::Whole), "which ends it");
        assert_eq!(ask(7, 2, false), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    }
}
