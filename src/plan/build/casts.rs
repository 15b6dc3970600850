//! CAST: from a type to another as the rules have it, where that is not what Arrow does.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Cast;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::lit;

use super::expression::Expressions;
use super::expression::is_text;
use super::ksqldb_types;
use super::timestamps;
use super::value_rules;
use crate::catalog::Compatibility;
use crate::functions::IntervalMicros;
use crate::functions::NestedIn;
use crate::functions::RoundedIn;
use crate::model::SqlType;

/// A text that is read as a number, without an exponent.
const WITHOUT_EXPONENT: &str = "__without_exponent";

impl Expressions<'_> {
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

    /// A CAST of a text or a time of day to an interval, under PostgreSQL's rules; `None` for another one.
    fn cast_to_interval(&self, cast: &Cast, from: &DataType) -> Option<Expr> {
        let is_ours = self.rules == Compatibility::Postgres && matches!(cast.field.data_type(), DataType::Interval(_));
        let read = self.functions.scalar("__interval_in").filter(|_| is_ours)?;
        let text = match from {
            DataType::Time64(_) => self.functions.scalar("__checked_cast_text")?.call(vec![cast.expr.as_ref().clone()]),
            from if is_text(from) => cast.expr.as_ref().clone(),
            _ => return None,
        };
        Some(read.call(vec![text]))
    }

    /// A CAST of an interval to a time of day: what it is behind its last whole day. `None` for another one.
    fn cast_of_interval(&self, cast: &Cast, from: &DataType) -> Option<Expr> {
        const DAY_MICROS: i64 = 86_400_000_000;
        let is_ours = self.rules == Compatibility::Postgres && matches!(from, DataType::Interval(_));
        let length = self.functions.scalar(IntervalMicros::NAME).filter(|_| is_ours)?;
        let DataType::Time64(_) = cast.field.data_type() else { return None };
        let behind = length.call(vec![cast.expr.as_ref().clone()]) % lit(DAY_MICROS);
        let micros = (behind + lit(DAY_MICROS)) % lit(DAY_MICROS);
        // The type that SQL's TIME has in a plan counts nanoseconds.
        let time = datafusion::logical_expr::cast(micros, DataType::Time64(TimeUnit::Microsecond));
        Some(Expr::Cast(Cast { expr: Box::new(time), ..cast.clone() }))
    }

    /// A CAST of a collection in which a fraction becomes a whole number, under PostgreSQL's rules; `None` for another one.
    fn cast_of_parts(&self, cast: &Cast, from: &DataType) -> Option<Expr> {
        let is_ours = self.rules == Compatibility::Postgres && from.is_nested();
        let rounded = RoundedIn::of(from, cast.field.data_type()).filter(|_| is_ours)?;
        let rounded = ScalarUDF::new_from_impl(rounded).call(vec![cast.expr.as_ref().clone()]);
        Some(Expr::Cast(Cast { expr: Box::new(rounded), ..cast.clone() }))
    }

    /// A CAST to JSON or JSONB, or of JSONB to a number or a truth; `None` for another one.
    fn cast_of_json(&self, cast: &Cast, from: &DataType) -> Option<datafusion::common::Result<Expr>> {
        let name = match (from, cast.field.data_type()) {
            (DataType::Null, _) => return None,
            (from, DataType::LargeUtf8) if from.is_nested() => "to_json",
            (from, DataType::LargeBinary) if from.is_nested() => "to_jsonb",
            (_, DataType::LargeUtf8) => "__json_in",
            (_, DataType::LargeBinary) => "__jsonb_in",
            (DataType::LargeBinary, DataType::Boolean) => "__jsonb_truth",
            (DataType::LargeBinary, number) if number.is_numeric() => {
                let shown = lit(SqlType::postgres_name_of(number));
                let digits = self.functions.scalar("__jsonb_number")?.call(vec![cast.expr.as_ref().clone(), shown]);
                // A whole number is rounded to.
                let exact = if number.is_integer() { DataType::Decimal128(38, 10) } else { number.clone() };
                let exact = datafusion::logical_expr::cast(digits, exact);
                let exact = Cast { expr: Box::new(exact), ..cast.clone() };
                return Some(self.all_explicit(Expr::Cast(exact), &DFSchema::empty()));
            }
            _ => return None,
        };
        Some(Ok(self.functions.scalar(name)?.call(vec![cast.expr.as_ref().clone()])))
    }

    /// A CAST whose rules differ from Arrow's, as a function.
    pub(super) fn cast(&self, cast: Cast, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
        let from = cast.expr.get_type(schema)?;
        if let Some(read) = self.cast_on_clocks(&cast, &from, schema)? {
            return Ok(Transformed::yes(read));
        }
        if let Some(read) = self.cast_of_json(&cast, &from) {
            return read.map(Transformed::yes);
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
        let others = self.cast_to_interval(&cast, &from).or_else(|| self.cast_of_interval(&cast, &from));
        if let Some(read) = others.or_else(|| self.cast_of_parts(&cast, &from)) {
            return Ok(Transformed::yes(read));
        }
        if self.rules == Compatibility::Ksqldb {
            ksqldb_types::check_cast(&from, cast.field.data_type())?;
        }
        if let Some(target) = target.as_ref().filter(|target| target.is_nested() && is_text(&from)) {
            let read = ScalarUDF::new_from_impl(NestedIn::new(target.clone()));
            return Ok(Transformed::yes(read.call(vec![cast.expr.as_ref().clone()])));
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
}
