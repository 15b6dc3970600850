//! The aggregates of a query: which function, of what, and what type comes out.

use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use sqlparser::ast;

use super::aggregate::unique;
use super::expression::Expressions;
use super::expression::as_column;
use super::failure;
use super::ksqldb_words;
use super::output::and_list;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::column_named;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions::Collect;
use crate::functions::Dispersion;
use crate::functions::OffsetEnd;
use crate::functions::Total;
use crate::functions::TotalKind;
use crate::functions::TotalStyle;
use crate::functions::top_row_names;
use crate::model::SqlType;
use crate::model::StructField;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundRank;
use crate::plan::node::AggregateCall;
use crate::plan::node::AggregateFunction;
use crate::plan::node::Backing;
use crate::plan::node::BitOperation;
use crate::plan::node::OffsetNulls;
use crate::plan::node::Retraction;
use crate::plan::node::Window;
use crate::sql::walk;

/// The most digits of a decimal whose squares are summed exactly.
const SQUARED_DIGITS_MAX: u8 = 18;

/// The most values that TOPK and its kin keep of a group.
const COLLECT_MAX: u32 = 10_000;

/// The calls for the aggregates that were found; their arguments and filters are added to `projected`.
pub fn build(
    found: &[Expr],
    rows: &Rows,
    query: &BoundQuery,
    expressions: &Expressions<'_>,
    projected: &mut Vec<Expr>,
) -> Result<Vec<AggregateCall>> {
    let groups = projected.len();
    let mut calls: Vec<AggregateCall> = Vec::with_capacity(found.len());
    let mut over_table: Vec<(AggregateFunction, &ast::Expr)> = Vec::new();
    for expr in found {
        let Expr::AggregateFunction(aggregate) = expr else { continue };
        let origin = origin(query, aggregate.func.name());
        let params = &aggregate.params;
        refuse_extras(params, origin)?;
        let function = function(aggregate.func.name(), params, origin, expressions.rules())?;
        if rows.changes == Changes::Retract && !is_taken_back(function, expressions.rules()) {
            over_table.push((function, origin));
        }
        let keeps_structs =
            matches!(function, AggregateFunction::Correlation | AggregateFunction::Collect(Collect::TopRows { .. }));
        if keeps_structs && expressions.rules() == Compatibility::Ksqldb {
            check_value_format(query, origin)?;
        }
        let style = match expressions.rules() {
            Compatibility::Postgres => TotalStyle::Postgres,
            Compatibility::Ksqldb => TotalStyle::Ksqldb,
        };
        let (argument, sql_type, backing) = match function {
            AggregateFunction::CountStar => (None, SqlType::BigInt, Backing::Group),
            _ => {
                let (argument, argument_type) = argument(function, params, rows.schema(), origin, expressions)?;
                let sql_type = result_type(function, &argument_type, style, origin)?;
                let backing = backing(function, params, (query, rows.changes), &argument_type, origin)?;
                (Some(column_named(&shared(argument, "argument", projected, groups))), sql_type, backing)
            }
        };
        let filter = match &params.filter {
            Some(filter) => {
                let planned = expressions.finish(filter.as_ref().clone(), rows.schema(), origin)?;
                let planned = expressions.boolean(planned, rows.schema(), origin, "FILTER")?;
                Some(column_named(&shared(planned, "filter", projected, groups)))
            }
            None => None,
        };
        let name = call_name(function, calls.len(), projected);
        calls.push(AggregateCall { function, argument, backing, filter, name, sql_type, style });
    }
    refuse_over_table(&over_table, expressions.rules())?;
    Ok(calls)
}

/// What ksqlDB keeps of a correlation and of rows are structs, in the value format.
fn check_value_format(query: &BoundQuery, origin: &ast::Expr) -> Result<()> {
    let format = query.value_format.unwrap_or(query.sources[0].relation.formats.value);
    if !matches!(format, Format::Delimited { .. }) {
        return Ok(());
    }
    Err(failure::at(not_kept_in_format(), origin))
}

