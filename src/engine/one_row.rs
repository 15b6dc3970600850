//! A query without FROM: values that statements compute.

use sqlparser::ast;

use crate::error::Error;
use crate::error::Result;
use crate::model::SqlType;
use crate::plan::cast_to;
use crate::sql::Select;

/// The query of one row that has these expressions, each cast to its type, if one is told.
pub(super) fn query<'a>(items: impl IntoIterator<Item = (Option<&'a SqlType>, &'a ast::Expr)>) -> Result<Select> {
    let mut select = crate::sql::parse_select("SELECT 1")?;
    let ast::SetExpr::Select(body) = select.ast.body.as_mut() else {
        return Err(Error::internal("a SELECT that is none"));
    };
    body.projection.clear();
    for (place, (sql_type, expression)) in items.into_iter().enumerate() {
        // The expressions themselves, not their text: they know where they stand in the statement.
        let expr = match sql_type {
            Some(sql_type) => cast_to(expression.clone(), sql_type)?,
            None => expression.clone(),
        };
        body.projection.push(ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::new(format!("v{place}")) });
    }
    select.text = select.ast.to_string();
    Ok(select)
}
