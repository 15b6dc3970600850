//! Which column a word means: the relations in sight, their aliases, their pseudo columns.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Ident;
use sqlparser::tokenizer::Span;

use super::BoundItem;
use super::BoundSource;
use super::from::Merged;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::ColumnRole;
use crate::plan::named_arguments;
use crate::plan::nested;
use crate::plan::node::PseudoColumn;
use crate::plan::node::RANK_COLUMN;
use crate::sql::nearest;
use crate::sql::walk;

/// The clause that an error is about, as ksqlDB's messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// The SELECT list.
    Select,
    /// WHERE
    Where,
    /// GROUP BY
    GroupBy,
    /// PARTITION BY
    PartitionBy,
    /// HAVING
    Having,
    /// A join's condition.
    Join,
}

impl Clause {
    fn word(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::PartitionBy => "PARTITION BY",
            Clause::Having => "HAVING",
            Clause::Join => "JOIN ON",
        }
    }
}

/// The relations that a query's words may mean.
pub struct Scope<'a> {
    sources: &'a [BoundSource],
    rules: Compatibility,
    windowed: bool,
    merged: Vec<Merged>,
    pseudo: Vec<Vec<PseudoColumn>>,
    synthetic: Option<(String, ast::Expr)>,
    ranked: bool,
}

enum Meaning {
    Synthetic { expr: Box<ast::Expr> },
    Column { alias: String, name: String },
    WindowBound { name: String },
    Rank,
}

impl<'a> Scope<'a> {
    /// `windowed` says that the query has a WINDOW clause, whose bounds are columns; `merged` are the columns of USING.
    pub fn new(sources: &'a [BoundSource], rules: Compatibility, windowed: bool, merged: Vec<Merged>) -> Self {
        Self {
            sources,
            rules,
            windowed,
            merged,
            pseudo: vec![Vec::new(); sources.len()],
            synthetic: None,
            ranked: false,
        }
    }

    /// Gives the key of a join that no column is a name, as ksqlDB does: ROWKEY, or the next that no column has.
    pub fn name_key(&mut self, key: ast::Expr) {
        let taken = |name: &String| !self.holders(name).is_empty();
        let numbered = (1..).map(|number| format!("ROWKEY_{number}"));
        let free = std::iter::once("ROWKEY".to_string()).chain(numbered).find(|name| !taken(name));
        self.synthetic = free.map(|name| (name, key));
    }

    /// Says that rows are ranked, so that the rank is a column.
    pub fn has_rank(&mut self) {
        self.ranked = true;
    }

    /// The name and the meaning of a join's key that no column is.
    pub fn synthetic(&self) -> Option<&(String, ast::Expr)> {
        self.synthetic.as_ref()
    }

    /// The rules of names.
    pub fn rules(&self) -> Compatibility {
        self.rules
    }

