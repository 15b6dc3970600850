//! How many rows a round of a task may take, by what those before gave out: a join on a hot key, or a row that becomes a
//! million, must not fill memory before a cut can write it.

/// By what a round that gave out too much makes the next one smaller.
const STEP_DOWN: usize = 16;

/// See the file's head. Between two commits it only falls: what a task read before it started again it reads in smaller rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsAllowed(usize);

impl Default for RowsAllowed {
    fn default() -> Self {
        Self(usize::MAX)
    }
}

impl RowsAllowed {
    /// Rows of the next round, of which `usual` is the limit otherwise.
    pub fn of(self, usual: usize) -> usize {
        self.0.min(usual)
    }

    /// Notes that so many rows gave out so many bytes; a round should give out no more than `wanted`.
    pub fn passed(&mut self, rows: usize, bytes: usize, wanted: usize) {
        if wanted < bytes {
            self.0 = self.0.min(scaled(rows, wanted, bytes).max(1));
        }
    }

    /// Notes that so many rows gave out more than there is room for.
    pub fn were_too_many(&mut self, rows: usize) {
        self.0 = self.0.min((rows / STEP_DOWN).max(1));
    }

    /// Notes that what was taken is committed.
    pub fn grow(&mut self) {
        self.0 = self.0.saturating_mul(2);
    }
}

/// `rows * wanted / bytes`, rounded down.
fn scaled(rows: usize, wanted: usize, bytes: usize) -> usize {
    let product = rows as u128 * wanted as u128;
    usize::try_from(product / (bytes as u128).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_shrink_by_what_they_give_out_and_grow_with_commits() {
        let mut allowed = RowsAllowed::default();
        allowed.passed(8_192, 1_000, 1_000);
        assert_eq!(allowed.of(8_192), 8_192);
        allowed.passed(100, 5_000, 1_000);
        assert_eq!(allowed.of(8_192), 20);
        allowed.passed(1, 10, 1_000);
        assert_eq!(allowed.of(8_192), 20, "before a commit a task may have to read the same again");
        allowed.grow();
        assert_eq!(allowed.of(8_192), 40);
        allowed.were_too_many(40);
        assert_eq!(allowed.of(8_192), 2);
        allowed.passed(2, 64_000, 1_000);
        assert_eq!(allowed.of(8_192), 1, "a round takes a row");
        (0..64).for_each(|_| allowed.grow());
        assert_eq!(allowed.of(8_192), 8_192);
    }
}
