//! Sub-queries in FROM and WITH: several SELECTs in the words of one.
//!
//! | inner SELECT | becomes |
//! |---|---|
//! | a list and WHERE | its columns' expressions where the outer SELECT names them, its WHERE beside the outer one |
//! | groups or a window, alone in FROM below a list and WHERE | the SELECT itself, with the outer list, and HAVING for the outer WHERE |
//! | ranked rows | stays, for `rank` |
//! | groups or ranked rows, below groups or ranks or in a join | stays, for `inner_table` |
//!
//! Anything else would be two queries, one above the other, and is refused.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::BoundSource;
use super::clauses;
use super::clauses::not_there;
use super::columns::Columns;
use super::columns::Derived;
use super::comma_joins;
use super::distinct;
use super::first_rows;
use super::from;
use super::inner_table;
use super::scope::at;
use super::scope::fold;
use super::semi_joins;
use super::union;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::functions::Functions;
use crate::plan::functions::TABLE_FUNCTIONS;
use crate::plan::three_valued;
use crate::sql::walk;

pub(super) const TWO_QUERIES: &str =
    "Make a view of the inner query with CREATE TABLE or CREATE STREAM .. AS, and read that.";

/// What WITH names, each flat already.
pub(super) type Common = BTreeMap<String, ast::Query>;

/// Where names are looked up.
pub struct Flattener<'a> {
    pub catalog: &'a Catalog,
    pub functions: &'a Functions,
    pub rules: Compatibility,
}

