//! DataFusion's functions that PostgreSQL calls with texts that are written out, `COALESCE(since, '1 day')`: such a text is
//! read as the type of the others. DataFusion's planner would not let it through.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::error::Result;
use datafusion::functions::core;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::simplify::SimplifyContext;

use super::date_trunc::Cut;
use crate::functions::coerced::coerced_types;
use crate::functions::nested;

/// A function under its own name, with more types of arguments. Who makes the rules of values explicit reads the texts, and puts
/// the function itself in its place.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Lenient {
    stock: Arc<ScalarUDF>,
    signature: Signature,
}

impl Lenient {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let arrays = nested::all().find(|function| function.name() == "__array").map(ScalarUDF::new_from_impl);
        let stock = [core::coalesce(), core::nullif(), core::greatest(), core::least()];
        let date_trunc = Arc::new(ScalarUDF::new_from_impl(Cut::date_trunc()));
        let stock = stock.into_iter().chain([date_trunc]).chain(arrays.map(Arc::new));
        stock
            .map(|stock| {
                let signature = Signature::user_defined(stock.signature().volatility);
                Self { stock, signature }
            })
            .collect()
    }

    /// The function itself.
    pub fn stock(&self) -> &Arc<ScalarUDF> {
        &self.stock
    }

    /// The types that the function itself makes of these.
    pub fn strict_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        coerced_types(&self.stock, arguments)
    }

    /// The same where it takes these only with texts that are read as something else.
    pub fn lenient_types(&self, arguments: &[DataType]) -> Option<Vec<DataType>> {
        let is_text = |argument: &DataType| matches!(argument, DataType::Utf8 | DataType::Utf8View);
        let is_span = |argument: &DataType| matches!(argument, DataType::Interval(_) | DataType::Duration(_));
        let span = DataType::Interval(IntervalUnit::MonthDayNano);
        if self.stock.name() == "date_trunc" {
            return match arguments {
                [unit, time] if is_span(time) && (is_text(unit) || unit.is_null()) => Some(vec![DataType::Utf8, span]),
                _ => None,
            };
        }
        if !arguments.iter().any(is_text) || arguments.iter().all(|argument| is_text(argument) || argument.is_null()) {
            return None;
        }
        let others = arguments.iter().filter(|argument| !is_text(argument) && !argument.is_null());
        if others.clone().all(is_span) {
            return (self.stock.name() != "__array").then(|| vec![span; arguments.len()]);
        }
        // Of some types DataFusion's functions take no NULL without a type beside them.
        if let Some(only) = others.clone().next().filter(|only| others.clone().all(|other| other == *only))
            && self.stock.name() != "__array"
        {
            return Some(vec![only.clone(); arguments.len()]);
        }
        // Without the texts.
        let open: Vec<DataType> = arguments
            .iter()
            .map(|argument| if is_text(argument) { DataType::Null } else { argument.clone() })
            .collect();
        self.strict_types(&open).ok()
    }
}

impl ScalarUDFImpl for Lenient {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.strict_types(arguments).or_else(|error| self.lenient_types(arguments).ok_or(error))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.stock.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.stock.simplify(args, info)
    }

    fn short_circuits(&self) -> bool {
        self.stock.short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.stock.conditional_arguments(args)
    }

    fn is_strict(&self) -> bool {
        self.stock.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.stock.invoke_with_args(args)
    }
}
