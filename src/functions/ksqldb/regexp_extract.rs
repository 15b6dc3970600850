//! `REGEXP_EXTRACT(pattern, text [, group])`: the first match of a pattern, or one of its groups.

use std::cell::RefCell;

use regex::Regex;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `regexp_extract(pattern text, text [, INT]) -> text`; null for a null argument, no match, and a group that is not there.
///
/// 2201B for what is no pattern.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "regexp_extract",
    about: "The first match of a pattern in a text, or of one of its groups; NULL if there is none.",
    overloads: &[
        Overload { arguments: &[Type::Text, Type::Text], result: Type::Text },
        Overload { arguments: &[Type::Text, Type::Text, Type::Int], result: Type::Text },
    ],
    nulls: Nulls::GiveNull,
    compute: |cells| {
        let group = cells.get(2).map_or(Ok(0), |group| usize::try_from(group.int()));
        let pattern = pattern(cells[0].text())?;
        let found = group.ok().and_then(|group| pattern.captures(cells[1].text())?.get(group));
        Ok(Answer::text(found.map(|found| found.as_str())))
    },
}];

thread_local! {
    /// The pattern of the row before, which is most often the next one's too.
    static LAST: RefCell<Option<(String, Regex)>> = const { RefCell::new(None) };
}

pub(super) fn pattern(text: &str) -> Result<Regex, Error> {
    let known = LAST.with_borrow(|last| match last {
        Some((known, pattern)) if known == text => Some(pattern.clone()),
        _ => None,
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let pattern = Regex::new(text).map_err(|error| {
        let message = format!("invalid regular expression: \"{text}\"");
        Error::new(SqlState::INVALID_REGULAR_EXPRESSION, message).detail(error.to_string())
    })?;
    LAST.set(Some((text.to_owned(), pattern.clone())));
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::rowwise::Cell;

    #[test]
    fn the_first_match_or_one_of_its_groups_is_given() {
        let call = |cells: &[Cell<'_>]| (DEFINITIONS[0].compute)(cells);
        let (pattern, text) = (Cell::Text("(.o).(x)?"), Cell::Text("no so"));
        for (group, answer) in [(0, Some("no ")), (1, Some("no")), (2, None), (3, None), (-1, None)] {
            assert_eq!(call(&[pattern, text, Cell::Int(group)]).expect("an answer"), Answer::text(answer), "{group}");
        }
        assert_eq!(call(&[pattern, text]).expect("an answer"), Answer::text(Some("no ")));
        assert_eq!(call(&[pattern, Cell::Text("x")]).expect("an answer"), Answer::Null);
        assert!(call(&[Cell::Text("("), text]).is_err());
    }
}