impl Flattener<'_> {
    /// The query as one SELECT, or as one around another that ranks rows.
    pub fn one_select(&self, query: &ast::Query) -> Result<ast::Select> {
        self.flat(query, &Common::new())
    }

    /// A relation that is read, or a union of several.
    pub fn source(&self, table: &ast::TableFactor) -> Result<BoundSource> {
        if let Some(source) = union::source(table, self)? {
            return Ok(source);
        }
        match inner_table::source(table, self)? {
            Some(source) => Ok(source),
            None => from::source(table, self.catalog, self.rules),
        }
    }

    pub(super) fn flat(&self, query: &ast::Query, given: &Common) -> Result<ast::Select> {
        let mut query = query.clone();
        let common = self.common(query.with.take(), given)?;
        if let Some(operands) = union::operands(&query, self.rules)? {
            let branches = operands.branches.iter().map(|branch| self.flat(branch, &common));
            let branches = branches.collect::<Result<Vec<_>>>()?;
            let select = union::select_around(&query, branches, operands.distinct)?;
            return distinct::grouped(select, self);
        }
        if let Some(ranked) = first_rows::ranked(&query, &common, self)? {
            return distinct::grouped(self.merged(ranked)?, self);
        }
        let mut select = clauses::only_select(&query)?;
        for table in &mut select.from {
            self.place(&mut table.relation, &common)?;
            for join in &mut table.joins {
                self.place(&mut join.relation, &common)?;
            }
        }
        let select = comma_joins::joined(select, self)?;
        let mut select = semi_joins::joined(select, &common, self)?;
        if self.rules == Compatibility::Postgres {
            three_valued(&mut select);
        }
        distinct::rename_aggregates(&mut select, self.rules);
        let select = self.merged(select)?;
        distinct::grouped(select, self)
    }

    /// The queries of WITH, each of which may name those before it.
    fn common(&self, with: Option<ast::With>, given: &Common) -> Result<Common> {
        let mut common = given.clone();
        let Some(with) = with else { return Ok(common) };
        if with.recursive {
            return Err(not_there("WITH RECURSIVE", with.with_token.0.span));
        }
        for table in with.cte_tables {
            if !table.alias.columns.is_empty() {
                return Err(not_there("a list of columns in WITH", table.alias.name.span));
            }
            let select = self.flat(&table.query, &common)?;
            common.insert(fold(&table.alias.name, self.rules), as_query(&table.query, select));
        }
        Ok(common)
    }

    /// Puts the query in place of the name that WITH gave it, and makes sub-queries flat.
    pub(super) fn place(&self, table: &mut ast::TableFactor, common: &Common) -> Result<()> {
        match table {
            ast::TableFactor::Derived { subquery, .. } => {
                let select = self.flat(subquery, common)?;
                **subquery = as_query(subquery, select);
            }
            ast::TableFactor::NestedJoin { .. } => {}
            ast::TableFactor::Table { name, alias, with_hints, args: None, .. } => {
                let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return Ok(()) };
                let Some(query) = common.get(&fold(ident, self.rules)) else { return Ok(()) };
                let alias = alias.take().unwrap_or_else(|| ast::TableAlias {
                    explicit: true,
                    name: ident.clone(),
                    columns: Vec::new(),
                    at: None,
                });
                // A join's WITHIN stays with the table that will stand here.
                let mut query = query.clone();
                if !with_hints.is_empty() {
                    only_table(&mut query, with_hints)?;
                }
                *table = ast::TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(query),
                    alias: Some(alias),
                    sample: None,
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn merged(&self, mut outer: ast::Select) -> Result<ast::Select> {
        let [table] = outer.from.as_slice() else { return Ok(outer) };
        let is_derived =
            |table: &ast::TableFactor| matches!(table, ast::TableFactor::Derived { .. }) && !union::is_union(table);
        if !is_derived(&table.relation) && !table.joins.iter().any(|join| is_derived(&join.relation)) {
            return Ok(outer);
        }
        if !table.joins.is_empty() {
            return self.merged_join(outer);
        }
        let ast::TableFactor::Derived { lateral: false, subquery, alias, .. } = &table.relation else {
            return Err(not_there("LATERAL", table.relation.span()));
        };
        let inner = clauses::only_select(subquery)?;
        if has_window_function(&inner) {
            return Ok(self.above_ranks(outer));
        }
        if self.stays(&inner, &outer) {
            return Ok(outer);
        }
        let alias = self.alias(alias.as_ref())?;
        self.check_inner(&inner)?;
        let derived = Derived::new(alias, &inner, self)?;
        let is_grouped = self.is_grouped(&inner);
        let group_by = derived.written_out(inner.group_by)?;
        let columns = Columns { tables: vec![Ok(derived)], rules: self.rules };
        if is_grouped {
            self.check_around_groups(&outer)?;
        }
        outer.from = Vec::new();
        columns.substitute(&mut outer)?;
        if is_grouped {
            let having = both(inner.having, outer.selection);
            return Ok(ast::Select { projection: outer.projection, group_by, having, ..inner });
        }
        Ok(ast::Select { from: inner.from, selection: both(inner.selection, outer.selection), ..outer })
    }

    /// Whether a sub-query is a table of its own: what stands above its groups or ranks is more than a list and a condition.
    fn stays(&self, inner: &ast::Select, outer: &ast::Select) -> bool {
        let groups_again = self.is_grouped(outer) || outer.distinct.is_some() || has_window_function(outer);
        inner_table::is_one(inner, self) && (groups_again || !self.is_grouped(inner))
    }

    /// A SELECT over ranked rows; the condition that limits the ranks stays with them, below groups.
    fn above_ranks(&self, outer: ast::Select) -> ast::Select {
        let groups = self.is_grouped(&outer) || outer.distinct.is_some();
        let derived = outer.from.first().map(|table| &table.relation);
        let Some(ast::TableFactor::Derived { lateral, subquery, alias, sample }) = derived else { return outer };
        if self.rules == Compatibility::Ksqldb || !groups {
            return outer;
        }
        let star = ast::SelectItem::Wildcard(ast::WildcardAdditionalOptions::default());
        let around = around(&outer, vec![star], outer.from[0].relation.clone());
        let ranked = ast::Select { selection: outer.selection.clone(), ..around };
        let relation = ast::TableFactor::Derived {
            lateral: *lateral,
            subquery: Box::new(as_query(subquery, ranked)),
            alias: alias.clone(),
            sample: sample.clone(),
        };
        ast::Select { from: vec![ast::TableWithJoins { relation, joins: Vec::new() }], selection: None, ..outer }
    }

    /// Joins of sub-queries, each over one relation or a table of its own.
    fn merged_join(&self, mut outer: ast::Select) -> Result<ast::Select> {
        let mut from = std::mem::take(&mut outer.from);
        let table = &mut from[0];
        let keeps_right = |join: &ast::Join| is_kind(join, &["RIGHT", "FULL"]);
        let right_kept = table.joins.iter().any(keeps_right);
        let mut tables = Vec::with_capacity(table.joins.len() + 1);
        let (mut filters, mut met) = (Vec::new(), Vec::new());
        let missing = Missing::of(&table.joins, 0);
        tables.push(self.joined(&mut table.relation, (right_kept, missing), &mut filters)?);
        for at in 0..table.joins.len() {
            let missing = Missing::of(&table.joins, at + 1);
            let join = &mut table.joins[at];
            let span = join.relation.span();
            let may_lack = is_kind(join, &["JOIN", "INNER", "LEFT"]);
            let is_inner = is_kind(join, &["JOIN", "INNER"]) && !right_kept;
            let mut own = Vec::new();
            let joined = self.joined(&mut join.relation, (!may_lack, missing), &mut own)?;
            if is_inner {
                filters.append(&mut own);
            }
            // Which rows of it there are to be met is part of what a row must meet.
            met.extend(own.into_iter().map(|condition| (at, condition)));
            if joined.is_ok() && !has_on(&join.join_operator) {
                return Err(not_there("USING beside a subquery", span).hint("Write ON."));
            }
            tables.push(joined);
        }
        let columns = Columns { tables, rules: self.rules };
        columns.substitute(&mut outer)?;
        // What a union reads has names of its own.
        for join in &mut from[0].joins {
            columns.substitute_in(&mut join.join_operator)?;
        }
        for (at, condition) in met {
            if let Some(ast::JoinConstraint::On(on)) = constraint_mut(&mut from[0].joins[at].join_operator) {
                *on = both(Some(on.clone()), Some(condition)).unwrap_or_else(|| on.clone());
            }
        }
        outer.from = from;
        outer.selection = filters.into_iter().fold(outer.selection, |all, filter| both(all, Some(filter)));
        Ok(outer)
    }

    /// A joined table; a sub-query becomes its relation, and its WHERE one of the `filters`. The join may keep its rows where
    /// they meet nothing (`may_be_alone`), and those of others where it has none (`missing`).
    fn joined(
        &self,
        table: &mut ast::TableFactor,
        (may_be_alone, missing): (bool, Missing),
        filters: &mut Vec<ast::Expr>,
    ) -> Result<std::result::Result<Derived, BoundSource>> {
        let ast::TableFactor::Derived { subquery, alias, .. } = table else {
            let mut plain = table.clone();
            crate::sql::take_within(&mut plain)?;
            return Ok(Err(self.source(&plain)?));
        };
        let span = subquery.span();
        let inner = clauses::only_select(subquery)?;
        if inner_table::is_one(&inner, self) {
            return Ok(Err(self.source(table)?));
        }
        let alias = self.alias(alias.as_ref())?;
        self.check_inner(&inner)?;
        let one = matches!(inner.from.as_slice(), [one] if one.joins.is_empty());
        if self.is_grouped(&inner) || has_window_function(&inner) || !one {
            return self.as_table(table, "a join of a subquery with joins, groups or ranks");
        }
        if inner.selection.is_some() && may_be_alone {
            return self.as_table(table, "WHERE in a subquery of an outer join");
        }
        let derived = Derived::new(alias, &inner, self)?.under_its_alias();
        if missing == Missing::Full && derived.computes() {
            return self.as_table(table, "an expression in a subquery whose rows an outer join may lack");
        }
        filters.extend(inner.selection.iter().map(|filter| derived.qualified(filter)));
        let derived = match missing {
            Missing::Never => derived,
            Missing::Beside | Missing::Full if !derived.computes() => derived,
            Missing::Beside => derived.where_there().ok_or_else(|| computed(span))?,
            Missing::Full => return Err(computed(span)),
        };
        let mut relation = inner.from.into_iter().next().map(|table| table.relation);
        if let Some(ast::TableFactor::Table { alias, .. } | ast::TableFactor::Derived { alias, .. }) = &mut relation {
            let name = ast::Ident::with_quote('"', derived.alias.clone());
            *alias = Some(ast::TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        *table = relation.ok_or_else(|| Error::internal("a subquery without FROM"))?;
        Ok(Ok(derived))
    }

    /// A joined sub-query that is a table of its own.
    fn as_table(&self, table: &ast::TableFactor, what: &str) -> Result<std::result::Result<Derived, BoundSource>> {
        let refused = || not_there(what, table.span()).hint(TWO_QUERIES);
        if self.rules == Compatibility::Ksqldb {
            return Err(refused());
        }
        match inner_table::source(table, self)? {
            Some(source) => Ok(Err(source)),
            None => Err(refused()),
        }
    }

    /// The name of a sub-query; one that has none cannot be named.
    pub fn alias(&self, alias: Option<&ast::TableAlias>) -> Result<String> {
        match alias {
            Some(alias) if !alias.columns.is_empty() => {
                Err(not_there("a list of column aliases in FROM", alias.name.span))
            }
            Some(alias) => Ok(fold(&alias.name, self.rules)),
            None => Ok(String::new()),
        }
    }

    /// What no SELECT can take over from one below it.
    pub fn check_inner(&self, inner: &ast::Select) -> Result<()> {
        // A WINDOW is looked at where the SELECT that has it then is bound.
        let without_window = ast::Select { lateral_views: Vec::new(), ..inner.clone() };
        clauses::check(&without_window, self.functions, self.rules).or_else(|error| {
            match has_window_function(inner) {
                true => Ok(()),
                false => Err(error),
            }
        })?;
        if let Some(expr) = inner.distribute_by.first() {
            return Err(not_there("PARTITION BY of a subquery", expr.span()).hint(TWO_QUERIES));
        }
        if let Some(name) = self.called(inner, |name| TABLE_FUNCTIONS.contains(&name)) {
            return Err(not_there(&format!("{name} in a subquery"), inner.select_token.0.span).hint(TWO_QUERIES));
        }
        Ok(())
    }

    fn check_around_groups(&self, outer: &ast::Select) -> Result<()> {
        let span = outer.select_token.0.span;
        let clause = [
            ("GROUP BY", self.is_grouped(outer)),
            ("DISTINCT", outer.distinct.is_some()),
            ("PARTITION BY", !outer.distribute_by.is_empty()),
            ("OVER", has_window_function(outer)),
        ];
        match clause.into_iter().find(|(_, there)| *there) {
            Some((clause, _)) => {
                Err(not_there(&format!("{clause} over a subquery with groups"), span).hint(TWO_QUERIES))
            }
            None => Ok(()),
        }
    }

    /// Whether a SELECT groups or folds its rows.
    pub fn is_grouped(&self, select: &ast::Select) -> bool {
        let groups = match &select.group_by {
            ast::GroupByExpr::Expressions(exprs, modifiers) => !exprs.is_empty() || !modifiers.is_empty(),
            ast::GroupByExpr::All(_) => true,
        };
        groups || select.having.is_some() || !select.lateral_views.is_empty() || self.folds(select)
    }

    /// Whether a SELECT calls an aggregate.
    pub fn folds(&self, select: &ast::Select) -> bool {
        self.called(select, |name| self.functions.is_aggregate(name)).is_some()
    }

    /// The first function of a kind that a SELECT calls itself, outside of OVER.
    fn called(&self, select: &ast::Select, is_kind: impl Fn(&str) -> bool) -> Option<String> {
        let own = ast::Select { from: Vec::new(), ..select.clone() };
        let flow = walk::expressions(&own, |expr| match expr {
            ast::Expr::Function(function) if function.over.is_none() => {
                let name = function.name.to_string().to_lowercase();
                if is_kind(&name) { ControlFlow::Break(name) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        });
        flow.break_value()
    }
}

/// A SELECT of nothing but a list, with the words of another.
pub(super) fn around(other: &ast::Select, list: Vec<ast::SelectItem>, relation: ast::TableFactor) -> ast::Select {
    ast::Select {
        projection: list,
        distinct: None,
        from: vec![ast::TableWithJoins { relation, joins: Vec::new() }],
        selection: None,
        group_by: ast::GroupByExpr::Expressions(Vec::new(), Vec::new()),
        having: None,
        lateral_views: Vec::new(),
        distribute_by: Vec::new(),
        ..other.clone()
    }
}

/// The SELECT, as a query in place of another, of which nothing else is left: `first_rows` has its order and limit.
pub(super) fn as_query(place: &ast::Query, select: ast::Select) -> ast::Query {
    ast::Query {
        with: None,
        body: Box::new(ast::SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        ..place.clone()
    }
}

/// Hands WITHIN on to the relation that a query reads.
fn only_table(query: &mut ast::Query, hints: &[ast::Expr]) -> Result<()> {
    let span = query.span();
    if let ast::SetExpr::Select(select) = query.body.as_mut()
        && let [ast::TableWithJoins { relation: ast::TableFactor::Table { with_hints, .. }, joins }] =
            select.from.as_mut_slice()
        && joins.is_empty()
    {
        *with_hints = hints.to_vec();
        return Ok(());
    }
    Err(not_there("WITHIN beside a subquery with joins", span).hint(TWO_QUERIES))
}

pub(super) fn has_window_function(select: &ast::Select) -> bool {
    let flow = walk::expressions(&select.projection, |expr| match expr {
        ast::Expr::Function(function) if function.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

/// Whether a joined row may have nothing of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Never,
    /// Where the others' rows meet none of it.
    Beside,
    /// The same in a FULL join, which has rows of it too that meet nothing.
    Full,
}

impl Missing {
    /// Of the table at a place: 0 is the one before the first join.
    fn of(joins: &[ast::Join], place: usize) -> Self {
        let (before, after) = joins.split_at(place);
        let is = |kinds: &[&str]| {
            let own = before.last().is_some_and(|join| is_kind(join, kinds) && !is_kind(join, &["RIGHT"]));
            own || after.iter().any(|join| is_kind(join, kinds) && !is_kind(join, &["LEFT"]))
        };
        match (is(&["FULL"]), is(&["LEFT", "RIGHT"])) {
            (true, _) => Missing::Full,
            (false, true) => Missing::Beside,
            (false, false) => Missing::Never,
        }
    }
}

fn computed(span: sqlparser::tokenizer::Span) -> Error {
    not_there("an expression in a subquery whose rows an outer join may lack", span).hint(TWO_QUERIES)
}

/// Whether a join begins with one of the words.
fn is_kind(join: &ast::Join, words: &[&str]) -> bool {
    use ast::JoinOperator as Operator;
    let word = match &join.join_operator {
        Operator::Join(_) => "JOIN",
        Operator::Inner(_) => "INNER",
        Operator::Left(_) | Operator::LeftOuter(_) => "LEFT",
        Operator::Right(_) | Operator::RightOuter(_) => "RIGHT",
        Operator::FullOuter(_) => "FULL",
        _ => "",
    };
    words.contains(&word)
}

fn has_on(operator: &ast::JoinOperator) -> bool {
    use ast::JoinOperator as Operator;
    let (Operator::Join(constraint)
    | Operator::Inner(constraint)
    | Operator::Left(constraint)
    | Operator::LeftOuter(constraint)
    | Operator::Right(constraint)
    | Operator::RightOuter(constraint)
    | Operator::FullOuter(constraint)) = operator
    else {
        return true;
    };
    matches!(constraint, ast::JoinConstraint::On(_))
}

fn constraint_mut(operator: &mut ast::JoinOperator) -> Option<&mut ast::JoinConstraint> {
    use ast::JoinOperator as Operator;
    match operator {
        Operator::Join(constraint)
        | Operator::Inner(constraint)
        | Operator::Left(constraint)
        | Operator::LeftOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// Both conditions.
pub(super) fn both(one: Option<ast::Expr>, other: Option<ast::Expr>) -> Option<ast::Expr> {
    let nested = |expr: ast::Expr| Box::new(ast::Expr::Nested(Box::new(expr)));
    match (one, other) {
        (Some(one), Some(other)) => {
            Some(ast::Expr::BinaryOp { left: nested(one), op: ast::BinaryOperator::And, right: nested(other) })
        }
        (one, other) => one.or(other),
    }
}

/// 42703 for a column that a sub-query does not have.
pub(super) fn no_column(shown: &str, span: sqlparser::tokenizer::Span) -> Error {
    at(Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{shown}\" does not exist")), span)
}
