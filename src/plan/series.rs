//! `FROM generate_series(..)` and functions that give rows, in the words of arrays and `unnest`.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::build::as_document;
use super::build::call;
use crate::sql::walk;

const SERIES: &str = "generate_series";

/// Functions whose rows are the elements of another's array.
const OF_ELEMENTS: [(&str, &str); 9] = [
    ("string_to_table", "string_to_array"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("regexp_matches", "__regexp_matches"),
    ("json_array_elements", "__json_elements"),
    ("jsonb_array_elements", "__json_elements"),
    ("json_array_elements_text", "__json_element_texts"),
    ("jsonb_array_elements_text", "__json_element_texts"),
    ("json_object_keys", "__json_names"),
    ("jsonb_object_keys", "__json_names"),
];

/// Functions whose rows are the fields of a document: their names, and those of the function that gives the values.
const OF_FIELDS: [(&str, &str); 4] = [
    ("json_each", "__json_values"),
    ("jsonb_each", "__json_values"),
    ("json_each_text", "__json_value_texts"),
    ("jsonb_each_text", "__json_value_texts"),
];

/// What PostgreSQL names the columns of functions that unfold a document.
const KEY: &str = "key";
const VALUE: &str = "value";

/// A series with its arguments as DataFusion takes them: its own table function takes literals only, of years that nanoseconds have
/// room for, and texts nowhere.
pub(super) fn table(table: &mut ast::TableFactor) {
    without_lateral(table);
    let ast::TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } = table else { return };
    let name = name.to_string().to_lowercase();
    let lists = OF_ELEMENTS.iter().find(|(rows, _)| *rows == name);
    let fields = OF_FIELDS.iter().find(|(rows, _)| *rows == name);
    if name != SERIES && lists.is_none() && fields.is_none() {
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
    let mut arguments: Vec<ast::Expr> = args.args.iter().filter_map(expr_of).cloned().collect();
    if let (true, Some(document)) = (name.starts_with("json"), arguments.first_mut()) {
        *document = as_document(document, name.starts_with("jsonb"));
    }
    let array_exprs = match fields {
        Some((_, values)) => vec![call("__json_names", arguments.clone()), call(values, arguments)],
        None => vec![call(lists.map_or(SERIES, |(_, array)| array), arguments)],
    };
    if let Some(alias) = alias.as_mut().filter(|alias| alias.columns.is_empty()) {
        alias.columns = columns_of(&name).iter().map(|name| column(ast::Ident::new(*name))).collect();
    }
    *table = ast::TableFactor::UNNEST {
        alias: alias.take(),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    };
}

/// `LATERAL generate_series(..)` without the word: its arguments may be of the tables before it anyway.
fn without_lateral(table: &mut ast::TableFactor) {
    let ast::TableFactor::Function { name, args, alias, with_ordinality, .. } = table else { return };
    let lower = name.to_string().to_lowercase();
    let gives_rows = |known: &[(&str, &str)]| known.iter().any(|(rows, _)| *rows == lower);
    if lower != SERIES && !gives_rows(&OF_ELEMENTS) && !gives_rows(&OF_FIELDS) {
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
        if let ast::FunctionArguments::List(list) = &mut function.args
            && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(document))) = list.args.first_mut()
            && name.starts_with("json")
        {
            *document = as_document(document, name.starts_with("jsonb"));
        }
        *expr = call("unnest", vec![expr.clone()]);
    }
}

/// In the SELECT list of a standing query the parts of a document are rows; a series is an array there.
pub(super) fn unfold_documents(items: &mut [ast::SelectItem]) {
    for item in items {
        let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = &mut *item else {
            continue;
        };
        let ast::Expr::Function(function) = &*expr else { continue };
        let name = function.name.to_string().to_lowercase();
        if !name.starts_with("json") || !OF_ELEMENTS.iter().any(|(rows, _)| *rows == name) {
            continue;
        }
        self::item(expr);
        if let ast::SelectItem::UnnamedExpr(expr) = item {
            *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias: ast::Ident::new(name) };
        }
    }
}

/// The names of the columns of a function that unfolds a document, if they are not the function's.
fn columns_of(function: &str) -> &'static [&'static str] {
    match function {
        function if OF_FIELDS.iter().any(|(rows, _)| *rows == function) => &[KEY, VALUE],
        function if function.contains("_array_elements") => &[VALUE],
        _ => &[],
    }
}

fn column(name: ast::Ident) -> ast::TableAliasColumnDef {
    ast::TableAliasColumnDef { name, data_type: None }
}

/// `e -> 'id'` beside `jsonb_array_elements(list) AS e`: the one column of such a table by the table's name.
pub(super) fn values_by_table(query: &mut ast::Query) {
    let mut tables = HashSet::new();
    let flow = walk::walk(query, |node| {
        if let walk::Node::TableFactor(
            ast::TableFactor::Table { name, args: Some(_), alias: Some(alias), .. }
            | ast::TableFactor::Function { name, alias: Some(alias), .. },
        ) = node
            && alias.columns.is_empty()
            && columns_of(&name.to_string().to_lowercase()).len() == 1
        {
            tables.insert(alias.name.value.to_lowercase());
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    if tables.is_empty() {
        return;
    }
    let flow = walk::expressions_mut(query, |expr| {
        if let ast::Expr::Identifier(ident) = expr
            && tables.contains(&ident.value.to_lowercase())
        {
            *expr = ast::Expr::CompoundIdentifier(vec![ident.clone(), ast::Ident::new(VALUE)]);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
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
