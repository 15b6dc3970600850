//! ksqlDB's functions, a file an idea: their null rules and errors are its own. An error gives NULL for its row.
//!
//! One that PostgreSQL or DataFusion has under the same name, with other answers, begins with `__ksql_`, and `compatibility =
//! 'ksqldb'` calls it; the others have their own names under both rules.

mod choice;
mod chr;
mod encoding;
mod epoch;
mod from_bytes;
mod geo_distance;
mod instr;
mod json;
mod json_concat;
mod json_text;
mod logarithm;
mod mask;
mod pad;
mod partial_times;
mod regexp_extract;
mod substring;
mod texts;
mod time_text;
mod time_units;
mod url;
mod zones;

pub use json_text::ToJsonString;

use super::rowwise::Definition;

/// All of them: a new one is a file and a line here.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    let lists: [&'static [Definition]; 20] = [
        &chr::DEFINITIONS,
        &choice::DEFINITIONS,
        &encoding::DEFINITIONS,
        &epoch::DEFINITIONS,
        &from_bytes::DEFINITIONS,
        &geo_distance::DEFINITIONS,
        &instr::DEFINITIONS,
        &json::DEFINITIONS,
        &json_concat::DEFINITIONS,
        &logarithm::DEFINITIONS,
        &mask::DEFINITIONS,
        &pad::DEFINITIONS,
        &partial_times::DEFINITIONS,
        &regexp_extract::DEFINITIONS,
        &substring::DEFINITIONS,
        &texts::DEFINITIONS,
        &time_text::DEFINITIONS,
        &time_units::DEFINITIONS,
        &url::DEFINITIONS,
        &zones::DEFINITIONS,
    ];
    lists.into_iter().flatten()
}