/// What an aggregate keeps is of a type that the value format has not.
pub(super) fn not_kept_in_format() -> Error {
    let message = "One of the functions used in the statement has an intermediate type that the value format can not handle. Please remove the function or change the format.";
    Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
}

fn refuse_extras(params: &AggregateFunctionParams, origin: &ast::Expr) -> Result<()> {
    if !params.order_by.is_empty() || params.null_treatment.is_some() {
        let error = Error::unsupported("ORDER BY and NULLS in aggregates are not there yet in standing queries");
        return Err(failure::at(error, origin));
    }
    Ok(())
}

fn function(
    name: &str,
    params: &AggregateFunctionParams,
    origin: &ast::Expr,
    rules: Compatibility,
) -> Result<AggregateFunction> {
    let is_constant = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if !value.is_null());
    #[expect(deprecated, reason = "DataFusion's planner may still give COUNT(*) its wildcard")]
    let is_star = |expr: &Expr| matches!(expr, Expr::Wildcard { .. }) || is_constant(expr);
    let distinct = params.distinct;
    Ok(match name {
        "count" if distinct => AggregateFunction::Collect(Collect::CountDistinct),
        "count" if params.args.is_empty() || params.args.iter().all(is_star) => AggregateFunction::CountStar,
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        // ksqlDB's STDDEV_SAMP is the variance.
        "stddev" if rules == Compatibility::Ksqldb => AggregateFunction::Dispersion(Dispersion::VarianceSample),
        "stddev" | "stddev_sample" => AggregateFunction::Dispersion(Dispersion::DeviationSample),
        "stddev_pop" => AggregateFunction::Dispersion(Dispersion::DeviationPopulation),
        "var" => AggregateFunction::Dispersion(Dispersion::VarianceSample),
        "var_pop" => AggregateFunction::Dispersion(Dispersion::VariancePopulation),
        "corr" | "correlation" => AggregateFunction::Correlation,
        "sum_list" => AggregateFunction::SumList,
        "bit_and" if rules == Compatibility::Postgres => AggregateFunction::Bits(BitOperation::And),
        "bit_or" if rules == Compatibility::Postgres => AggregateFunction::Bits(BitOperation::Or),
        "bit_xor" if rules == Compatibility::Postgres && !distinct => AggregateFunction::Bits(BitOperation::Xor),
        "collect_list" if distinct => AggregateFunction::Collect(Collect::Set),
        "topk" | "topkdistinct" if 2 < params.args.len() && (distinct || name == "topkdistinct") => {
            let error = Error::unsupported("TOPKDISTINCT of several columns is not supported");
            return Err(failure::at(error, origin).hint("Its arguments are a value and how many are kept."));
        }
        "topk" if distinct => AggregateFunction::Collect(Collect::TopKDistinct { k: count(params, origin)? }),
        "attr" => AggregateFunction::Collect(Collect::Attr),
        "collect_list" => AggregateFunction::Collect(Collect::List),
        "collect_set" => AggregateFunction::Collect(Collect::Set),
        "histogram" => AggregateFunction::Collect(Collect::Histogram),
        "count_distinct" => AggregateFunction::Collect(Collect::CountDistinct),
        "topk" if 2 < params.args.len() => {
            AggregateFunction::Collect(Collect::TopRows { k: count_at(params.args.len() - 1, params, origin)? })
        }
        "topk" => AggregateFunction::Collect(Collect::TopK { k: count(params, origin)? }),
        "topkdistinct" => AggregateFunction::Collect(Collect::TopKDistinct { k: count(params, origin)? }),
        "earliest_by_offset" | "latest_by_offset" if has_count(params) => {
            let (n, ignores_nulls) = (count(params, origin)?, ignores_nulls(params, origin)?);
            AggregateFunction::Collect(match name {
                "earliest_by_offset" => Collect::Earliest { n, ignores_nulls },
                _ => Collect::Latest { n, ignores_nulls },
            })
        }
        "earliest_by_offset" => AggregateFunction::ByOffset(OffsetEnd::Earliest, offset_nulls(params, origin, rules)?),
        "latest_by_offset" => AggregateFunction::ByOffset(OffsetEnd::Latest, offset_nulls(params, origin, rules)?),
        other => {
            let error =
                Error::unsupported(format!("the aggregate function {other} is not there yet in standing queries"));
            return Err(failure::at(error, origin));
        }
    })
}

