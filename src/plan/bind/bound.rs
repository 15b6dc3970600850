//! A bound query and its text: what is kept of a standing query, and planned again at every start.
//!
//! The text is JSON around fragments of SQL: names are quoted and qualified, stars expanded, relations told by id.

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use sqlparser::ast;
use sqlparser::parser::Parser;

use super::inner_table;
use super::semi_joins;
use super::union;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::Semantics;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::RelationId;
use crate::plan::node::Direction;
use crate::plan::node::JoinKind;
use crate::plan::node::Nulls;
use crate::plan::node::PseudoColumn;
use crate::plan::node::Ranking;
use crate::plan::node::Span;
use crate::plan::node::Unmatched;
use crate::plan::node::Window;
use crate::sql::Emit;
use crate::sql::TidemillDialect;

/// The version of the text; a newer one is refused.
const VERSION: u32 = 1;

/// What a query's rows are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// `CREATE STREAM`
    Stream {
        /// Its name.
        name: String,
    },
    /// `CREATE TABLE`
    Table {
        /// Its name.
        name: String,
    },
    /// `CREATE MATERIALIZED VIEW`
    MaterializedView {
        /// Its name.
        name: String,
    },
    /// `INSERT INTO`
    Insert {
        /// The target.
        relation: RelationId,
        /// The named columns, folded; empty for all.
        columns: Vec<String>,
    },
    /// A client that waits for rows.
    Push,
}

/// A relation of FROM.
#[derive(Debug, Clone)]
pub struct BoundSource {
    /// How the query calls it.
    pub alias: String,
    /// Which it is.
    pub relation: Arc<Relation>,
    /// The pseudo columns that the query uses.
    pub pseudo: Vec<PseudoColumn>,
    /// The queries whose rows it has, with columns and formats that `relation` tells: those of a UNION, or the only one of an
    /// inner table; empty for a relation.
    pub queries: Vec<BoundQuery>,
}

impl BoundSource {
    /// The relations that are read.
    pub fn relations(&self) -> Vec<&Arc<Relation>> {
        match self.queries.as_slice() {
            [] => vec![&self.relation],
            queries => queries.iter().flat_map(|query| &query.sources).flat_map(Self::relations).collect(),
        }
    }

    /// Whether it stands for a condition: no star has its columns, and no bare word means them.
    pub fn is_hidden(&self) -> bool {
        semi_joins::is_hidden(&self.alias)
    }

    /// Whether it is a table that sub-queries make.
    pub fn is_inner_table(&self) -> bool {
        !self.queries.is_empty() && self.relation.is_table()
    }
}

/// How a relation of FROM meets those before it.
#[derive(Debug, Clone)]
pub struct BoundJoin {
    /// Inner, left, right or full.
    pub kind: JoinKind,
    /// How near in time, between streams.
    pub span: Option<Span>,
    /// When rows that meet nothing leave, between streams.
    pub unmatched: Unmatched,
    /// The condition.
    pub on: ast::Expr,
    /// Whether a FULL join of tables tells rows apart whose keys are null. Of queries made before it did not.
    pub null_keys_apart: bool,
}

/// An item of the ORDER BY by which rows are ranked.
#[derive(Debug, Clone)]
pub struct BoundOrder {
    /// Of what.
    pub expr: ast::Expr,
    /// Which way.
    pub direction: Direction,
    /// Where nulls stand.
    pub nulls: Nulls,
}

/// How rows are ranked, and how many stay. In the SELECT list and in `filter` the rank is the column `__rank`.
#[derive(Debug, Clone)]
pub struct BoundRank {
    /// How they are counted.
    pub ranking: Ranking,
    /// `OVER (PARTITION BY ..)`; empty for all rows.
    pub partition_by: Vec<ast::Expr>,
    /// `OVER (ORDER BY ..)`
    pub order_by: Vec<BoundOrder>,
    /// The greatest rank that stays.
    pub limit: u64,
    /// What else ranked rows must meet.
    pub filter: Option<ast::Expr>,
}

impl BoundRank {
    /// All expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &ast::Expr> {
        self.partition_by.iter().chain(self.order_by.iter().map(|item| &item.expr)).chain(&self.filter)
    }

    /// All expressions, to be changed.
    fn expressions_mut(&mut self) -> impl Iterator<Item = &mut ast::Expr> {
        let order = self.order_by.iter_mut().map(|item| &mut item.expr);
        self.partition_by.iter_mut().chain(order).chain(&mut self.filter)
    }
}

/// An item of the SELECT list.
#[derive(Debug, Clone)]
pub struct BoundItem {
    /// What it is.
    pub expr: ast::Expr,
    /// The output column's name.
    pub name: String,
    /// Whether the statement says the name with AS.
    pub named: bool,
}

