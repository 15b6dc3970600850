//! One expression: from SQL to DataFusion, under the rules of values, with all types agreed.
//!
//! The rules of values become explicit here and nowhere else: numbers get the type that SQL gives them, integer arithmetic
//! becomes checked (or, under ksqldb, wrapping) functions, and under ksqldb a comparison with null is false.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Cast;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Like;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::WindowFrame;
use datafusion::logical_expr::WindowFrameBound;
use datafusion::logical_expr::WindowFrameUnits;
use datafusion::logical_expr::WindowFunctionDefinition;
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;
use datafusion::sql::planner::ParserOptions;
use datafusion::sql::planner::PlannerContext;
use datafusion::sql::planner::SqlToRel;
use sqlparser::ast;

use super::bytes;
use super::chain;
use super::comparison;
use super::failure;
use super::ksqldb_types;
use super::ksqldb_words;
use super::lambda;
use super::literals;
use super::reworded::call;
use super::reworded::reword;
use super::spans;
use super::timestamps;
use super::untyped;
use super::value_rules;
use super::written_texts;
use super::written_texts::is_lenient;
use super::zeros;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions::CUBE;
use crate::functions::KSQL_ARRAY;
use crate::functions::NestedIn;
use crate::functions::Sliding;
use crate::functions::ksqldb_name;
use crate::model::SqlType;
use crate::plan::functions::Functions;
use crate::plan::ksqldb_text;
use crate::plan::told_casts::OF_TYPE;
use crate::sql::walk;

/// Functions that answer INT in PostgreSQL. Rows that a query keeps have the BIGINT that they were made with.
const OF_INT: [&str; 7] =
    ["array_length", "array_ndims", "array_position", "cardinality", "__cardinality", "regexp_count", "regexp_instr"];

/// A text that is read as a number, without an exponent.
const WITHOUT_EXPONENT: &str = "__without_exponent";

/// The most digits that a DECIMAL has.
const DECIMAL_DIGITS_MAX: u8 = 38;

/// Plans expressions under one set of rules.
pub struct Expressions<'a> {
    functions: &'a Functions,
    rules: Compatibility,
    /// The zone of the session whose query is read once.
    zone: Option<Arc<str>>,
}

impl<'a> Expressions<'a> {
    /// A planner for the rules.
    pub fn new(functions: &'a Functions, rules: Compatibility) -> Self {
        Self { functions, rules, zone: None }
    }

    /// The same, with instants on the clocks of a session's zone.
    pub fn in_zone(self, zone: &str) -> Self {
        Self { zone: Some(Arc::from(zone)), ..self }
    }

