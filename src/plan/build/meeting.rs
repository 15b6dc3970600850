//! Where values of several types meet in one, under PostgreSQL's rules: the results of CASE, COALESCE, GREATEST, LEAST and NULLIF,
//! the queries of UNION, the rows of VALUES. DOUBLE PRECISION takes NUMERIC in, and a text that is written out is read as what
//! stands beside it.
//!
//! DataFusion's planner tells the type of CASE by its first result, and of DOUBLE beside NUMERIC makes NUMERIC; what is told of a
//! query's columns must be what its rows have.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Case;
use datafusion::logical_expr::Cast;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Join;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::Projection;
use datafusion::logical_expr::Union;
use datafusion::logical_expr::Values;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::when;

use super::batch::has_types;
use super::explicit::is_any_comparison;
use super::expression::Expressions;
use super::expression::is_text;
use super::type_rules;
use crate::plan::intervals::written_text;

/// Functions whose arguments meet.
const MEETS: [&str; 5] = ["coalesce", "nvl", "greatest", "least", "nullif"];

impl Expressions<'_> {
    /// CASE with one type of all its results. One that compares what differs in type, or doubles, asks with `=`, which knows how.
    pub(super) fn met_case(&self, mut case: Case, schema: &DFSchema) -> Result<Case> {
        if let Some(operand) = case.expr.take_if(|operand| !operand.is_volatile()) {
            if compares_alike(&operand, &case, schema)? {
                case.expr = Some(operand);
            } else {
                for (asked, _) in &mut case.when_then_expr {
                    let equal = operand.as_ref().clone().eq(std::mem::take(asked.as_mut()));
                    **asked = self.explicit(equal, schema)?.data;
                }
            }
        }
        let mut results: Vec<&mut Expr> = case
            .when_then_expr
            .iter_mut()
            .map(|(_, then)| then)
            .chain(&mut case.else_expr)
            .map(AsMut::as_mut)
            .collect();
        let values = results.iter_mut().map(|result| std::mem::take(*result)).collect();
        for (result, met) in results.into_iter().zip(self.in_one_type(values, schema)?) {
            *result = met;
        }
        Ok(case)
    }

    /// A call whose arguments meet with one type of them all; other calls as they are.
    pub(super) fn met_call(&self, mut function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        if !MEETS.contains(&function.name()) {
            return Ok(Expr::ScalarFunction(function));
        }
        function.args = self.in_one_type(function.args, schema)?;
        match function.args.as_slice() {
            // The two zeros are equal, which only `=` knows.
            [value, other] if function.name() == "nullif" && is_float(value, schema)? && !value.is_volatile() => {
                let null = Expr::Literal(ScalarValue::try_new_null(&value.get_type(schema)?)?, None);
                when(value.clone().eq(other.clone()), null).otherwise(value.clone())
            }
            _ => Ok(Expr::ScalarFunction(function)),
        }
    }

    /// UNION whose columns have the types in which those of its queries meet, where DataFusion finds others.
    pub(super) fn met_union(&self, union: Union) -> Result<Union> {
        let places = 0..union.schema.fields().len();
        if self.checks_types() {
            for place in places.clone() {
                type_rules::check_union(
                    union
                        .inputs
                        .iter()
                        .map(|input| (input.schema().field(place).data_type(), is_written_in(input, place))),
                )?;
            }
        }
        let met = places.map(|place| self.met_column(&union, place)).collect::<Result<Vec<_>>>()?;
        if met.iter().all(Option::is_none) {
            return Ok(union);
        }
        let cast_to = |expr: Expr, place: usize, schema: &DFSchema| match &met[place] {
            Some(wanted) => self.as_type(expr, wanted, schema),
            None => Ok(expr),
        };
        let query = |input: Arc<LogicalPlan>| {
            let (exprs, input) = match Arc::unwrap_or_clone(input) {
                LogicalPlan::Projection(Projection { expr, input, .. }) => (expr, input),
                other => (other.schema().columns().into_iter().map(Expr::Column).collect(), Arc::new(other)),
            };
            let named = exprs.into_iter().enumerate().map(|(place, expr)| {
                let (table, name) = expr.qualified_name();
                let unnamed = expr.clone().unalias();
                let new = cast_to(unnamed.clone(), place, input.schema())?;
                Ok(if new == unnamed { expr } else { new.alias_qualified(table, name) })
            });
            let exprs = named.collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
        };
        Union::try_new_with_loose_types(union.inputs.into_iter().map(query).collect::<Result<Vec<_>>>()?)
    }

    /// The type of a column of a UNION, if it takes more than DataFusion's rules to have it.
    fn met_column(&self, union: &Union, place: usize) -> Result<Option<DataType>> {
        let types: Vec<&DataType> = union.inputs.iter().map(|input| input.schema().field(place).data_type()).collect();
        let open: Vec<bool> = union.inputs.iter().map(|input| is_written_in(input, place)).collect();
        let told: Vec<DataType> =
            types.iter().zip(&open).filter(|(_, open)| !**open).map(|(of, _)| (*of).clone()).collect();
        let written = union.inputs.iter().filter_map(|input| match input.as_ref() {
            LogicalPlan::Projection(projection) => written_text(plain(&projection.expr[place])),
            _ => None,
        });
        let Some(met) = met_with_written(&told, written) else { return Ok(None) };
        let reads = open.contains(&true) && !is_text(&met);
        // Of doubles beside decimals, and of dates beside timestamps, DataFusion makes decimals and nanoseconds.
        let is_ours = met.is_floating() || matches!(met, DataType::Timestamp(..));
        let is_met = is_ours && told.iter().any(|of| *of != met && !of.is_null());
        Ok((reads || is_met).then_some(met))
    }

    /// A join whose sides are equal in values of one type: a day beside a time is its midnight, in all years.
    pub(super) fn met_join(&self, mut join: Join) -> Result<Join> {
        let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
        for (left, right) in &mut join.on {
            if !has_types(left, left_schema)? || !has_types(right, right_schema)? {
                continue;
            }
            if self.checks_types() {
                type_rules::check_equal((left, left_schema), (right, right_schema))?;
            }
            let types = [left.get_type(left_schema)?, right.get_type(right_schema)?];
            let met = met(&types).filter(|met| types[0] != types[1] && matches!(met, DataType::Timestamp(..)));
            if let Some(met) = met {
                *left = self.as_type(std::mem::take(left), &met, left_schema)?;
                *right = self.as_type(std::mem::take(right), &met, right_schema)?;
            }
        }
        Ok(join)
    }

    /// VALUES by the rules: its casts as ours, its columns in the types in which their values meet. Integers keep the type that
    /// they were planned with.
    pub(super) fn met_values(&self, values: Values) -> Result<Values> {
        let nothing = DFSchema::empty();
        let Values { schema, values: mut rows } = values;
        for expr in rows.iter().flatten() {
            if !has_types(expr, &nothing)? {
                return Ok(Values { schema, values: rows });
            }
        }
        let mut fields = Vec::with_capacity(schema.fields().len());
        for (place, field) in schema.fields().iter().enumerate() {
            let planned = field.data_type();
            let column: Vec<Expr> = rows.iter_mut().map(|row| std::mem::take(&mut row[place])).collect();
            let mut explicit = Vec::with_capacity(column.len());
            for expr in without_digits(column, planned, &nothing)? {
                explicit.push(match expr {
                    Expr::Literal(..) => expr,
                    expr => self.all_explicit(expr, &nothing)?,
                });
            }
            let types = explicit.iter().map(|expr| expr.get_type(&nothing)).collect::<Result<Vec<_>>>()?;
            let wanted = match met(&types) {
                Some(met) if met.is_floating() || matches!(met, DataType::Decimal128(..)) => met,
                _ => planned.clone(),
            };
            for (row, expr) in rows.iter_mut().zip(explicit) {
                row[place] = if expr.get_type(&nothing)? == wanted { expr } else { cast(expr, wanted.clone()) };
            }
            fields.push((None, Arc::new(field.as_ref().clone().with_data_type(wanted))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, schema.metadata().clone())?);
        Ok(Values { schema, values: rows })
    }

    /// Values in the one type in which they meet; as they are where there is none.
    fn in_one_type(&self, values: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
        let types = values.iter().map(|value| value.get_type(schema)).collect::<Result<Vec<_>>>()?;
        let told = values.iter().zip(&types).filter(|(value, _)| !is_written(value)).map(|(_, of)| of.clone());
        let told: Vec<DataType> = told.collect();
        let Some(met) = met_with_written(&told, values.iter().filter_map(written_text)) else { return Ok(values) };
        // What a query that runs on has of a text beside numbers is a text, and so are the rows that it keeps.
        if met.is_numeric() && !self.is_read_once() && values.iter().any(is_written) {
            return Ok(values);
        }
        let typed = values.into_iter().zip(types).map(|(value, of)| match of.is_null() {
            true => Ok(value),
            false => self.as_type(value, &met, schema),
        });
        typed.collect()
    }

    /// A comparison in which a time without zone beside an instant is what the session's clocks show; anything else as it is.
    pub(super) fn compared_instants(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        if self.clocks().is_none() {
            return Ok(expr);
        }
        let beside = |local: Expr, other: &DataType| match (local.get_type(schema)?, other) {
            (DataType::Timestamp(_, None) | DataType::Date32, DataType::Timestamp(_, Some(_))) => {
                self.as_type(local, other, schema)
            }
            _ => Ok(local),
        };
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_any_comparison(op) => {
                let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
                let (left, right) = (beside(*left, &right_type)?, beside(*right, &left_type)?);
                Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
            }
            Expr::Between(Between { expr, negated, low, high }) => {
                let data_type = expr.get_type(schema)?;
                let (low, high) = (beside(*low, &data_type)?, beside(*high, &data_type)?);
                let of_bound = low.get_type(schema)?;
                let expr = Box::new(beside(*expr, &of_bound)?);
                Expr::Between(Between { expr, negated, low: Box::new(low), high: Box::new(high) })
            }
            Expr::InList(InList { expr, list, negated }) => {
                let data_type = expr.get_type(schema)?;
                let list = list.into_iter().map(|item| beside(item, &data_type)).collect::<Result<Vec<_>>>()?;
                let of_items = list.iter().map(|item| item.get_type(schema)).collect::<Result<Vec<_>>>()?;
                let with_zone = of_items.iter().find(|of| matches!(of, DataType::Timestamp(_, Some(_))));
                let expr = with_zone.map_or(Ok(*expr.clone()), |of| beside(*expr, of))?;
                Expr::InList(InList { expr: Box::new(expr), list, negated })
            }
            other => other,
        })
    }

    /// A value as one of a type: by the rules of casts.
    fn as_type(&self, value: Expr, wanted: &DataType, schema: &DFSchema) -> Result<Expr> {
        match value.get_type(schema)? {
            of if of == *wanted || of.is_null() => Ok(value),
            _ => Ok(self.cast(Cast::new(Box::new(value), wanted.clone()), schema)?.data),
        }
    }
}

