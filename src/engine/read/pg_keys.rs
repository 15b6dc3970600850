//! The primary keys of our tables as PostgreSQL's catalogs tell of them: an index and a constraint each.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Int16Type;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::origins::relation_oid;
use super::pg_catalog::column;
use super::pg_functions::KeyText;
use crate::catalog::Catalog;
use crate::catalog::Relation;
use crate::model::SessionNumber;
use crate::plan::relation_key;

/// What is added to a table's oid for its index, and for its constraint: the catalogs count theirs from below.
const INDEX_OIDS: i32 = 1 << 29;
const CONSTRAINT_OIDS: i32 = 1 << 30;
/// The access method `btree`.
const BTREE: i32 = 403;

/// A table's primary key.
pub(super) struct PrimaryKey {
    table_oid: i32,
    namespace_oid: i32,
    /// The session whose temporary table it is.
    session: Option<SessionNumber>,
    /// The table.
    table: String,
    /// The columns' numbers, from 1, and their names.
    columns: Vec<(i16, String)>,
}

impl PrimaryKey {
    /// Those of the tables in `pg_class`.
    pub(super) fn all(catalog: &Catalog, classes: &[RecordBatch]) -> Result<Vec<Self>> {
        let tables = catalog.relations().filter(|relation| relation.is_table());
        let tables: HashMap<i32, _> = tables.map(|table| (relation_oid(table.id), table)).collect();
        let mut keys = Vec::new();
        for batch in classes {
            let oids = column(batch, "oid", &DataType::Int32)?;
            let namespaces = column(batch, "relnamespace", &DataType::Int32)?;
            let (oids, namespaces) = (oids.as_primitive::<Int32Type>(), namespaces.as_primitive::<Int32Type>());
            for (row, oid) in oids.values().iter().enumerate() {
                let relation = tables.get(oid);
                // A key that nobody sees is none to clients.
                let is_shown = |relation: &&&Arc<Relation>| relation.shown_columns().len() == relation.columns.len();
                let Some(relation) = relation.filter(is_shown) else { continue };
                let columns = relation_key(relation).into_iter().map(|at| {
                    let number = i16::try_from(at + 1).unwrap_or(i16::MAX);
                    (number, relation.columns[at].name.clone())
                });
                let columns: Vec<(i16, String)> = columns.collect();
                if !columns.is_empty() {
                    keys.push(Self {
                        table_oid: oids.value(row),
                        namespace_oid: namespaces.value(row),
                        session: relation.session,
                        table: relation.name.clone(),
                        columns,
                    });
                }
            }
        }
        Ok(keys)
    }

    fn name(&self) -> String {
        format!("{}_pkey", self.table)
    }

    fn index_oid(&self) -> i32 {
        self.table_oid.wrapping_add(INDEX_OIDS)
    }

    /// What `pg_get_indexdef` and `pg_get_constraintdef` tell of its index and its constraint, by their numbers.
    pub(super) fn texts(&self) -> [(i32, KeyText); 2] {
        let (name, table) = (quoted(&self.name()), quoted(&self.table));
        let columns: Vec<String> = self.columns.iter().map(|(_, name)| quoted(name)).collect();
        let schema = self.session.map_or_else(|| "public".to_string(), SessionNumber::schema);
        let index = format!("CREATE UNIQUE INDEX {name} ON {schema}.{table} USING btree ({})", self.list());
        let constraint = format!("PRIMARY KEY ({})", self.list());
        [
            (self.index_oid(), KeyText { definition: index, columns }),
            (self.constraint_oid(), KeyText { definition: constraint, columns: Vec::new() }),
        ]
    }

    fn constraint_oid(&self) -> i32 {
        self.table_oid.wrapping_add(CONSTRAINT_OIDS)
    }

    fn list(&self) -> String {
        self.columns.iter().map(|(_, name)| quoted(name)).collect::<Vec<_>>().join(", ")
    }

    fn numbers(&self) -> Vec<Option<i16>> {
        self.columns.iter().map(|(number, _)| Some(*number)).collect()
    }
}