    /// An instant on the clocks of the session's zone, which tell its day and its hour; anything else as it is.
    fn local(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Expr> {
        match &self.zone {
            Some(zone) if self.rules == Compatibility::Postgres => value_rules::on_clocks_of(zone, expr, schema),
            _ => Ok(expr),
        }
    }

    /// The rules.
    pub fn rules(&self) -> Compatibility {
        self.rules
    }

    /// The functions that it plans calls of.
    pub(super) fn functions(&self) -> &Functions {
        self.functions
    }

    /// An array of expressions of one type.
    pub fn array(&self, items: Vec<Expr>) -> Result<Expr> {
        match self.functions.scalar("__array") {
            Some(array) => Ok(array.call(items)),
            None => Err(Error::internal("the function of ARRAY is not there")),
        }
    }

    /// The lists that CUBE_EXPLODE gives as rows, of an array.
    pub fn cube(&self, array: Expr) -> Result<Expr> {
        match self.functions.scalar(CUBE) {
            Some(cube) => Ok(cube.call(vec![array])),
            None => Err(Error::internal("the function of CUBE_EXPLODE is not there")),
        }
    }

    /// A struct of named expressions.
    pub fn structure(&self, fields: Vec<(String, Expr)>) -> Result<Expr> {
        let arguments = fields.into_iter().flat_map(|(name, value)| [lit(name), value]).collect();
        match self.functions.scalar("__struct") {
            Some(structure) => Ok(structure.call(arguments)),
            None => Err(Error::internal("the function of STRUCT is not there")),
        }
    }

    /// An expression as DataFusion reads it, before any rule: equal texts give equal expressions.
    pub fn read(&self, expr: &ast::Expr, schema: &DFSchema) -> Result<Expr> {
        let options = ParserOptions::new()
            .with_parse_float_as_decimal(true)
            .with_enable_ident_normalization(false)
            .with_map_string_types_to_utf8view(false);
        let prepared = self.prepared(expr)?;
        let planner = SqlToRel::new_with_options(self.functions, options);
        planner.sql_to_expr(prepared, schema, &mut PlannerContext::new()).map_err(|error| self.failed(error, expr))
    }

    /// The user's error for one of DataFusion's planner, in the words of the rules.
    fn failed(&self, error: DataFusionError, origin: &ast::Expr) -> Error {
        let refused = match self.rules {
            Compatibility::Ksqldb => failure::ksqldb_call(&error),
            Compatibility::Postgres => None,
        };
        match refused {
            Some(refused) => failure::at(refused, origin),
            None => failure::of_datafusion(error, Some(origin)),
        }
    }

    /// The expression with its rules made explicit and its types agreed; `origin` is where errors point.
    pub fn finish(&self, expr: Expr, schema: &DFSchema, origin: &ast::Expr) -> Result<Expr> {
        let fail = |error| self.failed(error, origin);
        let explicit = self.all_explicit(expr, schema).map_err(fail)?;
        let coerced = explicit.rewrite(&mut TypeCoercionRewriter::new(schema)).map_err(fail)?.data;
        // Aggregates come with an alias of DataFusion's inside the expression.
        Ok(coerced.unalias_nested().data)
    }

    /// `finish` of `read`.
    pub fn plan(&self, expr: &ast::Expr, schema: &DFSchema) -> Result<Expr> {
        self.finish(self.read(expr, schema)?, schema, expr)
    }

    /// `plan` for a condition, which must be BOOLEAN.
    pub fn condition(&self, expr: &ast::Expr, schema: &DFSchema, clause: &str) -> Result<Expr> {
        let planned = self.plan(expr, schema).map_err(|error| self.in_clause(error, expr, schema, clause))?;
        if !find_aggregate_exprs([&planned]).is_empty() {
            let message = format!("aggregate functions are not allowed in {clause}");
            return Err(failure::at(Error::new(SqlState::GROUPING_ERROR, message), expr));
        }
        self.boolean(planned, schema, expr, clause)
    }

    /// An error about the types of a condition, as ksqlDB tells it: with the clause before it and the condition behind.
    pub fn in_clause(&self, error: Error, origin: &ast::Expr, schema: &DFSchema, clause: &str) -> Error {
        let is_about_types = [SqlState::DATATYPE_MISMATCH, SqlState::UNDEFINED_FUNCTION, SqlState::CANNOT_COERCE];
        let is_filter = matches!(clause, "WHERE" | "HAVING");
        if self.rules == Compatibility::Postgres || !is_filter || !is_about_types.contains(&error.state()) {
            return error;
        }
        let condition = ksqldb_text::shown(origin, ksqldb_words::columns_of(schema));
        let message = format!("Error in {clause} expression: {}\nStatement: {condition}", error.message());
        error.reworded(message)
    }

    /// The expression, if it is BOOLEAN.
    pub fn boolean(&self, planned: Expr, schema: &DFSchema, origin: &ast::Expr, clause: &str) -> Result<Expr> {
        let data_type = planned.get_type(schema).map_err(|error| failure::of_datafusion(error, Some(origin)))?;
        match data_type {
            DataType::Boolean => Ok(planned),
            DataType::Null => Ok(cast(planned, DataType::Boolean)),
            other => {
                let message = match self.rules {
                    Compatibility::Postgres => {
                        let name = SqlType::postgres_name_of(&other);
                        format!("argument of {clause} must be type boolean, not type {name}")
                    }
                    Compatibility::Ksqldb => format!(
                        "Type error in {clause} expression: Should evaluate to boolean but is {} ({}) instead.",
                        match clause {
                            "WHERE" => ksqldb_text::shown(origin, ksqldb_words::columns_of(schema)),
                            _ => ksqldb_words::text_of(&planned, schema),
                        },
                        ksqldb_name(&other)
                    ),
                };
                Err(failure::at(Error::new(SqlState::DATATYPE_MISMATCH, message), origin))
            }
        }
    }

    /// What SqlToRel would read otherwise than we do.
    fn prepared(&self, expr: &ast::Expr) -> Result<ast::Expr> {
        let mut expr = expr.clone();
        if self.rules == Compatibility::Ksqldb {
            self.prefer_ksqldb_functions(&mut expr);
        }
        reword(&mut expr, self.rules);
        Ok(expr)
    }

    /// Calls below `root` as ksqlDB means them.
    pub fn prefer_ksqldb_functions(&self, root: &mut impl ast::VisitMut) {
        let flow = walk::expressions_mut(root, |expr| {
            match expr {
                ast::Expr::Function(function) => {
                    count_of_nothing(function);
                    self.prefer_ksqldb(function);
                }
                ast::Expr::Substring { expr: text, substring_from: Some(from), substring_for, .. } => {
                    let arguments = [Some(text), Some(from), substring_for.as_mut()];
                    let arguments = arguments.into_iter().flatten().map(|argument| argument.as_ref().clone());
                    *expr = call("__ksql_substring", arguments.collect());
                }
                ast::Expr::Trim { expr: text, trim_where: None, trim_what: None, trim_characters: None } => {
                    *expr = call("__ksql_trim", vec![text.as_ref().clone()]);
                }
                _ => {}
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
    }

    /// A function that ksqlDB has under the same name, but with other answers.
    fn prefer_ksqldb(&self, function: &mut ast::Function) {
        let name = function.name.to_string().to_lowercase();
        if name == "ifnull" {
            // DataFusion's own knows few types.
            function.name = ast::ObjectName::from(vec![ast::Ident::new("coalesce")]);
            return;
        }
        let name = format!("__ksql_{name}");
        if self.functions.is_scalar(&name) {
            function.name = ast::ObjectName::from(vec![ast::Ident::new(name)]);
        }
    }

    /// Whether the query is read once; what one that runs on answers is in the rows that it keeps.
    pub(super) fn is_read_once(&self) -> bool {
        self.zone.is_some()
    }

    /// The session's zone, if its clocks show another time than UTC's and tell times without zone.
    pub(super) fn clocks(&self) -> Option<&Arc<str>> {
        self.zone.as_ref().filter(|zone| self.rules == Compatibility::Postgres && zone.as_ref() != "UTC")
    }

    /// The expression with the rules of all its parts made explicit.
    pub(super) fn all_explicit(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Expr> {
        expr.transform_up(|expr| self.explicit(expr, schema)).map(|explicit| explicit.data)
    }

    pub(super) fn explicit(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        Ok(match untyped::told(expr, schema)? {
            Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
                Ok(value) => Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata)),
                Err(_) => Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata)),
            },
            Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale), metadata)
                if self.rules == Compatibility::Ksqldb =>
            {
                let precision = ksqldb_types::digits(value, precision, scale);
                Transformed::yes(Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale), metadata))
            }
            Expr::BinaryExpr(binary) if is_arithmetic(binary.op) => self.arithmetic(binary, schema)?,
            Expr::BinaryExpr(binary) if is_comparison(binary.op) && is_nested(&binary, schema)? => {
                self.nested_comparison(binary, schema)?
            }
            Expr::ScalarFunction(function) if let Some(kind) = lambda::unplanned(&function) => {
                Transformed::yes(self.lambda(kind, &function, schema)?)
            }
            Expr::ScalarFunction(function) if self.rules == Compatibility::Ksqldb && function.name() == "__array" => {
                let alike = literals::of_array(function, schema)?;
                // An element that fails is null, not the array.
                let func = self.functions.scalar(KSQL_ARRAY).unwrap_or_else(|| Arc::clone(&alike.func));
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, ..alike }))
            }
            Expr::ScalarFunction(function) if self.rules == Compatibility::Ksqldb && function.name() == "__map" => {
                Transformed::yes(Expr::ScalarFunction(literals::of_map(function, schema)?))
            }
            Expr::ScalarFunction(function) if self.rules == Compatibility::Ksqldb && is_lenient(&function) => {
                Transformed::yes(Expr::ScalarFunction(written_texts::of_stock(function)))
            }
            Expr::Negative(number) if self.rules == Compatibility::Postgres => self.negated(number, schema)?,
            Expr::Cast(cast) => self.cast(cast, schema)?,
            Expr::BinaryExpr(binary)
                if binary.op == Operator::StringConcat && self.rules == Compatibility::Postgres =>
            {
                Transformed::yes(value_rules::joined(self.functions, binary, schema)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if is_regular(op) && self.rules == Compatibility::Postgres =>
            {
                let right = Box::new(value_rules::posix_pattern(self.functions, *right));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            Expr::ScalarFunction(function) if self.rules == Compatibility::Postgres => {
                self.postgres_call(function, schema)?
            }
            Expr::AggregateFunction(aggregate) if self.rules == Compatibility::Ksqldb => {
                let func = self.ksqldb_total(aggregate.func);
                Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, ..aggregate }))
            }
            Expr::WindowFunction(window) => Transformed::yes(self.window_call(*window, schema)?),
            Expr::Case(case) if self.rules == Compatibility::Ksqldb => {
                ksqldb_types::check_case(&case, schema)?;
                Transformed::no(Expr::Case(case))
            }
            other => self.compared(other, schema)?,
        })
    }

    /// Whatever compares, sorts or chooses among values, by their types; anything else as it is.
    fn compared(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let expr = match self.rules {
            Compatibility::Ksqldb => {
                ksqldb_types::check_texts(&expr, schema)?;
                comparison::readable(self.functions, expr, schema)?
            }
            Compatibility::Postgres => {
                let expr = self.compared_instants(expr, schema)?;
                let expr = timestamps::with_midnights(expr, schema)?;
                let expr = timestamps::compared(self.functions, expr, schema)?;
                match spans::compared(self.functions, expr, schema)? {
                    Expr::Case(case) => Expr::Case(self.met_case(case, schema)?),
                    Expr::AggregateFunction(aggregate) if self.is_read_once() => {
                        Expr::AggregateFunction(zeros::told_apart(self.functions, aggregate, schema)?)
                    }
                    other => other,
                }
            }
        };
        let compared = bytes::compared(self.functions, as_doubles(expr, schema)?, schema)?;
        Ok(match self.rules {
            Compatibility::Ksqldb => two_valued(compared),
            Compatibility::Postgres => Transformed::yes(zeros::compared(self.functions, compared, schema)?),
        })
    }

    /// A call under PostgreSQL's rules: instants on the clocks of the session's zone, arguments as PostgreSQL takes them.
    fn postgres_call(
        &self,
        mut function: ScalarFunction,
        schema: &DFSchema,
    ) -> datafusion::common::Result<Transformed<Expr>> {
        if function.name() == OF_TYPE {
            return Ok(Transformed::yes(function.args.swap_remove(0)));
        }
        if value_rules::asks_clocks(function.name()) {
            let local = |argument| self.local(argument, schema);
            function.args = function.args.into_iter().map(local).collect::<datafusion::common::Result<_>>()?;
        }
        let function = self.with_read_texts(function, schema)?;
        let mut function = match spans::called(self.functions, function, schema)? {
            Expr::ScalarFunction(function) => function,
            other => return Ok(Transformed::yes(other)),
        };
        if let Some(zone) = self.zone.as_ref().filter(|_| function.name() == "age") {
            function.args = value_rules::shown_times(self.functions, function.args, zone, schema)?;
        }
        Ok(Transformed::yes(match value_rules::called(self.functions, function, schema)? {
            Expr::ScalarFunction(function) if self.is_read_once() && OF_INT.contains(&function.name()) => {
                cast(Expr::ScalarFunction(function), DataType::Int32)
            }
            Expr::ScalarFunction(function) => self.met_call(function, schema)?,
            other => other,
        }))
    }

    /// The least integer has no opposite: 22003.
    fn negated(&self, number: Box<Expr>, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let data_type = number.get_type(schema)?;
        let checked = matches!(data_type, DataType::Int32 | DataType::Int64) && !matches!(*number, Expr::Literal(..));
        Ok(match self.functions.scalar("__checked_sub") {
            Some(minus) if checked => {
                Transformed::yes(minus.call(vec![Expr::Literal(ScalarValue::new_zero(&data_type)?, None), *number]))
            }
            _ => Transformed::no(Expr::Negative(number)),
        })
    }

    /// A call over a window.
    fn window_call(&self, window: WindowFunction, schema: &DFSchema) -> datafusion::common::Result<Expr> {
        if lacks_argument(&window) {
            let message = format!("function {}() does not exist", window.fun.name());
            return Err(DataFusionError::External(Box::new(Error::new(SqlState::UNDEFINED_FUNCTION, message))));
        }
        let window = match self.rules {
            Compatibility::Postgres => spans::windowed(self.functions, of_no_row(window, schema)?, schema)?,
            Compatibility::Ksqldb => window,
        };
        Ok(Expr::WindowFunction(Box::new(self.window(by_peers(window, schema)?))))
    }

    /// A window's aggregate under the rules, over a frame that may move.
    fn window(&self, window: WindowFunction) -> WindowFunction {
        let WindowFunctionDefinition::AggregateUDF(func) = window.fun else { return window };
        let func = match self.rules {
            Compatibility::Ksqldb => self.ksqldb_total(func),
            Compatibility::Postgres => func,
        };
        let moves = !window.params.window_frame.start_bound.is_unbounded();
        let func = if moves { Sliding::over(func) } else { func };
        WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(func), ..window }
    }

    /// SUM and AVG under ksqlDB's rules; other aggregates as they are.
    fn ksqldb_total(&self, function: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        self.functions.aggregate(&format!("__ksql_{}", function.name())).unwrap_or(function)
    }

    /// A CAST from or to an instant, which the session's clocks tell; `None` for another one.
    fn cast_on_clocks(
        &self,
        cast: &Cast,
        from: &DataType,
        schema: &DFSchema,
    ) -> datafusion::common::Result<Option<Expr>> {
        match (from, &self.zone, self.clocks()) {
            (DataType::Timestamp(_, Some(_)), Some(zone), _) => {
                value_rules::cast_of_instant(self.functions, cast, zone, schema)
            }
            (DataType::Timestamp(_, None) | DataType::Date32, _, Some(zone)) => {
                Ok(value_rules::cast_to_instant(self.functions, cast, zone))
            }
            _ => Ok(None),
        }
    }

    /// A CAST to a double, and one of a text to a decimal, under PostgreSQL's rules; `None` for another one.
    fn cast_to_number(&self, cast: &Cast, from: &DataType) -> Option<Expr> {
        if self.rules != Compatibility::Postgres {
            return None;
        }
        let is_decimal = matches!(cast.field.data_type(), DataType::Decimal128(..));
        let is_plain = matches!(cast.expr.as_ref(), Expr::ScalarFunction(call) if call.name() == WITHOUT_EXPONENT);
        if !is_text(from) || !is_decimal || is_plain {
            return value_rules::cast_to_float(self.functions, cast, from);
        }
        let plain = self.functions.scalar(WITHOUT_EXPONENT)?.call(vec![cast.expr.as_ref().clone()]);
        Some(Expr::Cast(Cast { expr: Box::new(plain), ..cast.clone() }))
    }

    /// A CAST whose rules differ from Arrow's, as a function.
    pub(super) fn cast(&self, cast: Cast, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let from = cast.expr.get_type(schema)?;
        if let Some(read) = self.cast_on_clocks(&cast, &from, schema)? {
            return Ok(Transformed::yes(read));
        }
        let target = SqlType::from_arrow(cast.field.data_type());
        let from_fraction = matches!(from, DataType::Float64 | DataType::Decimal128(_, _));
        if self.rules == Compatibility::Postgres
            && is_text(&from)
            && let Some(read) = timestamps::read(self.functions, cast.expr.as_ref().clone(), cast.field.data_type())
        {
            return Ok(Transformed::yes(read));
        }
        if let Some(read) = self.cast_to_number(&cast, &from) {
            return Ok(Transformed::yes(read));
        }
        if self.rules == Compatibility::Postgres
            && is_text(&from)
            && matches!(cast.field.data_type(), DataType::Interval(_))
            && let Some(read) = self.functions.scalar("__interval_in")
        {
            return Ok(Transformed::yes(read.call(vec![cast.expr.as_ref().clone()])));
        }
        if let Some(target) = target.as_ref().filter(|target| target.is_nested() && is_text(&from)) {
            let read = ScalarUDF::new_from_impl(NestedIn::new(target.clone()));
            return Ok(Transformed::yes(read.call(vec![cast.expr.as_ref().clone()])));
        }
        if self.rules == Compatibility::Ksqldb {
            ksqldb_types::check_cast(&from, cast.field.data_type())?;
        }
        if self.rules == Compatibility::Postgres
            && from == DataType::Binary
            && target == Some(SqlType::Text)
            && let Some(encode) = self.functions.scalar("encode")
        {
            let digits = encode.call(vec![cast.expr.as_ref().clone(), lit("hex")]);
            let text = BinaryExpr::new(Box::new(lit("\\x")), Operator::StringConcat, Box::new(digits));
            return Ok(Transformed::yes(Expr::BinaryExpr(text)));
        }
        let mut arguments = vec![cast.expr.as_ref().clone()];
        let number = |value: i32| Expr::Literal(ScalarValue::Int32(Some(value)), None);
        let name = match (self.rules, target) {
            (Compatibility::Postgres, Some(SqlType::Text)) if from.is_nested() => "__nested_out",
            (Compatibility::Ksqldb, Some(SqlType::Text)) => "__ksql_cast_text",
            (Compatibility::Ksqldb, Some(SqlType::Boolean)) => "__ksql_cast_boolean",
            (Compatibility::Ksqldb, Some(SqlType::Int)) => "__ksql_cast_int",
            (Compatibility::Ksqldb, Some(SqlType::BigInt)) => "__ksql_cast_bigint",
            (Compatibility::Ksqldb, Some(SqlType::Double)) => "__ksql_cast_double",
            (Compatibility::Ksqldb, Some(SqlType::Timestamp)) if is_text(&from) => "__ksql_cast_timestamp",
            (Compatibility::Ksqldb, Some(SqlType::Date)) if is_text(&from) => "__ksql_cast_date",
            (Compatibility::Ksqldb, Some(SqlType::Time)) if is_text(&from) => "__ksql_cast_time",
            (Compatibility::Ksqldb, Some(SqlType::Decimal { precision, scale })) => {
                arguments.extend([number(i32::from(precision)), number(i32::from(scale))]);
                "__ksql_cast_decimal"
            }
            (Compatibility::Postgres, Some(SqlType::Int)) if from_fraction => "__checked_cast_int",
            (Compatibility::Postgres, Some(SqlType::BigInt)) if from_fraction => "__checked_cast_bigint",
            (Compatibility::Postgres, Some(SqlType::Text)) if value_rules::has_own_text(&from) => "__checked_cast_text",
            (_, Some(SqlType::Bytes)) if is_text(&from) => "__bytea_in",
            _ => return Ok(Transformed::no(Expr::Cast(cast))),
        };
        match self.functions.scalar(name) {
            Some(function) if !from.is_null() => Ok(Transformed::yes(function.call(arguments))),
            _ => Ok(Transformed::no(Expr::Cast(cast))),
        }
    }

    /// Arrays, maps and structs are equal or not; they have no order.
    fn nested_comparison(
        &self,
        binary: BinaryExpr,
        schema: &DFSchema,
    ) -> datafusion::common::Result<Transformed<Expr>> {
        if self.rules == Compatibility::Ksqldb {
            comparison::readable(self.functions, Expr::BinaryExpr(binary.clone()), schema)?;
        }
        let binary = literals::as_nested(binary, schema)?;
        let (left, right) = (binary.left.get_type(schema)?, binary.right.get_type(schema)?);
        let equal = match binary.op {
            Operator::Eq | Operator::NotEq => self.functions.scalar("__nested_equal"),
            _ => None,
        };
        let Some(equal) = equal else { return Err(no_operator(binary.op, &left, &right)) };
        let equal = equal.call(vec![*binary.left, *binary.right]);
        let compared = if binary.op == Operator::Eq { equal } else { Expr::Not(Box::new(equal)) };
        Ok(Transformed::yes(match self.rules {
            Compatibility::Ksqldb => Expr::IsTrue(Box::new(compared)),
            Compatibility::Postgres => compared,
        }))
    }

    fn arithmetic(&self, binary: BinaryExpr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let binary = match self.rules {
            Compatibility::Postgres => {
                let binary = match timestamps::with_midnights(Expr::BinaryExpr(binary), schema)? {
                    Expr::BinaryExpr(binary) => value_rules::on_clocks(binary, schema)?,
                    other => return Ok(Transformed::yes(other)),
                };
                let left = Box::new(self.local(*binary.left, schema)?);
                BinaryExpr { left, ..binary }
            }
            Compatibility::Ksqldb => binary,
        };
        let left = binary.left.get_type(schema)?;
        let right = binary.right.get_type(schema)?;
        if self.rules == Compatibility::Ksqldb {
            ksqldb_types::check_arithmetic(&binary, (&left, &right), schema)?;
        }
        if self.is_read_once() && binary.op == Operator::Minus && [&left, &right] == [&DataType::Date32; 2] {
            return Ok(Transformed::yes(cast(Expr::BinaryExpr(binary), DataType::Int32)));
        }
        if BinaryTypeCoercer::new(&left, &binary.op, &right).get_input_types().is_err() && !is_text(&left) {
            return Err(no_operator(binary.op, &left, &right));
        }
        let word = match binary.op {
            Operator::Plus => "add",
            Operator::Minus => "sub",
            Operator::Multiply => "mul",
            Operator::Divide => "div",
            _ => "mod",
        };
        let ours = match self.rules {
            Compatibility::Ksqldb if binary.op == Operator::Plus && is_text(&left) && is_text(&right) => {
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, ..binary })));
            }
            Compatibility::Ksqldb => left.is_numeric() && right.is_numeric(),
            // Decimals raise errors by themselves, but for what divides them.
            Compatibility::Postgres => {
                let divides = matches!(binary.op, Operator::Divide | Operator::Modulo);
                let is_double = left == DataType::Float64 || right == DataType::Float64;
                (left.is_integer() && right.is_integer())
                    || ((divides || is_double) && left.is_numeric() && right.is_numeric())
            }
        };
        let prefix = match self.rules {
            Compatibility::Ksqldb => "__ksql",
            Compatibility::Postgres => "__checked",
        };
        match self.functions.scalar(&format!("{prefix}_{word}")) {
            Some(function) if ours => {
                let chain = self.functions.scalar(&format!("{prefix}_chain"));
                Ok(Transformed::yes(chain::joined(*binary.left, &function, *binary.right, chain.as_deref())))
            }
            _ => Ok(Transformed::no(Expr::BinaryExpr(binary))),
        }
    }
}

