//! Two tables of which one names rows of the other by their primary key: the one that names goes to the partitions of the
//! other, and what comes of it goes back to those of its own key.

use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use sqlparser::ast;

use super::expression::Expressions;
use super::failure;
use super::join::agreed_type;
use super::join::conjuncts;
use super::join::in_words;
use super::join::key_hint;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_at;
use super::rows::column_named;
use super::table_join::canonical;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::OperatorId;
use crate::plan::bind::BoundQuery;
use crate::plan::edge::column_index;
use crate::plan::node::Alone;
use crate::plan::node::Consolidate;
use crate::plan::node::ForeignJoin;
use crate::plan::node::JoinKind;
use crate::plan::node::NoRow;
use crate::plan::node::Node;
use crate::plan::node::plan_of;
use crate::plan::node::schema_of_sides;

/// A condition that pairs the whole key of one side with expressions of the other.
struct Reference<'a> {
    /// Per column of the key, in its order: what names it.
    named_by: Vec<Expr>,
    /// What else is wanted.
    rest: Vec<&'a ast::Expr>,
}

/// Joins the `index`-th relation of FROM, a table, to the rows before it, where one side's primary key is named by the other.
pub fn build(index: usize, left: Rows, right: Rows, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Rows> {
    let bound = &query.joins[index - 1];
    let id = query.operator(&format!("join{index}"));
    let rules = expressions.rules();
    let joined = schema_of_sides(left.schema(), right.schema()).map_err(|error| failure::of_datafusion(error, None))?;
    let by_left = reference(&left, &right, &bound.on, &joined, expressions)?;
    // ksqlDB has the table that names on the left only.
    if rules == Compatibility::Ksqldb {
        let Some(reference) = by_left else { return Err(not_by_key(index, query)) };
        let keeps = match bound.kind {
            JoinKind::Inner => Keeps { many: Alone::Leaves, one: Alone::Leaves },
            JoinKind::Left => Keeps { many: Alone::Stays, one: Alone::Leaves },
            JoinKind::Right | JoinKind::Full => return Err(kept_named(bound.kind, &bound.on)),
        };
        return joined_by(id, left, right, reference, keeps, expressions);
    }
    // Where both sides' keys are named, the kept side names: the result then has its key alone.
    let by_right = match (&by_left, bound.kind) {
        (Some(_), JoinKind::Inner | JoinKind::Left | JoinKind::Full) => None,
        _ => reference(&right, &left, &bound.on, &joined, expressions)?,
    };
    let stays = |stays: bool| if stays { Alone::Stays } else { Alone::Leaves };
    let (kept_left, kept_right) =
        (stays(matches!(bound.kind, JoinKind::Left | JoinKind::Full)), stays(bound.kind.keeps_right()));
    match (by_left, by_right) {
        (_, Some(reference)) => {
            joined_by(id, right, left, reference, Keeps { many: kept_right, one: kept_left }, expressions)
        }
        (Some(reference), None) => {
            joined_by(id, left, right, reference, Keeps { many: kept_left, one: kept_right }, expressions)
        }
        (None, None) => Err(not_by_key(index, query)),
    }
}

/// Which rows stay where they meet nothing: those that name others, and those that are named.
#[derive(Clone, Copy)]
struct Keeps {
    many: Alone,
    one: Alone,
}

/// How `many` names rows of `one` by the whole of its key, if it does.
fn reference<'a>(
    many: &Rows,
    one: &Rows,
    on: &'a ast::Expr,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<Reference<'a>>> {
    let mut named_by: Vec<Option<Expr>> = vec![None; one.key.len()];
    let mut rest = Vec::new();
    for condition in conjuncts(on) {
        match equality(condition, many, one, joined, expressions)? {
            Some((place, expr)) if named_by[place].is_none() => named_by[place] = Some(expr),
            _ => rest.push(condition),
        }
    }
    let named_by: Option<Vec<Expr>> = named_by.into_iter().collect();
    Ok(named_by.filter(|named_by| !named_by.is_empty()).map(|named_by| Reference { named_by, rest }))
}

/// The place in the key of `one` that an equality is about, and what of `many` it is equal to.
fn equality(
    condition: &ast::Expr,
    many: &Rows,
    one: &Rows,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<(usize, Expr)>> {
    let ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } = condition else { return Ok(None) };
    let planned = (expressions.plan(left, joined)?, expressions.plan(right, joined)?);
    for (mine, theirs, origin) in [(&planned.0, &planned.1, left), (&planned.1, &planned.0, right)] {
        let of_many = |expr: &Expr| {
            let columns = expr.column_refs();
            let is_there = |name: &&datafusion::common::Column| {
                many.schema().index_of_column_by_name(name.relation.as_ref(), &name.name).is_some()
            };
            !columns.is_empty() && columns.iter().all(is_there)
        };
        let theirs = canonical(theirs.clone(), &one.plan);
        let column = column_index(&theirs, one.schema());
        let place = one.key.iter().position(|key| column.is_some() && column_index(key, one.schema()) == column);
        let Some(place) = place.filter(|_| of_many(mine)) else { continue };
        let mine = agreed_type(mine.clone(), &one.key[place], joined, origin, condition, expressions.rules())?;
        return Ok(Some((place, mine)));
    }
    Ok(None)
}

fn joined_by(
    id: OperatorId,
    many: Rows,
    one: Rows,
    reference: Reference<'_>,
    keeps: Keeps,
    expressions: &Expressions<'_>,
) -> Result<Rows> {
    let (mut many, mut one) = (many, one);
    let mut rest = reference.rest;
    if let Some(first) = rest.first()
        && expressions.rules() == Compatibility::Ksqldb
    {
        return Err(failure::at(
            Error::unsupported("JOINs on multiple conditions are not yet supported")
                .hint("An inner join's further conditions can stand in WHERE."),
            first,
        ));
    }
    if keeps.one == Alone::Stays {
        many = meeting(many, &rest, keeps.many, &id, expressions)?;
        rest.clear();
        one = one.normalised(&id.inserted("right", 0))?;
    }
    let home = match &many.spread {
        spread if spread.keys.as_ref() == Some(&many.key) => spread.clone(),
        spread => Spread::by(many.key.clone(), spread.format, spread.partitions),
    };
    let (many, named_by) = with_columns(many, reference.named_by, &id)?;
    let on: Vec<(Expr, Expr)> = named_by.into_iter().zip(one.key.iter().cloned()).collect();
    let in_place = many.spread.partitions == 1 && one.spread.partitions == 1;
    let (many, one) = if in_place { (many, one) } else { together(many, one, &on, keeps.many, &id)? };
    let schema = schema_of_sides(many.schema(), one.schema()).map_err(|error| failure::of_datafusion(error, None))?;
    let own = many.key.clone();
    let (named, optional) = (one.key.clone(), Arc::clone(one.schema()));
    let node = ForeignJoin {
        id: id.clone(),
        left: many.plan,
        right: one.plan,
        on,
        key: own.clone(),
        alone: keeps.many,
        named: keeps.one,
        no_row: NoRow::Silent,
        schema,
    };
    let mut rows = Rows { plan: plan_of(node), spread: many.spread, key: own.clone(), changes: Changes::Retract };
    if keeps.one == Alone::Stays {
        // A row that names another from now on has another key: nothing has to be put in order again.
        let told = (keeps.many == Alone::Leaves).then(|| named.clone());
        rows.spread = one.spread.told_by(told);
        rows.key = [named, own].concat();
        return Ok(rows);
    }
    if in_place {
        rows.spread = home;
    } else {
        rows = consolidated(rows.exchanged(&id.inserted("back", 0), home)?, &id)?;
    }
    match keeps.many {
        Alone::Stays => rows.lacking_unless(&rest, &optional, expressions),
        Alone::Leaves => {
            for condition in rest {
                let planned = expressions.condition(condition, rows.schema(), "JOIN/ON")?;
                rows = rows.filtered(planned, &id)?;
            }
            Ok(rows)
        }
    }
}

/// The rows that may meet others which stay where they meet nothing: what else is asked of a pair is asked of them before.
fn meeting(
    many: Rows,
    conditions: &[&ast::Expr],
    alone: Alone,
    id: &OperatorId,
    expressions: &Expressions<'_>,
) -> Result<Rows> {
    let mut many = many;
    for condition in conditions {
        let planned = expressions.condition(condition, many.schema(), "JOIN/ON").ok();
        let Some(planned) = planned.filter(|_| alone == Alone::Leaves) else {
            return Err(failure::at(
                Error::unsupported(
                    "a further condition of an outer join that keeps rows whose key the others name is not there yet, unless it is about those others alone",
                )
                .hint("Name in ON the key and conditions of the side whose rows may be missing."),
                condition,
            ));
        };
        many = many.filtered(planned, id)?;
    }
    Ok(many)
}

/// The rows as retractions, with what names the others as columns: a row is sent by what it meets by, even if that failed.
fn with_columns(many: Rows, named_by: Vec<Expr>, id: &OperatorId) -> Result<(Rows, Vec<Expr>)> {
    let many = many.normalised(&id.inserted("left", 0))?;
    if named_by.iter().all(|expr| column_index(expr, many.schema()).is_some()) {
        return Ok((many, named_by));
    }
    let schema = Arc::clone(many.schema());
    let mut projected: Vec<Expr> = (0..schema.fields().len()).map(|index| column_at(&schema, index)).collect();
    let mut columns = Vec::with_capacity(named_by.len());
    for (index, expr) in named_by.into_iter().enumerate() {
        if column_index(&expr, &schema).is_some() {
            columns.push(expr);
            continue;
        }
        let name = id.inserted("key", index).to_string();
        projected.push(expr.alias(&name));
        columns.push(column_named(&name));
    }
    let plan = LogicalPlanBuilder::from(many.plan)
        .project(projected)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| failure::of_datafusion(error, None))?;
    Ok((Rows { plan, ..many }, columns))
}

