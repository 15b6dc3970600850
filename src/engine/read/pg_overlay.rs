//! Tables of pg_catalog that another provider lacks, or has too little in: `pg_settings`, roles, databases, and two that are empty.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;

use super::origins::relation_oid;
use super::pg_catalog::column;
use crate::catalog::Catalog;
use crate::catalog::PlainView;
use crate::sql::DATABASE;

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

/// The number of the one role: PostgreSQL's superuser.
const ROLE_OID: i32 = 10;

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

/// `pg_roles` and `pg_authid`: who asks, who may do anything.
pub(super) fn roles(of: &SchemaRef, user: &str) -> Result<Arc<dyn TableProvider>> {
    let fields: Vec<Field> = of.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let told = |field: &Field| -> Result<ArrayRef> {
        let told = match field.name().as_str() {
            "oid" => ROLE_OID.to_string(),
            "rolname" => user.to_string(),
            "rolsuper" | "rolinherit" | "rolcreaterole" | "rolcreatedb" | "rolcanlogin" => "true".to_string(),
            "rolreplication" | "rolbypassrls" => "false".to_string(),
            "rolconnlimit" => "-1".to_string(),
            _ => return Ok(new_null_array(field.data_type(), 1)),
        };
        Ok(cast(&StringArray::from(vec![told]), field.data_type())?)
    };
    of_columns(&fields, fields.iter().map(told).collect::<Result<Vec<_>>>()?)
}

/// What is added to a view's number for that of its rule.
const RULE_OIDS: i32 = 1 << 28;
/// `pg_rewrite` and `pg_class`.
const RULES: i32 = 2618;
const CLASSES: i32 = 1259;

/// `pg_rewrite`: each view has a rule, by which tools find what it reads.
pub(super) fn rules(of: &SchemaRef, catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let views: Vec<i32> = catalog.views().map(|view| relation_oid(view.id)).collect();
    told(of, views.len(), |name| match name {
        "oid" => Some(views.iter().map(|view| (view + RULE_OIDS).to_string()).collect()),
        "ev_class" => Some(views.iter().map(ToString::to_string).collect()),
        "rulename" => Some(vec!["_RETURN".to_string(); views.len()]),
        "ev_type" => Some(vec!["1".to_string(); views.len()]),
        _ => None,
    })
}

/// `pg_depend`: what the rules of views read.
pub(super) fn dependencies(of: &SchemaRef, catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let read = |view: &Arc<PlainView>| {
        let rule = relation_oid(view.id) + RULE_OIDS;
        view.reads.iter().map(|(_, id)| (rule, relation_oid(*id))).collect::<Vec<_>>()
    };
    let reads: Vec<(i32, i32)> = catalog.views().flat_map(read).collect();
    let all = |value: &str| Some(vec![value.to_string(); reads.len()]);
    told(of, reads.len(), |name| match name {
        "classid" => all(&RULES.to_string()),
        "objid" => Some(reads.iter().map(|(rule, _)| rule.to_string()).collect()),
        "refclassid" => all(&CLASSES.to_string()),
        "refobjid" => Some(reads.iter().map(|(_, read)| read.to_string()).collect()),
        "objsubid" | "refobjsubid" => all("0"),
        "deptype" => all("n"),
        _ => None,
    })
}

/// A table of so many rows: what `values` tells of a column, else NULL.
fn told(of: &SchemaRef, rows: usize, values: impl Fn(&str) -> Option<Vec<String>>) -> Result<Arc<dyn TableProvider>> {
    let fields: Vec<Field> = of.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let column = |field: &Field| -> Result<ArrayRef> {
        match values(field.name()) {
            Some(values) => Ok(cast(&StringArray::from(values), field.data_type())?),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    };
    of_columns(&fields, fields.iter().map(column).collect::<Result<Vec<_>>>()?)
}

fn of_columns(fields: &[Field], columns: Vec<ArrayRef>) -> Result<Arc<dyn TableProvider>> {
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// A table's rows with one value in a column.
pub(super) fn with_value(batch: &RecordBatch, name: &str, value: &str) -> Result<RecordBatch> {
    let index = batch.schema().index_of(name)?;
    let mut columns = batch.columns().to_vec();
    let values = StringArray::from(vec![value; batch.num_rows()]);
    columns[index] = cast(&values, batch.schema().field(index).data_type())?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// `pg_class` with the role as the owner of all.
pub(super) fn owned(batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    batches.iter().map(|batch| with_value(batch, "relowner", &ROLE_OID.to_string())).collect()
}

/// `pg_database`: the one that there is, with the order of texts that it has.
pub(super) fn databases(batches: Vec<RecordBatch>, settings: &SettingRows) -> Result<Vec<RecordBatch>> {
    let setting = |name: &str| settings.iter().find(|(known, ..)| known == name).map_or("C", |(_, value, _)| value);
    let mut own = Vec::new();
    for batch in batches {
        let names = column(&batch, "datname", &DataType::Utf8)?;
        let is_own = names.as_string::<i32>().iter().map(|name| Some(name == Some(DATABASE))).collect();
        let batch = filter_record_batch(&batch, &is_own)?;
        let batch = with_value(&batch, "datcollate", setting("lc_collate"))?;
        own.push(with_value(&batch, "datctype", setting("lc_ctype"))?);
    }
    Ok(own)
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
    let told = |field: &Field| -> Result<ArrayRef> {
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
    of_columns(&fields, fields.iter().map(told).collect::<Result<Vec<_>>>()?)
}
