//! One expression: from SQL to DataFusion, under the rules of values, with all types agreed. `explicit` has the rules.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;
use datafusion::sql::planner::ParserOptions;
use datafusion::sql::planner::PlannerContext;
use datafusion::sql::planner::SqlToRel;
use sqlparser::ast;

use super::failure;
use super::ksqldb_words;
use super::reworded::call;
use super::reworded::reword;
use super::value_rules;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions::CUBE;
use crate::functions::ksqldb_name;
use crate::model::SqlType;
use crate::plan::functions::Functions;
use crate::plan::ksqldb_text;
use crate::sql::walk;

/// The most digits that a DECIMAL has.
const DECIMAL_DIGITS_MAX: u8 = 38;

/// Plans expressions under one set of rules.
pub struct Expressions<'a> {
    pub(super) functions: &'a Functions,
    pub(super) rules: Compatibility,
    /// The zone of the session whose query is read once.
    pub(super) zone: Option<Arc<str>>,
    /// Whether what PostgreSQL refuses for its types is refused.
    pub(super) typing: Typing,
}

/// Whether a statement comes in, or what was accepted is planned again: types are asked for once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// What has no operator, cast or common type is refused.
    Checked,
    /// It was looked at before.
    Accepted,
}

impl<'a> Expressions<'a> {
    /// A planner for the rules.
    pub fn new(functions: &'a Functions, rules: Compatibility) -> Self {
        Self { functions, rules, zone: None, typing: Typing::Accepted }
    }

    /// The same, which refuses what PostgreSQL refuses for its types, or lets it be.
    pub fn typed(self, typing: Typing) -> Self {
        Self { typing, ..self }
    }

    /// Whether PostgreSQL's rules of types are asked.
    pub(super) fn checks_types(&self) -> bool {
        self.typing == Typing::Checked && self.rules == Compatibility::Postgres
    }

    /// The same, with instants on the clocks of a session's zone.
    pub fn in_zone(self, zone: &str) -> Self {
        Self { zone: Some(Arc::from(zone)), ..self }
    }

    /// An instant on the clocks of the session's zone, which tell its day and its hour; anything else as it is.
    pub(super) fn local(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Expr> {
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
    matches!(data_type, DataType::Utf8 | DataType::Utf8View)
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
