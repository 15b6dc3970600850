//! IN and EXISTS of WHERE as joins: with the rows that the sub-query has, each once, by what it is asked for.
//!
//! | condition | becomes |
//! |---|---|
//! | `x IN (SELECT y ..)`, `EXISTS (SELECT .. WHERE t.y = x)` | `JOIN (SELECT DISTINCT y ..) ON x = y` |
//! | `NOT EXISTS (..)`, `x NOT IN (..)` of what is never null | `LEFT JOIN (..) ON x = y`, and `y IS NULL` |
//! | either below OR and NOT | `LEFT JOIN (..) ON x = y`, and `y IS NOT NULL` in its place |
//!
//! Where the sub-query asks for the whole primary key of a table, that table stands in the join itself.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Ident;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::BoundSource;
use super::clauses;
use super::clauses::not_there;
use super::columns::Derived;
use super::flatten::Common;
use super::flatten::Flattener;
use super::flatten::around;
use super::flatten::as_query;
use super::flatten::both;
use super::flatten::has_window_function;
use super::scope::at;
use super::scope::fold;
use super::scope::is_window_bound;
use super::union;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::ColumnRole;
use crate::plan::node::PseudoColumn;
use crate::sql::walk;

/// What the relations of such joins are called, before their number. No star has their columns, and no bare word means them.
const HIDDEN: &str = "?where";

/// What a sub-query with groups is called below the list of its values.
const ASKED: &str = "asked";

/// Whether a relation of FROM stands for a condition.
pub fn is_hidden(alias: &str) -> bool {
    alias.starts_with(HIDDEN)
}

/// The SELECT with joins in place of the sub-queries in its WHERE, as far as these can be joins.
pub fn joined(mut select: ast::Select, common: &Common, flattener: &Flattener<'_>) -> Result<ast::Select> {
    let Some(mut selection) = select.selection.take() else { return Ok(select) };
    if flattener.rules == Compatibility::Ksqldb || !asks(&selection) || select.from.len() != 1 {
        return Ok(ast::Select { selection: Some(selection), ..select });
    }
    ask_each(&mut selection, flattener.rules)?;
    let conditions = conjuncts(selection);
    let outer = Scene::outside(&select, &conditions, flattener)?;
    let mut joins = SemiJoins { flattener, common, outer, joins: Vec::new() };
    let mut kept = None;
    for condition in conditions {
        kept = both(kept, joins.conjunct(condition)?);
    }
    select.selection = kept;
    select.from[0].joins.extend(joins.joins);
    Ok(select)
}

/// The relations that words of a SELECT may mean, and what its WHERE asks of them.
struct Scene {
    tables: Vec<Table>,
    /// Expressions that WHERE says are not null, as text.
    not_null: Vec<String>,
    /// Whether no row lacks a relation's.
    all_there: bool,
}

/// A relation in sight: its name, its columns, and the relation where it is one.
pub(super) struct Table {
    pub(super) alias: String,
    columns: Vec<String>,
    source: Option<BoundSource>,
}

impl Scene {
    fn outside(select: &ast::Select, conditions: &[ast::Expr], flattener: &Flattener<'_>) -> Result<Self> {
        let mut tables = Vec::new();
        let mut all_there = true;
        for from in &select.from {
            tables.push(Table::of(&from.relation, flattener)?);
            for join in &from.joins {
                all_there &= matches!(join.join_operator, ast::JoinOperator::Join(_) | ast::JoinOperator::Inner(_));
                tables.push(Table::of(&join.relation, flattener)?);
            }
        }
        let not_null = conditions.iter().filter_map(|condition| match bare(condition) {
            ast::Expr::IsNotNull(expr) => Some(bare(expr).to_string()),
            _ => None,
        });
        Ok(Self { tables, not_null: not_null.collect(), all_there })
    }

    /// Whether a name is one of these relations' columns.
    fn has(&self, name: &Name) -> bool {
        self.tables.iter().any(|table| table.has(name))
    }