/// A query without names to look up.
#[derive(Debug, Clone)]
pub struct BoundQuery {
    /// The source of the query around it that this one is, after which its operators are called. The text does not say it.
    pub place: Option<OperatorId>,
    /// The rules of values.
    pub semantics: Semantics,
    /// What its rows are for.
    pub purpose: Purpose,
    /// `KEY_FORMAT`
    pub key_format: Option<Format>,
    /// `VALUE_FORMAT`
    pub value_format: Option<Format>,
    /// `PARTITIONS`
    pub partitions: Option<i32>,
    /// FROM and JOIN, in order.
    pub sources: Vec<BoundSource>,
    /// One per source but the first.
    pub joins: Vec<BoundJoin>,
    /// WINDOW
    pub window: Option<Window>,
    /// RETENTION, milliseconds, if it was told.
    pub retention_ms: Option<i64>,
    /// How long rows are kept after their event time, milliseconds; `None` for ever.
    pub ttl_ms: Option<i64>,
    /// WHERE
    pub filter: Option<ast::Expr>,
    /// GROUP BY
    pub group_by: Option<Vec<ast::Expr>>,
    /// PARTITION BY
    pub partition_by: Option<Vec<ast::Expr>>,
    /// HAVING
    pub having: Option<ast::Expr>,
    /// The ranks of the rows that come of all that.
    pub rank: Option<BoundRank>,
    /// The SELECT list.
    pub items: Vec<BoundItem>,
    /// EMIT
    pub emit: Emit,
    /// Whether records of a stream that clients put elsewhere than in the partition of their key are sent there before they are
    /// grouped or ranked by it. Of queries made before they are not.
    pub strays_meet: bool,
}

#[derive(Serialize, Deserialize)]
struct SourceText {
    alias: String,
    relation: RelationId,
    columns: Vec<Column>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pseudo: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "branches")]
    queries: Vec<QueryText>,
    /// Whether branches that are several are tables.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    of_tables: bool,
}

#[derive(Serialize, Deserialize)]
struct JoinText {
    left: bool,
    on: String,
    /// The kind's word where `left` does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span: Option<SpanText>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    null_keys_apart: bool,
}

#[derive(Serialize, Deserialize)]
struct SpanText {
    before_ms: i64,
    after_ms: i64,
    grace_ms: i64,
    at_once: bool,
}

#[derive(Serialize, Deserialize)]
struct OrderText {
    expr: String,
    direction: Direction,
    nulls: Nulls,
}

#[derive(Serialize, Deserialize)]
struct RankText {
    ranking: Ranking,
    partition_by: Vec<String>,
    order_by: Vec<OrderText>,
    limit: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ItemText {
    expr: String,
    name: String,
    named: bool,
}

#[derive(Serialize, Deserialize)]
struct QueryText {
    version: u32,
    semantics: Semantics,
    purpose: Purpose,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_format: Option<Format>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_format: Option<Format>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partitions: Option<i32>,
    select: Vec<ItemText>,
    from: Vec<SourceText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joins: Vec<JoinText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_by: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition_by: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    having: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rank: Option<RankText>,
    emit_final: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    strays_meet: bool,
}

impl BoundQuery {
    /// The id of an operator.
    pub fn operator(&self, name: &str) -> OperatorId {
        match &self.place {
            Some(place) => OperatorId::new(&format!("{place}-{name}")),
            None => OperatorId::new(name),
        }
    }

    /// All expressions, those of its sources too.
    pub fn expressions(&self) -> Box<dyn Iterator<Item = &ast::Expr> + '_> {
        let below = self.sources.iter().flat_map(|source| &source.queries).flat_map(Self::expressions);
        let lists = [&self.group_by, &self.partition_by].into_iter().flatten().flatten();
        let items = self.items.iter().map(|item| &item.expr);
        let joins = self.joins.iter().map(|join| &join.on);
        let ranks = self.rank.iter().flat_map(BoundRank::expressions);
        Box::new(items.chain(joins).chain(&self.filter).chain(lists).chain(&self.having).chain(ranks).chain(below))
    }

