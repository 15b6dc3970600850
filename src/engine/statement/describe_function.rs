//! DESCRIBE FUNCTION name: each way of calling it, one row each.

use super::show::listed;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::sql::Name;
use crate::sql::nearest;

const COLUMNS: [&str; 6] = ["function", "result", "kind", "volatility", "mode", "description"];

pub(super) fn fields() -> Vec<OutputField> {
    COLUMNS.map(|name| OutputField::new(name, SqlType::Text)).to_vec()
}

pub(super) async fn execute(session: &mut Session, name: &Name) -> Result<Outcome> {
    let wanted = name.value.to_lowercase();
    let all = session.engine.functions().reference();
    if !all.iter().any(|usage| usage.name == wanted) {
        let message = format!("function \"{}\" does not exist", name.value);
        let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).at(name.position);
        return Err(match nearest(&wanted, all.iter().map(|usage| usage.name.as_str())) {
            Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
            None => error.hint("SHOW FUNCTIONS lists them."),
        });
    }
    let text = format!(
        "SELECT name || '(' || arguments || ')' AS function, result, kind, volatility, mode, description \
         FROM tidemill.functions WHERE name = '{}' ORDER BY arguments, mode",
        wanted.replace('\'', "''")
    );
    listed(session, &text, "DESCRIBE").await
}
