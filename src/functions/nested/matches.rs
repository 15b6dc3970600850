//! `regexp_matches`: the groups of each match of a regular expression.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::ListBuilder;
use datafusion::arrow::array::StringBuilder;
use datafusion::arrow::datatypes::DataType;
use regex::RegexBuilder;

use super::definition::Definition;
use super::definition::failed;
use super::definition::list_of;
use crate::error::Error;
use crate::error::SqlState;

/// `__regexp_matches(text, pattern [, flags]) -> ARRAY<ARRAY<text>>`: of each match its groups, or the whole of it if the pattern has
/// none; of the first alone without the flag `g`. 22023 for a flag other than `g`, `i` and `c`. Null gives null.
pub(super) static DEFINITIONS: [Definition; 1] = [Definition {
    name: "__regexp_matches",
    usage: "regexp_matches(text, text [, flags text]) -> text[] ...",
    about: "A row for each match of a pattern, with its groups; for the first alone without the flag g.",
    types: |arguments| {
        let is_text = |argument: &DataType| argument.is_string() || argument.is_null();
        let fits = (2..=3).contains(&arguments.len()) && arguments.iter().all(is_text);
        fits.then(|| (vec![DataType::Utf8; arguments.len()], list_of(list_of(DataType::Utf8))))
    },
    compute: |arrays, rows, _| {
        let texts: Vec<_> = arrays.iter().map(|array| array.as_string::<i32>()).collect();
        let mut all = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
        for row in 0..rows {
            if texts.iter().any(|texts| texts.is_null(row)) {
                all.append_null();
                continue;
            }
            let flags = texts.get(2).map_or("", |flags| flags.value(row));
            append(texts[0].value(row), texts[1].value(row), flags, all.values()).map_err(failed)?;
            all.append(true);
        }
        Ok(Arc::new(all.finish()))
    },
}];

fn append(text: &str, pattern: &str, flags: &str, rows: &mut ListBuilder<StringBuilder>) -> Result<(), Error> {
    if let Some(unknown) = flags.chars().find(|flag| !"gic".contains(*flag)) {
        let message = format!("invalid regular expression option: \"{unknown}\"");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    let pattern = RegexBuilder::new(pattern).case_insensitive(flags.contains('i')).build().map_err(|_| {
        Error::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: \"{pattern}\""))
    })?;
    let most = if flags.contains('g') { usize::MAX } else { 1 };
    for found in pattern.captures_iter(text).take(most) {
        let first = usize::from(1 < found.len());
        for group in first..found.len() {
            rows.values().append_option(found.get(group).map(|group| group.as_str()));
        }
        rows.append(true);
    }
    Ok(())
}
