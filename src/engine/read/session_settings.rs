//! `current_setting(name [, missing_ok])`; and `set_config` as far as it is described, not run.

use std::hash::Hash;
use std::hash::Hasher;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::create_udf;
use datafusion::scalar::ScalarValue;
use sqlparser::ast;

use crate::engine::settings::Settings;
use crate::error::Error;
use crate::security::Principal;
use crate::sql::walk;

const CURRENT_SETTING: &str = "current_setting";
const SET_CONFIG: &str = "set_config";

/// The functions of this file that a statement calls, over a session's settings.
pub(super) fn called(statement: &ast::Statement, settings: &Settings) -> Vec<Arc<ScalarUDF>> {
    let mut found = Vec::new();
    for name in [CURRENT_SETTING, SET_CONFIG] {
        let flow = walk::expressions(statement, |expression: &ast::Expr| match expression {
            ast::Expr::Function(function) if is_named(&function.name, name) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        if flow.is_break() {
            found.push(Arc::new(ScalarUDF::new_from_impl(OfSession::new(name, settings.clone()))));
        }
    }
    found
}

/// `pg_backend_pid`, the number by which a client can cancel.
pub(super) fn backend(process: i32) -> Arc<ScalarUDF> {
    let answer = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Int32(Some(process))));
    Arc::new(create_udf("pg_backend_pid", Vec::new(), DataType::Int32, Volatility::Stable, Arc::new(answer)))
}

/// `current_user` and `session_user`, who are one, and who each role is by its number.
pub(super) fn users(principal: &Principal) -> [Arc<ScalarUDF>; 3] {
    let functions = [("current_user", vec![]), ("session_user", vec![]), ("pg_get_userbyid", vec![DataType::Int32])];
    functions.map(|(name, arguments)| {
        let user = ScalarValue::Utf8(Some(principal.name().to_string()));
        let answer = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(user.clone()));
        Arc::new(create_udf(name, arguments, DataType::Utf8, Volatility::Stable, Arc::new(answer)))
    })
}

/// Whether a function is called by this name, with or without its schema.
pub(in crate::engine) fn is_named(name: &ast::ObjectName, wanted: &str) -> bool {
    plain_name(name) == wanted
}

/// A function's name without the schema that needs not be told.
pub(super) fn plain_name(name: &ast::ObjectName) -> String {
    let text = name.to_string().to_lowercase();
    text.strip_prefix("pg_catalog.").unwrap_or(&text).to_string()
}

#[derive(Debug)]
struct OfSession {
    name: &'static str,
    settings: Settings,
    signature: Signature,
}

// One session has one function of a name at a time.
impl PartialEq for OfSession {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OfSession {}

impl Hash for OfSession {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl OfSession {
    fn new(name: &'static str, settings: Settings) -> Self {
        let signature = match name {
            CURRENT_SETTING => TypeSignature::OneOf(vec![
                TypeSignature::Exact(vec![DataType::Utf8]),
                TypeSignature::Exact(vec![DataType::Utf8, DataType::Boolean]),
            ]),
            _ => TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Boolean]),
        };
        // Stable functions of constants are computed while a statement is planned, which is as good.
        Self { name, settings, signature: Signature::new(signature, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for OfSession {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let failed = |error: Error| DataFusionError::External(Box::new(error));
        if self.name == SET_CONFIG {
            let error = Error::unsupported("set_config of other than constants is not supported");
            return Err(failed(error.hint("SET name = value sets it.")));
        }
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let names = arrays[0].as_string::<i32>();
        let lenient = arrays.get(1).map(|array| array.as_boolean());
        let value = |row: usize| -> Result<Option<String>> {
            if !names.is_valid(row) {
                return Ok(None);
            }
            match self.settings.show(names.value(row)) {
                Ok(value) => Ok(Some(value)),
                Err(_) if lenient.is_some_and(|lenient| lenient.is_valid(row) && lenient.value(row)) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        };
        let values: StringArray = (0..names.len()).map(value).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}
