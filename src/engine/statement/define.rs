//! DEFINE, UNDEFINE and SHOW VARIABLES.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::StringArray;

use super::done;
use super::show::table;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::session::Session;
use crate::error::Result;
use crate::model::SqlType;
use crate::sql::Name;

pub(super) fn execute(session: &mut Session, name: &Name, value: Option<&str>) -> Outcome {
    let was_there = session.variables.put(&name.value, value);
    if value.is_none() && !was_there {
        session.notice(Notice::new(format!("variable \"{}\" is not defined, skipping", name.value)));
    }
    done(if value.is_some() { "DEFINE" } else { "UNDEFINE" })
}

pub(super) fn fields() -> Vec<OutputField> {
    let text = |name: &str| OutputField::new(name, SqlType::Text);
    ["name", "value"].map(text).to_vec()
}

/// `SHOW VARIABLES`
pub(super) fn show(session: &Session) -> Result<Outcome> {
    let all: Vec<(&str, &str)> = session.variables.all().collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(all.iter().map(|(name, _)| name))),
        Arc::new(StringArray::from_iter_values(all.iter().map(|(_, value)| value))),
    ];
    table(fields(), arrays, "SHOW")
}
