//! The shape of a statement that is read by key: `SELECT columns FROM view WHERE` conditions on leading key columns, all of
//! which hold, `[ORDER BY` key columns`] [LIMIT n]`.
//!
//! Every clause of the parsed query is named here, so that one which a new parser knows does not slip through.

use std::sync::Arc;

use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use sqlparser::ast;

use super::Holds;
use super::KeyRead;
use super::Limit;
use super::Place;
use super::keys::Bound;
use super::keys::Condition;
use super::keys::KEYS_MAX;
use super::keys::KeyPart;
use super::operand::Operand;
use super::operand::parameter;
use super::order::Order;
use super::order::Sorted;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::engine::outcome::OutputField;
use crate::engine::read::origins::of_column;
use crate::engine::read::planned::fields;
use crate::engine::read::planned::output_schema;
use crate::model::SqlType;
use crate::plan::fold;
use crate::plan::placeholder;
use crate::plan::relation_key;
use crate::sql::Select;
use crate::state::KeyOrder;

/// ksqlDB's rules compare texts with times; they are the planner's.
const RULES: Compatibility = Compatibility::Postgres;

impl KeyRead {
    /// The statement as it is read by key, `None` if it is not. Instants go out in `zone`.
    pub(in crate::engine) fn of(select: &Select, catalog: &Catalog, rules: Compatibility, zone: &str) -> Option<Self> {
        if select.emit.is_some() || rules != RULES {
            return None;
        }
        let mut places = Vec::new();
        let plain = plain_query(&select.ast)?;
        let body = plain_select(plain.select)?;
        let table = Table::of(body.from, catalog)?;
        let items = table.items(body.projection)?;
        let key = match body.selection {
            Some(selection) => key_parts(&table, selection, &mut places)?,
            None => Vec::new(),
        };
        let limit = plain.limit.map_or(Some(Limit::None), |limit| Limit::of(limit, &mut places))?;
        let order = match plain.sorted {
            [] => None,
            sorted => Some(Order::of(&table.sorted(sorted, &items)?, table.relation, &key)?),
        };
        // A statement that reads all rows is the planner's.
        if key.is_empty() && order.is_none() || order.is_some() && limit == Limit::None {
            return None;
        }
        places.sort_by_key(|(number, _)| *number);
        // Each parameter stands in one place, and none is missing.
        if !places.iter().map(|(number, _)| *number).eq(1..=places.len()) {
            return None;
        }
        let (columns, names): (Vec<usize>, Vec<String>) = items.into_iter().unzip();
        let schema = Schema::new(columns.iter().map(|at| table.relation.columns[*at].field()).collect::<Vec<Field>>());
        let named = fields(&schema).into_iter().zip(names);
        let told = named.zip(&columns).map(|((field, name), at)| {
            let (origin, text_kind) = of_column(table.relation, *at);
            OutputField { name, origin, text_kind, ..field }
        });
        let fields: Vec<OutputField> = told.collect();
        Some(Self {
            target: Arc::new(output_schema(&fields, &schema, zone)),
            is_whole: key.len() == relation_key(table.relation).len() && !key.iter().any(KeyPart::is_range),
            relation: Arc::clone(table.relation),
            columns,
            fields,
            key,
            parameters: places.into_iter().map(|(_, place)| place).collect(),
            limit,
            order,
        })
    }
}

impl Limit {
    fn of(expr: &ast::Expr, places: &mut Vec<(usize, Place)>) -> Option<Self> {
        if let Some(number) = placeholder(expr) {
            places.push((number, Place { column: SqlType::BigInt, cast: None, holds: Holds::Value }));
            return number.checked_sub(1).map(Limit::Parameter);
        }
        let ast::Expr::Value(limit) = expr else { return None };
        let ast::Value::Number(limit, _) = &limit.value else { return None };
        Some(Limit::Rows(limit.parse().ok()?))
    }
}

impl KeyPart {
    fn is_range(&self) -> bool {
        matches!(self.condition, Condition::Between { .. })
    }
}

