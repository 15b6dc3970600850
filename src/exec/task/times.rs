//! Stream time of one partition, from what its writers have said of theirs.
//!
//! Writers are the tasks before a repartition, the tasks of queries that write a stream, and everybody else who writes to
//! a topic. The partition's time is the least over the writers that are not idle, so no row is late only because a
//! neighbour ran ahead. A partition without such writers has the time of its records alone.
//!
//! Invariants:
//!   * time does not go back
//!   * as long as one writer that is expected has not spoken, time stands still

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::exec::mark::Mark;
use crate::exec::slice::Marker;
use crate::model::QueryId;
use crate::model::TopicPartition;

/// Stream time at a row while it is not known: no window has closed.
pub const NO_TIME: i64 = i64::MIN;

/// Who writes to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Writer {
    /// A task before a repartition.
    Exchange(u32),
    /// A task of a query that writes the topic.
    Task(QueryId, u32),
    /// A query that writes the topic and has not said how many tasks it has.
    Query(QueryId),
    /// Everybody else.
    Others,
}

/// A writer's name that is none.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" names no writer")]
pub struct UnknownWriter(String);

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Exchange(task) => write!(f, "{task}"),
            Writer::Task(query, task) => write!(f, "{}.{task}", query.0),
            Writer::Query(query) => write!(f, "{}.", query.0),
            Writer::Others => f.write_str("others"),
        }
    }
}

impl From<Writer> for String {
    fn from(writer: Writer) -> Self {
        writer.to_string()
    }
}

impl FromStr for Writer {
    type Err = UnknownWriter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWriter(text.to_string());
        match text.split_once('.') {
            None if text == "others" => Ok(Writer::Others),
            None => text.parse().map(Writer::Exchange).map_err(|_| unknown()),
            Some((query, task)) => {
                let query = query.parse().map(QueryId).map_err(|_| unknown())?;
                match task {
                    "" => Ok(Writer::Query(query)),
                    task => task.parse().map(|task| Writer::Task(query, task)).map_err(|_| unknown()),
                }
            }
        }
    }
}

impl TryFrom<String> for Writer {
    type Error = UnknownWriter;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// What a writer has said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Producer {
    clock: Option<i64>,
    idle: bool,
    /// Others of its query spoke for it; it has not spoken itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hearsay: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    frontier: Vec<(TopicPartition, i64)>,
}

/// The records that a mark speaks for: those behind it, up to one that is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// Offset of the mark.
    pub mark: i64,
    /// Offset of the last of its records.
    pub last: i64,
}

/// What is committed with a position, so that a restart goes on exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Stream time of the partition, milliseconds.
    pub clock: Option<i64>,
    /// Whether it was idle.
    pub idle: bool,
    /// What `now()` was in the cut, microseconds since 1970; no later cut's is below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_time_micros: Option<i64>,
    /// Whether all partitions that the task writes know its time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// The records under the last mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<Marked>,
    /// What each writer has said; none where no writer says more than its records do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    producers: BTreeMap<Writer, Producer>,
}

/// What a record did to time; the same done to an equal `Progress` does the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Rows of a writer, up to one with the writer's time `said`; the partition's time is `clock` then.
    Rows {
        /// Whose, if more is known of writers than their records.
        writer: Option<Writer>,
        /// The writer's time.
        said: i64,
        /// The partition's time.
        clock: Option<i64>,
    },
    /// A marker of a repartition.
    Marker(Marker),
    /// A mark, at an offset. What it says of the writer of records behind it holds behind them.
    Mark(i64, Arc<Mark>),
    /// The last of the records behind a mark.
    Spoken(Arc<Mark>),
    /// The query's marks mean another time than this reader's.
    Foreign(QueryId),
}

/// A writer at its rows, and what holds its time back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaking {
    writer: Writer,
    /// Whether all other writers have spoken.
    heard: bool,
    /// The least time of the others that are not idle.
    others: Option<i64>,
}

impl Speaking {
    /// Whether it is this writer that speaks.
    pub fn is_of(&self, writer: Writer) -> bool {
        self.writer == writer
    }
}

impl Progress {
    /// Time stands still until this writer has spoken.
    pub fn expect(&mut self, writer: Writer) {
        self.producers.entry(writer).or_default();
    }

