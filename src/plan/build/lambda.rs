//! `TRANSFORM`, `FILTER` and `REDUCE`: lambdas planned once the types of their arguments are known.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::ScalarFunction;
use sqlparser::ast;

use super::expression::Expressions;
use super::reworded::call;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::Lambda;
use crate::functions::LambdaBody;
use crate::functions::LambdaKind;
use crate::functions::ksqldb_name;
use crate::model::SqlType;
use crate::plan::nested;
use crate::sql::walk;

/// Stands before the name of a parameter where it is a column of the lambda's body.
const PARAMETER: &str = "__parameter_";

fn failed(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Which of the functions a call is, if it waits for its lambdas.
pub(super) fn unplanned(function: &ScalarFunction) -> Option<LambdaKind> {
    let kinds = [LambdaKind::Transform, LambdaKind::Filter, LambdaKind::Reduce];
    kinds.into_iter().find(|kind| kind.name() == function.name())
}

/// The names of a lambda's parameters and the text of its body.
fn lambda_of(argument: &Expr) -> Option<(Vec<&str>, &str)> {
    let Expr::ScalarFunction(function) = argument else { return None };
    match function.args.as_slice() {
        [Expr::Literal(ScalarValue::Utf8(Some(names)), _), Expr::Literal(ScalarValue::Utf8(Some(body)), _)]
            if function.name() == "__lambda_text" =>
        {
            Some((names.split(',').collect(), body))
        }
        _ => None,
    }
}

impl Expressions<'_> {
    /// The call with its lambdas planned.
    pub(super) fn lambda(&self, kind: LambdaKind, function: &ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        let values: Vec<&Expr> = function.args.iter().filter(|argument| lambda_of(argument).is_none()).collect();
        let lambdas: Vec<_> = function.args.iter().filter_map(lambda_of).collect();
        let wrong = |message: String| self.wrong_lambda(kind, &values, lambdas.len(), message, schema);
        let wanted = if kind == LambdaKind::Reduce { 2 } else { 1 };
        if values.len() != wanted {
            let name = kind.name().to_uppercase();
            return Err(wrong(format!(
                "{name} takes {wanted} argument(s) before its lambda, and {} are here",
                values.len()
            )));
        }
        let of = values[0].get_type(schema)?;
        let sql_type = SqlType::from_arrow(&of).filter(SqlType::is_nested);
        let (mut parameters, is_map) = match &sql_type {
            Some(SqlType::Array(item)) => (vec![item.arrow()], false),
            Some(SqlType::Map(key, value)) => (vec![key.arrow(), value.arrow()], true),
            _ => {
                let name = kind.name().to_uppercase();
                return Err(wrong(format!("{name} is for ARRAY and MAP, not {}", SqlType::postgres_name_of(&of))));
            }
        };
        let collection = cast_if_needed(values[0].clone(), &of, sql_type.as_ref().map_or(of.clone(), SqlType::arrow));
        let mut arguments = vec![collection];
        if let Some(first) = values.get(1) {
            let first_type = first.get_type(schema)?;
            let first_type = SqlType::from_arrow(&first_type).map_or(first_type, |sql_type| sql_type.arrow());
            parameters.insert(0, first_type.clone());
            arguments.push(cast_if_needed((*first).clone(), &first.get_type(schema)?, first_type));
        }
        let count = if kind == LambdaKind::Transform && is_map { 2 } else { 1 };
        if lambdas.len() != count {
            let name = kind.name().to_uppercase();
            return Err(wrong(format!(
                "{name} of such a value takes {count} lambda(s), and {} are here",
                lambdas.len()
            )));
        }
        let planned: Vec<(Expr, DataType)> = lambdas
            .iter()
            .map(|(names, body)| match names.len() == parameters.len() {
                true => self.body(names, body, &parameters, schema),
                false => Err(wrong(format!(
                    "a lambda of {} parameter(s) is wanted, and this has {}",
                    parameters.len(),
                    names.len()
                ))),
            })
            .collect::<Result<_>>()?;
        let of = arguments[0].get_type(schema)?;
        let (planned, result) = typed(kind, planned, &of, parameters.first())?;
        let (bodies, columns) = bodies(planned, &lambdas, &parameters, schema)?;
        arguments.extend(columns);
        let function = ScalarUDF::new_from_impl(Lambda::new(kind, bodies, result));
        Ok(function.call(arguments))
    }

    /// 42883, in ksqlDB's words under its rules.
    fn wrong_lambda(
        &self,
        kind: LambdaKind,
        values: &[&Expr],
        lambdas: usize,
        message: String,
        schema: &DFSchema,
    ) -> DataFusionError {
        let message = match self.rules() {
            Compatibility::Postgres => message,
            Compatibility::Ksqldb => {
                let given = values.iter().map(|value| match value.get_type(schema) {
                    Ok(DataType::Null) => "null".to_owned(),
                    Ok(data_type) => ksqldb_name(&data_type),
                    Err(_) => String::new(),
                });
                let given: Vec<String> = given.chain(std::iter::repeat_n("LAMBDA".to_owned(), lambdas)).collect();
                format!("Function '{}' does not accept parameters ({}).", kind.name(), given.join(", "))
            }
        };
        failed(Error::new(SqlState::UNDEFINED_FUNCTION, message))
    }

    /// A body over the columns in sight and its parameters, which hide columns of the same name.
    fn body(&self, names: &[&str], text: &str, types: &[DataType], schema: &DFSchema) -> Result<(Expr, DataType)> {
        let mut all = schema.clone();
        all.merge(&parameter_schema(names, types)?);
        let mut body = parsed(text).map_err(failed)?;
        if self.rules() == Compatibility::Ksqldb {
            refuse_nulls(&mut body);
        }
        let planned = self.plan(&body, &all).map_err(failed)?;
        let data_type = planned.get_type(&all)?;
        Ok((planned, data_type))
    }
}

