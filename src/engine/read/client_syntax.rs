//! What psql writes and DataFusion does not know, in queries of PostgreSQL's catalogs.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::client_functions::JOINED;
use super::client_vectors;
use super::client_vectors::last_name;
use super::client_views;
use super::reg_names;
use crate::error::Result;
use crate::sql::walk;

/// Catalogs that hold no row here, nor ever will.
const EMPTY: [&str; 8] = [
    "pg_auth_members",
    "pg_enum",
    "pg_event_trigger",
    "pg_policy",
    "pg_publication",
    "pg_publication_rel",
    "pg_statistic_ext",
    "pg_ts_config_map",
];

/// The schemas of PostgreSQL's own.
const SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// Types of names that nothing here knows.
const NAMES: [&str; 7] =
    ["regcollation", "regconfig", "regdictionary", "regoper", "regoperator", "regproc", "regprocedure"];

/// Columns of PostgreSQL's that the catalogs lack; nobody has set them.
const UNSET: [&str; 4] = ["colliculocale", "relacl", "reloptions", "tableoid"];

/// Whether a statement names one of PostgreSQL's catalogs, or something by their schema.
pub(super) fn are_catalogs_asked(statement: &ast::Statement, is_catalog: &dyn Fn(&str) -> bool) -> bool {
    let asked = |name: &ast::ObjectName| match schema_and_name(name) {
        (Some(schema), _) => SCHEMAS.contains(&schema.as_str()),
        (None, name) => is_catalog(&name) || client_views::is_view(&name),
    };
    let found = walk::walk(statement, |node| {
        let is_asked = match node {
            walk::Node::TableFactor(ast::TableFactor::Table { name, .. } | ast::TableFactor::Function { name, .. }) => {
                asked(name)
            }
            walk::Node::Expression(ast::Expr::Function(function)) => of_catalogs(&function.name),
            walk::Node::Expression(ast::Expr::BinaryOp {
                op: ast::BinaryOperator::PGCustomBinaryOperator(_), ..
            }) => true,
            walk::Node::Expression(ast::Expr::Cast { data_type, .. }) => NAMES.contains(&last_word(data_type).as_str()),
            _ => false,
        };
        if is_asked { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_break()
}

/// Whether a name has one of their schemas before it.
fn of_catalogs(name: &ast::ObjectName) -> bool {
    schema_and_name(name).0.is_some_and(|schema| SCHEMAS.contains(&schema.as_str()))
}

fn schema_and_name(name: &ast::ObjectName) -> (Option<String>, String) {
    let word = |part: &ast::ObjectNamePart| part.as_ident().map(|ident| ident.value.to_lowercase());
    let mut words = name.0.iter().rev().map(word);
    let last = words.next().flatten().unwrap_or_default();
    (words.next().flatten(), last)
}

/// Relations of the catalogs with their schema, which functions and operators have here without.
fn settle_schemas(statement: &mut ast::Statement, is_catalog: &dyn Fn(&str) -> bool) {
    let flow = walk::walk_mut(statement, |node| {
        match node {
            walk::NodeMut::TableFactor(
                ast::TableFactor::Table { name, args: Some(_), .. } | ast::TableFactor::Function { name, .. },
            ) => without_schema(name),
            walk::NodeMut::TableFactor(ast::TableFactor::Table { name, args: None, .. }) => {
                if let (None, table) = schema_and_name(name)
                    && is_catalog(&table)
                {
                    name.0.insert(0, ast::ObjectNamePart::Identifier(ast::Ident::new(SCHEMAS[0])));
                }
            }
            walk::NodeMut::Expression(ast::Expr::Function(function)) => without_schema(&mut function.name),
            walk::NodeMut::Expression(ast::Expr::BinaryOp { op, .. }) => {
                if let ast::BinaryOperator::PGCustomBinaryOperator(names) = op
                    && let Some(known) = names.last().and_then(|name| operator(name))
                {
                    *op = known;
                }
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn without_schema(name: &mut ast::ObjectName) {
    if of_catalogs(name) {
        name.0.drain(..name.0.len() - 1);
    }
}

/// What stands in `OPERATOR(pg_catalog.~)`.
fn operator(name: &str) -> Option<ast::BinaryOperator> {
    use ast::BinaryOperator as Operator;
    Some(match name {
        "=" => Operator::Eq,
        "<>" | "!=" => Operator::NotEq,
        "<" => Operator::Lt,
        "<=" => Operator::LtEq,
        ">" => Operator::Gt,
        ">=" => Operator::GtEq,
        "+" => Operator::Plus,
        "-" => Operator::Minus,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Modulo,
        "||" => Operator::StringConcat,
        "~" => Operator::PGRegexMatch,
        "~*" => Operator::PGRegexIMatch,
        "!~" => Operator::PGRegexNotMatch,
        "!~*" => Operator::PGRegexNotIMatch,
        "~~" => Operator::PGLikeMatch,
        "~~*" => Operator::PGILikeMatch,
        "!~~" => Operator::PGNotLikeMatch,
        "!~~*" => Operator::PGNotILikeMatch,
        _ => return None,
    })
}

/// What is computed for each row of a catalog that has none need not be planned: queries, and arrays of kinds that are texts here.
fn leave_uncomputed(statement: &mut ast::Statement) {
    let flow = walk::walk_mut(statement, |node| {
        let walk::NodeMut::Select(select) = node else { return ControlFlow::<()>::Continue(()) };
        if !has_no_row(select) {
            return ControlFlow::Continue(());
        }
        walk::own_expressions_mut(&mut select.projection, |expr| {
            let is_hard = match expr {
                ast::Expr::Subquery(_) | ast::Expr::AnyOp { .. } => true,
                ast::Expr::Function(function) => {
                    matches!(function.args, ast::FunctionArguments::Subquery(_))
                        || last_name(&function.name) == "unnest"
                }
                _ => false,
            };
            if is_hard {
                *expr = ast::Expr::value(ast::Value::Null);
            }
            ControlFlow::Continue(())
        })
    });
    debug_assert!(flow.is_continue());
}

/// Columns that nobody has set keep their names when NULL takes their place.
fn name_unset(statement: &mut ast::Statement) {
    let flow = walk::walk_mut(statement, |node| {
        let walk::NodeMut::Select(select) = node else { return ControlFlow::<()>::Continue(()) };
        for item in &mut select.projection {
            if let ast::SelectItem::UnnamedExpr(expr @ ast::Expr::CompoundIdentifier(_)) = item
                && let Some(name) = UNSET.into_iter().find(|name| is_column(expr, name))
            {
                *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias: ast::Ident::new(name) };
            }
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// Whether a table from which all rows come holds none.
fn has_no_row(select: &ast::Select) -> bool {
    let is_empty = |factor: &ast::TableFactor| match factor {
        ast::TableFactor::Table { name, args: None, .. } => EMPTY.contains(&last_name(name).as_str()),
        _ => false,
    };
    let asks_for_foreign_keys = |condition: &ast::Expr| match condition {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => {
            is_column(left, "contype")
                && matches!(right.as_ref(), ast::Expr::Value(value) if value.value == ast::Value::SingleQuotedString("f".to_string()))
        }
        _ => false,
    };
    let from_none = select.from.iter().any(|table| {
        let keeps =
            |join: &ast::Join| matches!(join.join_operator, ast::JoinOperator::Join(_) | ast::JoinOperator::Inner(_));
        is_empty(&table.relation) || table.joins.iter().any(|join| keeps(join) && is_empty(&join.relation))
    });
    from_none || select.selection.as_ref().is_some_and(asks_for_foreign_keys)
}

/// The statement with them in other words; `is_catalog` knows the tables of pg_catalog.
pub(super) fn rewrite(statement: &mut ast::Statement, is_catalog: &dyn Fn(&str) -> bool) -> Result<()> {
    leave_uncomputed(statement);
    name_unset(statement);
    client_views::rewrite(statement)?;
    settle_schemas(statement, is_catalog);
    client_vectors::rewrite(statement);
    let changed = walk::expressions_mut(statement, |expression| {
        let replaced = match expression {
            ast::Expr::Function(function) => match last_name(&function.name).as_str() {
                "array" => empty_array(function),
                "to_regtype" => reg_names::type_of_parameter(function),
                "array_length" if is_of_privileges(function) => Some(ast::Expr::value(ast::Value::Null)),
                "array_to_string" => {
                    function.name = ast::ObjectName::from(vec![ast::Ident::new(JOINED)]);
                    None
                }
                _ => None,
            },
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq | ast::BinaryOperator::NotEq, right } => {
                by_name(left, right);
                by_name(right, left);
                None
            }
            ast::Expr::CompoundIdentifier(names) => {
                let is_unset = names.last().is_some_and(|name| UNSET.contains(&name.value.as_str()));
                is_unset.then(|| ast::Expr::value(ast::Value::Null))
            }
            // Identities and collations of columns, which none has, as SQLAlchemy 2.1 asks for them.
            ast::Expr::Subquery(query) if query.to_string().contains("json_build_object") => {
                Some(ast::Expr::value(ast::Value::Null))
            }
            ast::Expr::Subquery(query) => value_of(query),
            // No constraint is deferrable or deferred.
            ast::Expr::Exists { subquery, negated } if subquery.to_string().contains("condeferr") => {
                Some(ast::Expr::value(ast::Value::Boolean(*negated)))
            }
            // A name that is made while the statement runs is not looked up.
            ast::Expr::Cast { expr, data_type, .. } if last_word(data_type) == "regclass" && is_made(expr) => {
                Some(ast::Expr::value(ast::Value::Null))
            }
            // What numbers of functions and their kin are called stands in their place already, or is nobody's.
            ast::Expr::Cast { expr, data_type, .. } if NAMES.contains(&last_word(data_type).as_str()) => {
                Some(expr.as_ref().clone())
            }
            _ => None,
        };
        if let Some(other) = replaced {
            *expression = other;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(changed.is_continue());
    Ok(())
}

fn is_made(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Function(_) | ast::Expr::BinaryOp { op: ast::BinaryOperator::StringConcat, .. } => true,
        ast::Expr::Nested(inner) | ast::Expr::Cast { expr: inner, .. } => is_made(inner),
        _ => false,
    }
}

fn last_word(data_type: &ast::DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    text.strip_prefix("pg_catalog.").unwrap_or(&text).to_string()
}

/// Lists of privileges are texts here, and null.
fn is_of_privileges(function: &ast::Function) -> bool {
    let ast::FunctionArguments::List(list) = &function.args else { return false };
    match list.args.first() {
        Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(first))) => match first {
            ast::Expr::Identifier(name) => name.value.ends_with("acl"),
            ast::Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value.ends_with("acl")),
            ast::Expr::Value(value) => value.value == ast::Value::Null,
            _ => false,
        },
        _ => false,
    }
}

fn is_column(expression: &ast::Expr, name: &str) -> bool {
    let last = match expression {
        ast::Expr::Identifier(name) => Some(name),
        ast::Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    };
    last.is_some_and(|last| last.value.eq_ignore_ascii_case(name))
}

/// `(SELECT a)`, which reads nothing and computes over no rows: `a`.
fn value_of(query: &ast::Query) -> Option<ast::Expr> {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [ast::SelectItem::UnnamedExpr(item) | ast::SelectItem::ExprWithAlias { expr: item, .. }] =
        select.projection.as_slice()
    else {
        return None;
    };
    let calls = walk::expressions(item, |part| match part {
        ast::Expr::Function(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let is_value = select.from.is_empty() && select.selection.is_none() && calls.is_continue();
    is_value.then(|| ast::Expr::Nested(Box::new(item.clone())))
}

/// Columns in which functions stand by name where PostgreSQL has numbers.
const OF_FUNCTIONS: [&str; 7] = ["amproc", "evtfoid", "typanalyze", "typinput", "typoutput", "typreceive", "typsend"];

/// What such a column is compared with: a function's name in the place of its number.
fn by_name(column: &ast::Expr, other: &mut ast::Expr) {
    if !OF_FUNCTIONS.iter().any(|name| is_column(column, name)) {
        return;
    }
    let text = |text: &str| ast::Expr::value(ast::Value::SingleQuotedString(text.to_string()));
    match other {
        ast::Expr::CompoundIdentifier(names) => {
            if let Some(name) = names.last_mut() {
                *name = ast::Ident::new("proname");
            }
        }
        ast::Expr::Value(value) if matches!(&value.value, ast::Value::Number(number, _) if number == "0") => {
            *other = text("-");
        }
        ast::Expr::Subquery(query) => {
            let told = walk::expressions(query.as_ref(), |part| match part {
                ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } if is_column(left, "proname") => {
                    ControlFlow::Break(right.as_ref().clone())
                }
                _ => ControlFlow::Continue(()),
            });
            if let ControlFlow::Break(name) = told {
                *other = name;
            }
        }
        _ => {}
    }
}

/// `ARRAY(SELECT ..)`, if the SELECT can have no row: an array without elements, as its text.
fn empty_array(function: &ast::Function) -> Option<ast::Expr> {
    let ast::FunctionArguments::Subquery(query) = &function.args else { return None };
    let mut is_empty = query.to_string().to_lowercase().contains("attacl is not null");
    let _ = walk::walk(query.as_ref(), |node| {
        if let walk::Node::TableFactor(factor) = node {
            is_empty |= match factor {
                ast::TableFactor::Table { name, args: None, .. } => EMPTY.contains(&last_name(name).as_str()),
                ast::TableFactor::Table { args: Some(args), .. } => args.args.iter().any(is_unset),
                ast::TableFactor::Function { args, .. } => args.iter().any(is_unset),
                ast::TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(is_unset_list),
                _ => false,
            };
        }
        ControlFlow::<()>::Continue(())
    });
    is_empty.then(|| ast::Expr::value(ast::Value::SingleQuotedString("{}".to_string())))
}

fn is_unset(argument: &ast::FunctionArg) -> bool {
    matches!(argument, ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(list)) if is_unset_list(list))
}

/// A list of options that nobody has set: its column has become NULL.
fn is_unset_list(list: &ast::Expr) -> bool {
    UNSET.iter().any(|name| is_column(list, name))
        || matches!(list, ast::Expr::Value(value) if value.value == ast::Value::Null)
}
