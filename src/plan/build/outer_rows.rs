//! Subqueries of a row outside that DataFusion cannot join with it: those that compare otherwise than with `=`, and those whose
//! condition stands below a LIMIT, a window, a UNION or another query.
//!
//! The different values that the subquery sees of the rows outside, *keys*, are joined with what the subquery reads; so it is
//! computed for all keys at once, each of its rows with its key, and its answers are joined with the rows outside by key:
//!
//! | in the subquery | with keys |
//! |---|---|
//! | what sees no key | a cross join with the keys |
//! | a condition, a list | the same, of the key's columns |
//! | GROUP BY, DISTINCT, windows | of each key |
//! | an aggregate without GROUP BY | one row for each key, also where the key has no rows |
//! | LIMIT | of each key, by numbers of its rows |

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::DataFusionError;
use datafusion::common::JoinType;
use datafusion::common::NullEquality;
use datafusion::common::Result;
use datafusion::common::TableReference;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::Aggregate;
use datafusion::logical_expr::Distinct;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprFunctionExt;
use datafusion::logical_expr::Join;
use datafusion::logical_expr::Limit;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::binary_expr;
use datafusion::logical_expr::col;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::lit;

use super::subqueries::literal;

const NUMBER: &str = "__number";
const HERE: &str = "__here";

/// What a subquery sees of the rows outside.
pub(super) struct Keys {
    /// The columns outside.
    pub(super) outer: Vec<Column>,
    /// What they are called inside.
    pub(super) names: Vec<String>,
    /// Their different values.
    plan: LogicalPlan,
}

impl Keys {
    /// The keys of a subquery over the rows of `rows`; `None` if it sees others too, or if they could be others when they are
    /// read a second time.
    pub(super) fn of(subquery: &LogicalPlan, rows: &LogicalPlan) -> Result<Option<Self>> {
        let outer = outer_columns(subquery)?;
        if outer.is_empty() || !outer.iter().all(|column| rows.schema().has_column(column)) || !is_stable(rows)? {
            return Ok(None);
        }
        let tag = free_tag(&[subquery, rows])?;
        let names: Vec<String> = (0..outer.len()).map(|at| format!("__outer{tag}_{at}")).collect();
        let columns = outer.iter().zip(&names).map(|(column, name)| Expr::Column(column.clone()).alias(name));
        let plan = LogicalPlanBuilder::from(rows.clone()).project(columns)?.distinct()?.build()?;
        Ok(Some(Self { outer, names, plan }))
    }

    /// Answers with the key's columns under names of their own.
    pub(super) fn renamed(&mut self, answers: LogicalPlan, number: usize) -> Result<LogicalPlan> {
        let names: Vec<String> = self.names.iter().map(|name| format!("{name}_of{number}")).collect();
        let keys = self.names.iter().zip(&names).map(|(name, new)| col(name).alias(new));
        let rest = answers.schema().columns().into_iter().skip(names.len()).map(Expr::Column);
        let columns: Vec<Expr> = keys.chain(rest).collect();
        self.names = names;
        LogicalPlanBuilder::from(answers).project(columns)?.build()
    }

    fn columns(&self) -> Vec<Expr> {
        self.names.iter().map(col).collect()
    }

    /// The expression with the key's columns in place of those outside; `None` if a subquery inside it sees them.
    fn seen(&self, expr: &Expr) -> Result<Option<Expr>> {
        let mut nested = false;
        let seen = expr.clone().transform_up(|part| {
            Ok(match part {
                Expr::OuterReferenceColumn(field, column) => match self.outer.iter().position(|outer| *outer == column)
                {
                    Some(at) => Transformed::yes(col(&self.names[at])),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                },
                Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => {
                    nested |= match &part {
                        Expr::ScalarSubquery(subquery) => sees(subquery, &self.outer),
                        Expr::Exists(exists) => sees(&exists.subquery, &self.outer),
                        Expr::InSubquery(among) => sees(&among.subquery, &self.outer),
                        _ => false,
                    };
                    Transformed::no(part)
                }
                other => Transformed::no(other),
            })
        })?;
        Ok((!nested).then_some(seen.data))
    }

