//! Parameters and names in statements: `$1::type` tells its type; ksqlDB's names fold to upper case.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast;

use crate::catalog::sql_type;
use crate::error::Result;
use crate::model::SqlType;

/// The types of parameters that a cast tells: DataFusion leaves those open.
pub(super) fn cast_types(statement: &ast::Statement) -> Result<BTreeMap<usize, SqlType>> {
    let mut types = BTreeMap::new();
    let flow = ast::visit_expressions(statement, |expression: &ast::Expr| {
        let ast::Expr::Cast { expr, data_type, .. } = expression else { return ControlFlow::Continue(()) };
        let Some(number) = placeholder(expr) else { return ControlFlow::Continue(()) };
        match sql_type(data_type) {
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

/// The number of a bare `$n`, from 1.
pub(in crate::engine) fn placeholder(expression: &ast::Expr) -> Option<usize> {
    match expression {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Placeholder(text) => text.strip_prefix('$').and_then(|digits| digits.parse().ok()),
            _ => None,
        },
        ast::Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

/// Gives every bare name the spelling that ksqlDB keeps, and quotes it so that it stays.
pub(super) fn fold_upper(statement: &mut ast::Statement) {
    let fold = |identifier: &mut ast::Ident| {
        if identifier.quote_style.is_none() {
            identifier.value = identifier.value.to_uppercase();
        }
        identifier.quote_style = Some('"');
    };
    let _ = ast::visit_relations_mut(statement, |name: &mut ast::ObjectName| {
        if let [ast::ObjectNamePart::Identifier(identifier)] = name.0.as_mut_slice() {
            fold(identifier);
        }
        ControlFlow::<()>::Continue(())
    });
    let _ = ast::visit_expressions_mut(statement, |expression: &mut ast::Expr| {
        match expression {
            ast::Expr::Identifier(identifier) => fold(identifier),
            ast::Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(fold),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    if let ast::Statement::Query(query) = statement
        && let ast::SetExpr::Select(select) = query.body.as_mut()
    {
        for item in &mut select.projection {
            if let ast::SelectItem::ExprWithAlias { alias, .. } = item {
                fold(alias);
            }
        }
        for table in &mut select.from {
            let factors =
                std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation));
            for factor in factors {
                if let ast::TableFactor::Table { alias: Some(alias), .. } = factor {
                    fold(&mut alias.name);
                }
            }
        }
    }
}
