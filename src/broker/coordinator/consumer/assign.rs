//! Who is to have which partitions.
//!
//! Invariants:
//!   * each partition of a topic that somebody reads is of one member that reads it; no other is of anybody
//!   * `uniform`: nobody has two partitions more than another that reads the topic of one of them
//!   * the shares follow from the members, the counts, and what members had before, in any order

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::str::FromStr;

use crate::broker::coordinator::consumer_record::Partitions;
use crate::model::TopicId;
use crate::model::TopicPartition;

/// A way to share out partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Assignor {
    /// As equal numbers as possible; who has a partition keeps it, if that goes.
    #[default]
    Uniform,
    /// Of each topic a run of partitions that follow each other, so that those of equal number of several topics meet.
    Range,
}

impl Assignor {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    pub(super) fn assign(self, members: &[Assignee<'_>], counts: &BTreeMap<TopicId, i32>) -> Vec<Partitions> {
        match self {
            Self::Uniform => uniform(members, counts),
            Self::Range => range(members, counts),
        }
    }
}

impl FromStr for Assignor {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Uniform, Self::Range].into_iter().find(|assignor| assignor.name() == name).ok_or(())
    }
}

/// A member that partitions are shared out to.
#[derive(Debug)]
pub(super) struct Assignee<'a> {
    /// Its instance if it has one, else its name.
    pub name: &'a str,
    pub topics: BTreeSet<TopicId>,
    /// What it was to have before.
    pub before: &'a Partitions,
}

/// The members that read a topic, by their place.
fn readers(members: &[Assignee<'_>], topic: TopicId) -> Vec<usize> {
    let reads = |(_, member): &(usize, &Assignee<'_>)| member.topics.contains(&topic);
    members.iter().enumerate().filter(reads).map(|(place, _)| place).collect()
}

fn range(members: &[Assignee<'_>], counts: &BTreeMap<TopicId, i32>) -> Vec<Partitions> {
    let mut shares = vec![Partitions::new(); members.len()];
    for (topic, count) in counts {
        let mut readers = readers(members, *topic);
        readers.sort_by_key(|place| members[*place].name);
        let mut numbers = 0..*count;
        for (index, place) in readers.iter().enumerate() {
            // The rest is shared among those that are left: the first ones get one more.
            let share = numbers.len().div_ceil(readers.len() - index);
            shares[*place].extend(numbers.by_ref().take(share).map(|number| TopicPartition::new(*topic, number)));
        }
    }
    shares
}

fn uniform(members: &[Assignee<'_>], counts: &BTreeMap<TopicId, i32>) -> Vec<Partitions> {
    let mut taken = Partitions::new();
    let mut keep = |member: &Assignee<'_>| -> Partitions {
        let exists = |at: &TopicPartition| counts.get(&at.topic).is_some_and(|count| at.partition.0 < *count);
        let is_kept = |at: &TopicPartition| exists(at) && member.topics.contains(&at.topic) && taken.insert(*at);
        member.before.iter().copied().filter(is_kept).collect()
    };
    let mut shares: Vec<Partitions> = members.iter().map(&mut keep).collect();
    // Topics with few readers come first: their partitions have fewer places to go to.
    let mut topics: Vec<_> = counts.iter().map(|(topic, count)| (readers(members, *topic), *topic, *count)).collect();
    topics.sort_by_key(|(readers, topic, _)| (readers.len(), *topic));
    for (readers, topic, count) in topics {
        let mut by_load = by_load(&readers, &shares);
        let free = (0..count).map(|number| TopicPartition::new(topic, number)).filter(|at| !taken.contains(at));
        for partition in free {
            let Some((load, place)) = by_load.pop_first() else { break };
            shares[place].insert(partition);
            by_load.insert((load + 1, place));
        }
    }
    // Each move makes the sum of the squares of all loads smaller, so this ends.
    while level(members, &mut shares) {}
    shares
}

/// Members with the numbers of partitions that they have.
fn by_load(places: &[usize], shares: &[Partitions]) -> BTreeSet<(usize, usize)> {
    places.iter().map(|place| (shares[*place].len(), *place)).collect()
}

/// Moves partitions from who has most to who has least, one by one, until nobody finds one to take; whether it moved any.
/// Who found none may find one again, where members read different topics.
fn level(members: &[Assignee<'_>], shares: &mut [Partitions]) -> bool {
    let mut has_moved = false;
    let places: Vec<_> = (0..members.len()).collect();
    let mut givers = by_load(&places, shares);
    let mut takers = givers.clone();
    while let Some((least, to)) = takers.pop_first() {
        let is_wanted = |at: &&TopicPartition| members[to].topics.contains(&at.topic);
        let above = givers.iter().rev().take_while(|(load, _)| least + 1 < *load);
        let mut gifts =
            above.filter_map(|(load, from)| Some((*load, *from, *shares[*from].iter().rev().find(is_wanted)?)));
        let Some((load, from, partition)) = gifts.next() else { continue };
        shares[from].remove(&partition);
        shares[to].insert(partition);
        givers.remove(&(load, from));
        givers.remove(&(least, to));
        givers.extend([(load - 1, from), (least + 1, to)]);
        if takers.remove(&(load, from)) {
            takers.insert((load - 1, from));
        }
        takers.insert((least + 1, to));
        has_moved = true;
    }
    has_moved
}