/// Rows that name, and those that they name, in one task.
fn together(many: Rows, one: Rows, on: &[(Expr, Expr)], alone: Alone, id: &OperatorId) -> Result<(Rows, Rows)> {
    let (named_by, keys): (Vec<Expr>, Vec<Expr>) = on.iter().cloned().unzip();
    let wanted = match &one.spread {
        spread if spread.keys.as_ref() == Some(&keys) => spread.clone(),
        spread => Spread::by(keys, spread.format, spread.partitions),
    };
    let named_by_ = wanted.clone().told_by(Some(named_by));
    let one = match one.spread == wanted || one.spread.partitions == 1 {
        true => one,
        false => one.exchanged(&id.inserted("right", 0), wanted)?,
    };
    let mut many = many;
    if alone == Alone::Leaves {
        for (named_by, _) in on {
            many = many.filtered(Expr::IsNotNull(Box::new(named_by.clone())), id)?;
        }
    }
    let many = many.exchanged(&id.inserted("left", 0), named_by_)?;
    Ok((many, one))
}

/// One row a key again, whatever tasks they come from.
pub(super) fn consolidated(rows: Rows, id: &OperatorId) -> Result<Rows> {
    let key: Option<Vec<usize>> = rows.key.iter().map(|key| column_index(key, rows.schema())).collect();
    let Some(key) = key else {
        let message = "rows whose key is computed, as that of a FULL JOIN is, cannot be ranked yet in standing queries";
        return Err(Error::unsupported(message).hint("Make a table of the join first, and rank that."));
    };
    let plan = plan_of(Consolidate { id: id.inserted("consolidate", 0), input: rows.plan, key });
    Ok(Rows { plan, ..rows })
}

