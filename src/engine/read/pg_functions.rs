//! Functions as PostgreSQL's catalog has them: rows of `pg_proc` for those that PostgreSQL lacks, and the texts that describe
//! functions and views by number.
//!
//! The numbers of our functions follow from the build alone. What is told of a number is learned when its table is planned
//! into a statement, which every client does that asks for it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;
use parking_lot::RwLock;

use super::type_names;
use crate::plan::FunctionKind;
use crate::plan::FunctionUsage;

/// The number of our first function; PostgreSQL's own are below 16384, relations count up from there.
const FIRST_OID: i32 = 900_000_000;

/// What is told of a function.
#[derive(Debug, Clone)]
struct Told {
    arguments: String,
    result: String,
    definition: String,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct FunctionTexts {
    own: Vec<FunctionUsage>,
    functions: RwLock<HashMap<i32, Told>>,
    views: RwLock<HashMap<i32, String>>,
    keys: RwLock<HashMap<i32, KeyText>>,
    hidden: RwLock<HashSet<i32>>,
}

/// What is told of an index or a constraint.
#[derive(Debug, Clone)]
pub(super) struct KeyText {
    /// The statement that would make it.
    pub(super) definition: String,
    /// The columns of an index.
    pub(super) columns: Vec<String>,
}

impl FunctionTexts {
    /// With our own functions.
    pub(super) fn new(own: Vec<FunctionUsage>) -> Self {
        let told = |usage: &FunctionUsage| {
            let result = usage.result.clone().unwrap_or_default();
            let call = format!("{}({})", usage.name, usage.arguments);
            Told {
                definition: format!("-- built into the server: {call} -> {result}\n-- {}\n", usage.about),
                arguments: usage.arguments.clone(),
                result,
            }
        };
        let functions = own.iter().zip(FIRST_OID..).map(|(usage, oid)| (oid, told(usage))).collect();
        Self { own, functions: RwLock::new(functions), ..Self::default() }
    }

    /// The functions that tell of numbers.
    pub(super) fn functions(texts: &Arc<Self>) -> Vec<ScalarUDF> {
        let function = |(name, asked)| ScalarUDF::new_from_impl(TextOf::new(name, asked, Arc::clone(texts)));
        [
            ("pg_get_function_arguments", Asked::Arguments),
            ("pg_get_function_identity_arguments", Asked::Arguments),
            ("pg_get_function_result", Asked::Result),
            ("pg_get_functiondef", Asked::Definition),
            ("pg_get_viewdef", Asked::View),
            ("pg_get_indexdef", Asked::Key),
            ("pg_get_constraintdef", Asked::Key),
            ("pg_table_is_visible", Asked::Visible),
        ]
        .map(function)
        .into_iter()
        .collect()
    }

    /// What relations' numbers mean from now on: the statement of each that a query keeps.
    pub(super) fn learn_views(&self, views: HashMap<i32, String>) {
        *self.views.write() = views;
    }

    /// The relations that have to be named with their schema from now on.
    pub(super) fn learn_hidden(&self, hidden: HashSet<i32>) {
        *self.hidden.write() = hidden;
    }

    /// What the numbers of indexes and constraints mean from now on.
    pub(super) fn learn_keys(&self, keys: HashMap<i32, KeyText>) {
        *self.keys.write() = keys;
    }

    /// The rows of `pg_proc`, and behind them those of our functions that are not among them, in the schema of this number.
    pub(super) fn with_own(&self, mut batches: Vec<RecordBatch>, schema_oid: i32) -> Result<Vec<RecordBatch>> {
        let mut known: HashSet<String> = HashSet::new();
        let mut functions = self.functions.write();
        for batch in &batches {
            let [oids, results] = ["oid", "prorettype"].map(|name| column(batch, name, &DataType::Int32));
            let [names, arguments] = ["proname", "proargtypes"].map(|name| column(batch, name, &DataType::Utf8));
            let (oids, results, names, arguments) = (oids?, results?, names?, arguments?);
            let (oids, results) = (oids.as_primitive::<Int32Type>(), results.as_primitive::<Int32Type>());
            let (names, arguments) = (names.as_string::<i32>(), arguments.as_string::<i32>());
            for row in 0..batch.num_rows() {
                known.insert(names.value(row).to_string());
                functions.entry(oids.value(row)).or_insert_with(|| Told {
                    arguments: type_list(arguments.value(row)),
                    result: type_name(results.value(row)),
                    definition: format!("-- {} is a function of PostgreSQL's catalog\n", names.value(row)),
                });
            }
        }
        let own: Vec<(i32, &FunctionUsage)> =
            (FIRST_OID..).zip(&self.own).filter(|(_, usage)| !known.contains(&usage.name)).collect();
        if let Some(first) = batches.first() {
            let schema = first.schema();
            let columns = schema.fields().iter().map(|field| own_column(field, &own, schema_oid));
            batches.push(RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_>>()?)?);
        }
        Ok(batches)
    }
}