/// What stands behind a call, and whether it can take each value once if that is asked.
fn backing(
    function: AggregateFunction,
    params: &AggregateFunctionParams,
    (query, changes): (&BoundQuery, Changes),
    argument: &SqlType,
    origin: &ast::Expr,
) -> Result<Backing> {
    // Where windows share what they keep, or are merged, each keeps its values itself.
    let has_own_state = matches!(query.window, None | Some(Window::Tumbling { .. }));
    let name = || function.as_str().to_uppercase();
    let refused = |message: String| Err(failure::at(Error::unsupported(message), origin));
    let backing = match function {
        AggregateFunction::Sum | AggregateFunction::Avg | AggregateFunction::Dispersion(_) if params.distinct => {
            if has_own_state {
                Backing::Counts
            } else {
                Backing::Values
            }
        }
        AggregateFunction::ByOffset(..)
        | AggregateFunction::Correlation
        | AggregateFunction::SumList
        | AggregateFunction::Collect(Collect::Histogram | Collect::Earliest { .. } | Collect::Latest { .. })
            if params.distinct =>
        {
            return refused(format!("{} does not take DISTINCT", name()));
        }
        AggregateFunction::Collect(Collect::CountDistinct) if has_own_state && !has_map(argument) => Backing::Counts,
        _ if changes == Changes::Retract && function.retraction() == Retraction::Counts => Backing::Counts,
        _ => Backing::Group,
    };
    match backing {
        // A map has no key that is one for equal maps.
        Backing::Counts if has_map(argument) => refused(format!("{} of maps over a table is not supported", name())),
        backing => Ok(backing),
    }
}

/// Whether a type is or holds a map.
fn has_map(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Map(..) => true,
        SqlType::Array(item) => has_map(item),
        SqlType::Struct(fields) => fields.iter().any(|field| has_map(&field.sql_type)),
        _ => false,
    }
}

fn has_count(params: &AggregateFunctionParams) -> bool {
    matches!(params.args.get(1), Some(Expr::Literal(value, _)) if value.data_type().is_integer())
}

/// The second argument, a constant: how many values are kept.
fn count(params: &AggregateFunctionParams, origin: &ast::Expr) -> Result<u32> {
    count_at(1, params, origin)
}

/// The argument at `place`, a constant: how many values are kept.
fn count_at(place: usize, params: &AggregateFunctionParams, origin: &ast::Expr) -> Result<u32> {
    let wrong = |message: &str| failure::at(Error::new(SqlState::INVALID_PARAMETER_VALUE, message), origin);
    match params.args.get(place) {
        Some(Expr::Literal(ScalarValue::Int64(Some(count)), _)) => u32::try_from(*count)
            .ok()
            .filter(|count| (1..=COLLECT_MAX).contains(count))
            .ok_or_else(|| wrong(&format!("the number of values must be between 1 and {COLLECT_MAX}"))),
        _ => Err(wrong("the number of values must be a whole number that is written out")),
    }
}

/// The third argument: whether nulls are no values.
fn ignores_nulls(params: &AggregateFunctionParams, origin: &ast::Expr) -> Result<bool> {
    match &params.args[2..] {
        [] => Ok(true),
        [Expr::Literal(ScalarValue::Boolean(Some(told)), _)] => Ok(*told),
        _ => {
            let message = "whether nulls are ignored must be true or false";
            Err(failure::at(Error::new(SqlState::INVALID_PARAMETER_VALUE, message), origin))
        }
    }
}

