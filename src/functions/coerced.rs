//! The types to which a function of DataFusion's brings its arguments.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;

/// What `function` makes of these types; an error if it takes none like them.
pub fn coerced_types(function: &ScalarUDF, arguments: &[DataType]) -> Result<Vec<DataType>> {
    let field = |argument: &DataType| Arc::new(Field::new("f", argument.clone(), true));
    let fields: Vec<FieldRef> = arguments.iter().map(field).collect();
    let coerced = fields_with_udf(&fields, function)?;
    Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
}
