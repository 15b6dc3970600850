//! What stands in the queries and expressions of a statement, as `walk` meets it.

use sqlparser::ast;

use super::statement::ConflictAction;
use super::statement::CopySource;
use super::statement::ExplainTarget;
use super::statement::InsertClauses;
use super::statement::Name;
use super::statement::Returning;
use super::statement::Select;
use super::statement::Statement;
use super::walk;
use super::walk::NodeMut;
use super::walk::Place;

/// What is done with a node.
pub type MeetNode<'a> = &'a mut dyn FnMut(NodeMut<'_>, &Place);

/// Something that queries stand in.
pub trait Nodes {
    /// Meets each node of its queries and expressions.
    fn nodes_mut(&mut self, meet: MeetNode<'_>);
}

impl Nodes for ast::Query {
    fn nodes_mut(&mut self, meet: MeetNode<'_>) {
        walk::placed_mut(self, meet);
    }
}

impl Nodes for Statement {
    /// Those of statements that wait for their turn, as in PREPARE, are met when it comes; a view's stays as it was written.
    fn nodes_mut(&mut self, meet: MeetNode<'_>) {
        match self {
            Statement::InsertRows(insert) => {
                walk::placed_mut(&mut insert.rows, &mut *meet);
                in_clauses(&mut insert.clauses, meet);
            }
            Statement::InsertSelect(insert) => {
                insert.select.ast.nodes_mut(&mut *meet);
                in_clauses(&mut insert.clauses, meet);
            }
            Statement::Update(update) => {
                update.assignments.iter_mut().for_each(|it| walk::placed_mut(&mut it.value, &mut *meet));
                walk::placed_mut(&mut update.from, &mut *meet);
                walk::placed_mut(&mut update.filter, &mut *meet);
                in_returning(update.returning.as_mut(), meet);
            }
            Statement::Delete(delete) => {
                walk::placed_mut(&mut delete.using, &mut *meet);
                walk::placed_mut(&mut delete.filter, &mut *meet);
                in_returning(delete.returning.as_mut(), meet);
            }
            Statement::Execute { arguments, .. } => walk::placed_mut(arguments, meet),
            other => {
                if let Some(select) = other.select_mut() {
                    select.ast.nodes_mut(meet);
                }
            }
        }
    }
}

impl Statement {
    /// The names of the relations that a statement acts on, besides those that its queries read and the one that it makes.
    pub fn targets_mut(&mut self) -> Vec<&mut Name> {
        match self {
            Statement::InsertRows(insert) => vec![&mut insert.target],
            Statement::InsertSelect(insert) => vec![&mut insert.target],
            Statement::Update(update) => vec![&mut update.target],
            Statement::Delete(delete) => vec![&mut delete.target],
            Statement::Alter(alter) => vec![&mut alter.name],
            Statement::Rename(rename) => vec![&mut rename.name],
            Statement::Drop(drop) => std::iter::once(&mut drop.name).chain(&mut drop.more).collect(),
            Statement::CreateIndex(create) => vec![&mut create.table],
            Statement::DropView(drop) => drop.names.iter_mut().collect(),
            Statement::TruncateTables { names, .. } => names.iter_mut().collect(),
            Statement::CopyFrom { target, .. } => vec![target],
            Statement::CopyTo { source: CopySource::Relation(name, _), .. }
            | Statement::Describe(name)
            | Statement::DescribeExtended(name)
            | Statement::Refresh(name) => vec![name],
            _ => Vec::new(),
        }
    }

    /// The query of a statement that is one, or is made around one.
    pub fn select_mut(&mut self) -> Option<&mut Select> {
        match self {
            Statement::Select(select) | Statement::Declare { select, .. } => Some(select),
            Statement::CopyTo { source: CopySource::Select(select), .. } => Some(select),
            Statement::Explain { target: ExplainTarget::Select(select), .. } => Some(select),
            Statement::Explain { target: ExplainTarget::CreateAs(create), .. } => Some(&mut create.select),
            Statement::CreateAs(create) => Some(&mut create.select),
            Statement::InsertSelect(insert) => Some(&mut insert.select),
            _ => None,
        }
    }
}

fn in_clauses(clauses: &mut InsertClauses, meet: MeetNode<'_>) {
    if let Some(conflict) = &mut clauses.conflict
        && let ConflictAction::Update { assignments, filter } = &mut conflict.action
    {
        assignments.iter_mut().for_each(|it| walk::placed_mut(&mut it.value, &mut *meet));
        walk::placed_mut(filter, &mut *meet);
    }
    in_returning(clauses.returning.as_mut(), meet);
}

fn in_returning(returning: Option<&mut Returning>, meet: MeetNode<'_>) {
    if let Some(returning) = returning {
        walk::placed_mut(&mut returning.items, meet);
    }
}
