//! Ranked rows: `SELECT .. FROM (SELECT .., ROW_NUMBER() OVER (..) AS n FROM ..) WHERE n <= 10`.
//!
//! The two SELECTs become one query: the inner one's FROM, WHERE and groups, the outer one's list and WHERE in words of the
//! inner one's columns. The rank is the column `__rank` in them.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::BoundItem;
use super::bound::BoundOrder;
use super::bound::BoundRank;
use super::clauses;
use super::clauses::not_there;
use super::items;
use super::scope::Clause;
use super::scope::Scope;
use super::scope::at;
use super::scope::fold;
use super::scope::with_nearest;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::functions::Functions;
use crate::plan::nested;
use crate::plan::node::Direction;
use crate::plan::node::Nulls;
use crate::plan::node::RANK_COLUMN;
use crate::plan::node::Ranking;
use crate::sql::walk;

/// The greatest rank that a query may keep.
const LIMIT_MAX: u64 = 10_000;

/// What runs, for those who wrote something else.
pub(super) const RANK_HINT: &str = "ROW_NUMBER, RANK and DENSE_RANK run where the query around them limits them: \
     SELECT .. FROM (SELECT .., ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) AS n FROM ..) WHERE n <= 10.";

/// A SELECT around ranked rows.
pub struct Ranked {
    list: Vec<ast::SelectItem>,
    filter: Option<ast::Expr>,
    alias: Option<ast::Ident>,
    ranking: Ranking,
    partition_by: Vec<ast::Expr>,
    order_by: Vec<ast::OrderByExpr>,
    /// Where the window function stands.
    span: Span,
}

/// The SELECT whose rows are ranked, with `__rank` in place of the window function, and what stands around it; any other
/// SELECT as it is.
pub fn take(outer: ast::Select, functions: &Functions, rules: Compatibility) -> Result<(ast::Select, Option<Ranked>)> {
    let derived = match outer.from.as_slice() {
        [from] if from.joins.is_empty() && !super::union::is_union(&from.relation) => match &from.relation {
            ast::TableFactor::Derived { lateral: false, subquery, alias, sample: None } => Some((subquery, alias)),
            _ => None,
        },
        _ => None,
    };
    let Some((subquery, alias)) = derived else { return Ok((outer, None)) };
    let mut inner = clauses::only_select(subquery)?;
    let Some((place, function)) = window_function(&inner)? else { return Ok((outer, None)) };
    if let Some(alias) = alias.as_ref().filter(|alias| !alias.columns.is_empty()) {
        return Err(not_there("a list of column aliases in FROM", alias.span()));
    }
    check_outer(&outer, functions, rules)?;
    if let Some(expr) = inner.distribute_by.first() {
        return Err(not_there("PARTITION BY of a subquery", expr.span()));
    }
    let span = function.name.span();
    let ranking = ranking(&function, rules)?;
    let (partition_by, order_by) = window(&function)?;
    let column = ast::Expr::Identifier(ast::Ident { value: RANK_COLUMN.to_string(), quote_style: Some('"'), span });
    let name = match &inner.projection[place] {
        ast::SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
        _ => ast::Ident { value: ranking.as_str().to_string(), quote_style: None, span },
    };
    inner.projection[place] = ast::SelectItem::ExprWithAlias { expr: column, alias: name };
    let alias = alias.as_ref().map(|alias| alias.name.clone());
    let ranked =
        Ranked { list: outer.projection, filter: outer.selection, alias, ranking, partition_by, order_by, span };
    Ok((inner, Some(ranked)))
}

/// The place in the list of the only item that is a window function, and the function.
fn window_function(select: &ast::Select) -> Result<Option<(usize, ast::Function)>> {
    let mut found: Option<(usize, ast::Function)> = None;
    for (place, item) in select.projection.iter().enumerate() {
        let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
        let ast::Expr::Function(function) = bare(expr) else { continue };
        if function.over.is_none() {
            continue;
        }
        if found.is_some() {
            return Err(not_there("a second window function", function.name.span()));
        }
        found = Some((place, function.clone()));
    }
    Ok(found)
}

