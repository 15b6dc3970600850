//! Expressions as they are written, in the form in which ksqlDB's errors show them.

use sqlparser::ast;

use super::nested;
use crate::catalog::Compatibility;
use crate::catalog::sql_type;

/// How a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// `NAME`
    Bare,
    /// `ALIAS.NAME`
    Qualified,
    /// `ALIAS_NAME`, as the columns of a join are called.
    Joined,
}

impl Columns {
    /// How the columns of a query over so many relations are called.
    pub fn of_sources(count: usize) -> Self {
        if count == 1 { Self::Bare } else { Self::Joined }
    }

    fn show(self, alias: &str, name: &str) -> String {
        match self {
            Self::Bare => name.to_string(),
            Self::Qualified => format!("{alias}.{name}"),
            Self::Joined => format!("{alias}_{name}"),
        }
    }
}

/// An expression after its names were looked up.
pub fn shown(expr: &ast::Expr, columns: Columns) -> String {
    let show = |expr: &ast::Expr| shown(expr, columns);
    let not = |negated: &bool| if *negated { "NOT " } else { "" };
    match expr {
        ast::Expr::Nested(inner) => show(inner),
        ast::Expr::Identifier(name) => name.value.clone(),
        ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., alias, name] => columns.show(&alias.value, &name.value),
            _ => expr.to_string(),
        },
        ast::Expr::Value(value) => literal(&value.value),
        ast::Expr::BinaryOp { left, op, right } => format!("({} {op} {})", show(left), show(right)),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr } => format!("(NOT {})", show(expr)),
        ast::Expr::UnaryOp { op, expr } => format!("{op}{}", show(expr)),
        ast::Expr::IsNull(inner) => format!("({} IS NULL)", show(inner)),
        ast::Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", show(inner)),
        ast::Expr::IsDistinctFrom(left, right) => format!("({} IS DISTINCT FROM {})", show(left), show(right)),
        ast::Expr::Between { expr, negated, low, high } => {
            format!("({} {}BETWEEN {} AND {})", show(expr), not(negated), show(low), show(high))
        }
        ast::Expr::Like { negated, expr, pattern, .. } => {
            format!("({} {}LIKE {})", show(expr), not(negated), show(pattern))
        }
        ast::Expr::InList { expr, list, negated } => {
            let list: Vec<String> = list.iter().map(show).collect();
            format!("({} {}IN ({}))", show(expr), not(negated), list.join(", "))
        }
        ast::Expr::Cast { expr, data_type, .. } => {
            let name = sql_type(data_type, Compatibility::Ksqldb);
            let name = name.map_or_else(|_| data_type.to_string(), |sql_type| sql_type.ksqldb_name());
            format!("CAST({} AS {name})", show(expr))
        }
        ast::Expr::Substring { expr, substring_from, substring_for, .. } => {
            let arguments = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
            let arguments: Vec<String> = arguments.into_iter().flatten().map(|argument| show(argument)).collect();
            format!("SUBSTRING({})", arguments.join(", "))
        }
        ast::Expr::Ceil { expr, .. } => format!("CEIL({})", show(expr)),
        ast::Expr::Floor { expr, .. } => format!("FLOOR({})", show(expr)),
        ast::Expr::Trim { expr, trim_where: None, trim_what: None, .. } => format!("TRIM({})", show(expr)),
        ast::Expr::Case { operand, conditions, else_result, .. } => {
            let mut words = vec!["CASE".to_string()];
            words.extend(operand.iter().map(|operand| show(operand)));
            words.extend(
                conditions.iter().map(|when| format!("WHEN {} THEN {}", show(&when.condition), show(&when.result))),
            );
            words.extend(else_result.iter().map(|result| format!("ELSE {}", show(result))));
            words.push("END".to_string());
            format!("({})", words.join(" "))
        }
        ast::Expr::Function(function) => call(function, columns),
        other => other.to_string(),
    }
}

fn literal(value: &ast::Value) -> String {
    match value {
        ast::Value::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        ast::Value::Boolean(truth) => truth.to_string(),
        ast::Value::Null => "null".to_string(),
        other => other.to_string(),
    }
}

/// A call; what was reworded into a call of ours is shown as it was written.
fn call(function: &ast::Function, columns: Columns) -> String {
    let name = function.name.to_string();
    let arguments: Vec<String> = match &function.args {
        ast::FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|argument| match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => shown(expr, columns),
                other => other.to_string(),
            })
            .collect(),
        _ => Vec::new(),
    };
    written(&name, &arguments)
}

/// A call of a function by the name that it has here, as it is written in ksqlDB.
pub fn written(name: &str, arguments: &[String]) -> String {
    let unquoted = |text: &String| text.trim_matches('\'').to_string();
    let pairs = |is_name: bool| -> String {
        let pairs = arguments.chunks(2).map(|pair| match pair {
            [name, value] if is_name => format!("{}:={value}", unquoted(name)),
            [key, value] => format!("{key}:={value}"),
            rest => rest.join(""),
        });
        pairs.collect::<Vec<_>>().join(", ")
    };
    match (name, arguments) {
        ("__array" | "__ksql_array", _) => format!("ARRAY[{}]", arguments.join(", ")),
        ("__map", _) => format!("MAP({})", pairs(false)),
        ("__struct", _) => format!("STRUCT({})", pairs(true)),
        ("__field", [of, field]) => format!("{of}->{}", unquoted(field)),
        (name, [of, place]) if nested::is_element(name) => format!("{of}[{place}]"),
        _ => {
            let name = name.strip_prefix("__ksql_").unwrap_or(name).to_uppercase();
            format!("{name}({})", arguments.join(", "))
        }
    }
}