    /// Whether an expression is never null.
    fn is_never_null(&self, expr: &ast::Expr, flattener: &Flattener<'_>) -> bool {
        let expr = bare(expr);
        if self.not_null.contains(&expr.to_string()) {
            return true;
        }
        let Some(name) = Name::of(expr, flattener) else {
            return matches!(expr, ast::Expr::Value(value) if value.value != ast::Value::Null);
        };
        let of_alias = |table: &&Table| name.alias.as_ref().is_none_or(|alias| table.alias == *alias);
        let mut holders = self.tables.iter().filter(of_alias).filter(|table| table.columns.contains(&name.column));
        let (Some(Table { source: Some(source), .. }), None) = (holders.next(), holders.next()) else { return false };
        let relation = &source.relation;
        let column = relation.columns.iter().position(|column| column.name == name.column);
        // Groups may be null, and so may what others write into a topic.
        let declared = relation.is_table() && relation.query.is_none() && source.queries.is_empty();
        let is_told = |column: &usize| {
            relation.columns[*column].role == ColumnRole::Key
                || (relation.not_null.contains(column) && !relation.names_topic)
        };
        self.all_there && declared && column.as_ref().is_some_and(is_told)
    }
}

impl Table {
    pub(super) fn of(factor: &ast::TableFactor, flattener: &Flattener<'_>) -> Result<Self> {
        let mut plain = factor.clone();
        crate::sql::take_within(&mut plain)?;
        if let ast::TableFactor::Derived { subquery, alias, .. } = &plain
            && let ast::SetExpr::Select(select) = subquery.body.as_ref()
        {
            let alias = flattener.alias(alias.as_ref())?;
            let columns = Derived::new(alias.clone(), select, flattener)?.names();
            return Ok(Self { alias, columns, source: None });
        }
        let source = flattener.source(&plain)?;
        let columns = source.relation.columns.iter().map(|column| column.name.clone()).collect();
        Ok(Self { alias: source.alias.clone(), columns, source: Some(source) })
    }

    /// Whether a name is one of its columns.
    pub(super) fn has(&self, name: &Name) -> bool {
        let is_pseudo = |name: &str| PseudoColumn::of_word(name).is_some() || is_window_bound(name);
        match &name.alias {
            Some(alias) => self.alias == *alias,
            None => self.columns.contains(&name.column) || is_pseudo(&name.column),
        }
    }
}

/// A column as an expression names it.
pub(super) struct Name {
    alias: Option<String>,
    column: String,
}

