//! What lies between a prefetcher and its task: batches as they were fetched, and where the partition ends.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::broker::Fetched;
use crate::broker::TailBatch;
use crate::exec::ExecError;
use crate::exec::hold::Holds;
use crate::exec::hold::Reach;
use crate::model::Offset;
use crate::model::TopicPartition;

/// Bytes of fetched batches that may wait in one input.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// What a prefetcher has put down for its task.
#[derive(Default)]
pub struct InputQueue {
    state: Mutex<QueueState>,
    /// Told when there is room again.
    pub room: Notify,
    /// Told when the task asks for another look at the readable end.
    pub look: Notify,
}

#[derive(Default)]
struct QueueState {
    fetched: VecDeque<Fetched>,
    bytes: usize,
    /// Where the next fetch begins.
    next: Option<Offset>,
    /// Up to where the task has taken what was fetched.
    taken: Option<Offset>,
    /// The readable end, as the last fetch saw it, and whether that fetch reached it.
    end: Option<(Offset, bool)>,
    /// Looks that the task has asked for, and those of them that a fetch begun afterwards has answered.
    asked: u64,
    answered: u64,
    /// Of a repartition: the readable ends of root partitions, seen after the last question that was answered.
    roots: Vec<(TopicPartition, Offset)>,
    error: Option<ExecError>,
}

impl InputQueue {
    /// Whether another fetch may be put down.
    pub fn has_room(&self) -> bool {
        self.state.lock().bytes < QUEUE_BYTES_MAX
    }

    /// Whether the next fetch answers something: it is the first, or a look was asked for.
    pub fn wants_answer(&self) -> bool {
        let state = self.state.lock();
        state.end.is_none() || state.answered < state.asked
    }

    /// Puts a fetch down that began after `asked` looks had been asked for, as did the look at the ends of root partitions if
    /// there was one; `true` if it told the task something new.
    pub fn put(&self, fetched: Fetched, asked: u64, roots: Option<Vec<(TopicPartition, Offset)>>) -> bool {
        let mut state = self.state.lock();
        let end = (fetched.readable_end, fetched.readable_end <= fetched.next);
        let moved = !fetched.batches.is_empty() || state.next != Some(fetched.next);
        let new = state.end != Some(end) || moved || state.answered < asked;
        if let Some(roots) = roots {
            state.roots = roots;
        }
        state.end = Some(end);
        state.answered = state.answered.max(asked);
        if !moved {
            return new;
        }
        state.next = Some(fetched.next);
        state.bytes += fetched.batches.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
        state.fetched.push_back(fetched);
        new
    }

    /// Asks for a fetch that begins from now on.
    pub fn ask(&self) {
        self.state.lock().asked += 1;
        self.look.notify_one();
    }

    /// Looks that were asked for so far.
    pub fn asked(&self) -> u64 {
        self.state.lock().asked
    }

    /// Whether a look that was asked for has not been answered.
    pub fn is_asked(&self) -> bool {
        let state = self.state.lock();
        state.answered < state.asked
    }

    /// Where the next fetch begins, `None` before the first.
    pub fn next(&self) -> Option<Offset> {
        self.state.lock().next
    }

    /// Ends the input with an error.
    pub fn fail(&self, error: ExecError) {
        self.state.lock().error = Some(error);
    }

    /// What was fetched first, as far as `reach` lets it be read.
    pub(super) fn take(&self, reach: Reach) -> Result<Option<Fetched>, ExecError> {
        if reach == Reach::Closed {
            return Ok(None);
        }
        let mut state = self.state.lock();
        let Some(mut fetched) = state.fetched.pop_front() else {
            return state.error.clone().map_or(Ok(None), Err);
        };
        if let Reach::Upto(end) = reach
            && end < fetched.next
        {
            let rest = split_off(&mut fetched, end);
            state.fetched.push_front(rest);
            if fetched.batches.is_empty() && fetched.marks.is_empty() && state.taken == Some(end) {
                return Ok(None);
            }
        }
        state.taken = Some(fetched.next);
        state.bytes -= fetched.batches.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
        drop(state);
        self.room.notify_one();
        Ok(Some(fetched))
    }

    /// Whether `frontier` reaches the ends of root partitions that the last answer saw, or those at which they are held.
    pub(super) fn is_covered_by(&self, frontier: &[(TopicPartition, Offset)], holds: &Holds) -> bool {
        let reached = |root: &TopicPartition, end: &Offset| {
            let end = holds.end(*root).map_or(*end, |held| held.min(*end));
            frontier.iter().filter(|(partition, _)| partition == root).all(|(_, covered)| end <= *covered)
        };
        self.state.lock().roots.iter().all(|(root, end)| reached(root, end))
    }

    /// Whether nothing lies here and the last fetch reached the readable end.
    pub fn is_at_end(&self) -> bool {
        let state = self.state.lock();
        state.fetched.is_empty() && state.end.is_some_and(|(_, reached)| reached)
    }
}

/// Takes off what lies at `end` or beyond, which is where a batch begins.
fn split_off(fetched: &mut Fetched, end: Offset) -> Fetched {
    let beyond =
        |tails: &mut Vec<TailBatch>| tails.split_off(tails.partition_point(|tail| tail.batch.base_offset() < end));
    let rest = Fetched {
        batches: beyond(&mut fetched.batches),
        marks: beyond(&mut fetched.marks),
        next: fetched.next,
        readable_end: fetched.readable_end,
        log_start: fetched.log_start,
        leader_epoch: fetched.leader_epoch,
    };
    fetched.next = end;
    rest
}
