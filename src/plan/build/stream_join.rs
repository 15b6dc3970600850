//! Two streams joined: the condition taken apart, both brought to the same partitions.

use datafusion::common::DFSchemaRef;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use sqlparser::ast;

use super::aggregate::check_value_formats;
use super::expression::Expressions;
use super::failure;
use super::join;
use super::join::conjuncts;
use super::join::in_words;
use super::join::types_differ;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::windowed_join;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::plan::bind::BoundJoin;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::both;
use crate::plan::ksqldb_text::Columns;
use crate::plan::ksqldb_text::shown;
use crate::plan::node::JoinKind;
use crate::plan::node::Span;
use crate::plan::node::StreamJoin;
use crate::plan::node::Unmatched;
use crate::plan::node::plan_of;

/// An equality of ON: the left side's expression, the right's, and the two as they are written.
struct Pair<'a> {
    left: Expr,
    right: Expr,
    written: (&'a ast::Expr, &'a ast::Expr),
}

/// Joins the `index`-th relation of FROM, a stream, to the rows before it, which are a stream too.
pub fn build(
    index: usize,
    left: Rows,
    right: Rows,
    query: &BoundQuery,
    span: Span,
    expressions: &Expressions<'_>,
) -> Result<Rows> {
    let bound = &query.joins[index - 1];
    if expressions.rules() == Compatibility::Ksqldb {
        check_value_formats(query, "JOIN")?;
    }
    let id = query.operator(&format!("join{index}"));
    if left.changes != Changes::Append || right.changes != Changes::Append {
        return Err(Error::unsupported("WITHIN is for joins of two streams"));
    }
    let waits = |join: &BoundJoin| {
        join.span.is_some() && join.kind != JoinKind::Inner && join.unmatched == Unmatched::WhenClosed
    };
    if query.joins[..index - 1].iter().any(waits) {
        return Err(Error::unsupported(
            "a join WITHIN above an outer join WITHIN is not there yet in standing queries",
        )
        .hint("Put the outer join last, or make a stream of it first: CREATE STREAM .. AS SELECT .."));
    }
    let joined = left.schema().join(right.schema()).map_err(|error| failure::of_datafusion(error, None))?;
    let joined = DFSchemaRef::new(joined);
    let windows = windowed_join::equal_windows(index, query);
    let (pairs, rest) = taken_apart(index, query, &windows, &joined, expressions)?;
    join::check_partitions(index, query, expressions)?;
    let (mut left, mut right) = (left, right);
    if expressions.rules() == Compatibility::Ksqldb {
        for pair in &pairs {
            left = left.filtered(Expr::IsNotNull(Box::new(pair.left.clone())), &id)?;
            right = right.filtered(Expr::IsNotNull(Box::new(pair.right.clone())), &id)?;
        }
    }
    let (left, right) = together(left, right, &pairs, &id)?;
    let key = result_key(&pairs, bound.kind, &joined, expressions)?;
    let keys = (!bound.kind.keeps_right()).then(|| pairs.iter().map(|pair| pair.left.clone()).collect());
    let spread = left.spread.clone().told_by(keys);
    let plan = plan_of(StreamJoin {
        id: id.clone(),
        left: left.plan,
        right: right.plan,
        on: pairs.into_iter().map(|pair| (pair.left, pair.right)).collect(),
        kind: bound.kind,
        span,
        unmatched: bound.unmatched,
        schema: joined,
    });
    let mut rows = Rows { plan, spread, key, changes: Changes::Append };
    for condition in rest {
        let planned = expressions.condition(condition, rows.schema(), "JOIN/ON")?;
        rows = rows.filtered(planned, &id)?;
    }
    Ok(rows)
}