/// A type that a column can have, reached by a cast if need be.
pub fn as_column(expr: Expr, schema: &DFSchema, origin: &ast::Expr) -> Result<(Expr, SqlType)> {
    let data_type = expr.get_type(schema).map_err(|error| failure::of_datafusion(error, Some(origin)))?;
    let sql_type = SqlType::from_arrow(&data_type).ok_or_else(|| {
        failure::at(Error::unsupported(format!("a column of type {data_type} is not there yet")), origin)
    })?;
    let wanted = sql_type.arrow();
    if wanted == data_type {
        return Ok((expr, sql_type));
    }
    Ok((cast(expr, wanted), sql_type))
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Of frames in RANGE DataFusion takes only those over types that have distances. Without a distance such a frame ends
/// between groups of peers, whatever their type.
fn by_peers(mut window: WindowFunction, schema: &DFSchema) -> datafusion::common::Result<WindowFunction> {
    let has_distances = |by: &SortExpr| {
        let data_type = by.expr.get_type(schema)?;
        let is_of_time = matches!(data_type, DataType::Date32 | DataType::Timestamp(..) | DataType::Interval(_));
        Ok::<_, DataFusionError>(is_of_time || data_type.is_numeric() || is_text(&data_type))
    };
    let frame = &window.params.window_frame;
    let is_plain = |bound: &WindowFrameBound| bound.is_unbounded() || *bound == WindowFrameBound::CurrentRow;
    if frame.units == WindowFrameUnits::Range
        && is_plain(&frame.start_bound)
        && is_plain(&frame.end_bound)
        && let Some(by) = window.params.order_by.first()
        && !has_distances(by)?
    {
        let (start, end) = (frame.start_bound.clone(), frame.end_bound.clone());
        window.params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end);
    }
    Ok(window)
}

