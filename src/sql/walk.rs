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
    let flow = root.visit(&mut WalkerMut { meet: &mut |node, _| keep(meet(node), &mut broke), depth: 0 });
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

/// Meets every expression below `root` that is not part of a query inside it, and may change it, until `meet` breaks.
pub fn own_expressions_mut<B>(
    root: &mut impl ast::VisitMut,
    mut meet: impl FnMut(&mut ast::Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut broke = None;
    let flow = root.visit(&mut WalkerMut {
        meet: &mut |node, depth| match node {
            NodeMut::Expression(expr) if depth == 0 => keep(meet(expr), &mut broke),
            _ => ControlFlow::Continue(()),
        },
        depth: 0,
    });
    outcome(flow, broke)
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

struct WalkerMut<'a> {
    /// Is told in how many queries the node stands.
    meet: &'a mut dyn FnMut(NodeMut<'_>, usize) -> ControlFlow<()>,
    depth: usize,
}

impl ast::VisitorMut for WalkerMut<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        (self.meet)(NodeMut::Query(query), self.depth)
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        (self.meet)(NodeMut::Select(select), self.depth)
    }

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<()> {
        (self.meet)(NodeMut::TableFactor(table), self.depth)
    }

    fn pre_visit_relation(&mut self, name: &mut ast::ObjectName) -> ControlFlow<()> {
        (self.meet)(NodeMut::Relation(name), self.depth)
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        (self.meet)(NodeMut::Expression(expr), self.depth)
    }
}
