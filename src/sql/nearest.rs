//! "Did you mean": the candidate that one slip of the keyboard turns into what was typed.

/// The candidate nearest to `typed`, if any is near enough to be worth a hint. Upper and lower case are alike.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong, but at least one: `cts` finds `cats`, `xy` does not find `cats`.
    let slips_max = (typed.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(typed, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
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
}