/// A query of one SELECT, perhaps with ORDER BY and LIMIT.
struct Plain<'a> {
    select: &'a ast::Select,
    sorted: &'a [ast::OrderByExpr],
    limit: Option<&'a ast::Expr>,
}

fn plain_query(query: &ast::Query) -> Option<Plain<'_>> {
    let ast::Query {
        with: None,
        body,
        order_by,
        limit_clause,
        fetch: None,
        locks,
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators,
    } = query
    else {
        return None;
    };
    let ast::SetExpr::Select(select) = body.as_ref() else { return None };
    let limit = match limit_clause {
        None => None,
        Some(ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) if limit_by.is_empty() => {
            Some(limit)
        }
        Some(_) => return None,
    };
    let sorted = match order_by {
        None => &[][..],
        Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(sorted), interpolate: None }) => sorted,
        Some(_) => return None,
    };
    (locks.is_empty() && pipe_operators.is_empty()).then_some(Plain { select, sorted, limit })
}

/// The clauses of a SELECT that has no others.
struct Body<'a> {
    projection: &'a [ast::SelectItem],
    from: &'a ast::TableWithJoins,
    selection: Option<&'a ast::Expr>,
}

fn plain_select(select: &ast::Select) -> Option<Body<'_>> {
    let ast::Select {
        select_token: _,
        optimizer_hints,
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: _,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views,
        prewhere: None,
        selection,
        connect_by,
        group_by: ast::GroupByExpr::Expressions(group_by, modifiers),
        cluster_by,
        distribute_by,
        sort_by,
        having: None,
        named_window,
        qualify: None,
        window_before_qualify: _,
        value_table_mode: None,
        flavor: ast::SelectFlavor::Standard,
    } = select
    else {
        return None;
    };
    let [from] = from.as_slice() else { return None };
    let is_plain = optimizer_hints.is_empty()
        && lateral_views.is_empty()
        && connect_by.is_empty()
        && group_by.is_empty()
        && modifiers.is_empty()
        && cluster_by.is_empty()
        && distribute_by.is_empty()
        && sort_by.is_empty()
        && named_window.is_empty();
    is_plain.then_some(Body { projection, from, selection: selection.as_ref() })
}

/// The relation that is read, under the name that its columns may have before them.
struct Table<'a> {
    relation: &'a Arc<Relation>,
    name: String,
}

impl<'a> Table<'a> {
    fn of(from: &ast::TableWithJoins, catalog: &'a Catalog) -> Option<Self> {
        let ast::TableWithJoins {
            relation:
                ast::TableFactor::Table {
                    name,
                    alias,
                    args: None,
                    with_hints,
                    version: None,
                    with_ordinality: false,
                    partitions,
                    json_path: None,
                    sample: None,
                    index_hints,
                },
            joins,
        } = from
        else {
            return None;
        };
        if !(joins.is_empty() && with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty()) {
            return None;
        }
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
        let relation = catalog.relation(&fold(ident, RULES))?;
        // Names like those of PostgreSQL's own catalog are asked of that.
        if relation.name.to_lowercase().starts_with("pg_") || relation.name.contains('.') {
            return None;
        }
        let name = match alias {
            None => relation.name.clone(),
            Some(ast::TableAlias { explicit: _, name, columns, at: None }) if columns.is_empty() => fold(name, RULES),
            Some(_) => return None,
        };
        Some(Self { relation, name })
    }