fn cast_if_needed(expr: Expr, from: &DataType, to: DataType) -> Expr {
    if *from == to { expr } else { cast(expr, to) }
}

fn parameter_schema(names: &[&str], types: &[DataType]) -> Result<DFSchema> {
    let fields = names.iter().zip(types).map(|(name, data_type)| {
        (None, std::sync::Arc::new(Field::new(format!("{PARAMETER}{name}"), data_type.clone(), true)))
    });
    DFSchema::new_with_metadata(fields.collect(), Default::default())
}

/// The text of a body as an expression, its parameters as columns.
fn parsed(text: &str) -> std::result::Result<ast::Expr, Error> {
    let select = crate::sql::parse_select(&format!("SELECT {text}"))?;
    let ast::SetExpr::Select(query) = select.ast.body.as_ref() else {
        return Err(Error::internal("the text of a lambda is no expression"));
    };
    let Some(ast::SelectItem::UnnamedExpr(body)) = query.projection.first() else {
        return Err(Error::internal("the text of a lambda is no expression"));
    };
    let mut body = body.clone();
    let flow = walk::expressions_mut(&mut body, |expr| {
        let ast::Expr::Function(function) = &*expr else { return ControlFlow::Continue(()) };
        if function.name.to_string() == "__parameter"
            && let [ast::Expr::Value(name)] = nested::arguments(function).as_slice()
            && let ast::Value::SingleQuotedString(name) = &name.value
        {
            *expr = ast::Expr::Identifier(ast::Ident::with_quote('"', format!("{PARAMETER}{name}")));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    Ok(body)
}

/// ksqlDB's arithmetic fails where a parameter of a lambda is null. Only arithmetic that is the body itself is made to: what
/// stands below a condition may not be reached.
fn refuse_nulls(body: &mut ast::Expr) {
    use ast::BinaryOperator as Operator;
    match body {
        ast::Expr::Nested(inner) => refuse_nulls(inner),
        ast::Expr::BinaryOp {
            left,
            op: Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo,
            right,
        } => {
            for side in [left, right] {
                match side.as_ref() {
                    ast::Expr::Identifier(ident) if ident.value.starts_with(PARAMETER) => {
                        **side = call("__not_null", vec![side.as_ref().clone()]);
                    }
                    _ => refuse_nulls(side),
                }
            }
        }
        _ => {}
    }
}

/// The bodies with the types that they must have, and the type of the call.
fn typed(
    kind: LambdaKind,
    planned: Vec<(Expr, DataType)>,
    of: &DataType,
    first: Option<&DataType>,
) -> Result<(Vec<Expr>, DataType)> {
    let plain = |(body, data_type): (Expr, DataType)| {
        let sql_type = SqlType::from_arrow(&data_type)
            .ok_or_else(|| failed(Error::unsupported(format!("a lambda that gives {data_type} is not supported"))))?;
        Ok::<_, DataFusionError>((cast_if_needed(body, &data_type, sql_type.arrow()), sql_type))
    };
    Ok(match kind {
        LambdaKind::Transform => {
            let planned: Vec<(Expr, SqlType)> = planned.into_iter().map(plain).collect::<Result<_>>()?;
            let result = match planned.as_slice() {
                [(_, item)] => SqlType::Array(Box::new(item.clone())),
                [(_, key), (_, value)] => SqlType::Map(Box::new(key.clone()), Box::new(value.clone())),
                _ => return datafusion::common::internal_err!("TRANSFORM has one lambda or two"),
            };
            (planned.into_iter().map(|(body, _)| body).collect(), result.arrow())
        }
        LambdaKind::Filter => {
            for (_, data_type) in &planned {
                if *data_type != DataType::Boolean {
                    let message =
                        format!("the lambda of FILTER must give boolean, not {}", SqlType::postgres_name_of(data_type));
                    return Err(failed(Error::new(SqlState::DATATYPE_MISMATCH, message)));
                }
            }
            (planned.into_iter().map(|(body, _)| body).collect(), of.clone())
        }
        LambdaKind::Reduce => {
            let result = first.cloned().unwrap_or(DataType::Utf8);
            let bodies = planned.into_iter().map(|(body, from)| cast_if_needed(body, &from, result.clone()));
            (bodies.collect(), result)
        }
    })
}

/// The bodies over their parameters and the columns that any of them names; and those columns.
fn bodies(
    planned: Vec<Expr>,
    lambdas: &[(Vec<&str>, &str)],
    types: &[DataType],
    schema: &DFSchema,
) -> Result<(Vec<LambdaBody>, Vec<Expr>)> {
    let mut named = Vec::new();
    let own: HashSet<String> =
        lambdas.iter().flat_map(|(names, _)| names).map(|name| format!("{PARAMETER}{name}")).collect();
    for body in &planned {
        let mut columns: Vec<_> = body.column_refs().into_iter().cloned().collect();
        // Parameters of a lambda around this one are columns to it.
        columns.retain(|column| column.relation.is_some() || !own.contains(column.name.as_str()));
        columns.sort();
        named.extend(columns);
    }
    named.sort();
    named.dedup();
    let mut fields = Vec::with_capacity(named.len());
    for column in &named {
        let (qualifier, field) = schema.qualified_field_from_column(column)?;
        fields.push((qualifier.cloned(), std::sync::Arc::clone(field)));
    }
    let columns = DFSchema::new_with_metadata(fields, Default::default())?;
    let bodies = planned
        .into_iter()
        .zip(lambdas)
        .map(|(body, (names, _))| LambdaBody::new(body, parameter_schema(names, types)?.join(&columns)?))
        .collect::<Result<_>>()?;
    Ok((bodies, named.into_iter().map(Expr::Column).collect()))
}