/// The second argument of the first or last value: whether nulls are ignored.
fn offset_nulls(params: &AggregateFunctionParams, origin: &ast::Expr, rules: Compatibility) -> Result<OffsetNulls> {
    match params.args.as_slice() {
        [_] | [_, Expr::Literal(ScalarValue::Boolean(Some(true)), _)] => Ok(OffsetNulls::Ignored),
        [_, Expr::Literal(ScalarValue::Boolean(Some(false)), _)] => Ok(OffsetNulls::Counted),
        _ => {
            let message = match (not_constant(params, origin), rules) {
                (Some(message), Compatibility::Ksqldb) => message,
                _ => "what follows the value must be constants: how many are kept, and whether nulls are ignored"
                    .to_string(),
            };
            Err(failure::at(Error::new(SqlState::INVALID_PARAMETER_VALUE, message), origin))
        }
    }
}

/// ksqlDB's words for the first argument behind the value that is no constant.
fn not_constant(params: &AggregateFunctionParams, origin: &ast::Expr) -> Option<String> {
    let is_constant = |argument: &Expr| matches!(argument, Expr::Literal(..));
    let place = 1 + params.args.iter().skip(1).position(|argument| !is_constant(argument))?;
    let name = match origin {
        ast::Expr::Function(function) => function.name.to_string().to_uppercase(),
        _ => return None,
    };
    let text = ksqldb_words::text_of(params.args.get(place)?, &DFSchema::empty());
    Some(format!(
        "Parameter {} passed to function {name} must be a literal constant, but was expression: '{text}'",
        place + 1
    ))
}

fn argument(
    function: AggregateFunction,
    params: &AggregateFunctionParams,
    schema: &DFSchemaRef,
    origin: &ast::Expr,
    expressions: &Expressions<'_>,
) -> Result<(Expr, SqlType)> {
    if let (AggregateFunction::Correlation, [left, right]) = (function, params.args.as_slice()) {
        return pair([left, right], schema, origin, expressions);
    }
    let rules = expressions.rules();
    if let (AggregateFunction::Collect(Collect::TopRows { .. }), [columns @ .., _]) = (function, params.args.as_slice())
    {
        return top_row(columns, schema, origin, expressions);
    }
    let found = match (function, params.args.as_slice()) {
        (AggregateFunction::Correlation, _) => None,
        (
            AggregateFunction::ByOffset(..)
            | AggregateFunction::Collect(
                Collect::TopK { .. } | Collect::TopKDistinct { .. } | Collect::Earliest { .. } | Collect::Latest { .. },
            ),
            [argument, ..],
        )
        | (_, [argument]) => Some(argument),
        _ => None,
    };
    let Some(argument) = found else {
        let types: Vec<SqlType> = params
            .args
            .iter()
            .map(|argument| Ok(as_column(expressions.finish(argument.clone(), schema, origin)?, schema, origin)?.1))
            .collect::<Result<_>>()?;
        return Err(does_not_exist(function, &types, rules, origin));
    };
    let finished = expressions.finish(argument.clone(), schema, origin)?;
    let (argument, sql_type) = as_column(finished, schema, origin)?;
    // Squares of more digits than these are not exact in what is kept of them.
    let is_long = matches!(sql_type, SqlType::Decimal { precision, .. } if SQUARED_DIGITS_MAX < precision);
    if matches!(function, AggregateFunction::Dispersion(_)) && is_long {
        return Ok((cast(argument, SqlType::Double.arrow()), SqlType::Double));
    }
    Ok((argument, sql_type))
}

