//! A member's next step from what it has to its target.

use crate::broker::coordinator::consumer_record::Current;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::consumer_record::Progress;
use crate::model::TopicPartition;

/// What the member has from now on. `owned` is what it says that it has, if it does; `is_taken` tells whether another
/// member has a partition, or has yet to give it back.
pub(super) fn reconcile(
    current: &Current,
    target: &Partitions,
    assignment_epoch: i32,
    owned: Option<&Partitions>,
    is_taken: impl Fn(&TopicPartition) -> bool,
) -> Current {
    // Who does not say what it has, has what it had.
    let has = |partition: &TopicPartition| owned.is_none_or(|owned| owned.contains(partition));
    match current.progress {
        Progress::Stable if current.member_epoch == assignment_epoch => return current.clone(),
        Progress::Revoking if current.revoking.iter().any(has) => return current.clone(),
        Progress::Stable | Progress::Revoking | Progress::Waiting => {}
    }
    let mut assigned: Partitions = current.assigned.intersection(target).copied().collect();
    let revoking: Partitions = current.assigned.difference(target).copied().collect();
    if revoking.iter().any(has) {
        return Current { progress: Progress::Revoking, assigned, revoking, ..*current };
    }
    let (taken, free): (Vec<_>, Vec<_>) = target.difference(&assigned).copied().partition(is_taken);
    assigned.extend(free);
    let previous_member_epoch = match current.member_epoch == assignment_epoch {
        true => current.previous_member_epoch,
        false => current.member_epoch,
    };
    Current {
        member_epoch: assignment_epoch,
        previous_member_epoch,
        progress: if taken.is_empty() { Progress::Stable } else { Progress::Waiting },
        assigned,
        revoking: Partitions::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    fn partitions(numbers: &[i32]) -> Partitions {
        numbers.iter().map(|number| TopicPartition::new(TopicId([1; 16]), *number)).collect()
    }

    fn stable(member_epoch: i32, assigned: &[i32]) -> Current {
        Current {
            member_epoch,
            previous_member_epoch: member_epoch - 1,
            progress: Progress::Stable,
            assigned: partitions(assigned),
            revoking: Partitions::new(),
        }
    }

    #[test]
    fn partitions_are_given_back_before_others_are_taken() {
        let target = partitions(&[1, 2]);
        let nobody = |_: &TopicPartition| false;
        let before = stable(4, &[0, 1]);
        let revoking = reconcile(&before, &target, 5, None, nobody);
        let expected = Current {
            progress: Progress::Revoking,
            assigned: partitions(&[1]),
            revoking: partitions(&[0]),
            ..before.clone()
        };
        assert_eq!(revoking, expected, "its epoch stays, and it gets nothing");
        for still in [None, Some(partitions(&[0])), Some(partitions(&[0, 1]))] {
            assert_eq!(reconcile(&revoking, &target, 6, still.as_ref(), nobody), expected);
        }
        let done = reconcile(&revoking, &target, 6, Some(&partitions(&[1])), nobody);
        let expected = Current { previous_member_epoch: 4, ..stable(6, &[1, 2]) };
        assert_eq!(done, expected);
        assert_eq!(reconcile(&done, &partitions(&[]), 6, None, nobody), done, "one epoch has one target");
    }

    #[test]
    fn what_others_have_is_waited_for_and_what_is_free_is_taken() {
        let target = partitions(&[0, 1, 2]);
        let taken = |number: i32| move |partition: &TopicPartition| partition.partition.0 == number;
        let waiting = reconcile(&stable(4, &[0]), &target, 5, None, taken(2));
        assert_eq!((waiting.progress, waiting.member_epoch), (Progress::Waiting, 5));
        assert_eq!(waiting.assigned, partitions(&[0, 1]));
        assert_eq!(reconcile(&waiting, &target, 5, None, taken(2)), waiting);
        let done = reconcile(&waiting, &target, 5, None, taken(7));
        assert_eq!((done.progress, done.assigned, done.previous_member_epoch), (Progress::Stable, target, 4));
    }

    #[test]
    fn a_member_that_never_had_what_it_is_to_give_back_goes_on_at_once() {
        let done = reconcile(&stable(4, &[0]), &partitions(&[1]), 5, Some(&partitions(&[])), |_| false);
        assert_eq!(done, stable(5, &[1]));
    }
}