/// Whether a column of a query is a text as it was written.
fn is_written_in(query: &LogicalPlan, place: usize) -> bool {
    matches!(query, LogicalPlan::Projection(projection) if is_written(&projection.expr[place]))
}

/// Whether a value is a text as it was written, which has the type of what it meets.
fn is_written(expr: &Expr) -> bool {
    let expr = plain(expr);
    written_text(expr).is_some() || matches!(expr, Expr::Literal(ScalarValue::Utf8(None), _))
}

/// An expression without its name.
fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => plain(&alias.expr),
        expr => expr,
    }
}

fn is_float(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(expr.get_type(schema)?.is_floating())
}

/// Whether CASE compares its operand rightly by itself: with values of its type, and exact numbers with exact numbers.
fn compares_alike(operand: &Expr, case: &Case, schema: &DFSchema) -> Result<bool> {
    let is_exact = |of: &DataType| of.is_numeric() && !of.is_floating();
    let of_operand = operand.get_type(schema)?;
    let mut alike = !of_operand.is_floating();
    for (asked, _) in &case.when_then_expr {
        let of = asked.get_type(schema)?;
        let is_alike = of == of_operand || of.is_null() || is_exact(&of) && is_exact(&of_operand);
        alike &= is_alike && !of.is_floating();
    }
    Ok(alike || of_operand.is_null())
}

