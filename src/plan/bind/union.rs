//! UNION ALL: several streams as one relation of FROM. `A UNION ALL B` is `SELECT * FROM (A UNION ALL B)`.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::BoundQuery;
use super::BoundSource;
use super::clauses;
use super::clauses::not_there;
use super::flatten::Flattener;
use super::flatten::TWO_QUERIES;
use super::flatten::around;
use super::scope::at;
use super::scope::fold;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::Semantics;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::RelationId;
use crate::plan::build;
use crate::plan::node::PseudoColumn;
use crate::plan::request::Destination;
use crate::plan::request::StandingRequest;
use crate::sql::Emit;

/// What a union is called that nobody calls.
const ALIAS: &str = "union";

const ONE_STREAM: &str = "Make a stream of it with CREATE STREAM .. AS, and read that.";

/// The queries of a union, and whether equal rows of it are one.
pub struct Operands {
    pub branches: Vec<ast::Query>,
    pub distinct: bool,
}

/// The queries that a query puts beside each other; `None` if it is a single SELECT.
pub fn operands(query: &ast::Query, rules: Compatibility) -> Result<Option<Operands>> {
    let mut body = query.body.as_ref();
    while let ast::SetExpr::Query(inner) = body
        && inner.with.is_none()
    {
        clauses::check_around(inner)?;
        body = inner.body.as_ref();
    }
    let ast::SetExpr::SetOperation { op, set_quantifier, .. } = body else { return Ok(None) };
    clauses::check_around(query)?;
    if rules == Compatibility::Ksqldb {
        return Err(not_there(&op.to_string(), body.span()));
    }
    let distinct = match (op, set_quantifier) {
        (ast::SetOperator::Union, ast::SetQuantifier::All) => false,
        (ast::SetOperator::Union, ast::SetQuantifier::None | ast::SetQuantifier::Distinct) => true,
        (ast::SetOperator::Union, _) => return Err(not_there("UNION BY NAME", body.span())),
        _ => {
            return Err(not_there(&op.to_string(), body.span()).hint(
                "UNION ALL is. JOIN finds what is in both, LEFT JOIN with IS NULL in WHERE what is in one alone.",
            ));
        }
    };
    let mut branches = Vec::new();
    let all = if distinct { None } else { Some(ast::SetQuantifier::All) };
    collect(body, all, query, &mut branches);
    Ok(Some(Operands { branches, distinct }))
}

/// The operands from left to right. UNION without ALL makes one of equal rows, whatever ALL says below it.
fn collect(body: &ast::SetExpr, all: Option<ast::SetQuantifier>, place: &ast::Query, branches: &mut Vec<ast::Query>) {
    match body {
        ast::SetExpr::SetOperation { op: ast::SetOperator::Union, set_quantifier, left, right }
            if all.map_or_else(|| is_by_place(*set_quantifier), |all| all == *set_quantifier) =>
        {
            collect(left, all, place, branches);
            collect(right, all, place, branches);
        }
        ast::SetExpr::Query(inner) if clauses::check_around(inner).is_ok() => {
            collect(&inner.body, all, place, branches)
        }
        ast::SetExpr::Query(inner) => branches.push(inner.as_ref().clone()),
        other => branches.push(ast::Query { with: None, body: Box::new(other.clone()), ..place.clone() }),
    }
}

fn is_by_place(quantifier: ast::SetQuantifier) -> bool {
    matches!(quantifier, ast::SetQuantifier::All | ast::SetQuantifier::Distinct | ast::SetQuantifier::None)
}

