//! The rules of values, made explicit here and nowhere else: numbers get the type that SQL gives them, integer arithmetic becomes checked
//! (or, under ksqldb, wrapping) functions, and under ksqldb a comparison with null is false.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Cast;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Like;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr::ScalarFunction;

use super::bytes;
use super::chain;
use super::comparison;
use super::expression::Expressions;
use super::expression::is_text;
use super::ksqldb_types;
use super::lambda;
use super::listed;
use super::literals;
use super::spans;
use super::timestamps;
use super::type_rules;
use super::untyped;
use super::value_rules;
use super::written_texts;
use super::written_texts::is_lenient;
use super::zeros;
use crate::catalog::Compatibility;
use crate::functions::KSQL_ARRAY;
use crate::functions::TimePlus;
use crate::model::SqlType;
use crate::plan::assigned::ASSIGN;
use crate::plan::intervals::written_text;
use crate::plan::operands;
use crate::plan::told_casts::OF_TYPE;

/// Functions that answer INT in PostgreSQL. Rows that a query keeps have the BIGINT that they were made with.
const OF_INT: [&str; 7] =
    ["array_length", "array_ndims", "array_position", "cardinality", "__cardinality", "regexp_count", "regexp_instr"];

impl Expressions<'_> {
    /// The expression with the rules of all its parts made explicit.
    pub(super) fn all_explicit(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Expr> {
        expr.transform_up(|expr| self.explicit(expr, schema)).map(|explicit| explicit.data)
    }

    pub(super) fn explicit(&self, expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        if self.checks_types() {
            type_rules::check(&expr, schema)?;
        }
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
                let alike = literals::of_array(self.functions, function, schema)?;
                // An element that fails is null, not the array.
                let func = self.functions.scalar(KSQL_ARRAY).unwrap_or_else(|| Arc::clone(&alike.func));
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, ..alike }))
            }
            Expr::ScalarFunction(function) if self.rules == Compatibility::Ksqldb && function.name() == "__map" => {
                Transformed::yes(Expr::ScalarFunction(literals::of_map(self.functions, function, schema)?))
            }
            Expr::ScalarFunction(function) if self.rules == Compatibility::Ksqldb && is_lenient(&function) => {
                Transformed::yes(Expr::ScalarFunction(written_texts::of_stock(function)))
            }
            Expr::ScalarFunction(function) if function.name() == ASSIGN => self.assigned(function, schema)?,
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
                Transformed::yes(Expr::Case(ksqldb_types::with_doubles(case, schema)?))
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
            Compatibility::Ksqldb => two_valued(compared, schema)?,
            Compatibility::Postgres => match zeros::compared(self.functions, compared, schema)? {
                Expr::InList(among) => Transformed::yes(listed::apart(among, schema)?),
                other => Transformed::yes(other),
            },
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

    /// A value that is assigned to a column, as a cast if PostgreSQL has one that need not be written.
    fn assigned(&self, mut call: ScalarFunction, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let [null, value, column] = call.args.as_mut_slice() else {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        };
        let wanted = null.get_type(schema)?;
        if self.rules == Compatibility::Postgres {
            type_rules::check_assigned(value, schema, &wanted, written_text(column).unwrap_or_default())?;
        }
        let value = Box::new(std::mem::take(value));
        Ok(Transformed::yes(self.cast(Cast::new(value, wanted), schema)?.data))
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

    /// Arrays, maps and structs are equal or not; of them arrays alone have an order, PostgreSQL's.
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
        if let Some(ordered) = self.ordered_arrays(&binary, (&left, &right)) {
            return Ok(Transformed::yes(ordered));
        }
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

    /// PostgreSQL's order of arrays; `None` for anything else.
    fn ordered_arrays(&self, binary: &BinaryExpr, types: (&DataType, &DataType)) -> Option<Expr> {
        let are_arrays = matches!(types, (DataType::List(_), DataType::List(_)));
        let less =
            self.functions.scalar("__array_less").filter(|_| are_arrays && self.rules == Compatibility::Postgres)?;
        let (left, right) = (binary.left.as_ref().clone(), binary.right.as_ref().clone());
        Some(match binary.op {
            Operator::Lt => less.call(vec![left, right]),
            Operator::Gt => less.call(vec![right, left]),
            Operator::LtEq => Expr::Not(Box::new(less.call(vec![right, left]))),
            Operator::GtEq => Expr::Not(Box::new(less.call(vec![left, right]))),
            _ => return None,
        })
    }

    /// A timestamp plus an interval that is computed, which DataFusion does not sort by; `None` for anything else.
    fn moved_by_computed(&self, binary: &BinaryExpr, types: (&DataType, &DataType)) -> Option<Expr> {
        let (time, span) = match types {
            (DataType::Timestamp(..), DataType::Interval(IntervalUnit::MonthDayNano)) => (&binary.left, &binary.right),
            (DataType::Interval(IntervalUnit::MonthDayNano), DataType::Timestamp(..)) => (&binary.right, &binary.left),
            _ => return None,
        };
        let is_ours = self.is_read_once() && self.rules == Compatibility::Postgres && binary.op == Operator::Plus;
        let plus = self.functions.scalar(TimePlus::NAME).filter(|_| is_ours && !matches!(**span, Expr::Literal(..)))?;
        Some(plus.call(vec![time.as_ref().clone(), span.as_ref().clone()]))
    }

    fn arithmetic(&self, binary: BinaryExpr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let binary = match self.rules {
            Compatibility::Postgres => {
                let (left, right) = operands::typed(*binary.left, *binary.right, schema)?;
                let binary = BinaryExpr { left: Box::new(left), op: binary.op, right: Box::new(right) };
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
        if let Some(plus) = self.moved_by_computed(&binary, (&left, &right)) {
            return Ok(Transformed::yes(plus));
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

fn no_operator(op: Operator, left: &DataType, right: &DataType) -> DataFusionError {
    let [left, right] = [left, right].map(SqlType::postgres_name_of);
    type_rules::no_operator(&type_rules::sign(op), &left, &right)
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

pub(super) fn is_arithmetic(op: Operator) -> bool {
    matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
}

/// ksqlDB's two-valued logic: a comparison that has a null is false, and its opposite true.
fn two_valued(expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
    let is_true = |expr: Expr| Expr::IsTrue(Box::new(expr));
    Ok(match expr {
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
            let inner = is_true(listed::apart(InList { negated: false, ..list.clone() }, schema)?);
            Transformed::yes(negated_if(list.negated, inner))
        }
        other => Transformed::no(other),
    })
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    match negated {
        true => Expr::Not(Box::new(expr)),
        false => expr,
    }
}

/// Whether the right side is a regular expression.
pub(super) fn is_regular(op: Operator) -> bool {
    use Operator as Op;
    matches!(op, Op::RegexMatch | Op::RegexIMatch | Op::RegexNotMatch | Op::RegexNotIMatch)
}

fn is_comparison(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

pub(super) fn is_any_comparison(op: Operator) -> bool {
    is_comparison(op) || matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}
