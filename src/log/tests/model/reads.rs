//! Reads by offset and by time.

use super::*;

impl World<'_> {
    pub(super) fn read(&mut self, at: usize) {
        let shelf = &self.shelves[at];
        let from = shelf.start + self.below((shelf.end() - shelf.start + 1) as usize) as i64;
        let upto = from + self.below((shelf.end() - from + 1) as usize) as i64;
        let bytes_max = self.below(3_000);
        let read = match self.log.read(shelf.id, Offset(from), Offset(upto), bytes_max) {
            Ok(read) => read,
            Err(error) => return assert!(self.fault_has_hit(), "without a fault: {error:?}"),
        };
        assert_eq!(read.is_empty(), upto == from, "from {from} up to {upto}");
        let size: usize = read.iter().skip(1).map(|tail| tail.batch.size_in_bytes()).sum();
        assert!(size <= bytes_max);
        let mut next = None;
        for tail in &read {
            assert!(tail.batch.base_offset() < Offset(upto));
            assert!(next.is_none_or(|next| next == tail.batch.base_offset()));
            next = Some(tail.batch.next_offset());
            for record in tail.batch.payload().expect("it is whole").records() {
                let record = record.expect("it is whole");
                assert_eq!(record.value, shelf.at(record.offset.0).1.value.as_deref());
            }
        }
        if let Some(first) = read.first() {
            assert!(first.batch.base_offset() <= Offset(from) && Offset(from) < first.batch.next_offset());
        }
    }

    pub(super) fn look_up_time(&mut self, at: usize) {
        let time = EventTime(self.now - 200 + self.below(220) as i64);
        let shelf = &self.shelves[at];
        match self.log.offset_for_time(shelf.id, time) {
            Ok(found) => {
                let (must, perhaps) = shelf.first_at(time);
                let found = found.map(|(offset, at)| {
                    assert_eq!(at.0, shelf.at(offset.0).1.timestamp);
                    offset.0
                });
                let earlier = found.is_some() && perhaps <= found && must.is_none_or(|must| found < Some(must));
                assert!(found == must || earlier, "{found:?} for {must:?}, {perhaps:?}");
            }
            Err(error) => assert!(self.fault_has_hit(), "without a fault: {error:?}"),
        }
        let epoch = LeaderEpoch(self.below(shelf.epoch.0 as usize + 2) as i32);
        if let Ok(end) = self.log.epoch_end(shelf.id, epoch) {
            let expected = shelf.epoch_end(epoch);
            // Where epochs ended of which nothing is kept may be forgotten.
            let gone = |end: Option<(LeaderEpoch, Offset)>| end.is_none_or(|(_, end)| end.0 <= shelf.start);
            let passed = gone(end) && gone(expected);
            assert!(end == expected || passed, "epoch {epoch:?} ends at {end:?}, not {expected:?}");
        }
    }
}
