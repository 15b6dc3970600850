//! COPY .. TO STDOUT: rows as lines, as they come, or as they are for the door to write in binary.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;

use super::select;
use crate::catalog::fold;
use crate::engine::copy_text::write_header;
use crate::engine::copy_text::write_rows;
use crate::engine::outcome::CopyLines;
use crate::engine::outcome::CopyOut;
use crate::engine::outcome::CopyOutRows;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::sql;
use crate::sql::CopyFormat;
use crate::sql::CopyHeader;
use crate::sql::CopySource;
use crate::sql::Name;

pub(super) async fn execute(session: &mut Session, source: &CopySource, format: &CopyFormat) -> Result<Outcome> {
    let answer = match source {
        CopySource::Select(query) => select::execute(session, query, &[]).await?,
        CopySource::Relation(name, columns) => {
            let query = whole_relation(session, name, columns)?;
            select::execute(session, &query, &[]).await?
        }
    };
    let Outcome::Rows { fields, rows, push, .. } = answer else {
        return Err(Error::internal("a query without rows"));
    };
    if format.binary {
        return Ok(Outcome::CopyOutRows(CopyOutRows { fields, rows }));
    }
    let mut header = Vec::new();
    if format.header != CopyHeader::Absent {
        write_header(fields.iter().map(|field| field.name.as_str()), format, &mut header);
    }
    let header =
        (!header.is_empty()).then(|| Ok(CopyLines { ends: vec![header.len()], bytes: header.into(), rows: 0 }));
    let format = Arc::new(format.clone());
    let lines = rows.map(move |batch| {
        let batch = batch?;
        let mut lines = Vec::new();
        let ends = write_rows(&batch, &format, &mut lines);
        let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        Ok(CopyLines { bytes: Bytes::from(lines), ends, rows })
    });
    Ok(Outcome::CopyOut(CopyOut { columns: fields.len(), chunks: stream::iter(header).chain(lines).boxed(), push }))
}

/// `SELECT columns FROM relation`, each name quoted in the spelling that is kept.
fn whole_relation(session: &Session, name: &Name, columns: &[Name]) -> Result<sql::Select> {
    let compatibility = session.settings.compatibility();
    let quoted = |name: &Name| format!("\"{}\"", fold(name, compatibility).replace('"', "\"\""));
    let list: Vec<String> = columns.iter().map(quoted).collect();
    let list = if list.is_empty() { "*".to_string() } else { list.join(", ") };
    sql::parse_select(&format!("SELECT {list} FROM {}", quoted(name)))
}