/// DataFusion's signature of these lets a call without arguments through, which then ends its thread.
fn lacks_argument(window: &WindowFunction) -> bool {
    window.params.args.is_empty() && matches!(window.fun.name(), "first_value" | "last_value" | "nth_value")
}

/// The value of the row that lies NULL rows off is NULL.
fn of_no_row(mut window: WindowFunction, schema: &DFSchema) -> datafusion::common::Result<WindowFunction> {
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if value.is_null());
    if matches!(window.fun.name(), "lag" | "lead") && window.params.args.get(1).is_some_and(is_null) {
        let null = ScalarValue::try_new_null(&window.params.args[0].get_type(schema)?)?;
        window.params.args = vec![Expr::Literal(null, None)];
    }
    Ok(window)
}

fn no_operator(op: Operator, left: &DataType, right: &DataType) -> DataFusionError {
    let [left, right] = [left, right].map(SqlType::postgres_name_of);
    let message = format!("operator does not exist: {left} {op} {right}");
    let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("You might need to add explicit type casts.");
    DataFusionError::External(Box::new(error))
}

/// A comparison of a double with a decimal compares doubles, as in PostgreSQL: DataFusion would compare decimals, which
/// large doubles overflow.
fn as_doubles(expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Expr> {
    let is_double = |expr: &Expr| Ok::<_, DataFusionError>(expr.get_type(schema)?.is_floating());
    let double = |expr: Expr| {
        let is_decimal = matches!(expr.get_type(schema)?, DataType::Decimal128(_, _));
        Ok::<_, DataFusionError>(if is_decimal { cast(expr, DataType::Float64) } else { expr })
    };
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_any_comparison(op) && (is_double(&left)? || is_double(&right)?) =>
        {
            Expr::BinaryExpr(BinaryExpr { left: Box::new(double(*left)?), op, right: Box::new(double(*right)?) })
        }
        Expr::Between(between)
            if is_double(&between.expr)? || is_double(&between.low)? || is_double(&between.high)? =>
        {
            Expr::Between(Between {
                expr: Box::new(double(*between.expr)?),
                negated: between.negated,
                low: Box::new(double(*between.low)?),
                high: Box::new(double(*between.high)?),
            })
        }
        Expr::InList(list) if is_double(&list.expr)? => Expr::InList(InList {
            list: list.list.into_iter().map(double).collect::<datafusion::common::Result<_>>()?,
            ..list
        }),
        other => other,
    })
}

