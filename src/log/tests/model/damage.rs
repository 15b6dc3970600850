//! At the end of a world somebody damages a file: what is read is what was sent, or the log says that it is damaged.

use std::path::PathBuf;

use super::*;

impl World<'_> {
    /// Ends the process, damages one file and opens the log.
    pub(super) fn damage(mut self) {
        for at in 0..self.shelves.len() {
            self.flush(at);
        }
        if self.one_in(2) {
            self.log.trim_once().expect("it trims");
        }
        let confirmed = self.one_in(2);
        if confirmed {
            self.log.confirm_once().expect("it confirms");
        }
        self.end_process(if self.one_in(2) { Ending::Killed } else { Ending::PowerLost });
        let what = self.damage_one_file(confirmed);
        let (log, report) = match LogDir::open(self.simulation.env.clone(), dir(), self.config) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: the log does not open: {error:?}"),
        };
        self.history.push(format!("{what}: {report:?}"));
        let reported = report.journal_damaged || !report.corrupt.is_empty() || !report.unreadable.is_empty();
        for shelf in &self.shelves {
            if report.unreadable.contains(&shelf.id) {
                let refused = log.ends(shelf.id);
                assert!(matches!(refused, Err(LogError::Unreadable { .. })), "{refused:?}");
                continue;
            }
            let damaged = report.corrupt.iter().find(|(id, _)| *id == shelf.id).map(|(_, offset)| offset.0);
            let start = log.ends(shelf.id).expect("it is there").log_start_offset.0;
            let begins = (shelf.start_floor..=shelf.start).contains(&start);
            assert!(begins || reported, "it starts at {start}, not at {}", shelf.start);
            match damaged {
                None => shelf.check_below(&log, shelf.end(), shelf.last_stable()),
                Some(damaged) => {
                    log.set_high_watermark(shelf.id, Offset(damaged)).expect("it needs no disk");
                    let stable = log.ends(shelf.id).expect("it is there").last_stable_offset;
                    shelf.check_below(&log, damaged.min(shelf.end()), stable.0);
                    let read = log.read(shelf.id, Offset(damaged), Offset(damaged + 1), 1);
                    assert!(matches!(read, Err(LogError::Corrupt { .. })), "{read:?}");
                }
            }
        }
        self.tally.damages += 1;
        self.tally.reports += usize::from(reported);
    }

    /// Damages any file; but the journal only if its last group is confirmed: a bit that flips in one that is not looks like a
    /// torn write.
    fn damage_one_file(&self, confirmed: bool) -> String {
        let disk = &self.simulation.disk;
        let is_journal = |path: &Path| path.starts_with(dir().join("journal"));
        let mut files = disk.files();
        files.retain(|path| confirmed || !is_journal(path));
        let path = &files[self.below(files.len())];
        let contents = disk.contents(path).expect("it is there");
        let length = contents.len();
        // A journal file that is gone or shorter looks like one that a power loss took: nothing says what it held.
        let only_flips = is_journal(path);
        match if only_flips { 0 } else { self.below(4) } {
            0 if 0 < length => {
                let byte = self.below(length);
                disk.flip_bit(path, byte as u64, self.below(8) as u8).expect("it is there");
                format!("a bit of byte {byte} of {length} of {} flipped", path.display())
            }
            1 if 0 < length => {
                let left = self.below(length);
                disk.set_contents(path, &contents[..left]).expect("it is there");
                format!("{} cut from {length} to {left}", path.display())
            }
            2 => {
                let others: Vec<&PathBuf> = files.iter().filter(|path| !is_journal(path)).collect();
                let other = others[self.below(others.len())];
                let of_other = disk.contents(other).expect("it is there");
                disk.set_contents(path, &of_other).expect("it is there");
                disk.set_contents(other, &contents).expect("it is there");
                format!("{} and {} exchanged", path.display(), other.display())
            }
            _ => {
                self.simulation.env.disk.remove_file(path).expect("it goes");
                format!("{} removed", path.display())
            }
        }
    }
}
