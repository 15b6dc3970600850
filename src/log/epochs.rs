//! The leader epoch cache: where each leader's reign over a partition began.

use crate::model::LeaderEpoch;
use crate::model::Offset;

/// Epochs with the offset of their first batch, both ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    starts: Vec<(LeaderEpoch, Offset)>,
}

impl Epochs {
    /// Takes in a batch of `epoch` at `offset`; an epoch that is known changes nothing.
    pub(super) fn add(&mut self, epoch: LeaderEpoch, offset: Offset) {
        if self.latest().is_none_or(|latest| latest < epoch) {
            self.starts.push((epoch, offset));
        }
    }

    /// The newest epoch with a batch.
    pub(super) fn latest(&self) -> Option<LeaderEpoch> {
        self.starts.last().map(|(epoch, _)| *epoch)
    }

    /// The greatest epoch at or below `epoch`, and the offset after its last batch, given the log's end.
    pub(super) fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let after = self.starts.partition_point(|(start, _)| *start <= epoch);
        let (found, _) = *self.starts.get(after.checked_sub(1)?)?;
        Some((found, self.starts.get(after).map_or(log_end, |(_, start)| *start)))
    }

    /// Forgets epochs that begin at or after `end`.
    pub(super) fn truncate(&mut self, end: Offset) {
        self.starts.retain(|(_, start)| *start < end);
    }

    /// All, for the snapshot file.
    pub(super) fn starts(&self) -> &[(LeaderEpoch, Offset)] {
        &self.starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        let mut epochs = Epochs::default();
        for (epoch, offset) in [(1, 0), (1, 5), (4, 10), (6, 20)] {
            epochs.add(LeaderEpoch(epoch), Offset(offset));
        }
        let end = |epoch| epochs.end_of(LeaderEpoch(epoch), Offset(30));
        assert_eq!(end(0), None);
        assert_eq!(end(1), Some((LeaderEpoch(1), Offset(10))));
        assert_eq!(end(5), Some((LeaderEpoch(4), Offset(20))));
        assert_eq!(end(9), Some((LeaderEpoch(6), Offset(30))));
        epochs.truncate(Offset(10));
        assert_eq!(epochs.latest(), Some(LeaderEpoch(1)));
    }
}
