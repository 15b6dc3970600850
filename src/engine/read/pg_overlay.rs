//! Tables of pg_catalog that another provider lacks, or has too little in: `pg_settings`, and two that are empty.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;

/// A table without a row: its name, and its columns with their types.
type Empty = (&'static str, &'static [(&'static str, DataType)]);

/// Tables that the other provider has not got.
const EMPTY: &[Empty] = &[
    ("pg_parameter_acl", &[("oid", DataType::Int32), ("parname", DataType::Utf8), ("paracl", DataType::Utf8)]),
    (
        "pg_user_mappings",
        &[
            ("umid", DataType::Int32),
            ("srvid", DataType::Int32),
            ("srvname", DataType::Utf8),
            ("umuser", DataType::Int32),
            ("usename", DataType::Utf8),
            ("umoptions", DataType::Utf8),
        ],
    ),
];

/// What a session has set: name, value, description.
pub(super) type SettingRows = Vec<(String, String, &'static str)>;

/// The names of tables that only this file has.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    EMPTY.iter().map(|(name, _)| *name)
}

/// One of them.
pub(super) fn empty(name: &str) -> Option<Result<Arc<dyn TableProvider>>> {
    let (_, columns) = EMPTY.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let fields: Vec<Field> = columns.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    Some(MemTable::try_new(schema, vec![Vec::new()]).map(|table| Arc::new(table) as Arc<dyn TableProvider>))
}

/// `pg_settings` with these values: `of` is the other provider's schema, which lacks two columns.
pub(super) fn settings(of: &SchemaRef, rows: &SettingRows, defaults: &SettingRows) -> Result<Arc<dyn TableProvider>> {
    let default = |name: &str| defaults.iter().find(|(known, ..)| known == name).map_or("", |(_, value, _)| value);
    let mut fields: Vec<Field> = of.fields().iter().map(|field| field.as_ref().clone()).collect();
    for name in ["boot_val", "enumvals"] {
        if of.field_with_name(name).is_err() {
            fields.push(Field::new(name, DataType::Utf8, true));
        }
    }
    let texts = |value: &dyn Fn(&(String, String, &'static str)) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
    };
    let column = |field: &Field| -> Result<ArrayRef> {
        let array = match field.name().as_str() {
            "name" => texts(&|(name, _, _)| name.clone()),
            "setting" => texts(&|(_, value, _)| value.clone()),
            "short_desc" => texts(&|(_, _, description)| (*description).to_string()),
            "category" => texts(&|_| "Tidemill".to_string()),
            "context" => texts(&|_| "user".to_string()),
            "vartype" => texts(&|_| "string".to_string()),
            "source" => texts(&|(name, value, _)| match value == default(name) {
                true => "default".to_string(),
                false => "session".to_string(),
            }),
            "boot_val" | "reset_val" => texts(&|(name, _, _)| default(name).to_string()),
            "pending_restart" => return Ok(cast(&texts(&|_| "false".to_string()), field.data_type())?),
            _ => return Ok(new_null_array(field.data_type(), rows.len())),
        };
        Ok(cast(&array, field.data_type())?)
    };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}