    /// All expressions, to be changed.
    pub fn expressions_mut(&mut self) -> Box<dyn Iterator<Item = &mut ast::Expr> + '_> {
        let below = self.sources.iter_mut().flat_map(|source| &mut source.queries);
        let below = below.flat_map(Self::expressions_mut);
        let lists = [&mut self.group_by, &mut self.partition_by].into_iter().flatten().flatten();
        let items = self.items.iter_mut().map(|item| &mut item.expr);
        let joins = self.joins.iter_mut().map(|join| &mut join.on);
        let ranks = self.rank.iter_mut().flat_map(BoundRank::expressions_mut);
        let own = items.chain(joins).chain(&mut self.filter).chain(lists).chain(&mut self.having).chain(ranks);
        Box::new(own.chain(below))
    }

    /// How long rows of windows are kept, milliseconds; `None` for ever. ksqlDB's RETENTION says how long at least, and writes
    /// nothing when it ends.
    pub fn windows_kept_ms(&self) -> Option<i64> {
        match self.semantics.compatibility {
            Compatibility::Postgres => self.retention_ms,
            Compatibility::Ksqldb => None,
        }
    }

    /// The durable form.
    pub fn to_text(&self) -> String {
        serde_json::to_string(&self.text()).expect("a bound query is made of strings, numbers and lists")
    }

    fn text(&self) -> QueryText {
        let texts = |exprs: &Vec<ast::Expr>| exprs.iter().map(ToString::to_string).collect();
        QueryText {
            version: VERSION,
            semantics: self.semantics,
            purpose: self.purpose.clone(),
            key_format: self.key_format,
            value_format: self.value_format,
            partitions: self.partitions,
            select: self
                .items
                .iter()
                .map(|item| ItemText { expr: item.expr.to_string(), name: item.name.clone(), named: item.named })
                .collect(),
            from: self.sources.iter().map(source_text).collect(),
            joins: self.joins.iter().map(join_text).collect(),
            window: self.window,
            retention_ms: self.retention_ms,
            ttl_ms: self.ttl_ms,
            filter: self.filter.as_ref().map(ToString::to_string),
            group_by: self.group_by.as_ref().map(texts),
            partition_by: self.partition_by.as_ref().map(texts),
            having: self.having.as_ref().map(ToString::to_string),
            rank: self.rank.as_ref().map(rank_text),
            emit_final: self.emit == Emit::Final,
            strays_meet: self.strays_meet,
        }
    }

    /// The query of a text; relations must have the columns that they had when it was bound.
    pub fn from_text(text: &str, catalog: &Catalog) -> Result<Self> {
        let text: QueryText = serde_json::from_str(text).map_err(|error| {
            Error::new(SqlState::DATA_CORRUPTED, "the kept text of a query cannot be read").caused_by(error)
        })?;
        Self::of_text(text, catalog)
    }

    fn of_text(text: QueryText, catalog: &Catalog) -> Result<Self> {
        if text.version != VERSION {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the kept text of a query has version {}, this server reads {VERSION}", text.version),
            ));
        }
        let all = |texts: Vec<String>| texts.iter().map(|text| expression(text)).collect::<Result<Vec<_>>>();
        Ok(Self {
            place: None,
            semantics: text.semantics,
            purpose: text.purpose,
            key_format: text.key_format,
            value_format: text.value_format,
            partitions: text.partitions,
            sources: text.from.into_iter().map(|source| bound_source(source, catalog)).collect::<Result<_>>()?,
            joins: text.joins.into_iter().map(bound_join).collect::<Result<_>>()?,
            window: text.window,
            retention_ms: text.retention_ms,
            ttl_ms: text.ttl_ms,
            filter: text.filter.as_deref().map(expression).transpose()?,
            group_by: text.group_by.map(all).transpose()?,
            partition_by: text.partition_by.map(all).transpose()?,
            having: text.having.as_deref().map(expression).transpose()?,
            rank: text.rank.map(bound_rank).transpose()?,
            items: text.select.into_iter().map(bound_item).collect::<Result<_>>()?,
            emit: if text.emit_final { Emit::Final } else { Emit::Changes },
            strays_meet: text.strays_meet,
        })
    }
}

fn source_text(source: &BoundSource) -> SourceText {
    SourceText {
        alias: source.alias.clone(),
        relation: source.relation.id,
        columns: source.relation.columns.clone(),
        pseudo: source.pseudo.iter().map(|column| column.word().to_string()).collect(),
        queries: source.queries.iter().map(BoundQuery::text).collect(),
        of_tables: 1 < source.queries.len() && source.relation.is_table(),
    }
}

/// A relation with the columns that it had when a query was made; columns of the value may have been added since.
fn as_it_was(relation: Arc<Relation>, columns: Vec<Column>) -> Result<Arc<Relation>> {
    if relation.columns == columns {
        return Ok(relation);
    }
    let (kept, added): (Vec<Column>, Vec<Column>) =
        relation.columns.iter().cloned().partition(|column| columns.contains(column));
    if kept == columns && added.iter().all(|column| column.role == ColumnRole::Value) {
        return Ok(Arc::new(Relation { columns, ..Relation::clone(&relation) }));
    }
    let message = format!("the columns of \"{}\" changed since the query was made", relation.name);
    Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("Rebuild the query: its state was made of other columns."))
}