fn is_nested(binary: &BinaryExpr, schema: &DFSchema) -> datafusion::common::Result<bool> {
    Ok(binary.left.get_type(schema)?.is_nested() || binary.right.get_type(schema)?.is_nested())
}

fn is_arithmetic(op: Operator) -> bool {
    matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
}

/// ksqlDB's two-valued logic: a comparison that has a null is false, and its opposite true.
fn two_valued(expr: Expr) -> Transformed<Expr> {
    let is_true = |expr: Expr| Expr::IsTrue(Box::new(expr));
    match expr {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => Transformed::yes(is_true(Expr::BinaryExpr(binary))),
        Expr::Between(between) => {
            let inner = is_true(Expr::Between(Between { negated: false, ..between.clone() }));
            Transformed::yes(negated_if(between.negated, inner))
        }
        Expr::Like(like) => {
            let inner = is_true(Expr::Like(Like { negated: false, ..like.clone() }));
            Transformed::yes(negated_if(like.negated, inner))
        }
        Expr::InList(list) => {
            let inner = is_true(Expr::InList(InList { negated: false, ..list.clone() }));
            Transformed::yes(negated_if(list.negated, inner))
        }
        other => Transformed::no(other),
    }
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    match negated {
        true => Expr::Not(Box::new(expr)),
        false => expr,
    }
}

