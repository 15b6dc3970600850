//! The SELECT list: stars expanded, every item with the name that its column gets.

use std::collections::HashSet;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::BoundItem;
use super::scope::Clause;
use super::scope::Scope;
use super::scope::at;
use super::scope::fold;
use super::scope::is_window_bound;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::model::StructField;
use crate::plan::nested;
use crate::plan::node::PseudoColumn;
use crate::plan::request::Destination;
use crate::sql::ALL_FIELDS;

/// Binds the list.
pub fn bind(list: &[ast::SelectItem], partition_by: &[ast::Expr], scope: &mut Scope<'_>) -> Result<Vec<BoundItem>> {
    let mut items = Vec::with_capacity(list.len());
    for item in list {
        match item {
            ast::SelectItem::UnnamedExpr(ast::Expr::Function(function)) if function.name.to_string() == ALL_FIELDS => {
                items.extend(all_fields(function, scope)?);
            }
            ast::SelectItem::UnnamedExpr(expr) => {
                let name = synthetic_name(expr, scope);
                let expr = scope.resolved(expr.clone(), Clause::Select)?;
                items.push(BoundItem { expr, name, named: false });
            }
            ast::SelectItem::ExprWithAlias { expr, alias } => {
                let name = fold(alias, scope.rules());
                let expr = scope.resolved(expr.clone(), Clause::Select)?;
                items.push(BoundItem { expr, name, named: true });
            }
            ast::SelectItem::Wildcard(options) => {
                check_options(options)?;
                if let Some((name, expr)) = scope.synthetic() {
                    items.push(BoundItem { expr: expr.clone(), name: name.clone(), named: false });
                }
                let sight: &Scope<'_> = scope;
                let own = |source| star(sight, source).into_iter().filter_map(move |item| once(item, source, sight));
                let stars: Vec<BoundItem> = sight.seen().flat_map(own).collect();
                items.extend(match scope.rules() {
                    Compatibility::Ksqldb if !partition_by.is_empty() => repartitioned(stars, partition_by, scope),
                    _ => stars,
                });
            }
            ast::SelectItem::QualifiedWildcard(kind, options) => {
                check_options(options)?;
                let source = qualified_source(kind, scope)?;
                // What USING merges is in the star of the first relation that has it.
                let own = star(scope, source).into_iter();
                items.extend(own.filter(|item| once(item.clone(), source, scope).is_some()));
            }
            ast::SelectItem::ExprWithAliases { .. } => {
                return Err(Error::unsupported("several aliases of one expression are not supported"));
            }
        }
    }
    name_items(&mut items, scope);
    Ok(items)
}

/// `s->*`: the fields of a STRUCT, each by its name.
fn all_fields(function: &ast::Function, scope: &mut Scope<'_>) -> Result<Vec<BoundItem>> {
    let [structure] = nested::arguments(function)[..] else {
        return Err(Error::internal("the fields of several values"));
    };
    let resolved = scope.resolved(structure.clone(), Clause::Select)?;
    let Some(SqlType::Struct(fields)) = type_of(&resolved, scope) else {
        let error =
            Error::new(SqlState::DATATYPE_MISMATCH, format!("{structure} is no STRUCT, so that it has no fields"));
        return Err(at(error, structure.span()));
    };
    let item = |field: StructField| BoundItem {
        expr: nested::field(resolved.clone(), &field.name),
        name: field.name,
        named: false,
    };
    Ok(fields.into_iter().map(item).collect())
}

/// The type of a column, or of a field of one.
fn type_of(expr: &ast::Expr, scope: &Scope<'_>) -> Option<SqlType> {
    match unnested(expr) {
        ast::Expr::CompoundIdentifier(idents) => {
            let [alias, name] = idents.as_slice() else { return None };
            let source = scope.sources().iter().find(|source| source.alias == alias.value)?;
            let column = source.relation.columns.iter().find(|column| column.name == name.value)?;
            Some(column.sql_type.clone())
        }
        ast::Expr::Function(function) if is_field(function) => {
            let name = nested::name_of(function)?;
            let [structure, ..] = nested::arguments(function)[..] else { return None };
            let SqlType::Struct(fields) = type_of(structure, scope)? else { return None };
            fields.into_iter().find(|field| field.name == name).map(|field| field.sql_type)
        }
        _ => None,
    }
}