    /// The column that an expression is, by its index.
    fn column(&self, expr: &ast::Expr) -> Option<usize> {
        let ident = match expr {
            ast::Expr::Identifier(ident) => ident,
            ast::Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                // A column of the table's name may have fields.
                [table, ident] if fold(table, RULES) == self.name && self.index(&self.name).is_none() => ident,
                _ => return None,
            },
            ast::Expr::Nested(inner) => return self.column(inner),
            _ => return None,
        };
        self.index(&fold(ident, RULES))
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.relation.columns.iter().position(|column| column.name == name)
    }

    /// The columns of the answer with their names.
    fn items(&self, projection: &[ast::SelectItem]) -> Option<Vec<(usize, String)>> {
        if let [ast::SelectItem::Wildcard(options)] = projection {
            let ast::WildcardAdditionalOptions {
                wildcard_token: _,
                opt_ilike: None,
                opt_exclude: None,
                opt_except: None,
                opt_replace: None,
                opt_rename: None,
                opt_alias: None,
            } = options
            else {
                return None;
            };
            return Some(self.relation.shown_columns().iter().map(|column| column.name.clone()).enumerate().collect());
        }
        let item = |item: &ast::SelectItem| match item {
            ast::SelectItem::UnnamedExpr(expr @ (ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))) => {
                let column = self.column(expr)?;
                Some((column, self.relation.columns[column].name.clone()))
            }
            ast::SelectItem::ExprWithAlias { expr, alias } => {
                let name = fold(alias, RULES);
                // Control letters in names are for the planner's own marks.
                (!name.contains(char::is_control)).then_some((self.column(expr)?, name))
            }
            _ => None,
        };
        projection.iter().map(item).collect::<Option<Vec<_>>>().filter(|items| !items.is_empty())
    }
}

impl Table<'_> {
    /// The columns that rows are sorted by: a name of the answer comes before one of the relation.
    fn sorted(&self, sorted: &[ast::OrderByExpr], items: &[(usize, String)]) -> Option<Vec<Sorted>> {
        let named = |name: &str| {
            let mut found = items.iter().filter(|(_, known)| known == name).map(|(column, _)| *column);
            let first = found.next()?;
            Some(found.all(|other| other == first).then_some(first))
        };
        let column = |expr: &ast::Expr| match expr {
            ast::Expr::Identifier(ident) => named(&fold(ident, RULES)).unwrap_or_else(|| self.column(expr)),
            ast::Expr::Value(value) => match &value.value {
                ast::Value::Number(place, _) => {
                    let at = place.parse::<usize>().ok()?.checked_sub(1)?;
                    items.get(at).map(|(column, _)| *column)
                }
                _ => None,
            },
            other => self.column(other),
        };
        let sorted = sorted.iter().map(|by| {
            let ast::OrderByExpr { expr, options, with_fill: None } = by else { return None };
            let falls = options.asc == Some(false);
            let order = if falls { KeyOrder::Falling } else { KeyOrder::Rising };
            Some(Sorted { column: column(expr)?, order, nulls_first: options.nulls_first.unwrap_or(falls) })
        });
        sorted.collect()
    }
}

/// The conditions of a WHERE on leading key columns; `None` if there are others.
fn key_parts(table: &Table<'_>, selection: &ast::Expr, places: &mut Vec<(usize, Place)>) -> Option<Vec<KeyPart>> {
    let mut said: Vec<(usize, Condition)> = Vec::new();
    conditions(table, selection, places, &mut said)?;
    let mut parts: Vec<KeyPart> = Vec::new();
    for column in relation_key(table.relation) {
        let Some(at) = said.iter().position(|(of, _)| *of == column) else { break };
        let (_, condition) = said.swap_remove(at);
        parts.push(KeyPart { column: table.relation.columns[column].sql_type.clone(), condition });
        if parts.last().is_some_and(KeyPart::is_range) {
            break;
        }
    }
    said.is_empty().then_some(parts)
}

