//! The columns of sub-queries in FROM, and what stands for them in the SELECT around.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Ident;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::BoundSource;
use super::chance::CHANCE;
use super::chance::called_bare;
use super::flatten::Flattener;
use super::flatten::TWO_QUERIES;
use super::flatten::no_column;
use super::items::postgres_name;
use super::scope::at;
use super::scope::fold;
use super::scope::is_window_bound;
use super::scope::with_nearest;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::walk;

/// Expressions that take the place of the names in one SELECT.
const EXPRESSIONS_MAX: usize = 2_000;

/// A sub-query: its name, its columns, and what it reads.
pub struct Derived {
    pub alias: String,
    columns: Vec<(String, ast::Expr)>,
    sources: Vec<BoundSource>,
    rules: Compatibility,
}

impl Derived {
    pub fn new(alias: String, inner: &ast::Select, flattener: &Flattener<'_>) -> Result<Self> {
        let rules = flattener.rules;
        let mut sources = Vec::new();
        for table in &inner.from {
            for relation in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
                let mut plain = relation.clone();
                crate::sql::take_within(&mut plain)?;
                sources.push(flattener.source(&plain)?);
            }
        }
        let mut derived = Self { alias, columns: Vec::new(), sources, rules };
        derived.columns = derived.listed(&inner.projection)?;
        Ok(derived)
    }

    /// The columns of a list, with stars written out.
    fn listed(&self, list: &[ast::SelectItem]) -> Result<Vec<(String, ast::Expr)>> {
        let mut columns = Vec::new();
        let mut generated = 0;
        for item in list {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        ast::Expr::Identifier(ident) => fold(ident, self.rules),
                        ast::Expr::CompoundIdentifier(idents) => {
                            idents.last().map(|ident| fold(ident, self.rules)).unwrap_or_default()
                        }
                        _ if self.rules == Compatibility::Ksqldb => {
                            generated += 1;
                            format!("KSQL_COL_{}", generated - 1)
                        }
                        other => postgres_name(other),
                    };
                    columns.push((name, expr.clone()));
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => columns.push((fold(alias, self.rules), expr.clone())),
                ast::SelectItem::Wildcard(options) => {
                    super::items::check_options(options)?;
                    columns.extend(self.sources.iter().filter(|source| !source.is_hidden()).flat_map(all_of));
                }
                ast::SelectItem::QualifiedWildcard(kind, options) => {
                    super::items::check_options(options)?;
                    let qualifier = super::items::qualifier(kind)?;
                    let alias = fold(qualifier, self.rules);
                    let source = self.sources.iter().find(|source| source.alias == alias);
                    columns.extend(all_of(source.ok_or_else(|| no_table(&alias, qualifier))?));
                }
                ast::SelectItem::ExprWithAliases { .. } => {
                    return Err(Error::unsupported("several aliases of one expression are not supported"));
                }
            }
        }
        Ok(columns)
    }

    /// The same where the relation that it reads is called as the sub-query is.
    pub fn under_its_alias(self) -> Self {
        let columns = self.columns.iter().map(|(name, expr)| (name.clone(), self.qualified(expr))).collect();
        Self { columns, ..self }
    }

    /// Whether a column is more than one of the relation below.
    pub fn computes(&self) -> bool {
        self.columns.iter().any(|(_, expr)| !is_column(expr))
    }

    /// The same for a join that may lack a row of it: then all its columns are null, whatever they are made of. `None` of a
    /// stream, of which no column tells whether there is a row; a table's row that was met has a key.
    pub fn where_there(self) -> Option<Self> {
        let relation = self.sources.first().map(|source| &source.relation).filter(|relation| relation.is_table())?;
        let key = relation.columns.get(*relation.key_columns().first()?)?;
        let names = [self.alias.clone(), key.name.clone()].map(|name| Ident::with_quote('"', name));
        let key = ast::Expr::CompoundIdentifier(names.to_vec());
        let there = |(name, expr): (String, ast::Expr)| match is_column(&expr) {
            true => (name, expr),
            false => (name, if_there(&key, expr)),
        };
        let columns = self.columns.into_iter().map(there).collect();
        Some(Self { columns, ..self })
    }

    /// An expression of the sub-query's, with its only relation under the sub-query's name.
    pub fn qualified(&self, expr: &ast::Expr) -> ast::Expr {
        let mut expr = expr.clone();
        let flow = walk::expressions_mut(&mut expr, |part| {
            let ident = match part {
                ast::Expr::Identifier(ident) if self.reads(&fold(ident, self.rules)) => ident.clone(),
                ast::Expr::CompoundIdentifier(idents) if idents.len() == 2 => idents[1].clone(),
                _ => return ControlFlow::<()>::Continue(()),
            };
            *part = ast::Expr::CompoundIdentifier(vec![Ident::with_quote('"', self.alias.clone()), ident]);
            ControlFlow::Continue(())
        });
        debug_assert!(flow.is_continue());
        expr
    }

    /// Its groups as expressions, since another list will stand above them: for places in its list and, unless a column below is
    /// called so, for names in it.
    pub fn written_out(&self, groups: ast::GroupByExpr) -> Result<ast::GroupByExpr> {
        let ast::GroupByExpr::Expressions(exprs, modifiers) = groups else { return Ok(groups) };
        let written = |expr: ast::Expr| {
            let meant = match &expr {
                ast::Expr::Value(value) => match &value.value {
                    ast::Value::Number(text, _) => Some(self.placed(text, expr.span())?),
                    _ => None,
                },
                ast::Expr::Identifier(ident) if !self.reads(&fold(ident, self.rules)) => {
                    self.column(&fold(ident, self.rules), ident)?
                }
                _ => None,
            };
            Ok(meant.unwrap_or(expr))
        };
        let exprs = exprs.into_iter().map(written).collect::<Result<_>>()?;
        Ok(ast::GroupByExpr::Expressions(exprs, modifiers))
    }

    fn placed(&self, place: &str, span: Span) -> Result<ast::Expr> {
        let column = place.parse().ok().and_then(|place: usize| self.columns.get(place.checked_sub(1)?));
        let (_, expr) = column.ok_or_else(|| super::no_place(place, span))?;
        Ok(in_parentheses(expr.clone()))
    }

    /// The names of its columns.
    pub fn names(self) -> Vec<String> {
        self.columns.into_iter().map(|(name, _)| name).collect()
    }

    /// Its columns as a list.
    pub fn into_items(self) -> Vec<ast::SelectItem> {
        let item = |(name, expr)| ast::SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
        self.columns.into_iter().map(item).collect()
    }

    /// Whether what it reads has a column of that name.
    fn reads(&self, name: &str) -> bool {
        let mut seen = self.sources.iter().filter(|source| !source.is_hidden());
        seen.any(|source| source.relation.columns.iter().any(|column| column.name == name))
            || name.eq_ignore_ascii_case("rowtime")
    }

    fn no_column(&self, name: &str, ident: &Ident) -> Error {
        let names = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        with_nearest(no_column(name, ident.span), name, names)
    }

    fn column(&self, name: &str, ident: &Ident) -> Result<Option<ast::Expr>> {
        let mut named = self.columns.iter().filter(|(column, _)| column == name);
        match (named.next(), named.next()) {
            (Some((_, expr)), None) => Ok(Some(in_parentheses(expr.clone()))),
            (Some(_), Some(_)) => Err(ambiguous(name, ident)),
            (None, _) => Ok(None),
        }
    }
}

