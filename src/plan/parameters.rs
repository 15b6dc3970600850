//! Parameters of a push query: what types `$1` and so on have, and their values in their places.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow::array::timezone::Tz;
use datafusion::common::ScalarValue;
use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::parser::Parser;

use super::bind::BoundQuery;
use super::bind::position;
use super::build;
use super::functions::Functions;
use crate::catalog::Compatibility;
use crate::catalog::cast_type;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::format;
use crate::model::SqlType;
use crate::sql::TidemillDialect;
use crate::sql::walk;

/// The number of a bare `$n`, from 1.
pub fn placeholder(expression: &ast::Expr) -> Option<usize> {
    match expression {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Placeholder(text) => text.strip_prefix('$').and_then(|digits| digits.parse().ok()),
            _ => None,
        },
        ast::Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

/// The types that casts, `$1::type`, tell of parameters.
pub fn cast_types(root: &impl ast::Visit, rules: Compatibility) -> Result<BTreeMap<usize, SqlType>> {
    let mut types = BTreeMap::new();
    let flow = walk::expressions(root, |expression: &ast::Expr| {
        let ast::Expr::Cast { expr, data_type, .. } = expression else { return ControlFlow::Continue(()) };
        let Some(number) = placeholder(expr) else { return ControlFlow::Continue(()) };
        // There is no such type to declare; its text is read when the query runs.
        if matches!(data_type, ast::DataType::Interval { .. }) {
            types.entry(number).or_insert(SqlType::Text);
            return ControlFlow::Continue(());
        }
        match cast_type(data_type, rules) {
            Ok(sql_type) => {
                types.entry(number).or_insert(sql_type);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    });
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(types),
    }
}

/// The parameters that a cast, `$1::uuid`, tells to be UUIDs.
pub fn uuid_casts(root: &impl ast::Visit) -> Vec<usize> {
    let mut numbers = Vec::new();
    let flow = walk::expressions(root, |expression: &ast::Expr| {
        if let ast::Expr::Cast { expr, data_type: ast::DataType::Uuid, .. } = expression {
            numbers.extend(placeholder(expr));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    numbers
}

/// Tells the types of parameters that are operands: DataFusion would take them for what stands beside them, an interval's factor for an
/// interval. Numbers are what they are said to be.
pub fn type_operands(root: &mut impl ast::VisitMut, known: &[Option<SqlType>]) {
    use ast::BinaryOperator as Operator;
    let told = |operand: &ast::Expr| {
        let data_type = match known.get(placeholder(operand)?.checked_sub(1)?)?.as_ref()? {
            SqlType::Int => ast::DataType::Int(None),
            SqlType::BigInt => ast::DataType::BigInt(None),
            SqlType::Double => ast::DataType::DoublePrecision,
            _ => return None,
        };
        let (kind, expr) = (ast::CastKind::Cast, Box::new(operand.clone()));
        Some(ast::Expr::Cast { kind, expr, data_type, array: false, format: None })
    };
    let flow = walk::expressions_mut(root, |expression| {
        if let ast::Expr::BinaryOp {
            left,
            op: Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo,
            right,
        } = expression
        {
            for operand in [left, right] {
                if let Some(typed) = told(operand) {
                    **operand = typed;
                }
            }
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// Gives `$1::numeric` the digits of its value: PostgreSQL's `numeric` without digits rounds nothing.
pub fn keep_digits(root: &mut impl ast::VisitMut, values: &[ScalarValue]) {
    let flow = walk::expressions_mut(root, |expression| {
        if let ast::Expr::Cast { expr, data_type, .. } = expression
            && let ast::DataType::Numeric(digits) | ast::DataType::Decimal(digits) | ast::DataType::Dec(digits) =
                data_type
            && *digits == ast::ExactNumberInfo::None
            && let Some(number) = placeholder(expr)
            && let Some(ScalarValue::Decimal128(Some(_), precision, scale)) =
                number.checked_sub(1).and_then(|at| values.get(at))
        {
            *digits = ast::ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

impl BoundQuery {
    /// Refuses parameters: a query that is kept has nobody who would give them.
    pub(super) fn refuse_parameters(&self) -> Result<()> {
        let first = self.expressions().find_map(|expression| {
            let found = walk::expressions(expression, |part: &ast::Expr| match placeholder(part) {
                Some(_) => ControlFlow::Break(part.span()),
                None => ControlFlow::Continue(()),
            });
            found.break_value()
        });
        let Some(span) = first else { return Ok(()) };
        let error = Error::new(SqlState::UNDEFINED_PARAMETER, "a standing query cannot have parameters");
        Err(match position(span) {
            Some(position) => error.at(position),
            None => error,
        })
    }

    /// The query with values in the place of parameters.
    pub(super) fn with_parameters(mut self, values: &[ScalarValue]) -> Result<Self> {
        let literals = values.iter().map(literal).collect::<Result<Vec<_>>>()?;
        for expression in self.expressions_mut() {
            keep_digits(expression, values);
            let filled = walk::expressions_mut(expression, |part| {
                let Some(number) = placeholder(part) else { return ControlFlow::Continue(()) };
                match number.checked_sub(1).and_then(|at| literals.get(at)) {
                    Some(literal) => {
                        *part = literal.clone();
                        ControlFlow::Continue(())
                    }
                    None => ControlFlow::Break(number),
                }
            });
            if let ControlFlow::Break(number) = filled {
                return Err(Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${number}")));
            }
        }
        Ok(self)
    }

    /// The type of each parameter: as the client told, as a cast tells, as what it is compared with tells, else TEXT.
    pub(super) fn parameter_types(&self, known: &[Option<SqlType>], functions: &Functions) -> Result<Vec<SqlType>> {
        let mut types: BTreeMap<usize, SqlType> = BTreeMap::new();
        for expression in self.expressions() {
            types.extend(cast_types(expression, self.semantics.compatibility)?);
        }
        let told = (1..).zip(known).filter_map(|(number, known)| Some((number, known.clone()?)));
        types.extend(told);
        let mut count = known.len();
        for expression in self.expressions() {
            let _ = walk::expressions(expression, |part: &ast::Expr| {
                count = count.max(placeholder(part).unwrap_or(0));
                ControlFlow::<()>::Continue(())
            });
        }
        if types.len() < count {
            for (number, inferred) in build::parameter_types(self, functions)? {
                types.entry(number).or_insert(inferred);
            }
        }
        Ok((1..=count).map(|number| types.remove(&number).unwrap_or(SqlType::Text)).collect())
    }
}

/// The value as an expression, with its type.
fn literal(value: &ScalarValue) -> Result<ast::Expr> {
    let internal = |error: &dyn std::fmt::Display| Error::internal(format!("a parameter's value: {error}"));
    let sql_type = SqlType::from_arrow(&value.data_type()).ok_or_else(|| internal(&"its type is not known"))?;
    let text = match value.is_null() {
        true => ast::Value::Null,
        false => {
            let array = value.to_array().map_err(|error| internal(&error))?;
            let zone: Tz = "UTC".parse().expect("UTC is a zone");
            let mut bytes = Vec::new();
            format::text::write(&array, 0, zone, &mut bytes).map_err(|error| internal(&error))?;
            ast::Value::SingleQuotedString(String::from_utf8(bytes).map_err(|error| internal(&error))?)
        }
    };
    let type_name = match sql_type {
        SqlType::Bytes => "BYTEA".to_string(),
        other => other.to_string(),
    };
    let parsed = Parser::new(&TidemillDialect).try_with_sql(&type_name).and_then(|mut parser| parser.parse_data_type());
    Ok(ast::Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(ast::Expr::value(text)),
        data_type: parsed.map_err(|error| internal(&error))?,
        array: false,
        format: None,
    })
}

/// Nulls of these types: what stands in the place of parameters while a statement is described.
pub fn nulls(types: &[SqlType]) -> Result<Vec<ScalarValue>> {
    let null = |sql_type: &SqlType| ScalarValue::try_from(&sql_type.arrow());
    types
        .iter()
        .map(null)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::internal("a type without a null").caused_by(error))
}