    /// Expressions under the names that they had.
    fn all_seen(&self, exprs: &[Expr]) -> Result<Option<Vec<Expr>>> {
        let mut all = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let Some(seen) = self.seen(expr)? else { return Ok(None) };
            let (qualifier, name) = expr.qualified_name();
            let is_same = seen == *expr || matches!(seen, Expr::Alias(_));
            all.push(if is_same { seen } else { seen.alias_qualified(qualifier, name) });
        }
        Ok(Some(all))
    }

    /// The rows of a plan for each key, the key's columns first; `None` for what cannot be computed so.
    pub(super) fn joined(&self, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
        if outer_columns(plan)?.is_empty() {
            let keys = LogicalPlanBuilder::from(self.plan.clone());
            return keys.cross_join(plan.clone())?.build().map(Some);
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let (Some(input), Some(condition)) = (self.joined(&filter.input)?, self.seen(&filter.predicate)?)
                else {
                    return Ok(None);
                };
                LogicalPlanBuilder::from(input).filter(condition)?.build().map(Some)
            }
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.joined(&projection.input)? else { return Ok(None) };
                self.listed(input, &projection.expr)
            }
            LogicalPlan::SubqueryAlias(aliased) => {
                let Some(input) = self.joined(&aliased.input)? else { return Ok(None) };
                self.named_as(input, plan).map(Some)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregated(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => match self.joined(input)? {
                Some(input) => LogicalPlanBuilder::from(input).distinct()?.build().map(Some),
                None => Ok(None),
            },
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let (Some(input), Some(order)) = (self.joined(&sort.input)?, self.order(&sort.expr)?) else {
                    return Ok(None);
                };
                LogicalPlanBuilder::from(input).sort(order)?.build().map(Some)
            }
            LogicalPlan::Limit(limit) => self.limited(limit),
            LogicalPlan::Window(window) => {
                let Some(input) = self.joined(&window.input)? else { return Ok(None) };
                let Some(windows) = self.all_seen(&window.window_expr)? else { return Ok(None) };
                let windows = windows.into_iter().map(|expr| self.of_each_key(expr)).collect::<Result<Vec<_>>>()?;
                LogicalPlanBuilder::from(input).window(windows)?.build().map(Some)
            }
            LogicalPlan::Union(union) => {
                let mut all: Option<LogicalPlanBuilder> = None;
                for input in &union.inputs {
                    let Some(input) = self.joined(input)? else { return Ok(None) };
                    all = Some(match all {
                        None => LogicalPlanBuilder::from(input),
                        Some(before) => before.union(input)?,
                    });
                }
                match all {
                    Some(all) => self.named_as(all.build()?, plan).map(Some),
                    None => Ok(None),
                }
            }
            LogicalPlan::Unnest(unnest) => {
                let Some(input) = self.joined(&unnest.input)? else { return Ok(None) };
                let input = LogicalPlanBuilder::from(input);
                let (columns, options) = (unnest.exec_columns.clone(), unnest.options.clone());
                input.unnest_columns_with_options(columns, options)?.build().map(Some)
            }
            LogicalPlan::Join(join) => self.joined_sides(join),
            LogicalPlan::Subquery(lateral) => self.joined(&lateral.subquery),
            _ => Ok(None),
        }
    }

    /// The key's columns, and a list of expressions.
    fn listed(&self, input: LogicalPlan, list: &[Expr]) -> Result<Option<LogicalPlan>> {
        let Some(list) = self.all_seen(list)? else { return Ok(None) };
        LogicalPlanBuilder::from(input).project(self.columns().into_iter().chain(list))?.build().map(Some)
    }

    /// Columns behind the key's with the names that those of `original` have.
    fn named_as(&self, input: LogicalPlan, original: &LogicalPlan) -> Result<LogicalPlan> {
        let given = input.schema().columns().into_iter().skip(self.names.len());
        let named = given
            .zip(original.schema().iter())
            .map(|(column, (qualifier, field))| Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()));
        let columns: Vec<Expr> = self.columns().into_iter().chain(named).collect();
        LogicalPlanBuilder::from(input).project(columns)?.build()
    }

    fn order(&self, order: &[SortExpr]) -> Result<Option<Vec<SortExpr>>> {
        let mut all = Vec::with_capacity(order.len());
        for by in order {
            let Some(expr) = self.seen(&by.expr)? else { return Ok(None) };
            all.push(SortExpr { expr, ..by.clone() });
        }
        Ok(Some(all))
    }

    fn of_each_key(&self, expr: Expr) -> Result<Expr> {
        let (qualifier, name) = expr.qualified_name();
        let changed = expr.transform_up(|part| {
            Ok(match part {
                Expr::WindowFunction(mut window) => {
                    window.params.partition_by.extend(self.columns());
                    Transformed::yes(Expr::WindowFunction(window))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(match changed.data {
            aliased @ Expr::Alias(_) => aliased,
            other => other.alias_qualified(qualifier, name),
        })
    }

    fn aggregated(&self, aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
        let Some(input) = self.joined(&aggregate.input)? else { return Ok(None) };
        if aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
            return Ok(None);
        }
        let (Some(groups), Some(aggregates)) =
            (self.all_seen(&aggregate.group_expr)?, self.all_seen(&aggregate.aggr_expr)?)
        else {
            return Ok(None);
        };
        if !groups.is_empty() {
            let groups = self.columns().into_iter().chain(groups);
            return LogicalPlanBuilder::from(input).aggregate(groups, aggregates)?.build().map(Some);
        }
        // A key without rows has a group without rows.
        let left: Vec<String> = self.names.iter().map(|name| format!("{name}_key")).collect();
        let keys = self.columns().into_iter().zip(&left).map(|(column, name)| column.alias(name));
        let keys = LogicalPlanBuilder::from(self.plan.clone()).project(keys)?;
        let all = input.schema().columns().into_iter().map(Expr::Column).chain([lit(true).alias(HERE)]);
        let rows = LogicalPlanBuilder::from(input.clone()).project(all.collect::<Vec<_>>())?.build()?;
        let on = (left.iter().map(Column::new_unqualified).collect(), self.key_columns());
        let rows = keys.join_detailed(rows, JoinType::Left, on, None, NullEquality::NullEqualsNull)?;
        let aggregates = aggregates.into_iter().map(of_rows_here).collect::<Result<Vec<_>>>()?;
        let grouped = rows.aggregate(left.iter().map(col), aggregates)?.build()?;
        let keys = left.iter().zip(&self.names).map(|(left, name)| col(left).alias(name));
        let answers = grouped.schema().columns().into_iter().skip(left.len()).map(Expr::Column);
        let columns: Vec<Expr> = keys.chain(answers).collect();
        LogicalPlanBuilder::from(grouped).project(columns)?.build().map(Some)
    }

    fn key_columns(&self) -> Vec<Column> {
        self.names.iter().map(Column::new_unqualified).collect()
    }

    /// The first rows of each key.
    fn limited(&self, limit: &Limit) -> Result<Option<LogicalPlan>> {
        let skip = limit.skip.as_deref().map_or(Some(0), |skip| literal(Some(skip)));
        let fetch = limit.fetch.as_deref().map_or(Some(None), |fetch| literal(Some(fetch)).map(Some));
        let (Some(skip), Some(fetch)) = (skip, fetch) else { return Ok(None) };
        let (list, sorted) = match limit.input.as_ref() {
            LogicalPlan::Projection(projection) if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) => {
                (Some(&projection.expr), projection.input.as_ref())
            }
            other => (None, other),
        };
        let (order, rows) = match sorted {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => (sort.expr.clone(), sort.input.as_ref()),
            other => (Vec::new(), other),
        };
        let (Some(input), Some(order)) = (self.joined(rows)?, self.order(&order)?) else { return Ok(None) };
        let given: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let number = Expr::WindowFunction(Box::new(WindowFunction::new(row_number_udwf(), Vec::new())));
        let mut number = number.partition_by(self.columns());
        if !order.is_empty() {
            number = number.order_by(order);
        }
        let mut taken = col(NUMBER).gt(lit(skip));
        if let Some(fetch) = fetch {
            taken = taken.and(col(NUMBER).lt_eq(lit(skip.saturating_add(fetch))));
        }
        // The numbers are unsigned, and compared as they are.
        let numbered = LogicalPlanBuilder::from(input).window(vec![number.build()?.alias(NUMBER)])?;
        let rows = numbered.filter(taken)?.project(given)?.build()?;
        match list {
            Some(list) => self.listed(rows, list),
            None => Ok(Some(rows)),
        }
    }

    /// A join of which a side, or the condition, sees the key.
    fn joined_sides(&self, join: &Join) -> Result<Option<LogicalPlan>> {
        let of_right = !outer_columns(&join.right)?.is_empty();
        let keeps = matches!(join.join_type, JoinType::Inner | JoinType::Left);
        if !keeps && (of_right || !matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)) {
            return Ok(None);
        }
        let Some(left) = self.joined(&join.left)? else { return Ok(None) };
        let mut conditions = Vec::new();
        for (one, other) in &join.on {
            let op = match join.null_equality {
                NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                NullEquality::NullEqualsNothing => Operator::Eq,
            };
            conditions.push(binary_expr(one.clone(), op, other.clone()));
        }
        conditions.extend(join.filter.clone());
        let Some(mut conditions) = self.all_conditions(&conditions)? else { return Ok(None) };
        let mut right = join.right.as_ref().clone();
        if of_right {
            let Some(joined) = self.joined(&right)? else { return Ok(None) };
            let names: Vec<String> = self.names.iter().map(|name| format!("{name}_right")).collect();
            let keys = self.names.iter().zip(&names).map(|(name, right)| col(name).alias(right));
            let rest = joined.schema().columns().into_iter().skip(self.names.len()).map(Expr::Column);
            let columns: Vec<Expr> = keys.chain(rest).collect();
            right = LogicalPlanBuilder::from(joined).project(columns)?.build()?;
            let same = |(name, right)| binary_expr(col(name), Operator::IsNotDistinctFrom, col(right));
            conditions.extend(self.names.iter().zip(&names).map(same));
        }
        let joined = LogicalPlanBuilder::from(left).join_on(right, join.join_type, conditions)?.build()?;
        let columns: Vec<Expr> =
            self.columns().into_iter().chain(join.schema.columns().into_iter().map(Expr::Column)).collect();
        LogicalPlanBuilder::from(joined).project(columns)?.build().map(Some)
    }

    fn all_conditions(&self, conditions: &[Expr]) -> Result<Option<Vec<Expr>>> {
        conditions.iter().map(|condition| self.seen(condition)).collect()
    }

    /// The rows outside with the answers of their keys beside them.
    pub(super) fn beside(
        &self,
        rows: LogicalPlanBuilder,
        answers: LogicalPlan,
        join_type: JoinType,
        condition: Option<Expr>,
    ) -> Result<LogicalPlanBuilder> {
        let on = (self.outer.clone(), self.key_columns());
        rows.join_detailed(answers, join_type, on, condition, NullEquality::NullEqualsNull)
    }
}

fn sees(subquery: &Subquery, outer: &[Column]) -> bool {
    subquery
        .outer_ref_columns
        .iter()
        .any(|seen| matches!(seen, Expr::OuterReferenceColumn(_, column) if outer.contains(column)))
}

/// An aggregate that leaves out the row that stands for no rows.
fn of_rows_here(expr: Expr) -> Result<Expr> {
    let (qualifier, name) = expr.qualified_name();
    let changed = expr.transform_up(|part| {
        Ok(match part {
            Expr::AggregateFunction(mut aggregate) => {
                let here = col(HERE).is_not_null();
                let filter = match aggregate.params.filter.take() {
                    Some(filter) => here.and(*filter),
                    None => here,
                };
                aggregate.params.filter = Some(Box::new(filter));
                Transformed::yes(Expr::AggregateFunction(aggregate))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(match changed.data {
        aliased @ Expr::Alias(_) => aliased,
        other => other.alias_qualified(qualifier, name),
    })
}

/// The columns of rows outside that a plan names, but not those that subqueries in its expressions name.
pub(super) fn outer_columns(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut found: Vec<Column> = Vec::new();
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::OuterReferenceColumn(_, column) = part
                    && !found.contains(column)
                {
                    found.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Whether rows are the same when they are read again.
fn is_stable(plan: &LogicalPlan) -> Result<bool> {
    let changes = plan.exists(|node| {
        let mut changes =
            matches!(node, LogicalPlan::Limit(_) | LogicalPlan::Window(_) | LogicalPlan::RecursiveQuery(_))
                || matches!(node, LogicalPlan::Distinct(Distinct::On(_)));
        node.apply_expressions(|expr| {
            changes |= expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(changes)
    })?;
    Ok(!changes)
}

/// A number that no such name in the plans has yet.
fn free_tag(plans: &[&LogicalPlan]) -> Result<usize> {
    let mut tag = 0;
    for plan in plans {
        plan.apply(|node| {
            for field in node.schema().fields() {
                let taken = field.name().strip_prefix("__outer").and_then(|rest| rest.split('_').next()?.parse().ok());
                tag = tag.max(taken.map_or(0, |taken: usize| taken + 1));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(tag)
}

/// Answers of subqueries, by the subqueries: equal ones are computed once.
pub(super) type Answers = HashMap<Subquery, Expr>;

/// The answers of a scalar subquery, for all keys: the key's columns, and the value under `name`. `None` if it cannot be computed
/// so, or may have several rows.
pub(super) fn answers(keys: &Keys, subquery: &LogicalPlan, name: &str) -> Result<Option<LogicalPlan>> {
    if !has_one_row(subquery) {
        return Ok(None);
    }
    let Some(rows) = keys.joined(subquery)? else { return Ok(None) };
    let Some(value) = rows.schema().columns().into_iter().nth(keys.names.len()) else { return Ok(None) };
    let columns = keys.columns().into_iter().chain([Expr::Column(value).alias(name)]);
    LogicalPlanBuilder::from(rows).project(columns.collect::<Vec<_>>())?.build().map(Some)
}

fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::Filter(filter) => has_one_row(&filter.input),
        LogicalPlan::Sort(sort) => has_one_row(&sort.input),
        LogicalPlan::SubqueryAlias(aliased) => has_one_row(&aliased.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Limit(limit) => literal(limit.fetch.as_deref()).is_some_and(|fetch| fetch <= 1),
        _ => false,
    }
}

/// A lateral table's rows for all keys, its columns under the name of the table.
pub(super) fn lateral_rows(
    keys: &Keys,
    subquery: &LogicalPlan,
    alias: Option<&TableReference>,
) -> Result<Option<LogicalPlan>> {
    let Some(rows) = keys.joined(subquery)? else { return Ok(None) };
    let given = rows.schema().columns().into_iter().skip(keys.names.len());
    let named = given.zip(subquery.schema().iter()).map(|(column, (qualifier, field))| {
        Expr::Column(column).alias_qualified(alias.or(qualifier).cloned(), field.name())
    });
    let columns: Vec<Expr> = keys.columns().into_iter().chain(named).collect();
    LogicalPlanBuilder::from(rows).project(columns)?.build().map(Some)
}

/// Whether DataFusion joins a subquery with the rows outside: what sees them are conditions, which only lists, other conditions and
/// joins stand above, and aggregates if it is told by `=` alone.
pub(super) fn is_simple(plan: &LogicalPlan, below_aggregate: bool) -> Result<bool> {
    if outer_columns(plan)?.is_empty() {
        return Ok(true);
    }
    Ok(match plan {
        LogicalPlan::Filter(filter) => {
            (!below_aggregate || is_of_equalities(&filter.predicate)?) && is_simple(&filter.input, below_aggregate)?
        }
        LogicalPlan::Projection(projection) => {
            let mut seen = false;
            for expr in &projection.expr {
                seen |= sees_outer(expr)?;
            }
            !seen && is_simple(&projection.input, below_aggregate)?
        }
        LogicalPlan::Aggregate(aggregate) => {
            let mut seen = false;
            for expr in aggregate.group_expr.iter().chain(&aggregate.aggr_expr) {
                seen |= sees_outer(expr)?;
            }
            !seen && is_simple(&aggregate.input, true)?
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let mut seen = false;
            for expr in join.filter.iter().chain(join.on.iter().flat_map(|(one, other)| [one, other])) {
                seen |= sees_outer(expr)?;
            }
            !seen && is_simple(&join.left, below_aggregate)? && is_simple(&join.right, below_aggregate)?
        }
        _ => false,
    })
}

fn sees_outer(expr: &Expr) -> Result<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))))
}

fn is_of_equalities(condition: &Expr) -> Result<bool> {
    if !sees_outer(condition)? {
        return Ok(true);
    }
    let Expr::BinaryExpr(binary) = condition else { return Ok(false) };
    Ok(match binary.op {
        Operator::And => is_of_equalities(&binary.left)? && is_of_equalities(&binary.right)?,
        Operator::Eq => {
            let is_outer = |expr: &Expr| matches!(expr, Expr::OuterReferenceColumn(..));
            let is_inner = |expr: &Expr| Ok::<_, DataFusionError>(!sees_outer(expr)? && expr.any_column_refs());
            (is_outer(&binary.left) && is_inner(&binary.right)?) || (is_outer(&binary.right) && is_inner(&binary.left)?)
        }
        _ => false,
    })
}

/// The plan below a lateral table's alias.
pub(super) fn lateral_of(plan: &LogicalPlan) -> Option<(&Arc<LogicalPlan>, Option<&TableReference>)> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some((&subquery.subquery, None)),
        LogicalPlan::SubqueryAlias(aliased) => match aliased.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((&subquery.subquery, Some(&aliased.alias))),
            _ => None,
        },
        _ => None,
    }
}