fn bound_source(text: SourceText, catalog: &Catalog) -> Result<BoundSource> {
    if !text.queries.is_empty() {
        let queries = text.queries.into_iter().map(|query| BoundQuery::of_text(query, catalog));
        let kind = if text.of_tables { RelationKind::Table } else { RelationKind::Stream };
        return Ok(source_of(text.alias, queries.collect::<Result<_>>()?, text.columns, kind));
    }
    let not_ready = |message: String| Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
    let relation = catalog
        .relation_by_id(text.relation)
        .cloned()
        .ok_or_else(|| not_ready(format!("relation {} of the query does not exist any more", text.relation.0)))?;
    let relation = as_it_was(relation, text.columns)?;
    let pseudo = text
        .pseudo
        .iter()
        .map(|word| {
            PseudoColumn::of_word(word)
                .ok_or_else(|| Error::new(SqlState::DATA_CORRUPTED, format!("unknown pseudo column \"{word}\"")))
        })
        .collect::<Result<_>>()?;
    Ok(BoundSource { alias: text.alias, relation, pseudo, queries: Vec::new() })
}

/// The source that queries are together; several are a `kind`.
fn source_of(alias: String, queries: Vec<BoundQuery>, columns: Vec<Column>, kind: RelationKind) -> BoundSource {
    match <[BoundQuery; 1]>::try_from(queries) {
        Ok([table]) => inner_table::source_of(alias, table, columns),
        Err(branches) => union::relation_of(alias, branches, columns, kind),
    }
}

fn join_text(join: &BoundJoin) -> JoinText {
    let kind = matches!(join.kind, JoinKind::Right | JoinKind::Full).then(|| join.kind.as_str().to_string());
    let span = join.span.map(|span| SpanText {
        before_ms: span.before_ms,
        after_ms: span.after_ms,
        grace_ms: span.grace_ms,
        at_once: join.unmatched == Unmatched::AtOnce,
    });
    let null_keys_apart = join.null_keys_apart;
    JoinText { left: join.kind == JoinKind::Left, on: join.on.to_string(), kind, span, null_keys_apart }
}

fn bound_join(text: JoinText) -> Result<BoundJoin> {
    let kind = match (&text.kind, text.left) {
        (Some(word), _) => JoinKind::of_word(word)
            .ok_or_else(|| Error::new(SqlState::DATA_CORRUPTED, format!("unknown kind of join \"{word}\"")))?,
        (None, true) => JoinKind::Left,
        (None, false) => JoinKind::Inner,
    };
    let at_once = text.span.as_ref().is_some_and(|span| span.at_once);
    let unmatched = if at_once { Unmatched::AtOnce } else { Unmatched::WhenClosed };
    let span =
        text.span.map(|span| Span { before_ms: span.before_ms, after_ms: span.after_ms, grace_ms: span.grace_ms });
    Ok(BoundJoin { kind, span, unmatched, on: expression(&text.on)?, null_keys_apart: text.null_keys_apart })
}

fn rank_text(rank: &BoundRank) -> RankText {
    let order =
        |item: &BoundOrder| OrderText { expr: item.expr.to_string(), direction: item.direction, nulls: item.nulls };
    RankText {
        ranking: rank.ranking,
        partition_by: rank.partition_by.iter().map(ToString::to_string).collect(),
        order_by: rank.order_by.iter().map(order).collect(),
        limit: rank.limit,
        filter: rank.filter.as_ref().map(ToString::to_string),
    }
}

fn bound_rank(text: RankText) -> Result<BoundRank> {
    let order = |item: OrderText| {
        Ok(BoundOrder { expr: expression(&item.expr)?, direction: item.direction, nulls: item.nulls })
    };
    Ok(BoundRank {
        ranking: text.ranking,
        partition_by: text.partition_by.iter().map(|text| expression(text)).collect::<Result<_>>()?,
        order_by: text.order_by.into_iter().map(order).collect::<Result<_>>()?,
        limit: text.limit,
        filter: text.filter.as_deref().map(expression).transpose()?,
    })
}

fn bound_item(text: ItemText) -> Result<BoundItem> {
    Ok(BoundItem { expr: expression(&text.expr)?, name: text.name, named: text.named })
}

/// Whichever of two resolved expressions is not null, the first if both are not.
pub fn both(one: &ast::Expr, other: &ast::Expr) -> Result<ast::Expr> {
    expression(&format!("COALESCE({one}, {other})"))
}

fn expression(text: &str) -> Result<ast::Expr> {
    Parser::new(&TidemillDialect).try_with_sql(text).and_then(|mut parser| parser.parse_expr()).map_err(|error| {
        Error::new(SqlState::DATA_CORRUPTED, "an expression of a kept query cannot be read").caused_by(error)
    })
}