/// Adds what an expression says of columns, each at most once but for the two ends of a range.
fn conditions(
    table: &Table<'_>,
    expr: &ast::Expr,
    places: &mut Vec<(usize, Place)>,
    said: &mut Vec<(usize, Condition)>,
) -> Option<()> {
    match expr {
        ast::Expr::Nested(inner) => conditions(table, inner, places, said),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            conditions(table, left, places, said)?;
            conditions(table, right, places, said)
        }
        ast::Expr::BinaryOp { left, op, right } => {
            let (column, op, value) = match table.column(left) {
                Some(column) => (column, op.clone(), right),
                None => (table.column(right)?, swapped(op)?, left),
            };
            let operand = Operand::of(value, table.type_of(column), places)?;
            say(said, column, compared(&op, operand)?)
        }
        ast::Expr::InList { expr, list, negated: false } if list.len() <= KEYS_MAX => {
            let column = table.column(expr)?;
            let operand = |item: &ast::Expr| Operand::of(item, table.type_of(column), places);
            let operands = list.iter().map(operand).collect::<Option<Vec<_>>>()?;
            say(said, column, Condition::Among(operands))
        }
        ast::Expr::AnyOp { left, compare_op: ast::BinaryOperator::Eq, right, is_some: _ } => {
            let column = table.column(left)?;
            say(said, column, among(right, table.type_of(column), places)?)
        }
        ast::Expr::Between { expr, negated: false, low, high } => {
            let column = table.column(expr)?;
            let mut bound = |expr: &ast::Expr| {
                let operand = Operand::of(expr, table.type_of(column), places)?;
                Some(Some(Bound { operand, inclusive: true }))
            };
            let (from, to) = (bound(low)?, bound(high)?);
            say(said, column, Condition::Between { from, to })
        }
        _ => None,
    }
}

/// What `= ANY (array)` says of a column of type `column`.
fn among(array: &ast::Expr, column: &SqlType, places: &mut Vec<(usize, Place)>) -> Option<Condition> {
    if let ast::Expr::Array(array) = array {
        let constants = array.elem.iter().map(|element| Operand::constant(element, column));
        return constants.collect::<Option<Vec<_>>>().filter(|known| !known.is_empty()).map(Condition::Among);
    }
    let (number, cast) = parameter(array)?;
    // A cast to DECIMAL rounds.
    if matches!(&cast, Some(SqlType::Array(item)) if matches!(item.as_ref(), SqlType::Decimal { .. })) {
        return None;
    }
    let place = Place { column: column.clone(), cast, holds: Holds::Array };
    place.told(None)?;
    places.push((number, place));
    number.checked_sub(1).map(Condition::AmongParameter)
}

impl Table<'_> {
    fn type_of(&self, column: usize) -> &SqlType {
        &self.relation.columns[column].sql_type
    }
}

/// The condition that a column, compared so with an operand, is under.
fn compared(op: &ast::BinaryOperator, operand: Operand) -> Option<Condition> {
    let bound = |operand, inclusive| Some(Bound { operand, inclusive });
    Some(match op {
        ast::BinaryOperator::Eq => Condition::Equal(operand),
        ast::BinaryOperator::Gt => Condition::Between { from: bound(operand, false), to: None },
        ast::BinaryOperator::GtEq => Condition::Between { from: bound(operand, true), to: None },
        ast::BinaryOperator::Lt => Condition::Between { from: None, to: bound(operand, false) },
        ast::BinaryOperator::LtEq => Condition::Between { from: None, to: bound(operand, true) },
        _ => return None,
    })
}

fn swapped(op: &ast::BinaryOperator) -> Option<ast::BinaryOperator> {
    Some(match op {
        ast::BinaryOperator::Eq => ast::BinaryOperator::Eq,
        ast::BinaryOperator::Gt => ast::BinaryOperator::Lt,
        ast::BinaryOperator::GtEq => ast::BinaryOperator::LtEq,
        ast::BinaryOperator::Lt => ast::BinaryOperator::Gt,
        ast::BinaryOperator::LtEq => ast::BinaryOperator::GtEq,
        _ => return None,
    })
}

/// Puts a condition to what is said of its column; `None` if both speak of the same.
fn say(said: &mut Vec<(usize, Condition)>, column: usize, condition: Condition) -> Option<()> {
    let Some((_, known)) = said.iter_mut().find(|(of, _)| *of == column) else {
        said.push((column, condition));
        return Some(());
    };
    let (Condition::Between { from, to }, Condition::Between { from: and_from, to: and_to }) = (known, condition)
    else {
        return None;
    };
    for (known, and) in [(from, and_from), (to, and_to)] {
        match (&known, and) {
            (_, None) => {}
            (None, bound) => *known = bound,
            (Some(_), Some(_)) => return None,
        }
    }
    Some(())
}
