//! Where the columns of a query come from: a column of a relation, as it stands there, or a function whose texts are of a kind.

use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;

use super::planned::parameter_number;
use crate::catalog::Catalog;
use crate::catalog::Relation;
use crate::catalog::TextKind;
use crate::engine::outcome::Origin;
use crate::engine::outcome::OutputField;
use crate::model::RelationId;

/// Numbers of relations in PostgreSQL's catalogs begin here, above those that the other catalogs are counted with.
const RELATION_OIDS: i32 = 1_000_000;
/// Functions whose texts are UUIDs.
const UUIDS: [&str; 2] = ["gen_random_uuid", "__uuid"];

/// A relation's or a view's number in PostgreSQL's catalogs: the same after a restart, and never another's.
pub(super) fn relation_oid(id: RelationId) -> i32 {
    let number = i32::try_from(id.0).unwrap_or(i32::MAX);
    RELATION_OIDS.saturating_add(number)
}

/// What a client is told of a relation's column besides name and type.
pub(super) fn of_column(relation: &Relation, column: usize) -> (Option<Origin>, Option<TextKind>) {
    let number = i16::try_from(column + 1).ok();
    let origin = number.map(|column| Origin { table_oid: relation_oid(relation.id).cast_unsigned(), column });
    (origin, relation.text_kinds.get(&column).copied())
}

/// Tells of each column of a plan where it comes from.
pub(super) fn tell(fields: &mut [OutputField], plan: &LogicalPlan, catalog: &Catalog) {
    for (index, field) in fields.iter_mut().enumerate() {
        (field.origin, field.text_kind) = origin(plan, index, catalog);
    }
}

/// The numbers of the parameters that are compared with UUIDs.
pub(super) fn uuid_parameters(plan: &LogicalPlan, catalog: &Catalog) -> Vec<usize> {
    let mut numbers = Vec::new();
    let walked = plan.apply_with_subqueries(|node| {
        let [input] = node.inputs()[..] else { return Ok(TreeNodeRecursion::Continue) };
        let is_uuid = |expr: &Expr| of_expression(bare(expr), input, catalog).1 == Some(TextKind::Uuid);
        let number = |expr: &Expr| match bare(expr) {
            Expr::Placeholder(placeholder) => parameter_number(&placeholder.id),
            _ => None,
        };
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
                        numbers.extend(number(right).filter(|_| is_uuid(left)));
                        numbers.extend(number(left).filter(|_| is_uuid(right)));
                    }
                    Expr::InList(list) if is_uuid(&list.expr) => numbers.extend(list.list.iter().filter_map(number)),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    debug_assert!(walked.is_ok(), "nothing fails");
    numbers
}

/// What a cast reads.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => bare(&cast.expr),
        expr => expr,
    }
}

fn origin(plan: &LogicalPlan, index: usize, catalog: &Catalog) -> (Option<Origin>, Option<TextKind>) {
    let below = |input: &LogicalPlan, index: usize| origin(input, index, catalog);
    match plan {
        LogicalPlan::Projection(projection) => of_expression(&projection.expr[index], &projection.input, catalog),
        LogicalPlan::Filter(filter) => below(&filter.input, index),
        LogicalPlan::Sort(sort) => below(&sort.input, index),
        LogicalPlan::Limit(limit) => below(&limit.input, index),
        LogicalPlan::Repartition(repartition) => below(&repartition.input, index),
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input, index),
        LogicalPlan::Window(window) if index < window.input.schema().fields().len() => below(&window.input, index),
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.get(index) {
            Some(group @ Expr::Column(_)) => of_expression(group, &aggregate.input, catalog),
            _ => (None, None),
        },
        LogicalPlan::Join(join) => match index.checked_sub(join.left.schema().fields().len()) {
            None => below(&join.left, index),
            Some(index) if index < join.right.schema().fields().len() => below(&join.right, index),
            Some(_) => (None, None),
        },
        LogicalPlan::TableScan(scan) => {
            let is_public = scan.table_name.schema().is_none_or(|schema| schema == "public");
            let relation = catalog.relation(scan.table_name.table()).filter(|_| is_public);
            let named = |relation: &&std::sync::Arc<Relation>| {
                let name = scan.projected_schema.field(index).name();
                relation.columns.iter().position(|column| column.name == *name)
            };
            match relation.as_ref().and_then(|relation| Some((relation, named(relation)?))) {
                Some((relation, column)) => of_column(relation, column),
                None => (None, None),
            }
        }
        _ => (None, None),
    }
}

fn of_expression(expr: &Expr, input: &LogicalPlan, catalog: &Catalog) -> (Option<Origin>, Option<TextKind>) {
    match expr {
        Expr::Alias(alias) => of_expression(&alias.expr, input, catalog),
        Expr::Column(column) => match input.schema().index_of_column(column) {
            Ok(index) => origin(input, index, catalog),
            Err(_) => (None, None),
        },
        Expr::ScalarFunction(call) if UUIDS.contains(&call.func.name()) => (None, Some(TextKind::Uuid)),
        _ => (None, None),
    }
}