    /// The relations.
    pub fn sources(&self) -> &'a [BoundSource] {
        self.sources
    }

    /// The pseudo columns that were asked for, per source, as often as they were.
    pub fn into_pseudo(self) -> Vec<Vec<PseudoColumn>> {
        self.pseudo
    }

    /// The expression with every column told by relation and exact name.
    pub fn resolved(&mut self, mut expr: ast::Expr, clause: Clause) -> Result<ast::Expr> {
        if self.rules == Compatibility::Ksqldb {
            super::units::as_texts(&mut expr);
        }
        if self.rules == Compatibility::Postgres {
            named_arguments::in_their_places(&mut expr);
        }
        nested::reword(&mut expr, self.rules)?;
        if self.rules == Compatibility::Ksqldb {
            self.check_qualifiers(&expr)?;
        }
        let flow = walk::expressions_mut(&mut expr, |expr| {
            let found = match expr {
                ast::Expr::Identifier(ident) => self.meaning(std::slice::from_ref(ident), clause),
                ast::Expr::CompoundIdentifier(idents) => self.meaning(idents, clause),
                _ => return ControlFlow::Continue(()),
            };
            match found {
                Ok(meaning) => {
                    *expr = meaning.into_expr(span_of(expr));
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        });
        match flow {
            ControlFlow::Continue(()) => Ok(expr),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// ksqlDB looks for relations before it looks for any column.
    fn check_qualifiers(&self, expr: &ast::Expr) -> Result<()> {
        let flow = walk::expressions(expr, |part| match part {
            ast::Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [.., alias, _] if self.source(alias).is_none() => ControlFlow::Break(self.no_such_source(alias)),
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        });
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// 42P01: the query reads no relation of that name.
    pub(super) fn no_such_source(&self, alias: &Ident) -> Error {
        let name = fold(alias, self.rules);
        let message = match self.rules {
            Compatibility::Postgres => format!("missing FROM-clause entry for table \"{name}\""),
            Compatibility::Ksqldb => no_such_alias(&name),
        };
        let names: Vec<&str> = self.sources.iter().map(|source| source.alias.as_str()).collect();
        at(with_nearest(Error::new(SqlState::UNDEFINED_TABLE, message), &name, names), alias.span)
    }

    /// Whether a bare word means no column.
    pub fn is_unknown(&self, ident: &Ident) -> bool {
        let name = fold(ident, self.rules);
        self.holders(&name).is_empty()
    }

    /// The item of the SELECT list that has this word as its alias.
    pub fn alias<'i>(&self, ident: &Ident, items: &'i [BoundItem]) -> Option<&'i BoundItem> {
        let name = fold(ident, self.rules);
        items.iter().find(|item| item.named && item.name == name)
    }

    /// The places of the sources that have a column of this name.
    pub fn holders(&self, name: &str) -> Vec<usize> {
        let has = |index: &usize| self.sources[*index].relation.columns.iter().any(|column| column.name == name);
        self.seen().filter(has).collect()
    }

    /// The places of the sources that FROM names, not those that stand for conditions.
    pub fn seen(&self) -> impl Iterator<Item = usize> + use<'a> {
        let sources = self.sources;
        (0..sources.len()).filter(|index| !sources[*index].is_hidden())
    }

    /// Whether more than one source has a column of this name; all have the pseudo columns.
    pub fn is_shared(&self, name: &str) -> bool {
        let pseudo = PseudoColumn::of_word(name).is_some() && 1 < self.sources.len();
        pseudo || 1 < self.holders(name).len()
    }

    /// What a bare mention of a column of USING means.
    pub fn merged(&self, name: &str) -> Option<ast::Expr> {
        let merged = self.merged.iter().find(|merged| merged.name == name)?;
        let first = || {
            let source = self.sources.get(*self.holders(name).first()?)?;
            let quoted = |value: &str| Ident::with_quote('"', value);
            Some(ast::Expr::CompoundIdentifier(vec![quoted(&source.alias), quoted(name)]))
        };
        merged.expr.clone().or_else(first)
    }

    /// Whether a resolved expression is a key column of a relation.
    pub fn is_key(&self, expr: &ast::Expr) -> bool {
        let ast::Expr::CompoundIdentifier(idents) = expr else { return false };
        let [alias, name] = idents.as_slice() else { return false };
        let sources = self.sources.iter().filter(|source| source.alias == alias.value);
        sources
            .flat_map(|source| source.relation.columns.iter())
            .any(|column| column.name == name.value && column.role == ColumnRole::Key)
    }

    /// The place of the source of this alias.
    pub fn source(&self, alias: &Ident) -> Option<usize> {
        let alias = fold(alias, self.rules);
        self.sources.iter().position(|source| source.alias == alias)
    }

    fn meaning(&mut self, idents: &[Ident], clause: Clause) -> Result<Meaning> {
        match idents {
            [name] => self.bare(name, clause),
            [alias, name] => self.qualified(alias, name, clause),
            [_, alias, name] => self.qualified(alias, name, clause),
            _ => Err(at(Error::unsupported("names of more than three parts are not supported"), idents[0].span)),
        }
    }

    fn bare(&mut self, ident: &Ident, clause: Clause) -> Result<Meaning> {
        let name = fold(ident, self.rules);
        match self.holders(&name).as_slice() {
            [only] => return Ok(Meaning::Column { alias: self.sources[*only].alias.clone(), name }),
            [] => {}
            several => match self.merged(&name) {
                Some(ast::Expr::CompoundIdentifier(parts)) => {
                    return Ok(Meaning::Column { alias: parts[0].value.clone(), name });
                }
                Some(expr) => return Ok(Meaning::Synthetic { expr: Box::new(expr) }),
                None => return Err(self.ambiguous(ident, &name, several)),
            },
        }
        if let Some((_, expr)) = self.synthetic.as_ref().filter(|(synthetic, _)| *synthetic == name) {
            return Ok(Meaning::Synthetic { expr: Box::new(expr.clone()) });
        }
        if self.ranked && clause == Clause::Select && ident.value == RANK_COLUMN {
            return Ok(Meaning::Rank);
        }
        let has_bounds = match self.rules {
            Compatibility::Postgres => matches!(clause, Clause::Select | Clause::Having),
            Compatibility::Ksqldb => clause == Clause::Select,
        };
        if self.windowed && is_window_bound(&name) && has_bounds {
            return Ok(Meaning::WindowBound { name: self.canonical(&name) });
        }
        if let Some(column) = PseudoColumn::of_word(&name) {
            let seen: Vec<usize> = self.seen().collect();
            match seen.as_slice() {
                [only] if self.sources[*only].queries.is_empty() => {
                    self.pseudo[*only].push(column);
                    let alias = self.sources[*only].alias.clone();
                    return Ok(Meaning::Column { alias, name: self.canonical(&name) });
                }
                [_] => {}
                several => return Err(self.ambiguous(ident, &name, several)),
            }
        }
        Err(self.unknown(&name, &name, ident, clause))
    }

    fn qualified(&mut self, alias: &Ident, ident: &Ident, clause: Clause) -> Result<Meaning> {
        let name = fold(ident, self.rules);
        let qualifier = fold(alias, self.rules);
        let shown = format!("{qualifier}.{name}");
        let Some(source) = self.source(alias) else {
            return Err(self.no_such_source(alias));
        };
        if self.sources[source].relation.columns.iter().any(|column| column.name == name) {
            return Ok(Meaning::Column { alias: qualifier, name });
        }
        let has_pseudo = self.sources[source].queries.is_empty();
        if let Some(column) = PseudoColumn::of_word(&name).filter(|_| has_pseudo) {
            self.pseudo[source].push(column);
            return Ok(Meaning::Column { alias: qualifier, name: self.canonical(&name) });
        }
        // ksqlDB points at the whole name.
        let place = if self.rules == Compatibility::Ksqldb { alias } else { ident };
        Err(self.unknown(&shown, &name, place, clause))
    }

    /// Window bounds and pseudo columns in the case that the rules give to bare words.
    fn canonical(&self, name: &str) -> String {
        fold_name(name, false, self.rules)
    }

    fn unknown(&self, shown: &str, name: &str, ident: &Ident, clause: Clause) -> Error {
        let columns = self.sources.iter().flat_map(|source| source.relation.columns.iter());
        let message = match self.rules {
            Compatibility::Postgres if shown == name => format!("column \"{shown}\" does not exist"),
            Compatibility::Postgres => format!("column {shown} does not exist"),
            // It is one of the SELECT list.
            Compatibility::Ksqldb if self.windowed && clause == Clause::Where && is_window_bound(name) => {
                format!("Error in WHERE expression: Unknown column {name}.")
            }
            Compatibility::Ksqldb if self.windowed && clause == Clause::Having && is_window_bound(name) => {
                bounds_misplaced(name)
            }
            Compatibility::Ksqldb if clause == Clause::PartitionBy => format!(
                "PARTITION BY column '{shown}' cannot be resolved. '{shown}' must be a column in the source schema since PARTITION BY is applied on the input."
            ),
            Compatibility::Ksqldb => format!("{} column '{shown}' cannot be resolved.", clause.word()),
        };
        let mut error = Error::new(SqlState::UNDEFINED_COLUMN, message);
        let is_bound = self.windowed && matches!(clause, Clause::Where | Clause::Having) && is_window_bound(name);
        if self.rules == Compatibility::Ksqldb && !is_bound {
            error = error.tells_place("");
        }
        at(with_nearest(error, name, columns.map(|column| column.name.as_str()).collect()), ident.span)
    }

    fn ambiguous(&self, ident: &Ident, name: &str, holders: &[usize]) -> Error {
        let could: Vec<String> = holders.iter().map(|index| format!("{}.{name}", self.sources[*index].alias)).collect();
        let message = match self.rules {
            Compatibility::Postgres => format!("column reference \"{name}\" is ambiguous"),
            Compatibility::Ksqldb => format!("Column '{name}' is ambiguous. Could be {}.", could.join(" or ")),
        };
        let mut error = Error::new(SqlState::AMBIGUOUS_COLUMN, message);
        if self.rules == Compatibility::Ksqldb {
            error = error.tells_place("Exception while preparing statement: ");
        }
        at(error.hint(format!("Say which: {}.", could.join(" or "))), ident.span)
    }
}

impl Meaning {
    fn into_expr(self, span: Span) -> ast::Expr {
        let quoted = |value: String| Ident { value, quote_style: Some('"'), span };
        match self {
            Meaning::Synthetic { expr } => *expr,
            Meaning::Column { alias, name } => ast::Expr::CompoundIdentifier(vec![quoted(alias), quoted(name)]),
            Meaning::WindowBound { name } => ast::Expr::Identifier(quoted(name)),
            Meaning::Rank => ast::Expr::Identifier(quoted(RANK_COLUMN.to_string())),
        }
    }
}

fn span_of(expr: &ast::Expr) -> Span {
    match expr {
        ast::Expr::Identifier(ident) => ident.span,
        ast::Expr::CompoundIdentifier(idents) => idents.last().map_or(Span::empty(), |ident| ident.span),
        _ => Span::empty(),
    }
}

/// ksqlDB's words for a relation that a query does not read.
pub fn no_such_alias(name: &str) -> String {
    format!("Failed to prepare statement: '{name}' is not a valid stream/table name or alias.")
}

/// ksqlDB's words for a bound of a window outside of the SELECT list, or in an aggregate there.
pub fn bounds_misplaced(name: &str) -> String {
    format!(
        "Window bounds column {name} can only be used in the SELECT clause of windowed aggregations and can not be passed to aggregate functions."
    )
}

/// Whether a name, in any case, is a bound of a window.
pub fn is_window_bound(name: &str) -> bool {
    name.eq_ignore_ascii_case("windowstart") || name.eq_ignore_ascii_case("windowend")
}

/// An identifier as the catalog has it.
pub fn fold(ident: &Ident, rules: Compatibility) -> String {
    fold_name(&ident.value, ident.quote_style.is_some(), rules)
}

/// A name as the catalog has it: in the rules' case unless it was quoted.
pub fn fold_name(name: &str, quoted: bool, rules: Compatibility) -> String {
    match (quoted, rules) {
        (true, _) => name.to_string(),
        (false, Compatibility::Postgres) => name.to_lowercase(),
        (false, Compatibility::Ksqldb) => name.to_uppercase(),
    }
}

/// The place of a span in the statement's text, `None` for what no text has.
pub fn position(span: Span) -> Option<Position> {
    (0 < span.start.line).then(|| Position(u32::try_from(span.start.column).unwrap_or(u32::MAX)))
}

/// The error, pointing at a span.
pub(super) fn at(error: Error, span: Span) -> Error {
    match position(span) {
        Some(position) => error.at(position),
        None => error,
    }
}

/// The error with a hint, when a name is near.
pub(super) fn with_nearest(error: Error, name: &str, candidates: Vec<&str>) -> Error {
    match nearest(name, candidates.iter().copied()) {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error,
    }
}
