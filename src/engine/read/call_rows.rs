//! `FROM upper('x') AS u`: a function that gives a value, in a place where rows are taken from. It is one row of its value.

use std::ops::ControlFlow;

use sqlparser::ast;

use crate::plan::call;
use crate::sql::walk;

/// Makes a list of one element of each such call, which is unfolded; `is_scalar` knows the functions that give a value.
pub(super) fn rewrite(statement: &mut ast::Statement, is_scalar: &dyn Fn(&str) -> bool) {
    let flow = walk::walk_mut(statement, |node| {
        if let walk::NodeMut::TableFactor(table) = node
            && let Some(row) = row_of_call(table, is_scalar)
        {
            *table = row;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn row_of_call(table: &mut ast::TableFactor, is_scalar: &dyn Fn(&str) -> bool) -> Option<ast::TableFactor> {
    let (name, args, alias, with_ordinality) = match table {
        ast::TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (name, &mut args.args, alias, *with_ordinality)
        }
        ast::TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, args, alias, *with_ordinality),
        _ => return None,
    };
    let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    if !is_scalar(&ident.value.to_lowercase()) {
        return None;
    }
    let mut called = call(&ident.value, Vec::new());
    if let ast::Expr::Function(function) = &mut called
        && let ast::FunctionArguments::List(list) = &mut function.args
    {
        list.args = std::mem::take(args);
    }
    let named = || ast::TableAlias { explicit: true, name: ident.clone(), columns: Vec::new(), at: None };
    Some(ast::TableFactor::UNNEST {
        alias: Some(alias.take().unwrap_or_else(named)),
        array_exprs: vec![call("__array", vec![called])],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    })
}