/// The name of a join's key that no column is, or of a column of USING, if it is what an item asks for.
fn synthetic_name(expr: &ast::Expr, scope: &Scope<'_>) -> String {
    let ast::Expr::Identifier(ident) = expr else { return String::new() };
    let name = fold(ident, scope.rules());
    if scope.merged(&name).is_some() {
        return name;
    }
    let named = scope.synthetic().filter(|(name, _)| *name == fold(ident, scope.rules()));
    named.map(|(name, _)| name.clone()).unwrap_or_default()
}

/// Refuses what may follow a star.
pub(super) fn check_options(options: &ast::WildcardAdditionalOptions) -> Result<()> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none();
    if plain {
        Ok(())
    } else {
        Err(at(
            Error::unsupported("EXCLUDE, REPLACE and RENAME of * are not there yet in standing queries"),
            options.wildcard_token.0.span,
        ))
    }
}

/// The name before a star.
pub(super) fn qualifier(kind: &ast::SelectItemQualifiedWildcardKind) -> Result<&ast::Ident> {
    let ast::SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
        return Err(Error::unsupported("* of an expression is not there yet in standing queries"));
    };
    match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) => Ok(ident),
        _ => Err(Error::unsupported(format!("cannot expand {name}.*"))),
    }
}

fn qualified_source(kind: &ast::SelectItemQualifiedWildcardKind, scope: &Scope<'_>) -> Result<usize> {
    let ident = qualifier(kind)?;
    scope.source(ident).ok_or_else(|| scope.no_such_source(ident))
}

/// All columns of a source; joined, ksqlDB names each after its relation too. There the key comes first, then its window.
fn star(scope: &Scope<'_>, source: usize) -> Vec<BoundItem> {
    let joined = 1 < scope.sources().len();
    let source = &scope.sources()[source];
    let quoted = |value: &str| ast::Ident::with_quote('"', value);
    let mut columns: Vec<&Column> = source.relation.shown_columns().iter().collect();
    if scope.rules() == Compatibility::Ksqldb {
        columns.sort_by_key(|column| place_in_star(column));
    }
    let item = |column: &Column| BoundItem {
        expr: ast::Expr::CompoundIdentifier(vec![quoted(&source.alias), quoted(&column.name)]),
        name: match scope.rules() {
            Compatibility::Ksqldb if joined => format!("{}_{}", source.alias, column.name),
            _ => column.name.clone(),
        },
        named: false,
    };
    columns.into_iter().map(item).collect()
}

/// A column in the star of all sources: one of USING is there once, where the first source has it.
fn once(item: BoundItem, source: usize, scope: &Scope<'_>) -> Option<BoundItem> {
    let ast::Expr::CompoundIdentifier(parts) = &item.expr else { return Some(item) };
    let name = parts.last().map_or("", |name| name.value.as_str());
    match scope.merged(name) {
        None => Some(item),
        Some(expr) if scope.holders(name).first() == Some(&source) => Some(BoundItem { expr, ..item }),
        Some(_) => None,
    }
}

/// In ksqlDB's `*` the key comes first and the bounds of windows behind it, wherever they were declared.
pub fn place_in_star(column: &Column) -> u8 {
    match column.role {
        ColumnRole::Key => 0,
        ColumnRole::WindowStart | ColumnRole::WindowEnd => 1,
        ColumnRole::Value | ColumnRole::Header(_) | ColumnRole::Headers => 2,
    }
}

/// ksqlDB's `*` above PARTITION BY: the new key, where it is no column, then the values, then what was the key.
fn repartitioned(stars: Vec<BoundItem>, partition_by: &[ast::Expr], scope: &Scope<'_>) -> Vec<BoundItem> {
    let is_column = |expr: &ast::Expr| matches!(expr, ast::Expr::CompoundIdentifier(_));
    let is_null = |expr: &ast::Expr| matches!(expr, ast::Expr::Value(value) if value.value == ast::Value::Null);
    let new_keys = partition_by.iter().filter(|expr| !is_column(expr) && !is_null(expr));
    let mut items: Vec<BoundItem> =
        new_keys.map(|expr| BoundItem { expr: expr.clone(), name: String::new(), named: false }).collect();
    let (old_keys, values): (Vec<BoundItem>, Vec<BoundItem>) =
        stars.into_iter().partition(|item| scope.is_key(&item.expr));
    items.extend(values);
    items.extend(old_keys);
    items
}

