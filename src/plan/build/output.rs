//! What a query writes: which columns, which of them are the key, in which order.

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use sqlparser::ast;

use super::expression::as_column;
use super::failure;
use super::foreign_join;
use super::rows::Changes;
use super::rows::Rows;
use crate::catalog::Compatibility;
use crate::catalog::WindowOfKey;
use crate::catalog::shown_column;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::plan::bind::BoundItem;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::Purpose;
use crate::plan::bind::fold_name;
use crate::plan::bind::name_of_unnamed_key;
use crate::plan::ksqldb_text;
use crate::plan::ksqldb_text::Columns;
use crate::plan::pull::repeated_name;

/// What SELECT gives, before it is put in order.
pub struct Selected {
    /// The rows that the items are expressions over.
    pub rows: Rows,
    /// One per item of the SELECT list.
    pub items: Vec<Expr>,
    /// The key: per column the expressions that are as good as each other.
    pub keys: Vec<Vec<Expr>>,
    /// Whether a query that does not select its key is refused.
    pub needs_key: bool,
    /// The bounds of the window in the key.
    pub window: Option<(WindowOfKey, Expr, Expr)>,
}

/// Columns in the order in which they are written.
#[derive(Default)]
pub struct Arranged {
    /// What each is.
    pub exprs: Vec<Expr>,
    /// How it is called.
    pub columns: Vec<Column>,
    /// The record's key: key columns and window start, of a session the end too, by index.
    pub key: Vec<usize>,
    /// The window in the key.
    pub window: Option<WindowOfKey>,
    /// Columns at the end that a client is not shown: what of the key it did not ask for.
    pub hidden: usize,
    /// The window's end is part of the key: sessions that begin together may end apart.
    key_has_end: bool,
}

impl Arranged {
    fn of(selected: &Selected) -> Self {
        let is_session = |(window, ..): &(WindowOfKey, Expr, Expr)| window.size_ms.is_none();
        Self { key_has_end: selected.window.as_ref().is_some_and(is_session), ..Self::default() }
    }

    fn push(&mut self, expr: Expr, name: &str, sql_type: SqlType, role: ColumnRole) {
        let in_key = match role {
            ColumnRole::Key | ColumnRole::WindowStart => true,
            ColumnRole::WindowEnd => self.key_has_end,
            ColumnRole::Value | ColumnRole::Headers | ColumnRole::Header(_) => false,
        };
        if in_key {
            self.key.push(self.columns.len());
        }
        self.exprs.push(expr);
        self.columns.push(Column { name: name.to_string(), sql_type, role });
    }

    /// A column of the key that the list does not have.
    fn push_hidden(&mut self, expr: &Expr, schema: &DFSchema, relation: &str) -> Result<()> {
        let data_type = expr.get_type(schema).map_err(|error| failure::of_datafusion(error, None))?;
        let sql_type = SqlType::from_arrow(&data_type)
            .ok_or_else(|| Error::unsupported(format!("a key of type {data_type} that no column of the list is")))?;
        let expr = if data_type == sql_type.arrow() { expr.clone() } else { cast(expr.clone(), sql_type.arrow()) };
        // That of a hidden column below is what that one holds.
        let of = match expr_below(&expr) {
            Expr::Column(column) => column.name.rsplit(['.', '?']).next().unwrap_or("key"),
            _ => "key",
        };
        let names = (1..).map(|number: u32| match number {
            1 => Column::hidden_name(relation, of),
            number => Column::hidden_name(relation, &format!("{of}_{number}")),
        });
        let is_free = |name: &String| !self.columns.iter().any(|column| column.name == *name);
        let name = names.into_iter().find(is_free).unwrap_or_default();
        self.push(expr, &name, sql_type, ColumnRole::Key);
        Ok(())
    }

    /// Whether rows are told apart by what the list does not have.
    pub fn hides_key(&self) -> bool {
        self.columns.iter().any(Column::is_hidden)
    }
}

/// What a query makes.
fn target_name(query: &BoundQuery) -> String {
    match &query.purpose {
        Purpose::Stream { name } | Purpose::Table { name } | Purpose::MaterializedView { name } => name.clone(),
        Purpose::Insert { .. } | Purpose::Push => "the query".to_string(),
    }
}

