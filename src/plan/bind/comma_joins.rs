//! Relations between commas, and CROSS JOIN, as joins: `FROM a, b WHERE a.x = b.y AND c` is `FROM a JOIN b ON a.x = b.y WHERE c`.
//!
//! A relation joins those before it by what WHERE says is equal of its columns and theirs. Where WHERE says nothing of the next
//! one, a later one goes first.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::clauses::not_there;
use super::flatten::Flattener;
use super::flatten::both;
use super::semi_joins::Name;
use super::semi_joins::Table;
use super::semi_joins::bare;
use super::semi_joins::conjuncts;
use super::semi_joins::has_subquery;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::sql::walk;

/// The SELECT with one chain of joins in FROM.
pub fn joined(mut select: ast::Select, flattener: &Flattener<'_>) -> Result<ast::Select> {
    let mut joins = select.from.iter().flat_map(|table| &table.joins);
    let is_loose = 1 < select.from.len() || joins.any(|join| is_cross(&join.join_operator));
    if flattener.rules == Compatibility::Ksqldb || !is_loose {
        return Ok(select);
    }
    let mut relations = select
        .from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    if !relations.all(|table| matches!(table, ast::TableFactor::Table { .. } | ast::TableFactor::Derived { .. })) {
        return Ok(select);
    }
    let mut waiting = Vec::with_capacity(select.from.len());
    let mut tables = Vec::new();
    for from in std::mem::take(&mut select.from) {
        let first = tables.len();
        tables.push(Table::of(&from.relation, flattener)?);
        for join in &from.joins {
            tables.push(Table::of(&join.relation, flattener)?);
        }
        waiting.push((first, from));
    }
    let conditions = select.selection.take().map_or_else(Vec::new, conjuncts);
    let (first, from) = waiting.remove(0);
    let mut chain = Chain {
        flattener,
        tables,
        placed: BTreeSet::from([first]),
        conditions,
        relation: from.relation,
        joins: Vec::new(),
    };
    chain.joins(first, from.joins, true)?;
    while let Some((first, next)) = waiting.first() {
        let found =
            waiting.iter().position(|(first, _)| chain.conditions.iter().any(|one| chain.joins_by(one, *first)));
        let Some(at) = found else { return Err(unjoined(&chain.tables[*first], next.relation.span())) };
        if at != 0 && select.projection.iter().any(|item| matches!(item, ast::SelectItem::Wildcard(_))) {
            let error = unjoined(&chain.tables[*first], next.relation.span());
            return Err(
                error.hint("Put it behind the relations that it is compared with, or name the columns of the list.")
            );
        }
        let (first, next) = waiting.remove(at);
        let cross = ast::JoinOperator::CrossJoin(ast::JoinConstraint::None);
        chain.join(first, ast::Join { relation: next.relation, global: false, join_operator: cross })?;
        chain.joins(first, next.joins, false)?;
    }
    let Chain { relation, joins, conditions, .. } = chain;
    select.from = vec![ast::TableWithJoins { relation, joins }];
    select.selection = conditions.into_iter().fold(None, |all, one| both(all, Some(one)));
    Ok(select)
}

/// Relations that are joined, and what WHERE says that no join does.
struct Chain<'a> {
    flattener: &'a Flattener<'a>,
    /// All relations, as FROM has them.
    tables: Vec<Table>,
    /// Which of them stand in the chain.
    placed: BTreeSet<usize>,
    conditions: Vec<ast::Expr>,
    relation: ast::TableFactor,
    joins: Vec<ast::Join>,
}

impl Chain<'_> {
    /// The joins behind relation `first` between two commas. A join that keeps its right side's rows keeps them beside what is
    /// joined to its left side alone.
    fn joins(&mut self, first: usize, joins: Vec<ast::Join>, is_at_head: bool) -> Result<()> {
        use ast::JoinOperator as Operator;
        for (place, join) in joins.into_iter().enumerate() {
            let keeps_right =
                matches!(join.join_operator, Operator::Right(_) | Operator::RightOuter(_) | Operator::FullOuter(_));
            if keeps_right && !is_at_head {
                return Err(not_there("RIGHT or FULL JOIN behind a comma of FROM", join.relation.span())
                    .hint("Put the relations of that join first."));
            }
            self.join(first + place + 1, join)?;
        }
        Ok(())
    }

    /// Joins a relation; where the join has no condition, by those of WHERE.
    fn join(&mut self, table: usize, mut join: ast::Join) -> Result<()> {
        if is_cross(&join.join_operator) {
            let conditions = std::mem::take(&mut self.conditions);
            let (on, left): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|one| self.joins_by(one, table));
            self.conditions = left;
            let Some(on) = on.into_iter().fold(None, |all, one| both(all, Some(one))) else {
                return Err(unjoined(&self.tables[table], join.relation.span()));
            };
            join.join_operator = ast::JoinOperator::Join(ast::JoinConstraint::On(on));
        }
        self.placed.insert(table);
        self.joins.push(join);
        Ok(())
    }

    /// Whether a condition says that something of a relation is equal to something of those in the chain.
    fn joins_by(&self, condition: &ast::Expr, table: usize) -> bool {
        let ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } = bare(condition) else { return false };
        let (left, right) = (self.named(left), self.named(right));
        let is_of_chain = |side: &BTreeSet<usize>| !side.is_empty() && side.is_subset(&self.placed);
        let is_of_table = |side: &BTreeSet<usize>| side.iter().eq([&table]);
        !has_subquery(condition)
            && (is_of_chain(&left) && is_of_table(&right) || is_of_table(&left) && is_of_chain(&right))
    }

    /// The relations of which an expression names columns.
    fn named(&self, expr: &ast::Expr) -> BTreeSet<usize> {
        let mut named = BTreeSet::new();
        let flow = walk::expressions(expr, |part| {
            if let Some(name) = Name::of(part, self.flattener) {
                named.extend(self.tables.iter().enumerate().filter(|(_, table)| table.has(&name)).map(|(at, _)| at));
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
        named
    }
}

fn is_cross(operator: &ast::JoinOperator) -> bool {
    matches!(operator, ast::JoinOperator::CrossJoin(ast::JoinConstraint::None))
}

fn unjoined(table: &Table, span: Span) -> Error {
    not_there(&format!("\"{}\" in FROM without a condition that joins it", table.alias), span).hint(
        "Say in WHERE, or with JOIN .. ON, which of its columns is equal to which of a relation before it. The rows of all with all others are there in queries that are asked once.",
    )
}
