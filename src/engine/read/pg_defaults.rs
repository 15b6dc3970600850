//! `pg_attrdef`: the defaults of columns.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::Int16Array;
use arrow::array::Int32Array;
use arrow::array::StringArray;
use arrow::array::new_null_array;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::datatypes::Int16Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::Result;

use super::pg_catalog::column;

/// The rows of the columns in `pg_attribute` that have a default: `of` tells it by the relation's number and the column's name.
/// `adbin`, in PostgreSQL a tree of nodes, is its text.
pub(super) fn rows(
    schema: &SchemaRef,
    attributes: &[RecordBatch],
    of: impl Fn(i32, &str) -> Option<String>,
) -> Result<RecordBatch> {
    let (mut relations, mut numbers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for batch in attributes {
        let oids = column(batch, "attrelid", &DataType::Int32)?;
        let names = column(batch, "attname", &DataType::Utf8)?;
        let places = column(batch, "attnum", &DataType::Int16)?;
        let (oids, names) = (oids.as_primitive::<Int32Type>(), names.as_string::<i32>());
        for row in 0..batch.num_rows() {
            if let Some(text) = of(oids.value(row), names.value(row)) {
                relations.push(oids.value(row));
                numbers.push(places.as_primitive::<Int16Type>().value(row));
                texts.push(text);
            }
        }
    }
    let rows = relations.len();
    let counted = (1..).take(rows).collect::<Vec<i32>>();
    let told: [(&str, ArrayRef); 4] = [
        ("oid", Arc::new(Int32Array::from(counted))),
        ("adrelid", Arc::new(Int32Array::from(relations))),
        ("adnum", Arc::new(Int16Array::from(numbers))),
        ("adbin", Arc::new(StringArray::from(texts))),
    ];
    let columns = schema.fields().iter().map(|field| match told.iter().find(|(name, _)| name == field.name()) {
        Some((_, values)) => Ok(cast(values, field.data_type())?),
        None => Ok(new_null_array(field.data_type(), rows)),
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)?)
}