/// Two numbers as an array of doubles, of which an aggregate takes both.
fn pair(
    arguments: [&Expr; 2],
    schema: &DFSchemaRef,
    origin: &ast::Expr,
    expressions: &Expressions<'_>,
) -> Result<(Expr, SqlType)> {
    let mut doubles = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let finished = expressions.finish(argument.clone(), schema, origin)?;
        let (argument, sql_type) = as_column(finished, schema, origin)?;
        if !matches!(sql_type, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. }) {
            return Err(does_not_exist(AggregateFunction::Correlation, &[sql_type], expressions.rules(), origin));
        }
        doubles.push(cast(argument, SqlType::Double.arrow()));
    }
    let pair = expressions.array(doubles)?;
    Ok((pair, SqlType::Array(Box::new(SqlType::Double))))
}

/// Columns as the row that TOPK keeps, ordered by the first.
fn top_row(
    columns: &[Expr],
    schema: &DFSchemaRef,
    origin: &ast::Expr,
    expressions: &Expressions<'_>,
) -> Result<(Expr, SqlType)> {
    let (mut fields, mut values) = (Vec::new(), Vec::new());
    for (name, column) in top_row_names().zip(columns) {
        let finished = expressions.finish(column.clone(), schema, origin)?;
        let (value, sql_type) = as_column(finished, schema, origin)?;
        values.push((name.clone(), value));
        fields.push(StructField { name, sql_type });
    }
    Ok((expressions.structure(values)?, SqlType::Struct(fields)))
}

/// The type of the function's result.
fn result_type(
    function: AggregateFunction,
    argument: &SqlType,
    style: TotalStyle,
    origin: &ast::Expr,
) -> Result<SqlType> {
    let total = |kind| Total::new(kind, style, argument).map(|total| total.output().clone());
    let found = match function {
        AggregateFunction::CountStar | AggregateFunction::Count => Some(SqlType::BigInt),
        _ if has_no_order(function, argument, style) => None,
        AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::ByOffset(..) => Some(argument.clone()),
        AggregateFunction::Collect(kind) => kind.result(argument),
        AggregateFunction::Dispersion(_) => {
            matches!(argument, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. })
                .then_some(SqlType::Double)
        }
        AggregateFunction::Correlation => Some(SqlType::Double),
        AggregateFunction::Bits(_) => matches!(argument, SqlType::Int | SqlType::BigInt).then(|| argument.clone()),
        AggregateFunction::SumList => match argument {
            SqlType::Array(item) => Total::new(TotalKind::Sum, style, item).map(|total| total.output().clone()),
            _ => None,
        },
        AggregateFunction::Sum => total(TotalKind::Sum),
        AggregateFunction::Avg => total(TotalKind::Avg),
    };
    let rules = match style {
        TotalStyle::Postgres => Compatibility::Postgres,
        TotalStyle::Ksqldb => Compatibility::Ksqldb,
    };
    found.ok_or_else(|| does_not_exist(function, std::slice::from_ref(argument), rules, origin))
}

/// Whether a function looks for the least or the greatest of values that have none; in ksqlDB truths have no order.
fn has_no_order(function: AggregateFunction, argument: &SqlType, style: TotalStyle) -> bool {
    let is_truth = style == TotalStyle::Ksqldb && *argument == SqlType::Boolean;
    match function {
        AggregateFunction::Min | AggregateFunction::Max => argument.is_nested() || is_truth,
        AggregateFunction::Collect(Collect::TopK { .. } | Collect::TopKDistinct { .. }) => is_truth,
        _ => false,
    }
}

