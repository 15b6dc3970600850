//! `data -> 'a'`, `data @> '{"a": 1}'`: operators of JSON and JSONB, which are told from those of STRUCT, of arrays and of texts by the
//! types of both sides; and `@>` and `<@` of arrays.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::functions_nested::expr_fn::array_has_all;
use datafusion::functions_nested::expr_fn::array_position;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::planner::PlannerResult;
use datafusion::logical_expr::planner::RawBinaryExpr;
use sqlparser::ast;

use super::build::no_operator;
use super::intervals::written_text;
use crate::functions::json_operator;
use crate::model::SqlType;

/// Plans them.
#[derive(Debug)]
pub(super) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        use ast::BinaryOperator as Op;
        let sides = Sides { left: Side::of(&expr.left, schema), right: Side::of(&expr.right, schema) };
        let planned = match &expr.op {
            Op::Arrow | Op::LongArrow | Op::HashArrow | Op::HashLongArrow if sides.left.is_document() => {
                let right = if let Op::Arrow | Op::LongArrow = expr.op { as_step(expr.right) } else { expr.right };
                let name = match expr.op {
                    Op::Arrow => "__json_get",
                    Op::LongArrow => "__json_get_text",
                    Op::HashArrow => "__json_path",
                    _ => "__json_path_text",
                };
                called(name, expr.left, right)?
            }
            Op::Question | Op::QuestionAnd | Op::QuestionPipe | Op::HashMinus if sides.left == Side::Jsonb => {
                let name = match expr.op {
                    Op::Question => "jsonb_exists",
                    Op::QuestionAnd => "jsonb_exists_all",
                    Op::QuestionPipe => "jsonb_exists_any",
                    _ => "__jsonb_without_path",
                };
                called(name, expr.left, expr.right)?
            }
            Op::AtArrow if sides.are_jsonb() => {
                called("__jsonb_contains", as_jsonb(expr.left)?, as_jsonb(expr.right)?)?
            }
            Op::ArrowAt if sides.are_jsonb() => {
                called("__jsonb_contains", as_jsonb(expr.right)?, as_jsonb(expr.left)?)?
            }
            Op::AtArrow if sides.are_arrays() => contains(expr.left, expr.right),
            Op::ArrowAt if sides.are_arrays() => contains(expr.right, expr.left),
            Op::StringConcat if sides.are_jsonb() => {
                called("__jsonb_join", as_jsonb(expr.left)?, as_jsonb(expr.right)?)?
            }
            Op::Minus if sides.left == Side::Jsonb => called("__jsonb_without", expr.left, expr.right)?,
            Op::Arrow
            | Op::LongArrow
            | Op::HashArrow
            | Op::HashLongArrow
            | Op::Question
            | Op::QuestionAnd
            | Op::QuestionPipe
            | Op::HashMinus
            | Op::AtArrow
            | Op::ArrowAt => return Err(not_there(&expr, schema)),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// What one side of an operator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Json,
    Jsonb,
    Array,
    /// A text that is written out, also one that was taken for an array, or a parameter.
    Open,
    Other,
}

impl Side {
    fn of(expr: &Expr, schema: &DFSchema) -> Self {
        if matches!(expr, Expr::Placeholder(_)) || unread(expr).is_some() {
            return Side::Open;
        }
        match expr.get_type(schema) {
            Ok(DataType::LargeUtf8) => Side::Json,
            Ok(DataType::LargeBinary) => Side::Jsonb,
            Ok(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => Side::Array,
            Ok(DataType::Null) => Side::Open,
            _ => Side::Other,
        }
    }

    fn is_document(self) -> bool {
        matches!(self, Side::Json | Side::Jsonb)
    }
}

struct Sides {
    left: Side,
    right: Side,
}

impl Sides {
    /// Whether one is JSONB and the other can be.
    fn are_jsonb(&self) -> bool {
        matches!((self.left, self.right), (Side::Jsonb, Side::Jsonb | Side::Open) | (Side::Open, Side::Jsonb))
    }

    /// Whether both can be arrays.
    fn are_arrays(&self) -> bool {
        [self.left, self.right].iter().all(|side| matches!(side, Side::Array | Side::Open))
    }
}

/// The text of a literal, also of one that was taken for an array because it stands beside `@>`.
fn unread(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::List(_)) => unread(&cast.expr),
        literal if written_text(literal).is_some() => Some(literal),
        _ => None,
    }
}

fn called(name: &str, left: Expr, right: Expr) -> Result<Expr> {
    let function = json_operator(name).ok_or_else(|| DataFusionError::Internal(format!("there is no {name}")))?;
    Ok(function.call(vec![left, right]))
}

/// A name of a field, or the place of an element.
fn as_step(step: Expr) -> Expr {
    if matches!(step, Expr::Placeholder(_)) { cast(step, DataType::Utf8) } else { step }
}

/// What has no type yet as a document.
fn as_jsonb(expr: Expr) -> Result<Expr> {
    let text = match &expr {
        Expr::Placeholder(_) => cast(expr, DataType::Utf8),
        other => match unread(other) {
            Some(text) => text.clone(),
            None => return Ok(expr),
        },
    };
    let read = json_operator("__jsonb_in").ok_or_else(|| DataFusionError::Internal("there is no __jsonb_in".into()))?;
    Ok(read.call(vec![text]))
}

/// Whether an array has all elements of another: a NULL among those is equal to none.
fn contains(whole: Expr, part: Expr) -> Expr {
    let is_null = |element: &Expr| matches!(element, Expr::Literal(value, _) if value.is_null());
    let has_all = array_has_all(whole.clone(), part.clone());
    if matches!(&part, Expr::ScalarFunction(made) if made.name() == "__array" && !made.args.iter().any(is_null)) {
        return has_all;
    }
    let place = array_position(part, Expr::Literal(ScalarValue::Null, None), lit(1_i64));
    has_all.and(place.is_null().or(whole.is_null()))
}

/// 42883, in PostgreSQL's words.
fn not_there(expr: &RawBinaryExpr, schema: &DFSchema) -> DataFusionError {
    let name = |side: &Expr| match Side::of(side, schema) {
        Side::Open => "unknown".to_owned(),
        _ => side.get_type(schema).map_or_else(|_| "unknown".to_owned(), |of| SqlType::postgres_name_of(&of)),
    };
    no_operator(&expr.op.to_string(), &name(&expr.left), &name(&expr.right))
}
