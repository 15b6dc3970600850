//! Walks over ASTs. `sqlparser` builds its walk anew for each visitor type, some thousand functions each time: all
//! walks of the crate go through the two that stand here.
//!
//! Nodes are met from the outside in; a walk that may change expressions meets those from the inside out, so that what
//! it put in is not met again.

use std::ops::ControlFlow;

use sqlparser::ast;

/// A node that is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// A query, with its ORDER BY and LIMIT.
    Query(&'a ast::Query),
    /// What a query reads: a relation, a subquery, a table function.
    TableFactor(&'a ast::TableFactor),
    /// The name of a relation.
    Relation(&'a ast::ObjectName),
    /// An expression.
    Expression(&'a ast::Expr),
}

/// A node that may be changed.
#[derive(Debug)]
pub enum NodeMut<'a> {
    /// A query, whose parts were met before.
    Query(&'a mut ast::Query),
    /// One SELECT with its clauses.
    Select(&'a mut ast::Select),
    /// What a query reads: a relation, a subquery, a table function.
    TableFactor(&'a mut ast::TableFactor),
    /// The name of a relation.
    Relation(&'a mut ast::ObjectName),
    /// An expression, whose parts were met before.
    Expression(&'a mut ast::Expr),
}

/// Meets every node below `root`, until `meet` breaks.
pub fn walk<B>(root: &impl ast::Visit, mut meet: impl FnMut(Node<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
    let mut broke = None;
    let flow = root.visit(&mut Walker(&mut |node| keep(meet(node), &mut broke)));
    outcome(flow, broke)
}

/// Meets every node below `root`, which it may change, until `meet` breaks.
pub fn walk_mut<B>(
    root: &mut impl ast::VisitMut,
    mut meet: impl FnMut(NodeMut<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut broke = None;
    let flow = root.visit(&mut WalkerMut(&mut |node| keep(meet(node), &mut broke)));
    outcome(flow, broke)
}

/// Meets every expression below `root`, until `meet` breaks.
pub fn expressions<B>(root: &impl ast::Visit, mut meet: impl FnMut(&ast::Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    walk(root, |node| match node {
        Node::Expression(expr) => meet(expr),
        _ => ControlFlow::Continue(()),
    })
}

/// Meets every expression below `root`, which it may change, until `meet` breaks.
pub fn expressions_mut<B>(
    root: &mut impl ast::VisitMut,
    mut meet: impl FnMut(&mut ast::Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    walk_mut(root, |node| match node {
        NodeMut::Expression(expr) => meet(expr),
        _ => ControlFlow::Continue(()),
    })
}

/// Meets the name of every relation below `root`, until `meet` breaks.
pub fn relations<B>(
    root: &impl ast::Visit,
    mut meet: impl FnMut(&ast::ObjectName) -> ControlFlow<B>,
) -> ControlFlow<B> {
    walk(root, |node| match node {
        Node::Relation(name) => meet(name),
        _ => ControlFlow::Continue(()),
    })
}

fn keep<B>(flow: ControlFlow<B>, broke: &mut Option<B>) -> ControlFlow<()> {
    flow.map_break(|value| *broke = Some(value))
}

fn outcome<B>(flow: ControlFlow<()>, broke: Option<B>) -> ControlFlow<B> {
    match broke {
        Some(value) => ControlFlow::Break(value),
        None => {
            debug_assert!(flow.is_continue());
            ControlFlow::Continue(())
        }
    }
}

struct Walker<'a>(&'a mut dyn FnMut(Node<'_>) -> ControlFlow<()>);

impl ast::Visitor for Walker<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
        (self.0)(Node::Query(query))
    }

    fn pre_visit_table_factor(&mut self, table: &ast::TableFactor) -> ControlFlow<()> {
        (self.0)(Node::TableFactor(table))
    }

    fn pre_visit_relation(&mut self, name: &ast::ObjectName) -> ControlFlow<()> {
        (self.0)(Node::Relation(name))
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        (self.0)(Node::Expression(expr))
    }
}

struct WalkerMut<'a>(&'a mut dyn FnMut(NodeMut<'_>) -> ControlFlow<()>);

impl ast::VisitorMut for WalkerMut<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        (self.0)(NodeMut::Query(query))
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        (self.0)(NodeMut::Select(select))
    }

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<()> {
        (self.0)(NodeMut::TableFactor(table))
    }

    fn pre_visit_relation(&mut self, name: &mut ast::ObjectName) -> ControlFlow<()> {
        (self.0)(NodeMut::Relation(name))
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        (self.0)(NodeMut::Expression(expr))
    }
}