fn own_column(field: &Field, own: &[(i32, &FunctionUsage)], schema_oid: i32) -> Result<ArrayRef> {
    let numbers = |number: &dyn Fn(i32) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(own.iter().map(|(oid, _)| number(*oid))))
    };
    let texts = |text: &dyn Fn(&FunctionUsage) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(own.iter().map(|(_, usage)| text(usage))))
    };
    let array = match field.name().as_str() {
        "oid" => numbers(&|oid| oid),
        "proname" | "prosrc" => texts(&|usage| usage.name.clone()),
        "pronamespace" => numbers(&|_| schema_oid),
        // The superuser and the language `internal` of PostgreSQL's catalog.
        "proowner" => numbers(&|_| 10),
        "prolang" => numbers(&|_| 12),
        "procost" => numbers(&|_| 1),
        "prokind" => texts(&|usage| match usage.kind {
            FunctionKind::Scalar | FunctionKind::Table => "f".to_string(),
            FunctionKind::Aggregate => "a".to_string(),
            FunctionKind::Window => "w".to_string(),
        }),
        "proretset" => texts(&|usage| (usage.kind == FunctionKind::Table).to_string()),
        "provolatile" => texts(&|usage| usage.volatility[..1].to_string()),
        "proparallel" => texts(&|_| "s".to_string()),
        "proargtypes" => texts(&|_| String::new()),
        _ if field.is_nullable() => return Ok(new_null_array(field.data_type(), own.len())),
        _ if *field.data_type() == DataType::Boolean => texts(&|_| "false".to_string()),
        _ if field.data_type().is_numeric() => numbers(&|_| 0),
        _ => texts(&|_| String::new()),
    };
    Ok(cast(&array, field.data_type())?)
}

fn column(batch: &RecordBatch, name: &str, data_type: &DataType) -> Result<ArrayRef> {
    let found = batch.column_by_name(name);
    let found = found.ok_or_else(|| DataFusionError::Internal(format!("pg_proc has no column {name}")))?;
    Ok(cast(found, data_type)?)
}

fn type_name(oid: i32) -> String {
    type_names::sql_name(oid).map_or_else(|| oid.to_string(), str::to_string)
}

/// The names of a list of numbers.
fn type_list(oids: &str) -> String {
    let oids = oids.split(|c: char| !c.is_ascii_digit()).filter_map(|oid| oid.parse().ok());
    oids.map(type_name).collect::<Vec<_>>().join(", ")
}

/// What is asked of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Arguments,
    Result,
    Definition,
    View,
    Key,
    /// Whether a relation is on the search path.
    Visible,
}

#[derive(Debug)]
struct TextOf {
    name: &'static str,
    asked: Asked,
    texts: Arc<FunctionTexts>,
    signature: Signature,
}

// There is one function of a name.
impl PartialEq for TextOf {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TextOf {}

impl Hash for TextOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl TextOf {
    fn new(name: &'static str, asked: Asked, texts: Arc<FunctionTexts>) -> Self {
        let signature = TypeSignature::OneOf((1..=3).map(TypeSignature::Any).collect());
        // What the numbers mean is learned when a statement's tables are looked up: before anything of it is computed.
        Self { name, asked, texts, signature: Signature::new(signature, Volatility::Stable) }
    }

    /// The text of a number; of an index that of its n-th column, if one is asked for.
    fn text(&self, oid: i32, column: Option<i32>) -> Option<String> {
        match self.asked {
            Asked::View => return self.texts.views.read().get(&oid).cloned(),
            Asked::Key => {
                let keys = self.texts.keys.read();
                let told = keys.get(&oid)?;
                let column = column.and_then(|column| usize::try_from(column).ok()).filter(|column| 0 < *column);
                return match column {
                    Some(column) if !told.columns.is_empty() => told.columns.get(column - 1).cloned(),
                    _ => Some(told.definition.clone()),
                };
            }
            Asked::Arguments | Asked::Result | Asked::Definition | Asked::Visible => {}
        }
        let functions = self.texts.functions.read();
        let told = functions.get(&oid)?;
        Some(match self.asked {
            Asked::Arguments => told.arguments.clone(),
            Asked::Result => told.result.clone(),
            Asked::Definition | Asked::View | Asked::Key | Asked::Visible => told.definition.clone(),
        })
    }
}

impl ScalarUDFImpl for TextOf {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(if self.asked == Asked::Visible { DataType::Boolean } else { DataType::Utf8 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let oids = args.args[0].to_array(args.number_rows)?;
        let oids = cast(&oids, &DataType::Int32)?;
        if self.asked == Asked::Visible {
            let hidden = self.texts.hidden.read();
            let visible = oids.as_primitive::<Int32Type>().iter().map(|oid| oid.map(|oid| !hidden.contains(&oid)));
            return Ok(ColumnarValue::Array(Arc::new(visible.collect::<BooleanArray>())));
        }
        let columns = match args.args.get(1) {
            Some(columns) if columns.data_type().is_integer() => columns.to_array(args.number_rows)?,
            _ => new_null_array(&DataType::Int32, oids.len()),
        };
        let columns = cast(&columns, &DataType::Int32)?;
        let asked = oids.as_primitive::<Int32Type>().iter().zip(columns.as_primitive::<Int32Type>());
        let texts: StringArray = asked.map(|(oid, column)| oid.and_then(|oid| self.text(oid, column))).collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_numbers_is_told_by_names() {
        assert_eq!(type_list("23 25"), "integer, text");
        assert_eq!(type_list("[1700]"), "numeric");
        assert_eq!(type_list(""), "");
        assert_eq!(type_name(999), "999");
    }
}