/// The equalities of ON, those of the `windows` after them, and the conditions beside them.
fn taken_apart<'a>(
    index: usize,
    query: &'a BoundQuery,
    windows: &'a [ast::Expr],
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<(Vec<Pair<'a>>, Vec<&'a ast::Expr>)> {
    let (bound, alias) = (&query.joins[index - 1], query.sources[index].alias.as_str());
    let (mut pairs, mut rest) = (Vec::new(), Vec::new());
    for condition in conjuncts(&bound.on) {
        match pair(condition, alias, joined, expressions)? {
            Some(pair) => pairs.push(pair),
            None => rest.push(condition),
        }
    }
    check(&pairs, &rest, &bound.on, bound.kind, expressions.rules())?;
    for condition in windows {
        pairs.extend(pair(condition, alias, joined, expressions)?);
    }
    let equal: Vec<(&Expr, &Expr)> = pairs.iter().map(|pair: &Pair<'_>| (&pair.left, &pair.right)).collect();
    windowed_join::check_whole(&equal, index, query)?;
    Ok((pairs, rest))
}

/// The key of a joined row: that of a side that is always there, else whichever is there.
fn result_key(
    pairs: &[Pair<'_>],
    kind: JoinKind,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Vec<Expr>> {
    let key = |pair: &Pair<'_>| match kind {
        JoinKind::Inner | JoinKind::Left => Ok(pair.left.clone()),
        JoinKind::Right => Ok(pair.right.clone()),
        JoinKind::Full => expressions.plan(&both(pair.written.0, pair.written.1)?, joined),
    };
    pairs.iter().map(key).collect()
}

fn check(pairs: &[Pair<'_>], rest: &[&ast::Expr], on: &ast::Expr, kind: JoinKind, rules: Compatibility) -> Result<()> {
    let several = 1 < pairs.len() || !rest.is_empty();
    if pairs.is_empty() {
        let error = match rules {
            Compatibility::Ksqldb => Error::unsupported(format!(
                "Invalid join condition: only equality of both sides is supported. Got {}.",
                in_words(on)
            )),
            Compatibility::Postgres => Error::unsupported("a join of two streams needs an equality of both sides"),
        };
        let hint = "Write ON l.a = r.b; further conditions of an inner join can follow with AND.";
        return Err(failure::at(error.hint(hint), on));
    }
    if rules == Compatibility::Ksqldb && several {
        let message = format!(
            "Invalid join condition: joins on multiple conditions are not yet supported. Got {}.",
            shown(on, Columns::Qualified)
        );
        return Err(failure::at(Error::unsupported(message), on));
    }
    match rest.first() {
        Some(first) if kind != JoinKind::Inner => Err(failure::at(
            Error::unsupported("an outer join on anything but equality is not there yet in standing queries")
                .hint("An inner join can have further conditions."),
            first,
        )),
        _ => Ok(()),
    }
}

/// An equality between the two sides.
fn pair<'a>(
    condition: &'a ast::Expr,
    alias: &str,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<Pair<'a>>> {
    let ast::Expr::BinaryOp { left: one, op: ast::BinaryOperator::Eq, right: other } = condition else {
        return Ok(None);
    };
    let is_right = |relation: &Option<TableReference>| relation.as_ref().is_some_and(|found| found.table() == alias);
    for (mine, theirs) in [(one.as_ref(), other.as_ref()), (other.as_ref(), one.as_ref())] {
        let (left, right) = (expressions.plan(mine, joined)?, expressions.plan(theirs, joined)?);
        let (lefts, rights) = (left.column_refs(), right.column_refs());
        if lefts.is_empty() || rights.is_empty() {
            return Ok(None);
        }
        if lefts.iter().any(|column| is_right(&column.relation))
            || !rights.iter().all(|column| is_right(&column.relation))
        {
            continue;
        }
        let (left, right) = agreed((left, right), joined, condition, mine, expressions.rules())?;
        return Ok(Some(Pair { left, right, written: (mine, theirs) }));
    }
    Ok(None)
}

/// Both expressions in one type: equal values must have equal bytes. `origin` is what the left one was.
fn agreed(
    (left, right): (Expr, Expr),
    joined: &DFSchemaRef,
    condition: &ast::Expr,
    origin: &ast::Expr,
    rules: Compatibility,
) -> Result<(Expr, Expr)> {
    let type_of = |expr: &Expr| {
        let data_type = expr.get_type(joined).map_err(|error| failure::of_datafusion(error, Some(condition)))?;
        SqlType::from_arrow(&data_type)
            .ok_or_else(|| failure::at(Error::unsupported("a join by such a type is not there yet"), condition))
    };
    let (left_type, right_type) = (type_of(&left)?, type_of(&right)?);
    match (rules, &left_type, &right_type) {
        _ if left_type == right_type => Ok((left, right)),
        (Compatibility::Postgres, SqlType::Int, SqlType::BigInt) => Ok((cast(left, right_type.arrow()), right)),
        (Compatibility::Postgres, SqlType::BigInt, SqlType::Int) => Ok((left, cast(right, left_type.arrow()))),
        _ => {
            let message = match rules {
                Compatibility::Ksqldb => types_differ(condition, origin, &left_type.arrow(), &right_type.arrow()),
                Compatibility::Postgres => format!(
                    "a join needs one type on both sides, not {} and {}",
                    left_type.postgres_name(),
                    right_type.postgres_name()
                ),
            };
            let error = Error::new(SqlState::DATATYPE_MISMATCH, message);
            Err(failure::at(error.hint(format!("CAST one side to {right_type}.")), condition))
        }
    }
}

/// Both sides where rows with equal keys meet in one partition.
fn together(left: Rows, right: Rows, pairs: &[Pair<'_>], id: &OperatorId) -> Result<(Rows, Rows)> {
    let keys: [Vec<Expr>; 2] =
        [pairs.iter().map(|pair| pair.left.clone()).collect(), pairs.iter().map(|pair| pair.right.clone()).collect()];
    let hashed = [&left, &right].map(|rows| rows.spread.clone());
    // JSON writes the names of several columns, so equal values under other names hash apart.
    let own = |side: usize| Spread::by(keys[side].clone(), hashed[side].format, hashed[side].partitions);
    let names = |side: usize| keys[side].iter().map(|key| key.qualified_name().1);
    let names_matter = 1 < pairs.len() && !names(0).eq(names(1));
    let fits = |side: usize| {
        let matters = names_matter && hashed[side].format == Format::Json;
        hashed[side] == own(side) && !matters
    };
    let alike = hashed[0].format == hashed[1].format && hashed[0].partitions == hashed[1].partitions;
    let alone = hashed[0].partitions == 1 && hashed[1].partitions == 1;
    if alone || (alike && fits(0) && fits(1)) {
        return Ok((left, right));
    }
    let [left_keys, right_keys] = keys.clone();
    let format = if pairs.len() == 1 { Format::Json } else { Format::Delimited { delimiter: ',' } };
    let partitions = hashed[0].partitions.max(hashed[1].partitions);
    let (format, partitions) = match (fits(0), fits(1)) {
        (_, true) => (hashed[1].format, hashed[1].partitions),
        (true, false) => (hashed[0].format, hashed[0].partitions),
        (false, false) => (format, partitions),
    };
    let spread = |keys: Vec<Expr>| Spread::by(keys, format, partitions);
    let (left_id, right_id) = (id.inserted("left", 0), id.inserted("right", 0));
    let right_stays = fits(1);
    let left_stays = fits(0) && !right_stays;
    let left = if left_stays { left } else { left.exchanged(&left_id, spread(left_keys))? };
    let right = if right_stays { right } else { right.exchanged(&right_id, spread(right_keys))? };
    Ok((left, right))
}
