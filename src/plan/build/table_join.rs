//! Two tables joined by their whole keys: the condition taken apart, the right brought to the left's partitions.

use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::when;
use sqlparser::ast;

use super::expression::Expressions;
use super::failure;
use super::foreign_join;
use super::has_keyless;
use super::join;
use super::join::comparable;
use super::join::conjuncts;
use super::join::told_apart;
use super::join::types_differ;
use super::may_lack_key_before;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_named;
use super::windowed_join::equal_windows;
use super::windowed_join::not_by_window;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::both;
use crate::plan::edge::column_index;
use crate::plan::node::JoinKind;
use crate::plan::node::Node;
use crate::plan::node::TableJoin;
use crate::plan::node::plan_of;
use crate::plan::node::schema_of_sides;

/// A column of the right side, under a name that no word can be: null where only the left has a row.
const THERE: &str = "?there";

/// Joins the `index`-th relation of FROM, a table, to the table that the rows before it are.
pub fn build(index: usize, left: Rows, right: Rows, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Rows> {
    let bound = &query.joins[index - 1];
    if query.joins[..index - 1].iter().any(|join| join.kind == JoinKind::Full) {
        return Err(failure::at(
            Error::unsupported("a FULL join can only be the last of several joins yet")
                .hint("Make a table of it, and join that."),
            &bound.on,
        ));
    }
    let id = query.operator(&format!("join{index}"));
    // A key of windows has their bounds, which no further column follows.
    let is_plain = bound.null_keys_apart && query.sources[index].relation.window.is_none();
    let apart = is_plain && may_lack_key_before(query, index) && has_keyless(&query.sources[index]);
    let right = if apart { right.with_column(lit(true), THERE)? } else { right };
    let joined = schema_of_sides(left.schema(), right.schema()).map_err(|error| failure::of_datafusion(error, None))?;
    let on = windowed_on(index, query);
    let Some(pairs) = pairs(&on, &left, &right, &joined, expressions)? else {
        if query.sources[index].relation.window.is_some() {
            return Err(not_by_window(index, query));
        }
        return foreign_join::build(index, left, right, query, expressions);
    };
    join::check_partitions(index, query, expressions)?;
    let on: Vec<(Expr, Expr)> = left.key.iter().cloned().zip(pairs.iter().map(|pair| pair.right.clone())).collect();
    let key: Vec<Expr> = match bound.kind {
        JoinKind::Inner | JoinKind::Left => on.iter().map(|(left, _)| left.clone()).collect(),
        JoinKind::Right => on.iter().map(|(_, right)| right.clone()).collect(),
        JoinKind::Full => pairs
            .iter()
            .map(|pair| expressions.plan(&both(pair.texts.0, pair.texts.1)?, &joined))
            .collect::<Result<_>>()?,
    };
    let mut key = key;
    if apart {
        key.push(side_of_null(&key)?);
    }
    let (left, right) = together(left, right, &on, &id).map_err(|error| failure::at(error, &bound.on))?;
    let keys = (bound.kind != JoinKind::Full).then(|| key.clone());
    let spread = left.spread.told_by(keys);
    let plan = plan_of(TableJoin { id, left: left.plan, right: right.plan, on, kind: bound.kind, schema: joined });
    Ok(Rows { plan, spread, key, changes: Changes::Retract })
}

/// Which side a row of a FULL join is of whose key has a null: it meets nothing, so that each side may have such a row.
fn side_of_null(key: &[Expr]) -> Result<Expr> {
    let is_null = disjunction(key.iter().map(|key| key.clone().is_null())).unwrap_or_else(|| lit(false));
    when(is_null, column_named(THERE).is_not_null()).end().map_err(|error| failure::of_datafusion(error, None))
}

/// The condition, and what it says of windows without words.
fn windowed_on(index: usize, query: &BoundQuery) -> ast::Expr {
    let with = |left, right| ast::Expr::BinaryOp {
        left: Box::new(left),
        op: ast::BinaryOperator::And,
        right: Box::new(right),
    };
    equal_windows(index, query).into_iter().fold(query.joins[index - 1].on.clone(), with)
}

/// An equality of the condition.
#[derive(Clone)]
struct Pair<'a> {
    /// The right's key column.
    right: Expr,
    /// The left's side and the right's as they were bound.
    texts: (&'a ast::Expr, &'a ast::Expr),
}