/// The one type of all, without those that are told by nothing; `None` if there is none.
fn met(types: &[DataType]) -> Option<DataType> {
    let mut told = types.iter().filter(|of| !of.is_null());
    let has = |wanted: &DataType| types.contains(wanted);
    if told.clone().all(DataType::is_numeric) {
        for double in [DataType::Float64, DataType::Float32] {
            if has(&double) {
                return Some(double);
            }
        }
    }
    let is_time = |of: &DataType| matches!(of, DataType::Date32 | DataType::Timestamp(..));
    if told.clone().all(is_time) && told.clone().any(|of| *of != DataType::Date32) {
        // Not in nanoseconds, which begin in 1677 and end in 2262.
        let zone = told.find_map(|of| if let DataType::Timestamp(_, Some(zone)) = of { Some(zone) } else { None });
        return Some(DataType::Timestamp(TimeUnit::Microsecond, zone.cloned()));
    }
    let first = told.next()?.clone();
    told.try_fold(first, |met, other| type_union_coercion(&met, other))
}

/// The one type of all, with room for the digits of texts that are read as decimals.
fn met_with_written<'a>(types: &[DataType], written: impl Iterator<Item = &'a str>) -> Option<DataType> {
    let told = met(types)?;
    match told {
        DataType::Decimal128(..) => {
            let mut all = vec![told];
            all.extend(written.filter_map(type_of_digits));
            met(&all)
        }
        told => Some(told),
    }
}

