//! The texts of times, arrays, maps and structs as Java's `toString` and ksqlDB have them.

use chrono::DateTime;
use chrono::NaiveTime;
use chrono::Timelike;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;

use super::ksqldb::texts;
use super::plain;

/// `2024-05-01T12:30:00.000` of instants; of times of day `12:30`, with seconds and milliseconds where there are any.
pub(super) fn times(values: &ArrayRef) -> Result<StringArray> {
    let is_instant = matches!(values.data_type(), DataType::Timestamp(..));
    let micros = cast(values, &DataType::Int64)?;
    let shown = |micros: i64| match is_instant {
        true => Some(DateTime::from_timestamp_micros(micros)?.format("%Y-%m-%dT%H:%M:%S%.3f").to_string()),
        false => time_of_day(micros),
    };
    Ok(micros.as_primitive::<Int64Type>().iter().map(|micros| micros.and_then(shown)).collect())
}

fn time_of_day(micros: i64) -> Option<String> {
    let seconds = u32::try_from(micros / 1_000_000).ok()?;
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).ok()?;
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)?;
    let form = match (time.second(), time.nanosecond() / 1_000_000) {
        (0, 0) => "%H:%M",
        (_, 0) => "%H:%M:%S",
        _ => "%H:%M:%S%.3f",
    };
    Some(time.format(form).to_string())
}

/// `[1, 2]` of arrays, `{a=1, b=2}` of maps, `Struct{A=1,B=2}` of structs, whose nulls are left out.
pub(super) fn nested(values: &ArrayRef) -> Result<StringArray> {
    let element = |of: &StringArray, place: usize| match of.is_null(place) {
        true => "null".to_owned(),
        false => of.value(place).to_owned(),
    };
    let rows = 0..values.len();
    Ok(match values.data_type() {
        DataType::List(_) => {
            let lists = values.as_list::<i32>();
            let items = texts(&plain(lists.values().clone())?)?;
            let offsets = lists.value_offsets();
            let shown = |row: usize| {
                let places = offsets[row] as usize..offsets[row + 1] as usize;
                format!("[{}]", places.map(|place| element(&items, place)).collect::<Vec<_>>().join(", "))
            };
            rows.map(|row| lists.is_valid(row).then(|| shown(row))).collect()
        }
        DataType::Map(..) => {
            let maps = values.as_map();
            let (keys, entries) = (texts(&plain(maps.keys().clone())?)?, texts(&plain(maps.values().clone())?)?);
            let offsets = maps.value_offsets();
            let entry = |place: usize| format!("{}={}", element(&keys, place), element(&entries, place));
            let shown = |row: usize| {
                let places = offsets[row] as usize..offsets[row + 1] as usize;
                format!("{{{}}}", places.map(entry).collect::<Vec<_>>().join(", "))
            };
            rows.map(|row| maps.is_valid(row).then(|| shown(row))).collect()
        }
        _ => {
            let structs = values.as_struct();
            let fields: Vec<StringArray> =
                structs.columns().iter().map(|column| texts(&plain(column.clone())?)).collect::<Result<_>>()?;
            let names = structs.column_names();
            let shown = |row: usize| {
                let told = names.iter().zip(&fields).filter(|(_, field)| field.is_valid(row));
                let told: Vec<String> = told.map(|(name, field)| format!("{name}={}", field.value(row))).collect();
                format!("Struct{{{}}}", told.join(","))
            };
            rows.map(|row| structs.is_valid(row).then(|| shown(row))).collect()
        }
    })
}
