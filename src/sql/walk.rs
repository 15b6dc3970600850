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
    let meet: MeetPlaced<'_> = &mut |node, _| keep(meet(node), &mut broke);
    let flow = root.visit(&mut WalkerMut { meet, place: Place::default() });
    outcome(flow, broke)
}

/// Meets every node below `root`, which it may change, and is told where it stands.
pub fn placed_mut(root: &mut impl ast::VisitMut, mut meet: impl FnMut(NodeMut<'_>, &Place)) {
    let meet: MeetPlaced<'_> = &mut |node, place| {
        meet(node, place);
        ControlFlow::Continue(())
    };
    let flow = root.visit(&mut WalkerMut { meet, place: Place::default() });
    debug_assert!(flow.is_continue());
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
        meet: &mut |node, place| match node {
            NodeMut::Expression(expr) if place.0.is_empty() => keep(meet(expr), &mut broke),
            _ => ControlFlow::Continue(()),
        },
        place: Place::default(),
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

type MeetPlaced<'a> = &'a mut dyn FnMut(NodeMut<'_>, &Place) -> ControlFlow<()>;

/// Where a node stands: in which queries, the outermost first, and what their WITH clauses name there.
#[derive(Debug, Default)]
pub struct Place(Vec<Names>);

/// What the WITH of a query names.
#[derive(Debug)]
struct Names {
    names: Vec<ast::Ident>,
    /// `RECURSIVE`: a query of WITH may name itself.
    recursive: bool,
    /// How many of its queries the walk has come to.
    begun: usize,
    /// How many of the names mean something where the walk is.
    visible: usize,
}

impl Place {
    /// Whether a name is one of WITH here, and not one of a relation.
    pub fn gives(&self, name: &ast::Ident) -> bool {
        let folded = |ident: &ast::Ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        };
        let name = folded(name);
        self.0.iter().any(|names| names.names[..names.visible].iter().any(|given| folded(given) == name))
    }

    fn enter(&mut self, query: &ast::Query) {
        if let Some(names) = self.0.last_mut() {
            // The queries of WITH come before the body: each sees those before it.
            if names.begun < names.names.len() {
                names.visible = names.begun + usize::from(names.recursive);
                names.begun += 1;
            }
        }
        let with = query.with.as_ref();
        let names = with.iter().flat_map(|with| &with.cte_tables).map(|table| table.alias.name.clone()).collect();
        let recursive = with.is_some_and(|with| with.recursive);
        self.0.push(Names { names, recursive, begun: 0, visible: 0 });
    }

    fn leave(&mut self) {
        self.0.pop();
        if let Some(names) = self.0.last_mut() {
            names.visible = names.begun;
        }
    }
}

struct WalkerMut<'a> {
    meet: MeetPlaced<'a>,
    place: Place,
}

impl ast::VisitorMut for WalkerMut<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        self.place.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        self.place.leave();
        (self.meet)(NodeMut::Query(query), &self.place)
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        (self.meet)(NodeMut::Select(select), &self.place)
    }

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<()> {
        (self.meet)(NodeMut::TableFactor(table), &self.place)
    }

    fn pre_visit_relation(&mut self, name: &mut ast::ObjectName) -> ControlFlow<()> {
        (self.meet)(NodeMut::Relation(name), &self.place)
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        (self.meet)(NodeMut::Expression(expr), &self.place)
    }
}