/// An expression without the parentheses around it.
fn bare(expr: &ast::Expr) -> &ast::Expr {
    match expr {
        ast::Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// Around ranked rows stand a list and a condition, nothing else.
fn check_outer(outer: &ast::Select, functions: &Functions, rules: Compatibility) -> Result<()> {
    let select = ast::Select { from: Vec::new(), lateral_views: Vec::new(), ..outer.clone() };
    clauses::check(&select, functions, rules)?;
    let grouped = match &outer.group_by {
        ast::GroupByExpr::Expressions(exprs, _) => exprs.first().map(Spanned::span),
        ast::GroupByExpr::All(_) => Some(outer.select_token.0.span),
    };
    let aggregated = walk::expressions(&select, |expr| match expr {
        ast::Expr::Function(function) if functions.is_standing_aggregate(&function.name.to_string().to_lowercase()) => {
            ControlFlow::Break(function.name.span())
        }
        _ => ControlFlow::Continue(()),
    });
    let clause = [
        ("GROUP BY", grouped),
        ("HAVING", outer.having.as_ref().map(Spanned::span)),
        ("WINDOW", outer.lateral_views.first().map(|_| outer.select_token.0.span)),
        ("PARTITION BY", outer.distribute_by.first().map(Spanned::span)),
        ("an aggregate", aggregated.break_value()),
    ]
    .into_iter()
    .find_map(|(clause, span)| Some((clause, span?)));
    match clause {
        Some((clause, span)) => Err(not_there(&format!("{clause} over ranked rows"), span)
            .hint("Make a table of the ranked rows, and query that.")),
        None => Ok(()),
    }
}

fn ranking(function: &ast::Function, rules: Compatibility) -> Result<Ranking> {
    let span = function.name.span();
    let name = function.name.to_string();
    let Some(ranking) = Ranking::of_word(&name) else {
        return Err(not_there(&format!("{} OVER", name.to_uppercase()), span).hint(RANK_HINT));
    };
    let takes_nothing = match &function.args {
        ast::FunctionArguments::None => true,
        ast::FunctionArguments::List(list) => {
            list.args.is_empty() && list.clauses.is_empty() && list.duplicate_treatment.is_none()
        }
        ast::FunctionArguments::Subquery(_) => false,
    };
    if !takes_nothing {
        let message = match rules {
            Compatibility::Postgres => format!("function {name} with arguments does not exist"),
            Compatibility::Ksqldb => format!("Function '{}' does not accept parameters.", name.to_uppercase()),
        };
        return Err(at(Error::new(SqlState::UNDEFINED_FUNCTION, message), span));
    }
    if function.filter.is_some() || function.null_treatment.is_some() || !function.within_group.is_empty() {
        return Err(not_there(&format!("a clause between {} and OVER", name.to_uppercase()), span));
    }
    Ok(ranking)
}

/// PARTITION BY and ORDER BY of OVER.
fn window(function: &ast::Function) -> Result<(Vec<ast::Expr>, Vec<ast::OrderByExpr>)> {
    let span = function.name.span();
    let Some(ast::WindowType::WindowSpec(spec)) = &function.over else {
        return Err(not_there("OVER with the name of a window", span));
    };
    if spec.window_name.is_some() {
        return Err(not_there("OVER with the name of a window", span));
    }
    if spec.window_frame.is_some() {
        return Err(not_there("a frame in OVER", span).hint("A rank needs none."));
    }
    if spec.order_by.is_empty() {
        return Err(not_there("OVER without ORDER BY", span).hint("Say in which order rows are counted."));
    }
    if let Some(item) = spec.order_by.iter().find(|item| item.with_fill.is_some()) {
        return Err(not_there("WITH FILL", item.expr.span()));
    }
    Ok((spec.partition_by.clone(), spec.order_by.clone()))
}

impl Ranked {
    /// The list around the ranked rows, whose columns are `inner`, and how they are ranked.
    pub fn bind(self, inner: &[BoundItem], scope: &mut Scope<'_>) -> Result<(Vec<BoundItem>, BoundRank)> {
        let mut items = Vec::with_capacity(self.list.len());
        for item in &self.list {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let name = self.column(bare(expr), inner, scope.rules())?.map(|column| column.name.clone());
                    let expr = self.resolved(expr.clone(), inner, scope.rules())?;
                    items.push(BoundItem { expr, name: name.unwrap_or_default(), named: false });
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    let name = fold(alias, scope.rules());
                    items.push(BoundItem {
                        expr: self.resolved(expr.clone(), inner, scope.rules())?,
                        name,
                        named: true,
                    });
                }
                ast::SelectItem::Wildcard(options) => {
                    items::check_options(options)?;
                    items.extend_from_slice(inner);
                }
                ast::SelectItem::QualifiedWildcard(kind, options) => {
                    items::check_options(options)?;
                    self.check_qualifier(items::qualifier(kind)?, scope.rules())?;
                    items.extend_from_slice(inner);
                }
                ast::SelectItem::ExprWithAliases { .. } => {
                    return Err(Error::unsupported("several aliases of one expression are not supported"));
                }
            }
        }
        items::name_items(&mut items, scope);
        let (limit, filter) = self.limited(inner, scope.rules())?;
        let resolved = |expr: ast::Expr, scope: &mut Scope<'_>| scope.resolved(expr, Clause::Select);
        let partition_by =
            self.partition_by.into_iter().map(|expr| resolved(expr, scope)).collect::<Result<Vec<_>>>()?;
        let mut order_by = Vec::with_capacity(self.order_by.len());
        for item in self.order_by {
            let (direction, nulls) = match item.options.asc {
                Some(false) => (Direction::Descending, Nulls::First),
                Some(true) | None => (Direction::Ascending, Nulls::Last),
            };
            let nulls = match item.options.nulls_first {
                Some(true) => Nulls::First,
                Some(false) => Nulls::Last,
                None => nulls,
            };
            order_by.push(BoundOrder { expr: resolved(item.expr, scope)?, direction, nulls });
        }
        Ok((items, BoundRank { ranking: self.ranking, partition_by, order_by, limit, filter }))
    }

    /// An expression of the outer SELECT in words of the inner one's columns.
    fn resolved(&self, mut expr: ast::Expr, inner: &[BoundItem], rules: Compatibility) -> Result<ast::Expr> {
        if rules == Compatibility::Ksqldb {
            super::units::as_texts(&mut expr);
        }
        nested::reword(&mut expr, rules)?;
        let flow = walk::expressions_mut(&mut expr, |part| match self.column(part, inner, rules) {
            Ok(Some(column)) => {
                *part = in_parentheses(column.expr.clone());
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        });
        match flow {
            ControlFlow::Continue(()) => Ok(expr),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The column that an expression names, if it is a name.
    fn column<'i>(
        &self,
        expr: &ast::Expr,
        inner: &'i [BoundItem],
        rules: Compatibility,
    ) -> Result<Option<&'i BoundItem>> {
        let ident = match expr {
            ast::Expr::Identifier(ident) => ident,
            ast::Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [qualifier, ident] => {
                    self.check_qualifier(qualifier, rules)?;
                    ident
                }
                _ => return Err(at(Error::unsupported("names of more than two parts are not supported"), expr.span())),
            },
            _ => return Ok(None),
        };
        let name = fold(ident, rules);
        let mut named = inner.iter().filter(|item| item.name == name);
        match (named.next(), named.next()) {
            (Some(item), None) => Ok(Some(item)),
            (Some(_), Some(_)) => {
                let message = format!("column reference \"{name}\" is ambiguous");
                let error = Error::new(SqlState::AMBIGUOUS_COLUMN, message);
                Err(at(error.hint("Give one of them another name with AS."), ident.span))
            }
            (None, _) => {
                let error = Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"));
                let names = inner.iter().map(|item| item.name.as_str()).collect();
                Err(at(with_nearest(error, &name, names), ident.span))
            }
        }
    }

    fn check_qualifier(&self, qualifier: &ast::Ident, rules: Compatibility) -> Result<()> {
        let name = fold(qualifier, rules);
        match &self.alias {
            Some(alias) if fold(alias, rules) == name => Ok(()),
            _ => {
                let message = format!("missing FROM-clause entry for table \"{name}\"");
                Err(at(Error::new(SqlState::UNDEFINED_TABLE, message), qualifier.span))
            }
        }
    }

    /// The greatest rank that the outer WHERE lets through, and what else it says.
    fn limited(&self, inner: &[BoundItem], rules: Compatibility) -> Result<(u64, Option<ast::Expr>)> {
        let mut limit: Option<u64> = None;
        let mut rest: Vec<ast::Expr> = Vec::new();
        if let Some(filter) = &self.filter {
            for conjunct in conjuncts(self.resolved(filter.clone(), inner, rules)?) {
                let found = upper_bound(&conjunct);
                if let Some(bound) = found {
                    limit = Some(limit.map_or(bound.rank, |limit| limit.min(bound.rank)));
                }
                if !found.is_some_and(|bound| bound.says_no_more) {
                    rest.push(conjunct);
                }
            }
        }
        let Some(limit) = limit else {
            return Err(not_there(
                &format!("{} OVER without a limit", self.ranking.as_str().to_uppercase()),
                self.span,
            )
            .hint("Limit the rank in the query around it, with a number: WHERE n <= 10."));
        };
        if limit == 0 || LIMIT_MAX < limit {
            let message = format!("the greatest rank must be between 1 and {LIMIT_MAX}, and is {limit}");
            return Err(at(Error::new(SqlState::INVALID_PARAMETER_VALUE, message), self.span));
        }
        let and = |left: ast::Expr, right: ast::Expr| ast::Expr::BinaryOp {
            left: Box::new(left),
            op: ast::BinaryOperator::And,
            right: Box::new(right),
        };
        Ok((limit, rest.into_iter().reduce(and)))
    }
}