/// Per column of the left's key the right's, if a condition is that the whole keys are equal and nothing else.
fn pairs<'a>(
    on: &'a ast::Expr,
    left: &Rows,
    right: &Rows,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<Vec<Pair<'a>>>> {
    let mut pairs: Vec<Option<Pair<'_>>> = vec![None; left.key.len()];
    for condition in conjuncts(on) {
        match pair(condition, left, right, joined, expressions)? {
            Some((place, pair)) if pairs[place].is_none() => pairs[place] = Some(pair),
            _ => return Ok(None),
        }
    }
    let pairs: Option<Vec<Pair<'_>>> = pairs.into_iter().collect();
    let is_whole =
        |pairs: &Vec<Pair<'_>>| right.key.iter().all(|key| pairs.iter().any(|pair| same(&pair.right, key, right)));
    Ok(pairs.filter(is_whole))
}

/// The place in the left's key that an equality is about, if it is one of a key column of each side.
fn pair<'a>(
    condition: &'a ast::Expr,
    left: &Rows,
    right: &Rows,
    joined: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<(usize, Pair<'a>)>> {
    let ast::Expr::BinaryOp { left: one, op: ast::BinaryOperator::Eq, right: other } = condition else {
        return Ok(None);
    };
    let one = (expressions.plan(one, joined)?, one.as_ref());
    let other = (expressions.plan(other, joined)?, other.as_ref());
    for ((mine, my_text), (theirs, their_text)) in [(&one, &other), (&other, &one)] {
        let mine = canonical(mine.clone(), &left.plan);
        let Some(place) = left.key.iter().position(|key| same(key, &mine, left)) else { continue };
        let Some(key) = right.key.iter().find(|key| same(key, theirs, right)) else { continue };
        if is_narrower(&left.key[place], key, joined, expressions.rules()) {
            // Then one side names the other by a value that is made its key's.
            return Ok(None);
        }
        check_types(&left.key[place], key, joined, (condition, my_text), expressions.rules())?;
        return Ok(Some((place, Pair { right: key.clone(), texts: (my_text, their_text) })));
    }
    Ok(None)
}

/// The key of a FULL join is `COALESCE(left, right)`, `COALESCE(right, left)`, or the same with a column that is equal.
pub fn accept_either_order(keys: &mut [Vec<Expr>], plan: &LogicalPlan, expressions: &Expressions<'_>) -> Result<()> {
    let join = match plan {
        LogicalPlan::Filter(filter) => return accept_either_order(keys, &filter.input, expressions),
        _ => match Node::of(plan) {
            Some(Node::TableJoin(join)) if join.kind == JoinKind::Full => join,
            _ => return Ok(()),
        },
    };
    for (accepted, (left, right)) in keys.iter_mut().zip(&join.on) {
        let mut equal = vec![left.clone()];
        equal_columns(left, &join.left, &mut equal);
        for left in &equal {
            let (Some(left), Some(right)) = (as_text(left), as_text(right)) else { continue };
            for text in [both(&left, &right)?, both(&right, &left)?] {
                accepted.push(expressions.plan(&text, plan.schema())?);
            }
        }
    }
    Ok(())
}

/// The right columns of inner joins that equal a column in every row.
fn equal_columns(column: &Expr, plan: &LogicalPlan, equal: &mut Vec<Expr>) {
    let Some(Node::TableJoin(join)) = Node::of(plan) else { return };
    if join.kind == JoinKind::Inner {
        equal.extend(join.on.iter().filter(|(left, _)| left == column).map(|(_, right)| right.clone()));
    }
    equal_columns(column, &join.left, equal);
}

/// ksqlDB lets the key of an outer join go by the column of either side, the left's first; what it holds is the key.
pub fn name_key_by_either_side(
    keys: &mut [Vec<Expr>],
    items: &mut [Expr],
    plan: &LogicalPlan,
    expressions: &Expressions<'_>,
) -> Result<()> {
    for accepted in keys {
        let Some(other) = other_side(&accepted[0], accepted, items, plan) else { continue };
        let (Some(other_text), Some(key_text)) = (as_text(&other), as_text(&accepted[0])) else { continue };
        let key = expressions.plan(&both(&other_text, &key_text)?, plan.schema())?;
        for item in items.iter_mut().filter(|item| **item == other) {
            *item = key.clone();
        }
        *accepted = vec![key];
    }
    Ok(())
}

