//! Planned expressions as ksqlDB's errors show them, under the rules that made other calls of some.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::common::TableReference;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::expr::InList;

use crate::functions::ksqldb_name;
use crate::plan::ksqldb_text::Columns;
use crate::plan::ksqldb_text::written;

/// An expression over the columns of `schema`.
pub(super) fn text_of(expr: &Expr, schema: &DFSchema) -> String {
    show(expr, columns_of(schema))
}

/// How the columns of `schema` are called: of a join with the names of their relations.
pub(super) fn columns_of(schema: &DFSchema) -> Columns {
    let mut qualifiers: Vec<&TableReference> = schema.iter().filter_map(|(qualifier, _)| qualifier).collect();
    qualifiers.dedup();
    Columns::of_sources(qualifiers.len().max(1))
}

fn show(expr: &Expr, columns: Columns) -> String {
    let of = |expr: &Expr| show(expr, columns);
    match expr {
        Expr::Alias(alias) => of(&alias.expr),
        Expr::Literal(value, _) => literal(value),
        Expr::Column(column) => match &column.relation {
            Some(relation) if columns == Columns::Joined => format!("{}_{}", relation.table(), column.name),
            _ => column.name.clone(),
        },
        // The rules of truth put it around comparisons.
        Expr::IsTrue(inner) => of(inner),
        Expr::Not(inner) => format!("(NOT {})", of(inner)),
        Expr::IsNull(inner) => format!("({} IS NULL)", of(inner)),
        Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", of(inner)),
        Expr::Negative(inner) => format!("-{}", of(inner)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => format!("({} {} {})", of(left), sign(*op), of(right)),
        Expr::Between(Between { expr, negated, low, high }) => {
            let not = if *negated { "NOT " } else { "" };
            format!("({} {not}BETWEEN {} AND {})", of(expr), of(low), of(high))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let not = if *negated { "NOT " } else { "" };
            format!("({} {not}IN ({}))", of(expr), list.iter().map(of).collect::<Vec<_>>().join(", "))
        }
        Expr::Cast(cast) => cast_of(&of(&cast.expr), &ksqldb_name(cast.field.data_type())),
        Expr::ScalarFunction(function) => call(function.name(), &function.args, columns),
        Expr::AggregateFunction(aggregate) => call(aggregate.func.name(), &aggregate.params.args, columns),
        other => other.schema_name().to_string(),
    }
}

fn literal(value: &ScalarValue) -> String {
    match value {
        value if value.is_null() => "null".to_string(),
        ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::Decimal128(Some(digits), _, scale) => decimal(*digits, *scale),
        other => other.to_string(),
    }
}

fn decimal(digits: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let minus = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    if fraction.is_empty() { format!("{minus}{whole}") } else { format!("{minus}{whole}.{fraction}") }
}

/// Texts are joined by `+`.
fn sign(op: Operator) -> String {
    match op {
        Operator::StringConcat => "+".to_string(),
        Operator::NotEq => "<>".to_string(),
        other => other.to_string(),
    }
}

fn cast_of(inner: &str, name: &str) -> String {
    format!("CAST({inner} AS {name})")
}

fn call(name: &str, arguments: &[Expr], columns: Columns) -> String {
    let shown: Vec<String> = arguments.iter().map(|argument| show(argument, columns)).collect();
    let operator = match name {
        "__ksql_add" => Some("+"),
        "__ksql_sub" => Some("-"),
        "__ksql_mul" => Some("*"),
        "__ksql_div" => Some("/"),
        "__ksql_mod" => Some("%"),
        "__nested_equal" => Some("="),
        _ => None,
    };
    match (operator, shown.as_slice()) {
        (Some(sign), [left, right]) => format!("({left} {sign} {right})"),
        (None, [_, first, others @ ..]) if name == "__ksql_chain" => chain(arguments, first, others),
        (None, [inner, rest @ ..]) => match (name.strip_prefix("__ksql_cast_"), rest) {
            (Some("text"), []) => cast_of(inner, &ksqldb_name(&DataType::Utf8)),
            (Some("int"), []) => cast_of(inner, &ksqldb_name(&DataType::Int32)),
            (Some("decimal"), [precision, scale]) => cast_of(inner, &format!("DECIMAL({precision}, {scale})")),
            (Some(name), _) => cast_of(inner, &name.to_uppercase()),
            (None, _) => written(name, &shown),
        },
        _ => written(name, &shown),
    }
}

/// A chain, whose first argument has the signs of the others but the first, as it was written.
fn chain(arguments: &[Expr], first: &str, others: &[String]) -> String {
    let signs = match arguments.first() {
        Some(Expr::Literal(ScalarValue::Utf8(Some(signs)), _)) => signs.as_str(),
        _ => "",
    };
    let joined = |left: String, (sign, right): (char, &String)| format!("({left} {sign} {right})");
    signs.chars().zip(others).fold(first.to_string(), joined)
}
