//! `tidemill.settings`: what a session can SET, with its default.

use futures::FutureExt;

use super::Kind;
use super::Row;
use super::SystemTable;
use super::text;
use crate::engine::settings::Settings;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "settings",
    columns: &[("name", Kind::Text), ("default", Kind::Text), ("description", Kind::Text)],
    rows: |_| async move { Ok(rows()) }.boxed(),
};

fn rows() -> Vec<Row> {
    let all = Settings::new("").all();
    all.into_iter().map(|(name, value, description)| vec![text(name), text(value), text(description)]).collect()
}