fn quoted(name: &str) -> String {
    let plain =
        |at: usize, letter: char| letter == '_' || letter.is_ascii_lowercase() || (0 < at && letter.is_ascii_digit());
    match name.chars().enumerate().all(|(at, letter)| plain(at, letter)) {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// `pg_class` with the indexes of the keys.
pub(super) fn classes(batches: &[RecordBatch], keys: &[PrimaryKey]) -> Result<Vec<RecordBatch>> {
    let mut changed = Vec::new();
    for batch in batches {
        let oids = column(batch, "oid", &DataType::Int32)?;
        let has_key = |oid: Option<i32>| keys.iter().any(|key| Some(key.table_oid) == oid);
        let indexed: BooleanArray = oids.as_primitive::<Int32Type>().iter().map(|oid| Some(has_key(oid))).collect();
        let mut columns = batch.columns().to_vec();
        columns[batch.schema().index_of("relhasindex")?] = Arc::new(indexed);
        changed.push(RecordBatch::try_new(batch.schema(), columns)?);
    }
    let Some(schema) = batches.first().map(RecordBatch::schema) else { return Ok(changed) };
    changed.push(rows(&schema, keys, |key, name| {
        Some(match name {
            "oid" | "relfilenode" => ScalarValue::Int32(Some(key.index_oid())),
            "relname" => ScalarValue::Utf8(Some(key.name())),
            "relnamespace" => ScalarValue::Int32(Some(key.namespace_oid)),
            "relam" => ScalarValue::Int32(Some(BTREE)),
            "relpersistence" => ScalarValue::Utf8(Some(if key.session.is_some() { "t" } else { "p" }.to_string())),
            "relkind" => ScalarValue::Utf8(Some("i".to_string())),
            "relnatts" => ScalarValue::Int16(i16::try_from(key.columns.len()).ok()),
            "relispopulated" => ScalarValue::Boolean(Some(true)),
            "relreplident" => ScalarValue::Utf8(Some("n".to_string())),
            _ => return None,
        })
    })?);
    Ok(changed)
}

/// `pg_index`, with PostgreSQL's columns.
pub(super) fn indexes(schema: &SchemaRef, keys: &[PrimaryKey]) -> Result<RecordBatch> {
    rows(schema, keys, |key, name| {
        Some(match name {
            "indexrelid" => ScalarValue::Int32(Some(key.index_oid())),
            "indrelid" => ScalarValue::Int32(Some(key.table_oid)),
            "indnatts" | "indnkeyatts" => ScalarValue::Int16(i16::try_from(key.columns.len()).ok()),
            "indisunique" | "indisprimary" | "indimmediate" | "indisvalid" | "indisready" | "indislive" => {
                ScalarValue::Boolean(Some(true))
            }
            "indkey" => numbers(key),
            _ => return None,
        })
    })
}

/// `pg_constraint`, with PostgreSQL's columns.
pub(super) fn constraints(schema: &SchemaRef, keys: &[PrimaryKey]) -> Result<RecordBatch> {
    rows(schema, keys, |key, name| {
        Some(match name {
            "oid" => ScalarValue::Int32(Some(key.constraint_oid())),
            "conname" => ScalarValue::Utf8(Some(key.name())),
            "connamespace" => ScalarValue::Int32(Some(key.namespace_oid)),
            "contype" => ScalarValue::Utf8(Some("p".to_string())),
            "convalidated" | "conislocal" | "connoinherit" | "conenforced" => ScalarValue::Boolean(Some(true)),
            "conrelid" => ScalarValue::Int32(Some(key.table_oid)),
            "conindid" => ScalarValue::Int32(Some(key.index_oid())),
            "conkey" => numbers(key),
            _ => return None,
        })
    })
}

fn numbers(key: &PrimaryKey) -> ScalarValue {
    ScalarValue::List(Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>([Some(key.numbers())])))
}

/// A row for each key: what `value` says of a column, else NULL, or what stands for nothing where NULL cannot.
fn rows(
    schema: &SchemaRef,
    keys: &[PrimaryKey],
    value: impl Fn(&PrimaryKey, &str) -> Option<ScalarValue>,
) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let told: Option<Vec<ScalarValue>> = keys.iter().map(|key| value(key, field.name())).collect();
        let told = told.filter(|told| !told.is_empty()).map(ScalarValue::iter_to_array).transpose()?;
        columns.push(match told {
            Some(told) => conform(&told, keys, field)?,
            None if field.is_nullable() => new_null_array(field.data_type(), keys.len()),
            None => ScalarValue::new_default(field.data_type())?.to_array_of_size(keys.len())?,
        });
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Values as the column's type has them; numbers of columns may be a text there.
fn conform(told: &ArrayRef, keys: &[PrimaryKey], field: &Field) -> Result<ArrayRef> {
    if matches!(told.data_type(), DataType::List(_)) && matches!(field.data_type(), DataType::Utf8) {
        let texts = keys.iter().map(|key| {
            let numbers: Vec<String> = key.columns.iter().map(|(number, _)| number.to_string()).collect();
            numbers.join(" ")
        });
        return Ok(Arc::new(StringArray::from_iter_values(texts)));
    }
    Ok(cast(told, field.data_type())?)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;

    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, text) in [("id", "id"), ("a_1", "a_1"), ("1a", "\"1a\""), ("Id", "\"Id\""), ("a\"b", "\"a\"\"b\"")] {
            assert_eq!(quoted(name), text);
        }
    }

    #[test]
    fn numbers_of_columns_take_the_form_that_the_catalog_has() {
        let key = |columns: &[i16]| PrimaryKey {
            table_oid: 7,
            namespace_oid: 1,
            session: None,
            table: "t".to_string(),
            columns: columns.iter().map(|number| (*number, format!("c{number}"))).collect(),
        };
        let keys = [key(&[1]), key(&[2, 3])];
        let schema = Arc::new(Schema::new(vec![
            Field::new("indkey", DataType::Utf8, false),
            Field::new("indrelid", DataType::Int32, false),
            Field::new("indcheckxmin", DataType::Boolean, false),
            Field::new("indpred", DataType::Utf8, true),
        ]));
        let made = indexes(&schema, &keys).expect("made");
        let texts: Vec<Option<&str>> = made.column(0).as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("1"), Some("2 3")]);
        assert_eq!(made.column(3).null_count(), 2);
        let [(_, index), (_, constraint)] = keys[1].texts();
        assert_eq!(index.definition, "CREATE UNIQUE INDEX t_pkey ON public.t USING btree (c2, c3)");
        assert_eq!(constraint.definition, "PRIMARY KEY (c2, c3)");
    }
}
