//! The texts that a session parsed last: many drivers send the same text again and again without preparing it.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::prepared::Prepared;
use super::shape::Shape;

/// Texts that are remembered.
const TEXTS_MAX: usize = 4;
/// Bytes of a text that is remembered.
const TEXT_BYTES_MAX: usize = 1024;

/// See the file's head; few and short ones, since there may be many sessions. What a text means does not change, only what its names do.
#[derive(Default)]
pub(super) struct RecentTexts {
    texts: Mutex<VecDeque<(String, Vec<Prepared>)>>,
    /// Shapes, with their statement if that is read by key.
    shapes: Mutex<VecDeque<(String, Option<Prepared>)>>,
}

impl RecentTexts {
    /// The statements of a text, if it is remembered.
    pub(super) fn get(&self, text: &str) -> Option<Vec<Prepared>> {
        let recent = self.texts.lock();
        recent.iter().find(|(known, _)| known == text).map(|(_, statements)| statements.clone())
    }

    /// Remembers the statements of a text, in the place of the oldest.
    pub(super) fn put(&self, text: &str, statements: &[Prepared]) {
        if TEXT_BYTES_MAX < text.len() {
            return;
        }
        let mut recent = self.texts.lock();
        recent.truncate(TEXTS_MAX - 1);
        recent.push_front((text.to_string(), statements.to_vec()));
    }

    /// What is remembered of a shape, `None` if it is not.
    pub(super) fn shape(&self, shape: &Shape) -> Option<Option<Prepared>> {
        let shapes = self.shapes.lock();
        shapes.iter().find(|(known, _)| *known == shape.text).map(|(_, statement)| statement.clone())
    }

    /// Remembers a shape, in the place of the oldest.
    pub(super) fn put_shape(&self, shape: &Shape, statement: Option<Prepared>) {
        if TEXT_BYTES_MAX < shape.text.len() {
            return;
        }
        let mut shapes = self.shapes.lock();
        shapes.truncate(TEXTS_MAX - 1);
        shapes.push_front((shape.text.clone(), statement));
    }

    /// Remembers nothing any more.
    pub(super) fn clear(&self) {
        self.texts.lock().clear();
        self.shapes.lock().clear();
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