/// The columns for a client, as the SELECT list has them.
pub fn for_client(selected: &Selected, query: &BoundQuery) -> Result<Arranged> {
    let mut arranged = Arranged::of(selected);
    let mut found = vec![false; selected.keys.len()];
    for (index, (item, expr)) in query.items.iter().zip(&selected.items).enumerate() {
        let place = key_place(selected, expr).filter(|place| !found[*place]);
        if let Some(place) = place {
            found[place] = true;
        }
        let role = match &selected.window {
            _ if place.is_some() => ColumnRole::Key,
            Some((_, start, _)) if start == expr => ColumnRole::WindowStart,
            Some((_, _, end)) if end == expr => ColumnRole::WindowEnd,
            _ => ColumnRole::Value,
        };
        let (expr, sql_type) = as_column(expr.clone(), selected.rows.schema(), &item.expr)?;
        // The columns of an answer may have one name; those of a plan may not.
        match arranged.columns.iter().any(|before| before.name == item.name) {
            true => arranged.push(expr, &repeated_name(&item.name, index), sql_type, role),
            false => arranged.push(expr, &item.name, sql_type, role),
        }
    }
    // Rows of a stream are all different; of others the newest of each key leaves.
    if selected.rows.changes != Changes::Append {
        let visible = arranged.columns.len();
        for (expr, role) in missing_of_key(selected, &arranged, &found) {
            let data_type = expr.get_type(selected.rows.schema()).ok();
            let Some(sql_type) = data_type.as_ref().and_then(SqlType::from_arrow) else {
                return Err(Error::unsupported("such changes cannot be sent without the key").hint(
                    "Add the columns of the key (and windowstart, of a session windowend too) to the SELECT list.",
                ));
            };
            let expr = if data_type == Some(sql_type.arrow()) { expr } else { cast(expr, sql_type.arrow()) };
            let name = repeated_name("key", arranged.columns.len());
            arranged.push(expr, &name, sql_type, role);
        }
        arranged.hidden = arranged.columns.len() - visible;
    } else if found.contains(&false) {
        arranged.key.clear();
    }
    Ok(arranged)
}

/// What of the key is in no column; `found` tells which of its columns are.
fn missing_of_key(selected: &Selected, arranged: &Arranged, found: &[bool]) -> Vec<(Expr, ColumnRole)> {
    let has = |role| arranged.columns.iter().any(|column| column.role == role);
    let keys = selected.keys.iter().zip(found).filter(|(_, found)| !**found);
    let mut missing: Vec<_> = keys.map(|(key, _)| (key[0].clone(), ColumnRole::Key)).collect();
    if let Some((_, start, end)) = &selected.window {
        if !has(ColumnRole::WindowStart) {
            missing.push((start.clone(), ColumnRole::WindowStart));
        }
        if arranged.key_has_end && !has(ColumnRole::WindowEnd) {
            missing.push((end.clone(), ColumnRole::WindowEnd));
        }
    }
    missing
}

/// The columns of a relation: the key first, window bounds after it, then the rest in the order of the SELECT list.
pub fn for_relation(selected: &Selected, query: &BoundQuery) -> Result<Arranged> {
    let rules = query.semantics.compatibility;
    let places = key_items(selected, query)?;
    let mut hidden = Vec::new();
    let mut arranged = Arranged::of(selected);
    let schema = selected.rows.schema();
    let mut used = vec![false; query.items.len()];
    if let Some(places) = places {
        for (accepted, place) in selected.keys.iter().zip(places) {
            let Some(place) = place else {
                hidden.push(&accepted[0]);
                continue;
            };
            used[place] = true;
            let item = &query.items[place];
            // In ksqlDB's rules the key of a join is there even where the column that stands for it is not.
            let expr = match rules {
                Compatibility::Ksqldb => accepted[0].clone(),
                Compatibility::Postgres => selected.items[place].clone(),
            };
            let (expr, sql_type) = as_column(expr, schema, &item.expr)?;
            arranged.push(expr, &item.name, sql_type, ColumnRole::Key);
        }
        if let Some((window, start, end)) = &selected.window {
            arranged.window = Some(*window);
            for (bound, word, role) in
                [(start, "windowstart", ColumnRole::WindowStart), (end, "windowend", ColumnRole::WindowEnd)]
            {
                let word = fold_name(word, false, rules);
                let item = bound_item(selected, query, (bound, &word), rules).filter(|item| !used[*item]);
                let name = match item {
                    Some(item) => {
                        used[item] = true;
                        query.items[item].name.clone()
                    }
                    None => word,
                };
                let (expr, sql_type) = as_column(bound.clone(), schema, &query.items[0].expr)?;
                arranged.push(expr, &name, sql_type, role);
            }
        }
    }
    for (index, item) in query.items.iter().enumerate().filter(|(index, _)| !used[*index]) {
        if rules == Compatibility::Ksqldb && is_untyped(&selected.items[index], schema) {
            let message =
                "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).";
            return Err(failure::at(Error::new(SqlState("42P18"), message), &item.expr));
        }
        let (expr, sql_type) = as_column(selected.items[index].clone(), schema, &item.expr)?;
        arranged.push(expr, &item.name, sql_type, ColumnRole::Value);
    }
    check_columns(&arranged, query)?;
    for expr in hidden {
        arranged.push_hidden(expr, schema, &target_name(query))?;
    }
    Ok(arranged)
}