/// The type of a decimal that is written out; `None` for what is none.
fn type_of_digits(text: &str) -> Option<DataType> {
    let digits = text.trim().trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_decimal = !digits.is_empty() && [whole, fraction].concat().bytes().all(|byte| byte.is_ascii_digit());
    let scale = i8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(whole.len() + fraction.len()).ok().filter(|digits| (1..=38).contains(digits))?;
    is_decimal.then_some(DataType::Decimal128(precision, scale))
}

/// The values of a column without the digits that DataFusion's planner gave to doubles beside decimals: a double has its own.
fn without_digits(column: Vec<Expr>, planned: &DataType, schema: &DFSchema) -> Result<Vec<Expr>> {
    let of_double = |expr: &Expr| match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type() == planned => is_float(expr, schema),
        _ => Ok(false),
    };
    let mut has_double = false;
    for expr in &column {
        has_double |= matches!(planned, DataType::Decimal128(..)) && of_double(expr)?;
    }
    if !has_double {
        return Ok(column);
    }
    let inner = |expr| match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type() == planned => *expr,
        other => other,
    };
    Ok(column.into_iter().map(inner).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_beside_decimals_keep_their_digits() {
        let types = [DataType::Decimal128(10, 2)];
        for (text, scale) in [("7.504", 3_i8), (" -7.5 ", 2), ("7", 2), ("x", 2), ("", 2)] {
            let wanted = Some(DataType::Decimal128(8 + scale.unsigned_abs(), scale));
            assert_eq!(met_with_written(&types, [text].into_iter()), wanted, "{text}");
        }
    }

    #[test]
    fn doubles_take_other_numbers_in_and_instants_other_times() {
        let decimal = DataType::Decimal128;
        let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        for (types, wanted) in [
            (vec![DataType::Int32, decimal(10, 2)], Some(decimal(12, 2))),
            (vec![decimal(10, 2), DataType::Int64, DataType::Null], Some(decimal(22, 2))),
            (vec![decimal(3, 1), decimal(4, 3)], Some(decimal(5, 3))),
            (vec![decimal(3, 1), DataType::Float64], Some(DataType::Float64)),
            (vec![DataType::Float32, decimal(3, 1)], Some(DataType::Float32)),
            (vec![DataType::Float32, DataType::Float64], Some(DataType::Float64)),
            (vec![DataType::Date32, timestamp(None)], Some(timestamp(None))),
            (vec![timestamp(None), timestamp(Some("UTC")), DataType::Date32], Some(timestamp(Some("UTC")))),
            (vec![DataType::Date32, DataType::Date32], Some(DataType::Date32)),
            (vec![DataType::Null, DataType::Binary], Some(DataType::Binary)),
            (vec![DataType::Boolean, DataType::Int32], None),
            (vec![DataType::Null], None),
            (vec![], None),
        ] {
            assert_eq!(met(&types), wanted, "{types:?}");
        }
    }
}