/// The column of the other side that stands for a key in the SELECT list.
fn other_side(key: &Expr, accepted: &[Expr], items: &[Expr], plan: &LogicalPlan) -> Option<Expr> {
    if let Some(Node::TableJoin(join)) = Node::of(plan) {
        let found = join.on.iter().find_map(|(left, right)| match join.kind {
            JoinKind::Right if right == key => Some(left),
            JoinKind::Left if left == key && !items.iter().any(|item| accepted.contains(item)) => Some(right),
            _ => None,
        });
        if let Some(found) = found.filter(|found| items.contains(found)) {
            return Some(found.clone());
        }
    }
    plan.inputs().into_iter().find_map(|input| other_side(key, accepted, items, input))
}

fn as_text(expr: &Expr) -> Option<ast::Expr> {
    let Expr::Column(column) = expr else { return None };
    let quoted = |value: &str| ast::Ident::with_quote('"', value);
    let alias = column.relation.as_ref()?.table();
    Some(ast::Expr::CompoundIdentifier(vec![quoted(alias), quoted(&column.name)]))
}

/// Whether two expressions are one column of these rows.
fn same(one: &Expr, other: &Expr, rows: &Rows) -> bool {
    let column = column_index(one, rows.schema());
    column.is_some() && column == column_index(other, rows.schema())
}

/// The left column of an inner join below that a right column equals in every row.
pub(super) fn canonical(expr: Expr, plan: &LogicalPlan) -> Expr {
    let Some(Node::TableJoin(join)) = Node::of(plan) else { return expr };
    let equal = join.on.iter().find(|(_, right)| join.kind == JoinKind::Inner && *right == expr);
    canonical(equal.map_or(expr, |(left, _)| left.clone()), &join.left)
}

/// Whether two keys are exact numbers of different types.
fn is_narrower(mine: &Expr, theirs: &Expr, joined: &DFSchemaRef, rules: Compatibility) -> bool {
    let of = |expr: &Expr| expr.get_type(joined).ok().as_ref().and_then(SqlType::from_arrow);
    let types = of(mine).zip(of(theirs));
    let differ = types.filter(|(mine, theirs)| mine != theirs && rules == Compatibility::Postgres);
    differ.is_some_and(|(mine, theirs)| comparable(&mine, &theirs).is_some())
}

/// Equal values must have equal bytes.
fn check_types(
    mine: &Expr,
    theirs: &Expr,
    joined: &DFSchemaRef,
    (condition, origin): (&ast::Expr, &ast::Expr),
    rules: Compatibility,
) -> Result<()> {
    let type_of = |expr: &Expr| {
        let data_type = expr.get_type(joined).map_err(|error| failure::of_datafusion(error, Some(condition)))?;
        SqlType::from_arrow(&data_type)
            .ok_or_else(|| failure::at(Error::unsupported("a join by such a type is not there yet"), condition))
    };
    let (mine, theirs) = (type_of(mine)?, type_of(theirs)?);
    if mine == theirs {
        return Ok(());
    }
    let message = match rules {
        Compatibility::Ksqldb => types_differ(condition, origin, &mine.arrow(), &theirs.arrow()),
        Compatibility::Postgres => {
            let [mine, theirs] = told_apart(&mine, &theirs);
            format!("a join of tables by key needs one type on both sides, not {mine} and {theirs}")
        }
    };
    let error = Error::new(SqlState::DATATYPE_MISMATCH, message);
    let error = match rules {
        Compatibility::Ksqldb => error,
        Compatibility::Postgres => error.hint(format!("CAST one side to {theirs}.")),
    };
    Err(failure::at(error, condition))
}

/// Both sides with equal keys in one task: as they are if they are hashed alike, else the right goes to the left's partitions.
fn together(left: Rows, right: Rows, on: &[(Expr, Expr)], id: &OperatorId) -> Result<(Rows, Rows)> {
    if left.spread.partitions == 1 && right.spread.partitions == 1 {
        return Ok((left, right));
    }
    let (mine, theirs): (Vec<Expr>, Vec<Expr>) = on.iter().cloned().unzip();
    // The key of a window is its group's and its start: more than Kafka's own serializers write.
    let format = match left.spread.format {
        Format::Kafka if 1 < on.len() => Format::Json,
        format => format,
    };
    let is_there = left.spread.keys.as_ref() == Some(&mine) && left.spread.format == format;
    let wanted = if is_there { left.spread.clone() } else { Spread::by(mine, format, left.spread.partitions) };
    let theirs = wanted.clone().told_by(Some(theirs));
    let left = if is_there { left } else { left.exchanged(&id.inserted("left", 0), wanted)? };
    let right = match right.spread == theirs {
        true => right,
        false => right.exchanged(&id.inserted("right", 0), theirs)?,
    };
    Ok((left, right))
}