/// What stands for a column keeps its meaning wherever it is put.
fn in_parentheses(expr: ast::Expr) -> ast::Expr {
    match expr {
        ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) | ast::Expr::Function(_) | ast::Expr::Value(_) => {
            expr
        }
        other => ast::Expr::Nested(Box::new(other)),
    }
}

fn conjuncts(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            [conjuncts(*left), conjuncts(*right)].concat()
        }
        ast::Expr::Nested(inner)
            if matches!(bare(&inner), ast::Expr::BinaryOp { op: ast::BinaryOperator::And, .. }) =>
        {
            conjuncts(*inner)
        }
        other => vec![other],
    }
}

/// What a condition says of the rank.
#[derive(Clone, Copy)]
struct UpperBound {
    /// The greatest that it lets through.
    rank: u64,
    /// It lets all up to that through.
    says_no_more: bool,
}

fn upper_bound(condition: &ast::Expr) -> Option<UpperBound> {
    use ast::BinaryOperator as Operator;
    match bare(condition) {
        ast::Expr::BinaryOp { left, op, right } => {
            let (number, op) = match (is_rank(left), is_rank(right)) {
                (true, false) => (number(right)?, op.clone()),
                (false, true) => (number(left)?, turned(op)?),
                _ => return None,
            };
            match op {
                Operator::LtEq => Some(UpperBound { rank: number, says_no_more: true }),
                Operator::Lt => Some(UpperBound { rank: number.saturating_sub(1), says_no_more: true }),
                Operator::Eq => Some(UpperBound { rank: number, says_no_more: number == 1 }),
                _ => None,
            }
        }
        ast::Expr::Between { expr, negated: false, high, .. } if is_rank(expr) => {
            Some(UpperBound { rank: number(high)?, says_no_more: false })
        }
        _ => None,
    }
}

/// The operator that says the same with its sides exchanged.
fn turned(op: &ast::BinaryOperator) -> Option<ast::BinaryOperator> {
    match op {
        ast::BinaryOperator::GtEq => Some(ast::BinaryOperator::LtEq),
        ast::BinaryOperator::Gt => Some(ast::BinaryOperator::Lt),
        ast::BinaryOperator::Eq => Some(ast::BinaryOperator::Eq),
        _ => None,
    }
}

fn is_rank(expr: &ast::Expr) -> bool {
    matches!(bare(expr), ast::Expr::Identifier(ident) if ident.value == RANK_COLUMN)
}

fn number(expr: &ast::Expr) -> Option<u64> {
    match bare(expr) {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), .. }) => text.parse().ok(),
        _ => None,
    }
}
