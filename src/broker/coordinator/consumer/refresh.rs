//! The topics that members read, and the targets that follow from them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use xxhash_rust::xxh3::xxh3_64;

use super::assign::Assignee;
use super::assign::Assignor;
use super::group::Changes;
use super::group::ConsumerGroup;
use super::topics::Topics;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::NamePattern;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::consumer_record::GroupEpoch;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::event::Now;
use crate::model::TopicId;

/// Patterns of one group that differ.
const PATTERNS_MAX: usize = 100;

impl ConsumerGroup {
    /// Holds the subscriptions against the topics; the group's epoch rises if there is something else to share out, or if
    /// `is_changed` says so. Targets follow the epoch.
    pub(super) fn refresh(
        &mut self,
        changes: &mut Changes,
        is_changed: bool,
        topics: &Topics,
        now: Now,
        config: &GroupConfig,
    ) {
        if is_changed || self.checked != Some(topics.version) {
            self.fit_patterns(topics);
            let metadata_hash = self.metadata_hash(topics);
            if is_changed || metadata_hash != self.epoch.metadata_hash {
                let group_epoch = self.epoch.group_epoch + 1;
                let epoch = GroupEpoch { group_epoch, metadata_hash };
                self.change(changes, ConsumerRecord::Epoch(Some(epoch)), now, config);
            }
            self.checked = Some(topics.version);
        }
        if self.assignment_epoch < self.epoch.group_epoch {
            for (member, target) in self.assign(topics) {
                if self.targets.get(&member) != Some(&target) {
                    let record = ConsumerRecord::Target { member, value: Some(target) };
                    self.change(changes, record, now, config);
                }
            }
            let epoch = Some(self.epoch.group_epoch);
            self.change(changes, ConsumerRecord::TargetEpoch(epoch), now, config);
        }
    }

    /// Takes in a pattern that a member is about to have.
    pub(super) fn add_pattern(&mut self, text: &str) -> Result<(), GroupError> {
        if PATTERNS_MAX <= self.patterns.len() {
            self.drop_patterns();
        }
        if PATTERNS_MAX <= self.patterns.len() {
            let reason = format!("the members have {PATTERNS_MAX} patterns already");
            return Err(GroupError::InvalidPattern { reason });
        }
        self.patterns.insert(text.to_string(), NamePattern::compile(text)?);
        Ok(())
    }

    /// Forgets patterns that no member has; those that members have.
    fn drop_patterns(&mut self) -> BTreeSet<String> {
        let in_use = self.members.values().filter_map(|member| member.subscription.pattern.clone()).collect();
        self.patterns.retain(|text, _| BTreeSet::contains(&in_use, text));
        in_use
    }

    /// Finds all names that members read.
    fn fit_patterns(&mut self, topics: &Topics) {
        for text in self.drop_patterns() {
            let Entry::Vacant(missing) = self.patterns.entry(text) else { continue };
            match NamePattern::compile(missing.key()) {
                Ok(pattern) => {
                    missing.insert(pattern);
                }
                // It was checked when it came: this one is of another server.
                Err(error) => tracing::warn!(pattern = missing.key(), %error, "a pattern of topics fits none"),
            }
        }
        let fitting = topics.by_name.keys().filter(|name| self.patterns.values().any(|pattern| pattern.fits(name)));
        let named = self.members.values().flat_map(|member| &member.subscription.topics);
        self.topics = Some(named.chain(fitting).cloned().collect());
    }

    /// Stands for the topics that members read; 0 for none.
    fn metadata_hash(&self, topics: &Topics) -> i64 {
        let mut bytes = Vec::new();
        for name in self.topics.iter().flatten() {
            let Some((TopicId(id), partitions)) = topics.by_name.get(name) else { continue };
            bytes.extend(id);
            bytes.extend(partitions.to_be_bytes());
        }
        if bytes.is_empty() { 0 } else { xxh3_64(&bytes).cast_signed() }
    }

    /// The assignor that most members want.
    pub(super) fn assignor(&self) -> Assignor {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(Ok(assignor)) = member.subscription.assignor.as_deref().map(str::parse::<Assignor>) {
                *votes.entry(assignor).or_default() += 1;
            }
        }
        // Of equal votes the first one counts.
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(assignor, _)| assignor).unwrap_or_default()
    }

    /// What each member is to have.
    fn assign(&self, topics: &Topics) -> Vec<(String, Partitions)> {
        let nothing = Partitions::new();
        let fitting = |text: &String| -> BTreeSet<TopicId> {
            let pattern = self.patterns.get(text);
            let fits = |name: &String| pattern.is_some_and(|pattern| pattern.fits(name));
            topics.by_name.iter().filter(|(name, _)| fits(name)).map(|(_, (id, _))| *id).collect()
        };
        let fitting: BTreeMap<&String, BTreeSet<TopicId>> =
            self.patterns.keys().map(|text| (text, fitting(text))).collect();
        let mut assignees = Vec::with_capacity(self.members.len());
        for (name, member) in &self.members {
            let subscription = &member.subscription;
            let named = subscription.topics.iter().filter_map(|name| topics.by_name.get(name)).map(|(id, _)| *id);
            let patterned = subscription.pattern.iter().filter_map(|text| fitting.get(text)).flatten().copied();
            assignees.push(Assignee {
                name: subscription.instance.as_ref().unwrap_or(name),
                topics: named.chain(patterned).collect(),
                before: self.targets.get(name).unwrap_or(&nothing),
            });
        }
        let read: BTreeSet<TopicId> = assignees.iter().flat_map(|assignee| &assignee.topics).copied().collect();
        let counts = topics.by_name.values().filter(|(id, _)| read.contains(id)).copied().collect();
        let shares = self.assignor().assign(&assignees, &counts);
        self.members.keys().cloned().zip(shares).collect()
    }
}