/// Whether it is a NULL of which nothing tells the type.
fn is_untyped(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type.is_null())
}

fn check_columns(arranged: &Arranged, query: &BoundQuery) -> Result<()> {
    for (index, column) in arranged.columns.iter().enumerate() {
        if arranged.columns[..index].iter().any(|before| before.name == column.name) {
            let message = match query.semantics.compatibility {
                Compatibility::Postgres => format!("column \"{}\" specified more than once", column.name),
                Compatibility::Ksqldb => {
                    let half = if column.role == ColumnRole::Key { "key" } else { "value" };
                    format!("Duplicate {half} columns found in schema: {}", shown_column(column))
                }
            };
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).hint("Give one of them another name with AS."));
        }
    }
    let has_values = arranged.columns.iter().any(|column| column.role == ColumnRole::Value);
    if !has_values && query.semantics.compatibility == Compatibility::Ksqldb {
        return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, "The projection contains no value columns."));
    }
    Ok(())
}

/// The item that stands for a window bound: ksqlDB lets an alias, and the name of a join's side before it, make a copy,
/// PostgreSQL's rules a new name.
fn bound_item(
    selected: &Selected,
    query: &BoundQuery,
    (bound, word): (&Expr, &str),
    rules: Compatibility,
) -> Option<usize> {
    let stands = |item: &BoundItem| rules == Compatibility::Postgres || (!item.named && item.name == word);
    (0..query.items.len()).find(|index| selected.items[*index] == *bound && stands(&query.items[*index]))
}

fn key_place(selected: &Selected, expr: &Expr) -> Option<usize> {
    selected.keys.iter().position(|accepted| accepted.contains(expr))
}

/// The items that are the key, in the key's order, `None` for what no item is; `None` for rows that go without one.
fn key_items(selected: &Selected, query: &BoundQuery) -> Result<Option<Vec<Option<usize>>>> {
    let rules = query.semantics.compatibility;
    let mut places = Vec::with_capacity(selected.keys.len());
    for accepted in &selected.keys {
        let items: Vec<usize> =
            (0..selected.items.len()).filter(|item| accepted.contains(&selected.items[*item])).collect();
        match items.as_slice() {
            [] if rules == Compatibility::Postgres && !selected.needs_key => return Ok(None),
            [] if rules == Compatibility::Postgres && !selected.keys.is_empty() && needs_none(query) => {
                places.push(None)
            }
            [] => return Err(key_missing(selected, query)),
            [_, second, ..] if rules == Compatibility::Ksqldb && is_same(selected, &items) => {
                return Err(key_repeated(&accepted[0], &items, *second, query));
            }
            _ if rules == Compatibility::Ksqldb => {
                places.push(items.iter().min_by_key(|item| source_of(&selected.items[**item], query)).copied());
            }
            [first, ..] => places.push(Some(*first)),
        }
    }
    Ok(Some(places))
}

/// Whether rows of the result may be told apart by columns that nobody sees.
fn needs_none(query: &BoundQuery) -> bool {
    !matches!(query.purpose, Purpose::Insert { .. })
}

fn expr_below(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => expr_below(&cast.expr),
        Expr::Alias(alias) => expr_below(&alias.expr),
        other => other,
    }
}

/// The first relation of FROM that an expression is about.
fn source_of(expr: &Expr, query: &BoundQuery) -> usize {
    let of = |alias: &str| {
        let is_of = |column: &&datafusion::common::Column| {
            column.relation.as_ref().is_some_and(|relation| relation.table() == alias)
        };
        expr.column_refs().into_iter().any(|column| is_of(&column))
    };
    query.sources.iter().position(|source| of(&source.alias)).unwrap_or(query.sources.len())
}

/// Whether items repeat one expression, rather than being the two sides of a join.
fn is_same(selected: &Selected, items: &[usize]) -> bool {
    items.iter().all(|item| selected.items[*item] == selected.items[items[0]])
}

fn key_missing(selected: &Selected, query: &BoundQuery) -> Error {
    let names: Vec<String> = selected.keys.iter().map(|accepted| shown(&accepted[0])).collect();
    let sink = match &query.purpose {
        Purpose::Stream { name } | Purpose::Table { name } | Purpose::MaterializedView { name } => name.clone(),
        Purpose::Insert { .. } | Purpose::Push => "the query".to_string(),
    };
    let list = names.join(", ");
    if query.semantics.compatibility == Compatibility::Ksqldb && foreign_join::is_foreign(&selected.rows.plan) {
        return foreign_key_missing(selected, query);
    }
    match query.semantics.compatibility {
        Compatibility::Ksqldb => ksqldb_key_missing(selected, query, &sink),
        Compatibility::Postgres => Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("the SELECT list of \"{sink}\" lacks its key ({list})"),
        )
        .hint(format!("Write SELECT {list}, ..")),
    }
}

