//! `FROM generate_series(..)` and functions that give rows, in the words of arrays and `unnest`.

use sqlparser::ast;

use super::build::call;

const SERIES: &str = "generate_series";

/// Functions whose rows are the elements of another's array.
const OF_ELEMENTS: [(&str, &str); 3] = [
    ("string_to_table", "string_to_array"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("regexp_matches", "__regexp_matches"),
];

/// A series with its arguments as DataFusion takes them: its own table function takes literals only, of years that nanoseconds have
/// room for, and texts nowhere.
pub(super) fn table(table: &mut ast::TableFactor) {
    without_lateral(table);
    let ast::TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } = table else { return };
    let name = name.to_string().to_lowercase();
    let lists = OF_ELEMENTS.iter().find(|(rows, _)| *rows == name);
    if name != SERIES && lists.is_none() {
        return;
    }
    if name == SERIES {
        typed(&mut args.args);
    }
    if alias.is_none() {
        *alias = Some(named(&name));
    }
    let is_literal = args.args.iter().all(|argument| expr_of(argument).is_none_or(is_literal));
    if name == SERIES && (*with_ordinality || is_literal) {
        return;
    }
    let with_ordinality = *with_ordinality;
    let arguments = args.args.iter().filter_map(expr_of).cloned().collect();
    *table = ast::TableFactor::UNNEST {
        alias: alias.take(),
        array_exprs: vec![call(lists.map_or(SERIES, |(_, array)| array), arguments)],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    };
}

/// `LATERAL generate_series(..)` without the word: its arguments may be of the tables before it anyway.
fn without_lateral(table: &mut ast::TableFactor) {
    let ast::TableFactor::Function { name, args, alias, with_ordinality, .. } = table else { return };
    let lower = name.to_string().to_lowercase();
    if lower != SERIES && !OF_ELEMENTS.iter().any(|(rows, _)| *rows == lower) {
        return;
    }
    *table = ast::TableFactor::Table {
        name: name.clone(),
        alias: alias.take(),
        args: Some(ast::TableFunctionArgs { args: std::mem::take(args), settings: None }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: *with_ordinality,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
}

/// In a SELECT list each element is a row; what is computed of it, is of each. Other functions take the array.
pub(super) fn item(expr: &mut ast::Expr) {
    use ast::BinaryOperator as Operator;
    let function = match expr {
        ast::Expr::Function(function) => function,
        ast::Expr::Nested(inner)
        | ast::Expr::Cast { expr: inner, .. }
        | ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus | ast::UnaryOperator::Plus, expr: inner } => {
            return item(inner);
        }
        ast::Expr::BinaryOp {
            left,
            op:
                Operator::Plus
                | Operator::Minus
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo
                | Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq,
            right,
        } => {
            item(left);
            return item(right);
        }
        _ => return,
    };
    let name = function.name.to_string().to_lowercase();
    if name == SERIES {
        if let ast::FunctionArguments::List(list) = &mut function.args {
            typed(&mut list.args);
        }
        *expr = call("unnest", vec![expr.clone()]);
    } else if let Some((_, array)) = OF_ELEMENTS.iter().find(|(rows, _)| *rows == name) {
        function.name = ast::ObjectName::from(vec![ast::Ident::new(*array)]);
        *expr = call("unnest", vec![expr.clone()]);
    }
}

fn named(name: &str) -> ast::TableAlias {
    ast::TableAlias { explicit: true, name: ast::Ident::new(name), columns: Vec::new(), at: None }
}

fn expr_of(argument: &ast::FunctionArg) -> Option<&ast::Expr> {
    match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_literal(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(value) => !matches!(value.value, ast::Value::Placeholder(_)),
        ast::Expr::Interval(_) => true,
        ast::Expr::UnaryOp { expr, .. } => is_literal(expr),
        // Of times DataFusion's takes nanoseconds, and here they are microseconds. What a text is read as is told when the query runs,
        // but for an interval.
        ast::Expr::Cast { data_type: ast::DataType::Interval { .. }, expr, .. } => is_literal(expr),
        _ => false,
    }
}

/// Texts beside times are times, and a text for the step is an interval. Days are instants, as in PostgreSQL.
fn typed(arguments: &mut [ast::FunctionArg]) {
    let [
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(from)),
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(to)),
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(step)),
    ] = arguments
    else {
        return;
    };
    if is_text(step) {
        *step = as_type(step, ast::DataType::Interval { fields: None, precision: None });
    }
    let (of_from, of_to) = (type_of(from), type_of(to));
    if let Some(told) = of_from.as_ref().filter(|_| is_text(to)) {
        *to = as_type(to, told.clone());
    }
    if let Some(told) = of_to.as_ref().filter(|_| is_text(from)) {
        *from = as_type(from, told.clone());
    }
    // A timestamp beside a day makes it one of its kind.
    let beside =
        [&of_from, &of_to].into_iter().flatten().find(|of| matches!(of, ast::DataType::Timestamp(..))).cloned();
    let instant = ast::DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone);
    let wanted = beside.unwrap_or(instant);
    for end in [from, to] {
        if type_of(end) == Some(ast::DataType::Date) {
            *end = as_type(end, wanted.clone());
        }
    }
}

fn is_text(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if matches!(value.value, ast::Value::SingleQuotedString(_)))
}

fn type_of(expr: &ast::Expr) -> Option<ast::DataType> {
    match expr {
        ast::Expr::Cast { data_type, .. } => Some(data_type.clone()),
        ast::Expr::TypedString(typed) => Some(typed.data_type.clone()),
        ast::Expr::Function(function) => match function.name.to_string().to_lowercase().as_str() {
            "current_date" => Some(ast::DataType::Date),
            "now" | "current_timestamp" => Some(ast::DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone)),
            _ => None,
        },
        ast::Expr::Nested(inner) => type_of(inner),
        // A day some days on is a day, an interval on a time.
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Plus | ast::BinaryOperator::Minus, right } => {
            let is_interval = matches!(type_of(right), Some(ast::DataType::Interval { .. }));
            type_of(left).map(|left| match left {
                ast::DataType::Date if is_interval => ast::DataType::Timestamp(None, ast::TimezoneInfo::None),
                other => other,
            })
        }
        ast::Expr::Interval(_) => Some(ast::DataType::Interval { fields: None, precision: None }),
        _ => None,
    }
}

fn as_type(expr: &ast::Expr, data_type: ast::DataType) -> ast::Expr {
    ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(expr.clone()), data_type, array: false, format: None }
}