fn does_not_exist(function: AggregateFunction, types: &[SqlType], rules: Compatibility, origin: &ast::Expr) -> Error {
    let message = match rules {
        Compatibility::Postgres => {
            let types: Vec<_> = types.iter().map(|sql_type| sql_type.postgres_name().to_string()).collect();
            format!("function {}({}) does not exist", function.as_str(), types.join(", "))
        }
        Compatibility::Ksqldb => {
            let types: Vec<_> = types.iter().map(SqlType::ksqldb_name).collect();
            format!("Function '{}' does not accept parameters ({}).", ksqldb_name(function), types.join(", "))
        }
    };
    let error = Error::new(SqlState::UNDEFINED_FUNCTION, message);
    let is_number = |sql_type: &SqlType| {
        matches!(sql_type, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. })
    };
    let helps = matches!(types, [of] if !is_number(of));
    failure::at(if helps { error.hint("CAST the argument to a number.") } else { error }, origin)
}

/// What its users call it.
fn ksqldb_name(function: AggregateFunction) -> String {
    match function {
        AggregateFunction::Correlation => "CORRELATION".to_string(),
        // It is the variance there too, and called so.
        AggregateFunction::Dispersion(Dispersion::VarianceSample) => "STDDEV_SAMP".to_string(),
        other => other.as_str().to_uppercase(),
    }
}

/// The name of the projected column of an expression, which is added if it is not there.
fn shared(expr: Expr, role: &str, projected: &mut Vec<Expr>, groups: usize) -> String {
    for known in projected.iter() {
        if let Expr::Alias(alias) = known
            && *alias.expr == expr
        {
            return alias.name.clone();
        }
    }
    let name = unique(&format!("{role}_{}", projected.len() - groups), projected);
    projected.push(expr.alias(&name));
    name
}

/// A name that neither a group column nor another call has; arguments are not columns of the aggregate.
fn call_name(function: AggregateFunction, index: usize, projected: &[Expr]) -> String {
    unique(&format!("{}_{index}", function.as_str()), projected)
}

/// The first place where the query calls a function of this name, else its first item.
fn origin<'q>(query: &'q BoundQuery, name: &str) -> &'q ast::Expr {
    let ranks = query.rank.iter().flat_map(BoundRank::expressions);
    let exprs = query.items.iter().map(|item| &item.expr).chain(&query.having).chain(ranks);
    let mut found = None;
    for expr in exprs {
        let flow = walk::expressions(expr, |inner| match inner {
            ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case(name) => {
                std::ops::ControlFlow::Break(())
            }
            _ => std::ops::ControlFlow::Continue(()),
        });
        if flow.is_break() {
            found = Some(expr);
            break;
        }
    }
    found.unwrap_or(&query.items[0].expr)
}

/// Whether a function can take back the row that a table's row was, under ksqlDB's rules also whether that lets it.
fn is_taken_back(function: AggregateFunction, rules: Compatibility) -> bool {
    match rules {
        Compatibility::Postgres => function.retraction() != Retraction::None,
        Compatibility::Ksqldb => match function {
            AggregateFunction::Collect(kind) => matches!(kind, Collect::List | Collect::Histogram | Collect::Attr),
            other => other.retraction() == Retraction::Itself,
        },
    }
}

/// Refuses functions that cannot.
fn refuse_over_table(functions: &[(AggregateFunction, &ast::Expr)], rules: Compatibility) -> Result<()> {
    let names: Vec<String> = functions.iter().map(|(function, _)| function.as_str().to_uppercase()).collect();
    let Some((first, origin)) = names.first().zip(functions.first().map(|(_, origin)| *origin)) else {
        return Ok(());
    };
    let error = match rules {
        Compatibility::Ksqldb => {
            let (plural, list) = (if names.len() == 1 { "" } else { "s" }, and_list(&names));
            Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!(
                    "The aggregation function{plural} {list} cannot be applied to a table source, only to a stream source."
                ),
            )
            .hint("Declare a stream over the table's topic, and aggregate that.")
        }
        Compatibility::Postgres => Error::unsupported(format!("{first} over a table is not supported"))
            .hint("The rows of a table have no order: what they were before is gone. MIN, MAX and TOPK have an order of their own; a stream over the table's topic has that of its records."),
    };
    Err(failure::at(error, origin))
}