/// ksqlDB's words: what the key is made of, and how it is selected.
fn ksqldb_key_missing(selected: &Selected, query: &BoundQuery, sink: &str) -> Error {
    let is_join = 1 < query.sources.len() && query.group_by.is_none() && query.partition_by.is_none();
    let unnamed = if is_join { name_of_unnamed_key(&query.sources, &query.joins).ok().flatten() } else { None };
    let names: Vec<String> = match (&unnamed, selected.keys.as_slice()) {
        (Some(name), _) => vec![name.clone()],
        // Either side of a join stands for both, if it is a column.
        (None, [accepted]) if is_join => {
            accepted.iter().filter(|side| matches!(side, Expr::Column(_))).map(qualified).collect()
        }
        _ => missing_keys(selected, query),
    };
    let what = match (&query.group_by, &query.partition_by) {
        (Some(_), _) => "grouping expression",
        (None, Some(_)) => "partitioning expression",
        (None, None) if is_join => "join expression",
        (None, None) => "key column",
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    let (told, list) = match is_join {
        true => (names.join(" or "), names.first().cloned().unwrap_or_default()),
        false => (and_list(&names), names.join(", ")),
    };
    let synthetic = unnamed.map_or_else(String::new, |name| format!(
        "\n{name} was added as a synthetic key column because the join criteria did not match any source column. This expression must be included in the projection and may be aliased."
    ));
    let message = format!(
        "Key missing from projection (ie, SELECT). See https://cnfl.io/2LV7ouS.\nThe query used to build `{sink}` must include the {what}{plural} {told} in its projection (eg, SELECT {list}...).{synthetic}"
    );
    Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
}

/// The expressions of GROUP BY or PARTITION BY that no item is, as they were written; without these the columns of the key.
fn missing_keys(selected: &Selected, query: &BoundQuery) -> Vec<String> {
    let columns = Columns::of_sources(query.sources.len());
    let is_null = |expr: &&ast::Expr| matches!(expr, ast::Expr::Value(value) if value.value == ast::Value::Null);
    let exprs = query.group_by.as_ref().or(query.partition_by.as_ref());
    let written: Vec<String> = exprs
        .iter()
        .flat_map(|exprs| exprs.iter().filter(|expr| !is_null(expr)))
        .map(|expr| ksqldb_text::shown(expr, columns))
        .collect();
    // Of a source's own key all columns are told.
    let is_missing =
        |accepted: &Vec<Expr>| exprs.is_none() || !selected.items.iter().any(|item| accepted.contains(item));
    let name = |place: usize, accepted: &Vec<Expr>| written.get(place).cloned().unwrap_or_else(|| shown(&accepted[0]));
    let keys = selected.keys.iter().enumerate();
    keys.filter(|(_, accepted)| is_missing(accepted)).map(|(place, accepted)| name(place, accepted)).collect()
}

/// A column with its relation.
fn qualified(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.flat_name().replace('"', ""),
        other => other.schema_name().to_string(),
    }
}

/// ksqlDB's words where the key is that of the left table of a join by a foreign key.
fn foreign_key_missing(selected: &Selected, query: &BoundQuery) -> Error {
    let is_missing = |accepted: &&Vec<Expr>| !selected.items.iter().any(|item| accepted.contains(item));
    let missing: Vec<String> =
        selected.keys.iter().filter(is_missing).map(|accepted| format!("`{}`", shown(&accepted[0]))).collect();
    let plural = if missing.len() == 1 { "" } else { "s" };
    let message = format!(
        "Primary key column{plural} missing in projection. For foreign-key table-table joins, the projection must include all primary key columns from the left input table (`{}`). Missing column{plural}: {}.",
        query.sources[0].alias,
        missing.join(", ")
    );
    Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
}

fn key_repeated(key: &Expr, items: &[usize], second: usize, query: &BoundQuery) -> Error {
    let mut names: Vec<String> = items.iter().map(|item| query.items[*item].name.clone()).collect();
    let origin: &ast::Expr = &query.items[second].expr;
    let message = match query.group_by {
        Some(_) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("The projection contains a key column more than once: {}.", and_list(&names))
        }
        None => {
            names.sort();
            let key = if query.sources.len() == 1 { shown(key) } else { qualified(key).replace('.', "_") };
            format!("The projection contains a key column (`{key}`) more than once, aliased as: {}.", and_list(&names))
        }
    };
    failure::at(Error::new(SqlState::INVALID_TABLE_DEFINITION, message), origin)
}

pub(super) fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.clone(),
        other => other.schema_name().to_string(),
    }
}

/// `a, b and c`.
pub(super) fn and_list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
