//! "Did you mean": the candidate that one slip of the keyboard turns into what was typed, or that has its words and more.

/// The candidate nearest to `typed`, if any is near enough to be worth a hint. Upper and lower case are alike.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong, but at least one: `cts` finds `cats`, `xy` does not find `cats`.
    let slips_max = (typed.chars().count() / 3).max(1);
    let judged = candidates.into_iter().filter_map(|candidate| {
        let slips = distance(typed, candidate);
        let is_longer = slips_max < slips;
        (!is_longer || has_the_words_of(candidate, typed)).then_some((is_longer, slips, candidate))
    });
    judged.min().map(|(.., candidate)| candidate)
}

/// Whether a name of several words has all of those that were typed: `terminal` for `terminal_id`.
fn has_the_words_of(name: &str, typed: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let (known, typed) = (words(name), words(typed));
    !typed.is_empty() && typed.iter().all(|word| known.contains(word))
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().flat_map(char::to_lowercase).collect();
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for row in 0..left.len() {
        let mut current = vec![row + 1];
        for column in 0..right.len() {
            let replaced = above[column] + usize::from(left[row] != right[column]);
            let mut least = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if 0 < row && 0 < column && left[row] == right[column - 1] && left[row - 1] == right[column] {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_forgiven_and_another_word_is_not() {
        let names = ["payments", "cards", "per_country"];
        assert_eq!(nearest("paymnets", names), Some("payments"));
        assert_eq!(nearest("card", names), Some("cards"));
        assert_eq!(nearest("PER_COUNTRY", names), Some("per_country"));
        assert_eq!(nearest("orders", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn a_name_that_has_the_words_and_more_is_found_after_slips() {
        let names = ["terminal_id", "card_id", "cards", "paid_at"];
        assert_eq!(nearest("terminal", names), Some("terminal_id"));
        assert_eq!(nearest("ID", names), Some("card_id"), "the shorter one");
        assert_eq!(nearest("card", names), Some("cards"), "one slip");
        assert_eq!(nearest("min", names), None, "a part of a word");
    }
}