impl Name {
    pub(super) fn of(expr: &ast::Expr, flattener: &Flattener<'_>) -> Option<Self> {
        let folded = |ident: &Ident| fold(ident, flattener.rules);
        match expr {
            ast::Expr::Identifier(ident) => Some(Self { alias: None, column: folded(ident) }),
            ast::Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [.., alias, column] => Some(Self { alias: Some(folded(alias)), column: folded(column) }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What is asked of a sub-query: whether it has a row with these values.
struct Question {
    /// `x` or `(x, ..)` of IN; nothing of EXISTS.
    values: Vec<ast::Expr>,
    query: ast::Query,
    span: Span,
}

/// A sub-query's rows: per value the column of theirs that it equals.
struct Rows {
    query: ast::Query,
    select: ast::Select,
    /// What of the sub-query is equal to what around it.
    pairs: Vec<(ast::Expr, ast::Expr)>,
    /// What else its WHERE says.
    filter: Option<ast::Expr>,
    scene: Scene,
}

/// Which rows a join keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Met,
    All,
}

struct SemiJoins<'a> {
    flattener: &'a Flattener<'a>,
    common: &'a Common,
    outer: Scene,
    joins: Vec<ast::Join>,
}

impl SemiJoins<'_> {
    /// What is left of a condition that rows must meet.
    fn conjunct(&mut self, condition: ast::Expr) -> Result<Option<ast::Expr>> {
        match question(&condition) {
            Some((question, false)) => self.join(question, Keeps::Met),
            _ => self.test(condition, true).map(Some),
        }
    }

    /// A condition with tests of joined rows in the places of its sub-queries. `false_as_null`: whether it does not matter
    /// which of the two it is.
    fn test(&mut self, condition: ast::Expr, false_as_null: bool) -> Result<ast::Expr> {
        if let Some((asked, negated)) = question(&condition) {
            if !asked.values.is_empty() && (negated || !false_as_null) {
                self.check_nulls(&asked)?;
            }
            let there = self.join(asked, Keeps::All)?.map(Box::new);
            let there = there.ok_or_else(|| Error::internal("a join without a test"))?;
            return Ok(if negated { ast::Expr::IsNull(there) } else { ast::Expr::IsNotNull(there) });
        }
        Ok(match condition {
            ast::Expr::Nested(inner) => ast::Expr::Nested(Box::new(self.test(*inner, false_as_null)?)),
            ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr } if has_subquery(expr.as_ref()) => {
                let expr = Box::new(self.test(*expr, false)?);
                ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr }
            }
            ast::Expr::BinaryOp { left, op: op @ (ast::BinaryOperator::And | ast::BinaryOperator::Or), right } => {
                let left = Box::new(self.test(*left, false_as_null)?);
                ast::Expr::BinaryOp { left, op, right: Box::new(self.test(*right, false_as_null)?) }
            }
            // What is left of sub-queries is refused where the SELECT is bound.
            other => other,
        })
    }

    /// Joins the rows that a question is about. Of all rows kept: the column that is null where there is none; else what
    /// else rows must meet.
    fn join(&mut self, question: Question, keeps: Keeps) -> Result<Option<ast::Expr>> {
        let span = question.span;
        let rows = self.rows(question)?;
        let alias = format!("{HIDDEN}{}", self.joins.len());
        let column = |name: &str| {
            ast::Expr::CompoundIdentifier([alias.as_str(), name].map(|part| Ident::with_quote('"', part)).to_vec())
        };
        let direct = self.key_columns(&rows).filter(|_| keeps == Keeps::Met || rows.filter.is_none());
        let names: Vec<String> = match &direct {
            Some(names) => names.clone(),
            None => (0..rows.pairs.len()).map(|place| format!("__value{place}")).collect(),
        };
        let equal = rows.pairs.iter().zip(&names).map(|((_, outside), name)| ast::Expr::BinaryOp {
            left: Box::new(outside.clone()),
            op: ast::BinaryOperator::Eq,
            right: Box::new(column(name)),
        });
        let Some(on) = equal.fold(None, |all, one| both(all, Some(one))) else {
            return Err(not_there("a subquery that asks for no row by a value outside", span)
                .hint("EXISTS is there with WHERE t.column = a column of the rows outside, IN with any subquery."));
        };
        let filter = match (&direct, keeps) {
            (Some(_), Keeps::Met) => rows.filter.as_ref().map(|filter| self.qualified(filter, &alias)),
            (None, Keeps::Met) => None,
            (_, Keeps::All) => Some(column(&names[0])),
        };
        let relation = match direct {
            Some(_) => under_name(rows.select.from[0].relation.clone(), &alias),
            None => self.distinct(rows, &names, &alias)?,
        };
        let on = ast::JoinConstraint::On(on);
        let join_operator = match keeps {
            Keeps::Met => ast::JoinOperator::Join(on),
            Keeps::All => ast::JoinOperator::LeftOuter(on),
        };
        self.joins.push(ast::Join { relation, global: false, join_operator });
        Ok(filter)
    }

    /// A sub-query taken apart.
    fn rows(&self, question: Question) -> Result<Rows> {
        let Question { values, query, span } = question;
        let mut select = clauses::only_select(&query)?;
        let conditions = select.selection.take().map_or_else(Vec::new, conjuncts);
        // What WITH names stands in the SELECT only once it is made flat as a whole: what a name of WITH reads may have that name.
        let mut placed = select.clone();
        for table in &mut placed.from {
            self.flattener.place(&mut table.relation, self.common)?;
            for join in &mut table.joins {
                self.flattener.place(&mut join.relation, self.common)?;
            }
        }
        let scene = Scene::outside(&placed, &conditions, self.flattener)?;
        let mut pairs = self.listed(&select, values, span)?;
        let mut filter = None;
        for condition in conditions {
            match self.pair(&condition, &scene)? {
                Some(pair) => pairs.push(pair),
                None => filter = both(filter, Some(condition)),
            }
        }
        // One column of the joined rows would be asked for twice.
        let insides: Vec<String> = pairs.iter().map(|(inside, _)| bare(inside).to_string()).collect();
        if (1..insides.len()).any(|place| insides[..place].contains(&insides[place])) {
            return Err(not_there("a subquery of which one value is compared with two outside", span));
        }
        Ok(Rows { query, select, pairs, filter, scene })
    }

    /// The items of the list beside the values of IN.
    fn listed(&self, select: &ast::Select, values: Vec<ast::Expr>, span: Span) -> Result<Vec<(ast::Expr, ast::Expr)>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let item = |item: &ast::SelectItem| match item {
            ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => Ok(expr.clone()),
            _ => Err(not_there("* in the subquery of IN", span).hint("Name the column.")),
        };
        let items = select.projection.iter().map(item).collect::<Result<Vec<_>>>()?;
        if items.len() != values.len() {
            let many = if items.len() < values.len() { "few" } else { "many" };
            let message = format!("subquery has too {many} columns");
            return Err(at(Error::new(SqlState::SYNTAX_ERROR, message), span));
        }
        Ok(items.into_iter().zip(values).collect())
    }

    /// What of the sub-query a condition says is equal to what around it; `None` if it is about the sub-query alone.
    fn pair(&self, condition: &ast::Expr, scene: &Scene) -> Result<Option<(ast::Expr, ast::Expr)>> {
        let sees = |expr: &ast::Expr| self.sees(expr, scene);
        if has_subquery(condition) || !sees(condition).outside {
            return Ok(None);
        }
        if let ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } = bare(condition) {
            for (one, other) in [(left, right), (right, left)] {
                let (inside, outside) = (sees(one), sees(other));
                if inside.inside && !inside.outside && outside.outside && !outside.inside {
                    return Ok(Some((one.as_ref().clone(), other.as_ref().clone())));
                }
            }
        }
        Err(not_there("a subquery that sees rows outside by something else than =", condition.span()))
    }

    fn sees(&self, expr: &ast::Expr, scene: &Scene) -> Sees {
        let mut sees = Sees::default();
        let flow = walk::expressions(expr, |part| {
            if let Some(name) = Name::of(part, self.flattener) {
                let inside = scene.has(&name);
                sees.inside |= inside;
                sees.outside |= !inside;
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
        sees
    }

    /// The columns that pairs are about, if they are the whole primary key of the one table that a sub-query reads.
    fn key_columns(&self, rows: &Rows) -> Option<Vec<String>> {
        let ([table], [only]) = (rows.select.from.as_slice(), rows.scene.tables.as_slice()) else { return None };
        let relation =
            only.source.as_ref().filter(|source| source.queries.is_empty()).map(|source| &source.relation)?;
        let plain = table.joins.is_empty() && !self.flattener.is_grouped(&rows.select);
        let own = plain && relation.is_table() && relation.window.is_none();
        let column =
            |(inside, _): &(ast::Expr, ast::Expr)| Name::of(bare(inside), self.flattener).map(|name| name.column);
        let named = rows.pairs.iter().map(column).collect::<Option<Vec<String>>>()?;
        let mut key: Vec<&String> = relation.key_columns().into_iter().map(|key| &relation.columns[key].name).collect();
        let mut sorted: Vec<&String> = named.iter().collect();
        key.sort_unstable();
        sorted.sort_unstable();
        (own && key == sorted && !rows.filter.as_ref().is_some_and(has_subquery)).then_some(named)
    }

    /// A condition of a sub-query over one relation, with that relation under another name.
    fn qualified(&self, filter: &ast::Expr, alias: &str) -> ast::Expr {
        let mut filter = filter.clone();
        let flow = walk::expressions_mut(&mut filter, |part| {
            if let Some(ident) = match part {
                ast::Expr::Identifier(ident) => Some(ident.clone()),
                ast::Expr::CompoundIdentifier(idents) => idents.last().cloned(),
                _ => None,
            } {
                *part = ast::Expr::CompoundIdentifier(vec![Ident::with_quote('"', alias), ident]);
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
        ast::Expr::Nested(Box::new(filter))
    }

    /// The values of pairs, each once, as a table of this name.
    fn distinct(&self, rows: Rows, names: &[String], alias: &str) -> Result<ast::TableFactor> {
        let span = rows.select.select_token.0.span;
        let Rows { query, mut select, pairs, filter, .. } = rows;
        let groups = self.flattener.is_grouped(&select) || has_window_function(&select);
        let list = pairs.into_iter().zip(names).map(|((expr, _), name)| ast::SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', name.as_str()),
        });
        let listed = select.projection.len();
        select.projection = list.collect();
        select.selection = filter;
        if groups && select.projection.len() != listed {
            return Err(not_there("a subquery with groups that sees rows outside", span));
        }
        let select = match groups {
            false => select,
            true => {
                let item = |name: &String| {
                    ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(Ident::with_quote('"', name.as_str())))
                };
                let list = names.iter().map(item).collect();
                around(&select.clone(), list, derived(as_query(&query, select), ASKED))
            }
        };
        let once = ast::Select { distinct: Some(ast::Distinct::Distinct), ..select };
        let flat = self.flattener.flat(&as_query(&query, once), self.common)?;
        Ok(derived(as_query(&query, flat), alias))
    }

    /// What NOT IN says where a value is null hangs on whether there are any rows.
    fn check_nulls(&self, question: &Question) -> Result<()> {
        let span = question.span;
        let rows = self.rows(Question { values: question.values.clone(), query: question.query.clone(), span })?;
        let is_told = rows.pairs.iter().take(question.values.len()).all(|(inside, outside)| {
            rows.scene.is_never_null(inside, self.flattener) && self.outer.is_never_null(outside, self.flattener)
        });
        if is_told {
            return Ok(());
        }
        Err(not_there("NOT IN of values that may be null", span).hint(
            "Write NOT EXISTS (SELECT .. WHERE t.y = x), or say of both that they are not: x IS NOT NULL AND x NOT IN (SELECT y FROM t WHERE y IS NOT NULL).",
        ))
    }
}

/// What an expression names.
#[derive(Default)]
struct Sees {
    inside: bool,
    outside: bool,
}

/// What an expression asks of a sub-query, if it is such a question, and whether it is true where there is no row.
fn question(expr: &ast::Expr) -> Option<(Question, bool)> {
    let span = expr.span();
    match bare(expr) {
        ast::Expr::InSubquery { expr, subquery, negated } => {
            Some((Question { values: values_of(expr), query: subquery.as_ref().clone(), span }, *negated))
        }
        // `= ANY (SELECT ..)` is IN, and `<> ALL (SELECT ..)` is NOT IN.
        ast::Expr::AnyOp { left, compare_op: ast::BinaryOperator::Eq, right, .. } => among(left, right, span, false),
        ast::Expr::AllOp { left, compare_op: ast::BinaryOperator::NotEq, right } => among(left, right, span, true),
        ast::Expr::Exists { subquery, negated } => {
            Some((Question { values: Vec::new(), query: subquery.as_ref().clone(), span }, *negated))
        }
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr } => {
            question(expr).map(|(question, negated)| (question, !negated))
        }
        _ => None,
    }
}

/// Asks of each query of a union what is asked of the union: whether any has such a row, or that none has.
fn ask_each(selection: &mut ast::Expr, rules: Compatibility) -> Result<()> {
    let flow = walk::own_expressions_mut(selection, |part| {
        let Some((Question { query, .. }, negated)) = question(part) else { return ControlFlow::Continue(()) };
        let operands = match union::operands(&query, rules) {
            Ok(Some(operands)) if query.with.is_none() => operands,
            Ok(_) => return ControlFlow::Continue(()),
            Err(error) => return ControlFlow::Break(error),
        };
        let op = if negated { ast::BinaryOperator::And } else { ast::BinaryOperator::Or };
        let each =
            operands.branches.into_iter().map(|branch| asked_of(part, branch)).reduce(|left, right| {
                ast::Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) }
            });
        if let Some(mut each) = each {
            // A query of the union may be one itself.
            if let Err(error) = ask_each(&mut each, rules) {
                return ControlFlow::Break(error);
            }
            *part = ast::Expr::Nested(Box::new(each));
        }
        ControlFlow::Continue(())
    });
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The same question, of another sub-query.
fn asked_of(question: &ast::Expr, query: ast::Query) -> ast::Expr {
    let mut question = question.clone();
    let mut place = &mut question;
    loop {
        place = match place {
            ast::Expr::Nested(inner) | ast::Expr::UnaryOp { expr: inner, .. } => inner,
            ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => right,
            ast::Expr::InSubquery { subquery, .. }
            | ast::Expr::Exists { subquery, .. }
            | ast::Expr::Subquery(subquery) => {
                **subquery = query;
                return question;
            }
            _ => return question,
        };
    }
}

fn among(left: &ast::Expr, right: &ast::Expr, span: Span, negated: bool) -> Option<(Question, bool)> {
    let ast::Expr::Subquery(query) = right else { return None };
    Some((Question { values: values_of(left), query: query.as_ref().clone(), span }, negated))
}

fn values_of(expr: &ast::Expr) -> Vec<ast::Expr> {
    match bare(expr) {
        ast::Expr::Tuple(values) => values.clone(),
        value => vec![value.clone()],
    }
}

/// Whether an expression asks something of a sub-query.
fn asks(expr: &ast::Expr) -> bool {
    let flow = walk::expressions(expr, |part| match question(part) {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    });
    flow.is_break()
}

pub(super) fn has_subquery(expr: &ast::Expr) -> bool {
    let flow = walk::walk(expr, |node| match node {
        walk::Node::Query(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

/// The conditions that AND holds together.
pub(super) fn conjuncts(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            let mut found = conjuncts(*left);
            found.extend(conjuncts(*right));
            found
        }
        ast::Expr::Nested(inner)
            if matches!(bare(&inner), ast::Expr::BinaryOp { op: ast::BinaryOperator::And, .. }) =>
        {
            conjuncts(*inner)
        }
        other => vec![other],
    }
}

/// An expression without the parentheses around it.
pub(super) fn bare(expr: &ast::Expr) -> &ast::Expr {
    match expr {
        ast::Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

fn derived(query: ast::Query, alias: &str) -> ast::TableFactor {
    ast::TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(named(alias)), sample: None }
}

/// A relation under another name.
fn under_name(mut relation: ast::TableFactor, name: &str) -> ast::TableFactor {
    if let ast::TableFactor::Table { alias, .. } | ast::TableFactor::Derived { alias, .. } = &mut relation {
        *alias = Some(named(name));
    }
    relation
}

fn named(alias: &str) -> ast::TableAlias {
    ast::TableAlias { explicit: true, name: Ident::with_quote('"', alias), columns: Vec::new(), at: None }
}