/// Whether the right side is a regular expression.
fn is_regular(op: Operator) -> bool {
    use Operator as Op;
    matches!(op, Op::RegexMatch | Op::RegexIMatch | Op::RegexNotMatch | Op::RegexNotIMatch)
}

fn is_comparison(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

pub(super) fn is_any_comparison(op: Operator) -> bool {
    is_comparison(op) || matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

/// ksqlDB's `COUNT()` is `COUNT(*)`.
fn count_of_nothing(function: &mut ast::Function) {
    let ast::FunctionArguments::List(list) = &mut function.args else { return };
    if list.args.is_empty() && function.name.to_string().eq_ignore_ascii_case("count") {
        list.args.push(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard));
    }
}

/// ksqlDB: a number with an exponent is a DOUBLE, without one a DECIMAL. PostgreSQL's numbers are exact; one that no DECIMAL
/// has room for is a DOUBLE here.
pub fn exponent_double(value: &ast::Value, rules: Compatibility) -> Option<ast::Expr> {
    let ast::Value::Number(text, _) = value else { return None };
    let (_, exponent) = text.split_once(['e', 'E'])?;
    let has_room = exponent.parse::<i8>().is_ok_and(|exponent| exponent.unsigned_abs() < DECIMAL_DIGITS_MAX);
    (rules == Compatibility::Ksqldb || !has_room).then(|| ast::Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(ast::Expr::Value(ast::Value::SingleQuotedString(text.clone()).into())),
        data_type: ast::DataType::DoublePrecision,
        array: false,
        format: None,
    })
}