    /// Whether no writer says more than its records do: their times alone make the partition's time.
    pub fn is_plain(&self) -> bool {
        self.producers.is_empty()
    }

    /// What a task before a repartition covers of a root topic: the next offset.
    pub fn covered(&self, producer: u32, root: TopicPartition) -> i64 {
        let known = self.producers.get(&Writer::Exchange(producer));
        let known = known.and_then(|known| known.frontier.iter().find(|(partition, _)| *partition == root));
        known.map_or(0, |(_, offset)| *offset)
    }

    /// Takes what a record did to another `Progress` that was equal.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Rows { writer, said, clock } => {
                if let Some(writer) = writer {
                    self.speak(*writer, *said);
                }
                self.idle = false;
                self.clock = *clock;
            }
            Event::Marker(marker) => self.take_marker(marker),
            Event::Mark(offset, mark) => self.take_mark(*offset, mark),
            Event::Spoken(mark) => self.end_mark(mark),
            Event::Foreign(query) => drop(self.producers.remove(&Writer::Query(*query))),
        }
    }

    /// Rows of a partition of which no more is known than its records: their clocks. `moved` gets the place of each row that
    /// moved time, and what that did.
    pub fn rows(&mut self, times: &[i64], mut moved: impl FnMut(usize, Event)) -> Vec<i64> {
        let mut clocks = Vec::with_capacity(times.len());
        for (row, time) in times.iter().enumerate() {
            let clock = self.clock.map_or(*time, |clock| clock.max(*time));
            if self.idle || self.clock != Some(clock) {
                self.clock = Some(clock);
                self.idle = false;
                moved(row, Event::Rows { writer: None, said: *time, clock: self.clock });
            }
            clocks.push(clock);
        }
        clocks
    }

    /// What holds a writer back at its next rows.
    pub fn speaking(&self, writer: Writer) -> Speaking {
        let others = || self.producers.iter().filter(|(other, _)| **other != writer).map(|(_, producer)| producer);
        Speaking {
            writer,
            heard: others().all(Producer::is_known),
            others: others().filter(|producer| !producer.idle).filter_map(|producer| producer.clock).min(),
        }
    }

    /// A row at which a writer's time is `said`: the row's clock, and the event if anything moved. A writer whose time is
    /// `NO_TIME` has not spoken by that.
    pub fn row_of(&mut self, speaking: &Speaking, said: i64) -> (i64, Option<Event>) {
        let (moved, said) = self.speak(speaking.writer, said);
        let before = (self.clock, std::mem::replace(&mut self.idle, false));
        if speaking.heard && said != NO_TIME {
            let seen = speaking.others.map_or(said, |others| others.min(said));
            self.clock = self.clock.max(Some(seen));
        }
        let moved = moved || before != (self.clock, false);
        let event = Event::Rows { writer: Some(speaking.writer), said, clock: self.clock };
        (self.clock.unwrap_or(NO_TIME), moved.then_some(event))
    }

    /// Everybody else has been silent for long; whether that is news.
    pub fn silence_others(&mut self) -> bool {
        match self.producers.get_mut(&Writer::Others) {
            Some(others) if !others.idle => others.idle = true,
            Some(_) | None => return false,
        }
        self.settle();
        true
    }

    /// Whether the silence of everybody else would be news.
    pub fn waits_for_others(&self) -> bool {
        self.producers.get(&Writer::Others).is_some_and(|others| !others.idle)
    }

    /// Whether the writer's state changed, and its time.
    fn speak(&mut self, writer: Writer, said: i64) -> (bool, i64) {
        let producer = self.producers.entry(writer).or_default();
        let before = (producer.clock, producer.idle);
        producer.clock = producer.clock.max(Some(said).filter(|said| *said != NO_TIME));
        (producer.idle, producer.hearsay) = (false, false);
        (before != (producer.clock, false), producer.clock.unwrap_or(NO_TIME))
    }

    fn take_marker(&mut self, marker: &Marker) {
        let producer = self.producers.entry(Writer::Exchange(marker.producer)).or_default();
        producer.clock = producer.clock.max(marker.clock);
        producer.idle = marker.idle;
        producer.frontier.clone_from(&marker.frontier);
        self.settle();
    }

    fn take_mark(&mut self, offset: i64, mark: &Mark) {
        self.marked = (0 < mark.rows).then(|| Marked { mark: offset, last: offset + i64::from(mark.rows) });
        if self.producers.is_empty() && self.clock.is_some() && !mark.writers.is_empty() {
            // Until now nobody had to be told apart.
            let others = Producer { clock: self.clock, idle: self.idle, ..Producer::default() };
            self.producers.insert(Writer::Others, others);
        }
        self.producers.remove(&Writer::Query(mark.query));
        if mark.writers.is_empty() {
            let is_of_query = |writer: &Writer| matches!(writer, Writer::Task(query, _) if *query == mark.query);
            self.producers.retain(|writer, _| !is_of_query(writer));
        }
        for (task, said) in &mark.writers {
            let known = self.producers.entry(Writer::Task(mark.query, *task));
            let producer = known.or_insert(Producer { hearsay: true, ..Producer::default() });
            // What others say of it may be older than what it said itself.
            if *task != mark.task && producer.hearsay {
                producer.idle = said.idle;
            }
            if *task != mark.task {
                producer.clock = producer.clock.max(said.clock);
            }
        }
        match mark.rows {
            0 => self.end_mark(mark),
            _ => self.settle(),
        }
    }

    fn end_mark(&mut self, mark: &Mark) {
        if let Some((_, said)) = mark.writers.iter().find(|(task, _)| *task == mark.task) {
            let producer = self.producers.entry(mark.writer()).or_default();
            producer.clock = producer.clock.max(said.clock);
            (producer.idle, producer.hearsay) = (said.idle, false);
        }
        self.settle();
    }

    /// Time after something was said: the least over writers that are not idle; all idle, the greatest.
    fn settle(&mut self) {
        if !self.producers.values().all(Producer::is_known) {
            return;
        }
        let busy =
            self.producers.values().filter(|producer| !producer.idle).filter_map(|producer| producer.clock).min();
        let time = busy.or_else(|| self.producers.values().filter_map(|producer| producer.clock).max());
        self.clock = self.clock.max(time);
        self.idle = !self.producers.is_empty() && self.producers.values().all(|producer| producer.idle);
    }
}