/// The expressions in one, itself included.
fn count(expr: &ast::Expr) -> usize {
    let mut count = 0;
    let flow = walk::expressions(expr, |_| {
        count += 1;
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    count
}

fn drawn_twice(function: &str, expr: &ast::Expr) -> Error {
    let message = format!("{expr}, which calls {function}(), cannot be named twice");
    at(Error::unsupported(message), expr.span()).hint(TWO_QUERIES)
}

fn too_complex(expr: &ast::Expr) -> Error {
    let message = "the sub-queries of the statement are too large when they are written out";
    at(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message), expr.span()).hint(TWO_QUERIES)
}

/// All columns of a relation.
fn all_of(source: &BoundSource) -> Vec<(String, ast::Expr)> {
    let quoted = |value: &str| Ident::with_quote('"', value);
    let of = |name: &str| ast::Expr::CompoundIdentifier(vec![quoted(&source.alias), quoted(name)]);
    source.relation.shown_columns().iter().map(|column| (column.name.clone(), of(&column.name))).collect()
}

/// What a SELECT around sub-queries reads: they, and relations beside them.
pub struct Columns {
    pub tables: Vec<std::result::Result<Derived, BoundSource>>,
    pub rules: Compatibility,
}

impl Columns {
    /// Puts what sub-queries compute in place of the names of their columns.
    pub fn substitute(&self, select: &mut ast::Select) -> Result<()> {
        let list = std::mem::take(&mut select.projection);
        for item in list {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let name = self.item_name(&expr)?;
                    select.projection.push(match name {
                        Some(alias) => ast::SelectItem::ExprWithAlias { expr, alias },
                        None => ast::SelectItem::UnnamedExpr(expr),
                    });
                }
                ast::SelectItem::Wildcard(options) => {
                    super::items::check_options(&options)?;
                    // What comes out of here is found again below, by the sub-query's name.
                    select.projection.extend(self.tables.iter().flat_map(|table| self.star(table)));
                }
                ast::SelectItem::QualifiedWildcard(kind, options) => {
                    super::items::check_options(&options)?;
                    let qualifier = super::items::qualifier(&kind)?;
                    let table = self.table(qualifier)?;
                    select.projection.extend(self.star(table));
                }
                other => select.projection.push(other),
            }
        }
        self.substitute_in(select)
    }

    /// The same in any part of a SELECT. What is written once and named often stands there often: 54001 above `EXPRESSIONS_MAX`.
    pub fn substitute_in(&self, root: &mut impl ast::VisitMut) -> Result<()> {
        let mut expressions = 0;
        let mut drawn = Vec::new();
        let flow = walk::expressions_mut(root, |expr| match self.meaning(expr) {
            Ok(Some(meaning)) => {
                expressions += count(&meaning);
                if EXPRESSIONS_MAX < expressions {
                    return ControlFlow::Break(too_complex(expr));
                }
                if let Some((function, _)) = called_bare(&meaning, &CHANCE) {
                    // Written out twice it would have two values.
                    let name = match &*expr {
                        ast::Expr::CompoundIdentifier(idents) => idents.last().map(|ident| fold(ident, self.rules)),
                        ast::Expr::Identifier(ident) => Some(fold(ident, self.rules)),
                        _ => None,
                    };
                    if drawn.contains(&name) {
                        return ControlFlow::Break(drawn_twice(&function, expr));
                    }
                    drawn.push(name);
                }
                *expr = meaning;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        });
        flow.break_value().map_or(Ok(()), Err)
    }

    /// The name that an item has now and would lose.
    fn item_name(&self, expr: &ast::Expr) -> Result<Option<Ident>> {
        let name = match expr {
            ast::Expr::Identifier(ident) => fold(ident, self.rules),
            ast::Expr::CompoundIdentifier(idents) => {
                idents.last().map(|ident| fold(ident, self.rules)).unwrap_or_default()
            }
            _ if self.rules == Compatibility::Ksqldb => return Ok(None),
            other => {
                let name = postgres_name(other);
                return Ok((name != "?column?").then(|| Ident::with_quote('"', name)));
            }
        };
        Ok(self.meaning(expr)?.map(|_| Ident::with_quote('"', name)))
    }

    fn star(&self, table: &std::result::Result<Derived, BoundSource>) -> Vec<ast::SelectItem> {
        let (alias, names): (&str, Vec<&str>) = match table {
            Err(source) if source.is_hidden() => return Vec::new(),
            Ok(derived) => (&derived.alias, derived.columns.iter().map(|(name, _)| name.as_str()).collect()),
            Err(source) => (&source.alias, source.relation.columns.iter().map(|column| column.name.as_str()).collect()),
        };
        let quoted = |name: String| Ident::with_quote('"', name);
        let named = |name: &str| match self.rules {
            Compatibility::Ksqldb if 1 < self.tables.len() => format!("{alias}_{name}"),
            _ => name.to_string(),
        };
        let item = |name: &str| ast::SelectItem::ExprWithAlias {
            expr: ast::Expr::CompoundIdentifier(vec![quoted(alias.to_string()), quoted(name.to_string())]),
            alias: quoted(named(name)),
        };
        names.into_iter().map(item).collect()
    }

    fn table(&self, qualifier: &Ident) -> Result<&std::result::Result<Derived, BoundSource>> {
        let alias = fold(qualifier, self.rules);
        let named = |table: &&std::result::Result<Derived, BoundSource>| match table {
            Ok(derived) => derived.alias == alias,
            Err(source) => source.alias == alias,
        };
        self.tables.iter().find(named).ok_or_else(|| no_table(&alias, qualifier))
    }

    /// What stands for a name, if that is not the name itself.
    fn meaning(&self, expr: &ast::Expr) -> Result<Option<ast::Expr>> {
        match expr {
            ast::Expr::Identifier(ident) => self.bare(ident),
            ast::Expr::CompoundIdentifier(idents) if idents.len() == 2 => {
                let name = fold(&idents[1], self.rules);
                match self.table(&idents[0])? {
                    Err(_) => Ok(None),
                    Ok(derived) => match derived.column(&name, &idents[1])? {
                        Some(expr) => Ok(Some(expr)),
                        None => Err(derived.no_column(&name, &idents[1])),
                    },
                }
            }
            _ => Ok(None),
        }
    }

    fn bare(&self, ident: &Ident) -> Result<Option<ast::Expr>> {
        let name = fold(ident, self.rules);
        let mut found = Vec::new();
        let mut hidden = false;
        for table in &self.tables {
            match table {
                Ok(derived) => match derived.column(&name, ident)? {
                    Some(expr) => found.push(expr),
                    None => hidden |= derived.reads(&name) && !is_window_bound(&name),
                },
                Err(source) if source.is_hidden() => {}
                Err(source) if source.relation.columns.iter().any(|column| column.name == name) => {
                    let parts = [source.alias.clone(), name.clone()];
                    let parts = parts.map(|part| Ident { value: part, quote_style: Some('"'), span: ident.span });
                    found.push(ast::Expr::CompoundIdentifier(parts.to_vec()));
                }
                Err(_) => {}
            }
        }
        match (found.len(), hidden) {
            (0, true) => Err(no_column(&name, ident.span)),
            // A window's bound, ROWTIME, or an alias of the list; else nobody knows it.
            (0, false) => Ok(None),
            (1, _) => Ok(found.pop()),
            _ => Err(ambiguous(&name, ident)),
        }
    }
}

fn no_table(alias: &str, ident: &Ident) -> Error {
    let message = format!("missing FROM-clause entry for table \"{alias}\"");
    at(Error::new(SqlState::UNDEFINED_TABLE, message), ident.span)
}

fn ambiguous(name: &str, ident: &Ident) -> Error {
    let error = Error::new(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous"));
    at(error.hint("Give one of them another name with AS."), ident.span)
}

fn is_column(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
}

/// `CASE WHEN key IS NOT NULL THEN expr END`
fn if_there(key: &ast::Expr, expr: ast::Expr) -> ast::Expr {
    let token = ast::helpers::attached_token::AttachedToken::empty;
    ast::Expr::Case {
        case_token: token(),
        end_token: token(),
        operand: None,
        conditions: vec![ast::CaseWhen { condition: ast::Expr::IsNotNull(Box::new(key.clone())), result: expr }],
        else_result: None,
    }
}

/// What stands for a column keeps its meaning wherever it is put.
fn in_parentheses(expr: ast::Expr) -> ast::Expr {
    match expr {
        // A bare number would be a place in a list.
        ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) | ast::Expr::Function(_) => expr,
        other => ast::Expr::Nested(Box::new(other)),
    }
}