/// `SELECT * FROM (.. UNION ALL ..) AS "union"`, of SELECTs that are flat.
pub fn select_around(place: &ast::Query, branches: Vec<ast::Select>, distinct: bool) -> Result<ast::Select> {
    let mut selects = branches.into_iter();
    let first = selects.next().ok_or_else(|| Error::internal("a union of nothing"))?;
    let words = first.clone();
    let select = |select| Box::new(ast::SetExpr::Select(Box::new(select)));
    let body = selects.fold(select(first), |left, right| {
        Box::new(ast::SetExpr::SetOperation {
            op: ast::SetOperator::Union,
            set_quantifier: ast::SetQuantifier::All,
            left,
            right: select(right),
        })
    });
    let relation = ast::TableFactor::Derived {
        lateral: false,
        subquery: Box::new(ast::Query { with: None, body, ..place.clone() }),
        alias: Some(ast::TableAlias {
            explicit: true,
            name: ast::Ident::with_quote('"', ALIAS),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    let star = ast::SelectItem::Wildcard(ast::WildcardAdditionalOptions::default());
    Ok(ast::Select { distinct: distinct.then_some(ast::Distinct::Distinct), ..around(&words, vec![star], relation) })
}

/// Whether a table of FROM is a union of flat SELECTs.
pub fn is_union(table: &ast::TableFactor) -> bool {
    matches!(table, ast::TableFactor::Derived { subquery, .. }
        if matches!(subquery.body.as_ref(), ast::SetExpr::SetOperation { .. }))
}

/// A union as a relation that is read; `None` for any other table.
pub fn source(table: &ast::TableFactor, flattener: &Flattener<'_>) -> Result<Option<BoundSource>> {
    let ast::TableFactor::Derived { subquery, alias, .. } = table else { return Ok(None) };
    let mut selects = Vec::new();
    if !flat_selects(&subquery.body, &mut selects) {
        return Ok(None);
    }
    let span = subquery.body.span();
    let branches = selects.into_iter().map(|select| branch(select, flattener)).collect::<Result<Vec<_>>>()?;
    let (branches, kinds): (Vec<BoundQuery>, Vec<RelationKind>) = branches.into_iter().unzip();
    if kinds.iter().any(|kind| *kind != kinds[0]) {
        return Err(not_there("a UNION of a stream and a table", span)
            .hint("Make a table of the stream with GROUP BY, or declare a stream over the table's topic."));
    }
    let wanted = branches[0].items.len();
    if let Some(other) = branches.iter().position(|branch| branch.items.len() != wanted) {
        let message = "each UNION query must have the same number of columns";
        return Err(at(Error::new(SqlState::SYNTAX_ERROR, message), selects_span(&subquery.body, other)));
    }
    let columns = build::union_columns(&branches, kinds[0], flattener.functions)?;
    let alias = alias.as_ref().map_or_else(|| ALIAS.to_string(), |alias| fold(&alias.name, flattener.rules));
    Ok(Some(relation_of(alias, branches, columns, kinds[0])))
}

/// The relation that branches are together: formats and partitions are those of the first.
pub fn relation_of(alias: String, branches: Vec<BoundQuery>, columns: Vec<Column>, kind: RelationKind) -> BoundSource {
    let first = branches[0].sources[0].relation.as_ref();
    let relation = Relation {
        name: alias.clone(),
        kind,
        columns,
        timestamp_column: None,
        timestamp_format: None,
        window: None,
        not_null: Vec::new(),
        text_kinds: Default::default(),
        defaults: Default::default(),
        ..first.clone()
    };
    BoundSource { alias, relation: Arc::new(relation), pseudo: Vec::new(), queries: branches }
}

fn flat_selects<'a>(body: &'a ast::SetExpr, selects: &mut Vec<&'a ast::Select>) -> bool {
    let ast::SetExpr::SetOperation { left, right, .. } = body else { return false };
    for side in [left, right] {
        match side.as_ref() {
            ast::SetExpr::Select(select) => selects.push(select),
            other => {
                flat_selects(other, selects);
            }
        }
    }
    true
}

fn selects_span(body: &ast::SetExpr, place: usize) -> sqlparser::tokenizer::Span {
    let mut selects = Vec::new();
    flat_selects(body, &mut selects);
    selects.get(place).map_or_else(|| body.span(), |select| select.select_token.0.span)
}

/// A branch: a list and a condition over one stream, or any query that makes a table.
fn branch(select: &ast::Select, flattener: &Flattener<'_>) -> Result<(BoundQuery, RelationKind)> {
    let span = select.select_token.0.span;
    flattener.check_inner(select)?;
    let semantics = Semantics { compatibility: flattener.rules, ..Semantics::default() };
    let request = StandingRequest::new(semantics, Destination::Client);
    let bound = super::bind_select(select.clone(), Emit::Changes, flattener, &request)?;
    if bound.retention_ms.is_some() {
        return Err(not_there("RETENTION in a UNION", span).hint(TWO_QUERIES));
    }
    if makes_table(&bound, select, flattener) {
        return Ok((bound, RelationKind::Table));
    }
    let [source] = bound.sources.as_slice() else {
        return Err(not_there("a UNION of joins of streams", span).hint(ONE_STREAM));
    };
    if 1 < source.queries.len() {
        return Err(not_there("a UNION in a UNION, with a list around it,", span).hint(ONE_STREAM));
    }
    if source.relation.window.is_some() {
        return Err(not_there("a UNION of streams with windows in their keys", span));
    }
    Ok((bound, RelationKind::Stream))
}

/// Whether what a flat SELECT gives are rows that change.
pub(super) fn makes_table(bound: &BoundQuery, select: &ast::Select, flattener: &Flattener<'_>) -> bool {
    let groups = flattener.is_grouped(select) || bound.group_by.is_some() || bound.rank.is_some();
    groups || bound.sources.iter().all(|source| source.relation.is_table())
}

/// The sources with the pseudo columns that each was asked for. Those of one relation have the same: it is read once for all
/// of them.
pub fn with_pseudo(sources: Vec<BoundSource>, pseudo: Vec<Vec<PseudoColumn>>) -> Vec<BoundSource> {
    let sources = sources.into_iter().zip(pseudo).map(|(source, pseudo)| BoundSource { pseudo, ..source });
    let mut sources: Vec<BoundSource> = sources.collect();
    share_pseudo(&mut sources);
    sources
}

fn share_pseudo(sources: &mut [BoundSource]) {
    let mut asked: Vec<(RelationId, Vec<PseudoColumn>)> = Vec::new();
    each_relation(sources, &mut |source| asked.push((source.relation.id, source.pseudo.clone())));
    each_relation(sources, &mut |source| {
        let same = asked.iter().filter(|(id, _)| *id == source.relation.id);
        source.pseudo = same.flat_map(|(_, pseudo)| pseudo.clone()).collect();
        source.pseudo.sort_unstable();
        source.pseudo.dedup();
    });
}

fn each_relation(sources: &mut [BoundSource], body: &mut dyn FnMut(&mut BoundSource)) {
    for source in sources {
        if source.queries.is_empty() {
            body(source);
        }
        for query in &mut source.queries {
            each_relation(&mut query.sources, body);
        }
    }
}