impl Producer {
    /// Whether it has told its time, or that it has none for long. One that has not may be at its beginning: what its
    /// neighbours say must neither close a window nor make its rows late.
    fn is_known(&self) -> bool {
        self.idle || self.clock.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::mark::Said;

    const QUERY: QueryId = QueryId(7);

    fn said(clock: i64) -> Said {
        Said { clock: Some(clock), idle: false }
    }

    fn mark(task: u32, writers: &[(u32, Said)]) -> Event {
        let mark =
            Mark { query: QUERY, task, rows: 0, time_column: None, writers: writers.to_vec(), clocks: Vec::new() };
        Event::Mark(0, Arc::new(mark))
    }

    fn rows(progress: &mut Progress, writer: Writer, said: &[i64]) -> Vec<i64> {
        let speaking = progress.speaking(writer);
        said.iter().map(|said| progress.row_of(&speaking, *said).0).collect()
    }

    #[test]
    fn time_is_the_least_over_the_writers_that_are_not_idle() {
        let mut progress = Progress::default();
        progress.take(&mark(0, &[(0, said(10)), (1, Said::default())]));
        assert_eq!(progress.clock, None, "one has not spoken");
        assert_eq!(rows(&mut progress, Writer::Task(QUERY, 0), &[20, 30]), [NO_TIME; 2]);
        progress.take(&mark(1, &[(0, said(30)), (1, said(5))]));
        assert_eq!(progress.clock, Some(5));
        assert_eq!(rows(&mut progress, Writer::Task(QUERY, 1), &[7, 40, 50]), [7, 30, 30]);
        let idle = Said { idle: true, ..said(30) };
        progress.take(&mark(0, &[(0, idle), (1, said(50))]));
        assert_eq!((progress.clock, progress.idle), (Some(50), false));
    }

    #[test]
    fn what_others_say_of_a_writer_does_not_wake_it_or_call_it_idle() {
        let mut progress = Progress::default();
        let idle = Said { idle: true, ..said(3) };
        progress.take(&mark(0, &[(0, said(10)), (1, idle)]));
        assert_eq!(progress.clock, Some(10), "a writer that is not heard is what others say of it");
        progress.take(&mark(1, &[(0, said(10)), (1, said(3))]));
        progress.take(&mark(0, &[(0, said(20)), (1, idle)]));
        assert_eq!(progress.clock, Some(10), "the writer has said later that it is not idle");
        progress.take(&mark(1, &[(0, said(20)), (1, said(15))]));
        assert_eq!(progress.clock, Some(15));
    }

    #[test]
    fn what_a_mark_says_of_the_writer_of_rows_holds_behind_them() {
        let mut progress = Progress::default();
        let writers = vec![(0, Said { clock: Some(30), idle: true }), (1, said(40))];
        let mark = Arc::new(Mark { query: QUERY, task: 0, rows: 2, time_column: None, writers, clocks: Vec::new() });
        progress.take(&Event::Mark(5, Arc::clone(&mark)));
        assert_eq!((progress.clock, progress.marked), (None, Some(Marked { mark: 5, last: 7 })));
        assert_eq!(rows(&mut progress, mark.writer(), &[10, 30]), [10, 30]);
        progress.take(&Event::Spoken(mark));
        assert_eq!(progress.clock, Some(40), "it is idle behind its rows");
    }

    #[test]
    fn rows_without_a_time_tell_none() {
        let mut progress = Progress::default();
        progress.expect(Writer::Exchange(0));
        progress.expect(Writer::Exchange(1));
        assert_eq!(rows(&mut progress, Writer::Exchange(1), &[5]), [NO_TIME]);
        assert_eq!(rows(&mut progress, Writer::Exchange(0), &[NO_TIME]), [NO_TIME]);
        assert_eq!((progress.clock, rows(&mut progress, Writer::Exchange(1), &[9])), (None, vec![NO_TIME]));
        assert_eq!(rows(&mut progress, Writer::Exchange(0), &[7]), [7]);
    }

    #[test]
    fn everybody_else_is_one_more_writer_until_it_is_silent() {
        let mut progress = Progress::default();
        assert_eq!(progress.rows(&[4, 3], |row, _| assert_eq!(row, 0)), [4, 4]);
        assert!(progress.is_plain());
        progress.take(&mark(0, &[(0, said(10))]));
        assert_eq!(progress.clock, Some(4));
        assert_eq!(rows(&mut progress, Writer::Others, &[6]), [6]);
        assert!(progress.waits_for_others() && progress.silence_others());
        assert_eq!(progress.clock, Some(10));
        assert!(!progress.silence_others());
    }

    #[test]
    fn a_query_is_waited_for_until_it_speaks_and_not_after_its_end() {
        let mut progress = Progress::default();
        progress.expect(Writer::Query(QUERY));
        assert_eq!(rows(&mut progress, Writer::Others, &[9]), [NO_TIME]);
        progress.take(&mark(0, &[(0, said(5))]));
        assert_eq!(progress.clock, Some(5));
        progress.take(&Event::Mark(3, Arc::new(Mark::of_end(QUERY))));
        assert_eq!(progress.clock, Some(9));
    }

    #[test]
    fn what_is_committed_comes_back_and_so_does_what_an_older_version_wrote() {
        let mut progress = Progress::default();
        progress.expect(Writer::Query(QueryId(9)));
        progress.take(&mark(1, &[(0, said(10)), (1, Said::default())]));
        rows(&mut progress, Writer::Others, &[9]);
        progress.take(&Event::Marker(Marker { producer: 3, clock: Some(1), ..Marker::default() }));
        let text = serde_json::to_string(&progress).expect("plain data");
        assert_eq!(serde_json::from_str::<Progress>(&text).expect("its own text"), progress);
        let older = r#"{"clock":5,"idle":false,"producers":{"0":{"clock":5,"idle":false,"frontier":[]}}}"#;
        let mut expected = Progress::default();
        expected.take(&Event::Marker(Marker { producer: 0, clock: Some(5), ..Marker::default() }));
        assert_eq!(serde_json::from_str::<Progress>(older).expect("an older text"), expected);
    }
}
