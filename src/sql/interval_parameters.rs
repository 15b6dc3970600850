//! Parameters that a client declared as intervals. There is no such type to keep: they come as texts, which the statement reads.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::statement::Statement;
use super::walk;

/// Makes each `$n` of these numbers, from 1, `CAST($n AS INTERVAL)`.
pub fn read_as_intervals(statement: &mut Statement, numbers: &[usize]) {
    match statement {
        Statement::Select(select) => reads(&mut select.ast, numbers),
        Statement::InsertRows(insert) => {
            reads(&mut insert.rows, numbers);
            if let Some(returning) = &mut insert.clauses.returning {
                reads(&mut returning.items, numbers);
            }
        }
        Statement::InsertSelect(insert) => reads(&mut insert.select.ast, numbers),
        Statement::Update(update) => {
            update.assignments.iter_mut().for_each(|assignment| reads(&mut assignment.value, numbers));
            reads(&mut update.from, numbers);
            reads(&mut update.filter, numbers);
            if let Some(returning) = &mut update.returning {
                reads(&mut returning.items, numbers);
            }
        }
        Statement::Delete(delete) => {
            reads(&mut delete.using, numbers);
            reads(&mut delete.filter, numbers);
            if let Some(returning) = &mut delete.returning {
                reads(&mut returning.items, numbers);
            }
        }
        _ => {}
    }
}

fn reads(root: &mut impl ast::VisitMut, numbers: &[usize]) {
    let flow = walk::expressions_mut(root, |expr| {
        if let ast::Expr::Value(value) = expr
            && let ast::Value::Placeholder(name) = &value.value
            && name.strip_prefix('$').and_then(|digits| digits.parse().ok()).is_some_and(|at| numbers.contains(&at))
        {
            *expr = ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(expr.clone()),
                data_type: ast::DataType::Interval { fields: None, precision: None },
                array: false,
                format: None,
            };
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}