/// Names the items that have no name yet.
pub(super) fn name_items(items: &mut [BoundItem], scope: &Scope<'_>) {
    let columns = scope.sources().iter().flat_map(|source| source.relation.columns.iter());
    let named = items.iter().map(|item| &item.name);
    let mut taken: HashSet<String> = named.chain(columns.map(|column| &column.name)).cloned().collect();
    let mut generated = 0;
    for item in items.iter_mut().filter(|item| item.name.is_empty()) {
        // Its parser drops parentheses.
        let expr = if scope.rules() == Compatibility::Ksqldb { unnested(&item.expr) } else { &item.expr };
        item.name = match (scope.rules(), expr) {
            (Compatibility::Postgres, expr) => postgres_name(expr),
            (Compatibility::Ksqldb, ast::Expr::CompoundIdentifier(idents)) => match idents.as_slice() {
                [alias, name] if scope.is_shared(&name.value) => format!("{}_{}", alias.value, name.value),
                [.., name] => name.value.clone(),
                [] => String::new(),
            },
            (Compatibility::Ksqldb, ast::Expr::Identifier(name)) => name.value.clone(),
            (Compatibility::Ksqldb, ast::Expr::Function(function)) if is_field(function) => {
                let name = nested::name_of(function).unwrap_or_default();
                let mut names = std::iter::once(name.to_string()).chain((1..).map(|count| format!("{name}_{count}")));
                names.find(|name| !taken.contains(name)).unwrap_or_default()
            }
            (Compatibility::Ksqldb, _) => loop {
                let name = format!("KSQL_COL_{generated}");
                generated += 1;
                if !taken.contains(&name) {
                    break name;
                }
            },
        };
        taken.insert(item.name.clone());
    }
}

