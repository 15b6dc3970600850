//! Rows that came too late, kept in a topic of their operator's, in the cut that passed them.
//!
//! A record's value is a JSON document of the columns that the operator reads, its time the row's event time; its headers
//! `stream_time` (milliseconds) and `partition` (of the task) say when and where it was late.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::datatypes::Int64Type;

use super::ExecError;
use super::output::CutOutput;
use crate::format::CodecOptions;
use crate::format::Encoder;
use crate::format::FormatSpec;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::model::TopicPartition;

/// Late rows of one operator that one cut keeps; the rest are counted.
const KEPT_MAX: u64 = 1_000;

/// Keeps the rows of a batch between operators, of which the cut has had `seen` before.
pub fn keep(
    output: &mut CutOutput,
    to: TopicPartition,
    batch: &RecordBatch,
    seen: u64,
    partition: i32,
) -> Result<(), ExecError> {
    let room = usize::try_from(KEPT_MAX.saturating_sub(seen)).unwrap_or(usize::MAX).min(batch.num_rows());
    // System columns follow the user's, their event time and their stream time first.
    let Some(users) = batch.schema().fields().iter().position(|field| field.name() == "__time").filter(|_| 0 < room)
    else {
        return Ok(());
    };
    let batch = batch.slice(0, room);
    let number = |index: usize, row: usize| batch.column(index).as_primitive::<Int64Type>().value(row);
    let encoded = encoder(&batch, users)?.encode(&batch)?;
    let partition = partition.to_string();
    for (row, value) in encoded.values.iter().enumerate() {
        let (time, stream_time) = (number(users, row), number(users + 1, row).to_string());
        let headers: [(&[u8], Option<&[u8]>); 2] =
            [(b"stream_time", Some(stream_time.as_bytes())), (b"partition", Some(partition.as_bytes()))];
        output.batch(to).append(time, None, value.as_deref(), &headers);
    }
    Ok(())
}

/// Writes the user's columns, of which those with one name are told apart by a number.
fn encoder(batch: &RecordBatch, users: usize) -> Result<Encoder, ExecError> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut columns = Vec::with_capacity(users);
    let schema = batch.schema();
    for field in schema.fields().iter().take(users) {
        let count = seen.entry(field.name()).and_modify(|count| *count += 1).or_insert(1);
        let name = match count {
            1 => field.name().clone(),
            count => format!("{}_{count}", field.name()),
        };
        let sql_type = SqlType::from_arrow(field.data_type()).unwrap_or(SqlType::Text);
        columns.push(Column { name, sql_type, role: ColumnRole::Value });
    }
    Ok(Encoder::new(&columns, FormatSpec::None, FormatSpec::Json, &CodecOptions::default())?)
}
