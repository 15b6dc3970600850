//! The types that statements name: read alone, and met inside of a statement, where a name can stand for another type.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::ArrayElemTypeDef;
use sqlparser::ast::DataType;

use super::statement::AlterAction;
use super::statement::AlterRelation;
use super::statement::ConflictAction;
use super::statement::CopySource;
use super::statement::ExplainTarget;
use super::statement::InsertClauses;
use super::statement::Returning;
use super::statement::Select;
use super::statement::Statement;
use super::walk;

/// What may be done with a type that has no name of SQL's.
type Meet<'a> = &'a mut dyn FnMut(&mut DataType);

/// Meets each type of a statement that has a name which is not SQL's own, also inside of other types. What is put in its place is
/// not met again.
pub fn named_types(statement: &mut Statement, meet: Meet<'_>) {
    match statement {
        Statement::CreateSource(create) => create.columns.iter_mut().for_each(|it| in_type(&mut it.data_type, meet)),
        Statement::Alter(AlterRelation { action: AlterAction::AddColumns(added), .. }) => {
            added.iter_mut().for_each(|it| in_type(&mut it.definition.data_type, meet));
        }
        Statement::CreateType(create) => in_type(&mut create.data_type, meet),
        Statement::CreateAs(create) => in_select(&mut create.select, meet),
        Statement::Select(select) | Statement::Declare { select, .. } => in_select(select, meet),
        Statement::CopyTo { source: CopySource::Select(select), .. } => in_select(select, meet),
        Statement::Explain { target, .. } => match target {
            ExplainTarget::Select(select) => in_select(select, meet),
            ExplainTarget::CreateAs(create) => in_select(&mut create.select, meet),
            ExplainTarget::Query(_) => {}
        },
        Statement::InsertRows(insert) => {
            in_expressions(&mut insert.rows, meet);
            in_clauses(&mut insert.clauses, meet);
        }
        Statement::InsertSelect(insert) => {
            in_select(&mut insert.select, meet);
            in_clauses(&mut insert.clauses, meet);
        }
        Statement::Update(update) => {
            update.assignments.iter_mut().for_each(|it| in_expressions(&mut it.value, meet));
            in_expressions(&mut update.from, meet);
            in_expressions(&mut update.filter, meet);
            in_returning(update.returning.as_mut(), meet);
        }
        Statement::Delete(delete) => {
            in_expressions(&mut delete.using, meet);
            in_expressions(&mut delete.filter, meet);
            in_returning(delete.returning.as_mut(), meet);
        }
        Statement::Prepare(prepare) => {
            prepare.types.iter_mut().for_each(|it| in_type(it, meet));
            named_types(&mut prepare.statement, meet);
        }
        Statement::Execute { arguments, .. } => in_expressions(arguments, meet),
        _ => {}
    }
}

/// Meets each type inside of a type, or itself, that has a name which is not SQL's own.
pub fn in_type(data_type: &mut DataType, meet: Meet<'_>) {
    match data_type {
        DataType::Array(ArrayElemTypeDef::AngleBracket(item) | ArrayElemTypeDef::SquareBracket(item, _)) => {
            in_type(item, meet);
        }
        DataType::Map(key, value) => {
            in_type(key, meet);
            in_type(value, meet);
        }
        DataType::Struct(fields, _) => fields.iter_mut().for_each(|field| in_type(&mut field.field_type, meet)),
        DataType::Custom(..) => meet(data_type),
        _ => {}
    }
}

fn in_select(select: &mut Select, meet: Meet<'_>) {
    in_expressions(&mut select.ast, meet);
}

fn in_clauses(clauses: &mut InsertClauses, meet: Meet<'_>) {
    if let Some(conflict) = &mut clauses.conflict
        && let ConflictAction::Update { assignments, filter } = &mut conflict.action
    {
        assignments.iter_mut().for_each(|it| in_expressions(&mut it.value, meet));
        in_expressions(filter, meet);
    }
    in_returning(clauses.returning.as_mut(), meet);
}

fn in_returning(returning: Option<&mut Returning>, meet: Meet<'_>) {
    if let Some(returning) = returning {
        in_expressions(&mut returning.items, meet);
    }
}

fn in_expressions(root: &mut impl ast::VisitMut, meet: Meet<'_>) {
    let flow: ControlFlow<()> = walk::expressions_mut(root, |expr| {
        match expr {
            ast::Expr::Cast { data_type, .. } => in_type(data_type, meet),
            ast::Expr::TypedString(typed) => in_type(&mut typed.data_type, meet),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue());
}
