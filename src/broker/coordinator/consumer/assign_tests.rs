//! Shares against what they promise, for random groups.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::assign::Assignee;
use super::assign::Assignor;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::TopicId;
use crate::model::TopicPartition;

fn topic(number: u8) -> TopicId {
    TopicId([number; 16])
}

/// Members by name: the topics that each reads, and what it had.
type Members = BTreeMap<String, (BTreeSet<TopicId>, Partitions)>;

fn assign(assignor: Assignor, members: &Members, counts: &BTreeMap<TopicId, i32>) -> Vec<Partitions> {
    let assignee =
        |(name, (topics, before)): (_, &'_ (BTreeSet<TopicId>, Partitions))| (name, topics.clone(), before.clone());
    let owned: Vec<(&String, _, _)> = members.iter().map(assignee).collect();
    let assignees: Vec<_> =
        owned.iter().map(|(name, topics, before)| Assignee { name, topics: topics.clone(), before }).collect();
    assignor.assign(&assignees, counts)
}

fn check(seed: u64, members: &Members, counts: &BTreeMap<TopicId, i32>, shares: &[Partitions]) {
    let mut owners = BTreeMap::new();
    for ((name, (topics, _)), share) in members.iter().zip(shares) {
        for partition in share {
            assert!(topics.contains(&partition.topic), "seed {seed}: {name} does not read {partition}");
            assert_eq!(owners.insert(*partition, name), None, "seed {seed}: {partition} has two owners");
        }
    }
    let is_read = |id: &TopicId| members.values().any(|(topics, _)| topics.contains(id));
    let all: BTreeSet<_> = counts
        .iter()
        .filter(|(id, _)| is_read(id))
        .flat_map(|(id, count)| (0..*count).map(|number| TopicPartition::new(*id, number)))
        .collect();
    assert_eq!(owners.keys().copied().collect::<BTreeSet<_>>(), all, "seed {seed}");
}

/// No member has two partitions more than another that could have one of them.
fn check_level(seed: u64, members: &Members, shares: &[Partitions]) {
    for ((from, share), ((to, (topics, _)), other)) in
        members.keys().zip(shares).flat_map(|from| members.iter().zip(shares).map(move |to| (from, to)))
    {
        if other.len() + 1 < share.len() {
            let movable = share.iter().find(|partition| topics.contains(&partition.topic));
            assert_eq!(movable, None, "seed {seed}: {from} has {} and {to} {}", share.len(), other.len());
        }
    }
}

#[test]
fn random_groups_are_shared_out_whole_level_and_with_few_moves() {
    for seed in 0..400 {
        let random = SeededRandom::new(seed);
        let below = |limit: u64| random.next_u64() % limit;
        let counts: BTreeMap<_, _> =
            (0..1 + below(4) as u8).map(|number| (topic(number), 1 + below(7) as i32)).collect();
        let all_topics: BTreeSet<_> = counts.keys().copied().collect();
        let is_homogeneous = below(2) == 0;
        let mut members = Members::new();
        for step in 0..12 {
            match below(3) {
                0 if !members.is_empty() => drop(members.pop_first()),
                _ => {
                    let some = || all_topics.iter().copied().filter(|_| below(2) == 0).collect();
                    let topics = if is_homogeneous { all_topics.clone() } else { some() };
                    members.insert(format!("m{}", below(100)), (topics, Partitions::new()));
                }
            }
            check(seed, &members, &counts, &assign(Assignor::Range, &members, &counts));
            let shares = assign(Assignor::Uniform, &members, &counts);
            check(seed, &members, &counts, &shares);
            check_level(seed, &members, &shares);
            if is_homogeneous {
                // Who has no more than its part keeps all of it.
                let part = shares.iter().map(Partitions::len).max().unwrap_or_default();
                for ((name, (_, before)), share) in members.iter().zip(&shares) {
                    let kept = before.intersection(share).count();
                    assert!(
                        before.len().min(part.saturating_sub(1)) <= kept,
                        "seed {seed}, step {step}: {name} lost some"
                    );
                }
            }
            members.values_mut().zip(shares).for_each(|((_, before), share)| *before = share);
            let again = assign(Assignor::Uniform, &members, &counts);
            assert!(
                members.values().zip(&again).all(|((_, before), share)| before == share),
                "seed {seed}: it is not stable"
            );
        }
    }
}

#[test]
fn range_gives_equal_numbers_of_topics_to_one_member() {
    let counts = BTreeMap::from([(topic(1), 5), (topic(2), 5)]);
    let topics: BTreeSet<_> = counts.keys().copied().collect();
    let members: Members = ["a", "b"].map(|name| (name.to_string(), (topics.clone(), Partitions::new()))).into();
    let shares = assign(Assignor::Range, &members, &counts);
    let of = |numbers: &[i32]| -> Partitions {
        [1, 2].into_iter().flat_map(|id| numbers.iter().map(move |n| TopicPartition::new(topic(id), *n))).collect()
    };
    assert_eq!(shares, [of(&[0, 1, 2]), of(&[3, 4])]);
}