/// ksqlDB says once more that there is no row where nothing but the sink stands above a join: the plan with that.
pub fn telling(plan: LogicalPlan) -> Result<LogicalPlan> {
    let only_input = |plan: &LogicalPlan| plan.inputs().first().map(|input| (*input).clone());
    let rebuilt = |plan: LogicalPlan| -> Result<LogicalPlan> {
        let Some(input) = only_input(&plan) else { return Ok(plan) };
        let told = telling(input)?;
        plan.with_new_exprs(plan.expressions(), vec![told]).map_err(|error| failure::of_datafusion(error, None))
    };
    match (&plan, Node::of(&plan)) {
        (LogicalPlan::Projection(_), _) | (_, Some(Node::Consolidate(_) | Node::Exchange(_))) => rebuilt(plan),
        (_, Some(Node::ForeignJoin(join))) if join.alone == Alone::Leaves => {
            Ok(plan_of(ForeignJoin { no_row: NoRow::Told, ..join.clone() }))
        }
        _ => Ok(plan),
    }
}

/// Whether the key of these rows is that of a table that names another.
pub fn is_foreign(plan: &LogicalPlan) -> bool {
    match (plan, Node::of(plan)) {
        (_, Some(Node::ForeignJoin(_))) => true,
        (LogicalPlan::Projection(_) | LogicalPlan::Filter(_), _)
        | (_, Some(Node::Consolidate(_) | Node::Exchange(_))) => plan.inputs().into_iter().any(is_foreign),
        _ => false,
    }
}

/// A row that is named has no key of its own among those of ksqlDB's result.
fn kept_named(kind: JoinKind, on: &ast::Expr) -> Error {
    let word = kind.as_str().to_uppercase();
    let error = Error::unsupported(format!("{word} OUTER JOIN on a foreign key is not supported"));
    failure::at(error.hint("Rows of the table that names the other's key can be kept: the result has their key."), on)
}

fn not_by_key(index: usize, query: &BoundQuery) -> Error {
    let table = &query.sources[index];
    let on = &query.joins[index - 1].on;
    let error = match query.semantics.compatibility {
        Compatibility::Ksqldb => Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "Invalid join condition: table-table joins require to join on the primary key of the right input table. Got {}.",
                in_words(on)
            ),
        ),
        Compatibility::Postgres => {
            Error::unsupported("two tables can be joined only by the whole primary key of one of them yet")
        }
    };
    failure::at(error.hint(key_hint(&table.relation)), on)
}
