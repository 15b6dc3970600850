//! The texts that a session parsed last: many drivers send the same text again and again without preparing it.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::prepared::Prepared;

/// Texts that are remembered.
const TEXTS_MAX: usize = 4;
/// Bytes of a text that is remembered.
const TEXT_BYTES_MAX: usize = 1024;

/// See the file's head; few and short ones, since there may be many sessions. What a text means does not change, only what its names do.
#[derive(Default)]
pub(super) struct RecentTexts(Mutex<VecDeque<(String, Vec<Prepared>)>>);

impl RecentTexts {
    /// The statements of a text, if it is remembered.
    pub(super) fn get(&self, text: &str) -> Option<Vec<Prepared>> {
        let recent = self.0.lock();
        recent.iter().find(|(known, _)| known == text).map(|(_, statements)| statements.clone())
    }

    /// Remembers the statements of a text, in the place of the oldest.
    pub(super) fn put(&self, text: &str, statements: &[Prepared]) {
        if TEXT_BYTES_MAX < text.len() {
            return;
        }
        let mut recent = self.0.lock();
        recent.truncate(TEXTS_MAX - 1);
        recent.push_front((text.to_string(), statements.to_vec()));
    }

    /// Remembers nothing any more.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_texts_are_remembered_and_no_long_ones() {
        let recent = RecentTexts::default();
        for number in 0..=TEXTS_MAX {
            recent.put(&number.to_string(), &[]);
        }
        assert!(recent.get("0").is_none() && recent.get("1").is_some() && recent.get(&TEXTS_MAX.to_string()).is_some());
        recent.put(&"x".repeat(TEXT_BYTES_MAX + 1), &[]);
        assert!(recent.get("1").is_some());
        recent.clear();
        assert!(recent.get("1").is_none());
    }
}