fn unnested(mut expr: &ast::Expr) -> &ast::Expr {
    while let ast::Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

fn is_field(function: &ast::Function) -> bool {
    function.name.to_string() == "__field"
}

/// The name that PostgreSQL gives to a column of an expression without alias.
pub fn postgres_name(expr: &ast::Expr) -> String {
    name_in_postgres(expr).unwrap_or_else(|| "?column?".to_string())
}

fn name_in_postgres(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Identifier(ident) => Some(ident.value.clone()),
        ast::Expr::CompoundIdentifier(idents) => idents.last().map(|ident| ident.value.clone()),
        ast::Expr::Function(function) if nested::name_of(function).is_some() => {
            nested::name_of(function).map(str::to_string)
        }
        ast::Expr::Function(function) if nested::is_element(&function.name.to_string()) => {
            nested::arguments(function).first().and_then(|list| name_in_postgres(list))
        }
        ast::Expr::CompoundFieldAccess { root, .. } => name_in_postgres(root),
        ast::Expr::Function(function) => match function.name.0.last() {
            Some(ast::ObjectNamePart::Identifier(ident)) => Some(ident.value.to_lowercase()),
            _ => None,
        },
        ast::Expr::Nested(inner) => name_in_postgres(inner),
        ast::Expr::Cast { expr, data_type, .. } => {
            // The type that was cast to last is told, but a column's or a function's own name goes before.
            let mut inner = expr;
            while let ast::Expr::Cast { expr, .. } | ast::Expr::Nested(expr) = inner.as_ref() {
                inner = expr;
            }
            Some(name_in_postgres(inner).unwrap_or_else(|| type_name(data_type)))
        }
        ast::Expr::Case { else_result, .. } => {
            Some(else_result.as_deref().and_then(name_in_postgres).unwrap_or_else(|| "case".to_string()))
        }
        ast::Expr::Extract { .. } => Some("extract".to_string()),
        ast::Expr::Substring { shorthand: true, .. } => Some("substr".to_string()),
        ast::Expr::Substring { .. } => Some("substring".to_string()),
        ast::Expr::Position { .. } => Some("position".to_string()),
        ast::Expr::Trim { trim_where: Some(ast::TrimWhereField::Leading), .. } => Some("ltrim".to_string()),
        ast::Expr::Trim { trim_where: Some(ast::TrimWhereField::Trailing), .. } => Some("rtrim".to_string()),
        ast::Expr::Trim { .. } => Some("btrim".to_string()),
        ast::Expr::Ceil { .. } => Some("ceil".to_string()),
        ast::Expr::Floor { .. } => Some("floor".to_string()),
        ast::Expr::Overlay { .. } => Some("overlay".to_string()),
        ast::Expr::AtTimeZone { .. } => Some("timezone".to_string()),
        ast::Expr::Interval(_) => Some("interval".to_string()),
        ast::Expr::TypedString(typed) => Some(type_name(&typed.data_type)),
        ast::Expr::Exists { negated: false, .. } => Some("exists".to_string()),
        ast::Expr::Subquery(query) => match query.body.as_ref() {
            ast::SetExpr::Select(select) => match select.projection.first()? {
                ast::SelectItem::UnnamedExpr(expr) => name_in_postgres(expr),
                ast::SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias, Compatibility::Postgres)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// PostgreSQL's own name of a type, without digits or length.
fn type_name(data_type: &ast::DataType) -> String {
    let shown = data_type.to_string().to_lowercase();
    let short = shown.split('(').next().unwrap_or(&shown).trim();
    let known = match short {
        "int" | "integer" => "int4",
        "smallint" => "int2",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "float" | "double" => "float8",
        "boolean" => "bool",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "char" | "character" => "bpchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        array if array.ends_with("[]") => return type_name_of_item(data_type),
        other => other,
    };
    known.to_string()
}

fn type_name_of_item(data_type: &ast::DataType) -> String {
    match data_type {
        ast::DataType::Array(
            ast::ArrayElemTypeDef::SquareBracket(item, _) | ast::ArrayElemTypeDef::AngleBracket(item),
        ) => type_name(item),
        other => other.to_string().to_lowercase(),
    }
}

/// Columns of a relation that is made have different names, and none that every relation has besides.
pub fn check_names(items: &[BoundItem], destination: &Destination, rules: Compatibility) -> Result<()> {
    if !matches!(destination, Destination::Create { .. }) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for item in items {
        let span = span_of(&item.expr);
        let reserved = if rules == Compatibility::Ksqldb { reserved(item) } else { None };
        if let Some(message) = reserved {
            return Err(at(Error::new(SqlState("42939"), message), span));
        }
        // Under ksqldb the columns tell it, with their types.
        if rules == Compatibility::Postgres && !seen.insert(item.name.as_str()) {
            return Err(at(
                Error::new(SqlState::DUPLICATE_COLUMN, format!("column \"{}\" specified more than once", item.name))
                    .hint("Give one of them another name with AS."),
                span,
            ));
        }
    }
    Ok(())
}

/// Refuses the bounds of windows in a list without a name of their own: in what ksqlDB keeps they are in the key alone.
pub fn check_bounds(list: &[ast::SelectItem], destination: &Destination, rules: Compatibility) -> Result<()> {
    if rules == Compatibility::Postgres || !matches!(destination, Destination::Create { .. }) {
        return Ok(());
    }
    for item in list {
        let ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(ident)) = item else { continue };
        let name = fold(ident, Compatibility::Ksqldb);
        if is_window_bound(&name) {
            return Err(at(Error::new(SqlState("42939"), reserved_in_select(&name)), ident.span));
        }
    }
    Ok(())
}

fn reserved_in_select(name: &str) -> String {
    format!("Reserved column name in select: `{name}`. Please remove or alias the column.")
}

/// ksqlDB's words for an item that would make a column with the name of a pseudo column or, unless it came from there, a
/// window bound.
fn reserved(item: &BoundItem) -> Option<String> {
    let is_bound = is_window_bound(&item.name);
    let is_itself = match &item.expr {
        ast::Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|part| part.value == item.name),
        ast::Expr::Identifier(name) => name.value == item.name,
        _ => false,
    };
    if !is_bound && PseudoColumn::of_word(&item.name).is_none() {
        return None;
    }
    match (item.named, is_itself) {
        (true, false) => {
            Some(format!("`{}` is a reserved column name. You cannot use it as an alias for a column.", item.name))
        }
        (false, true) if is_bound => None,
        _ => Some(reserved_in_select(&item.name)),
    }
}

fn span_of(expr: &ast::Expr) -> sqlparser::tokenizer::Span {
    sqlparser::ast::Spanned::span(expr)
}
