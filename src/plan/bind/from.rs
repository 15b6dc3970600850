//! FROM and JOIN: which relations, under which names, joined how.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast;

use super::BoundJoin;
use super::BoundSource;
use super::flatten::Flattener;
use super::flatten::TWO_QUERIES;
use super::scope::at;
use super::scope::fold;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::ksqldb_text::Columns;
use crate::plan::ksqldb_text::shown;
use crate::plan::node::JoinKind;
use crate::plan::node::Span;
use crate::plan::node::Unmatched;
use crate::sql::WithinClause;
use crate::sql::walk;

/// What FROM says.
pub struct From {
    /// The relations, in order.
    pub sources: Vec<BoundSource>,
    /// How each but the first joins.
    pub joins: Vec<BoundJoin>,
    /// The columns of USING.
    pub merged: Vec<Merged>,
}

/// A column of USING, which both sides of a join have.
pub struct Merged {
    /// Its name, folded.
    pub name: String,
    /// What a bare mention means where rows of the right are kept: its column, or that of whichever side has a row. Else the
    /// first relation's that has it.
    pub expr: Option<ast::Expr>,
}

/// Binds FROM and its joins.
pub fn bind(select: &ast::Select, flattener: &Flattener<'_>) -> Result<From> {
    let rules = flattener.rules;
    let [from] = select.from.as_slice() else {
        return Err(match select.from.is_empty() {
            true => Error::unsupported("a standing query needs a FROM clause"),
            false => Error::unsupported("several relations in FROM are not there yet in standing queries")
                .hint("Write JOIN .. ON .."),
        });
    };
    let mut sources = vec![flattener.source(&from.relation)?];
    let mut joins = Vec::with_capacity(from.joins.len());
    let mut merged: Vec<Merged> = Vec::new();
    for join in &from.joins {
        let mut table = join.relation.clone();
        let within = crate::sql::take_within(&mut table)?;
        let right = flattener.source(&table)?;
        if sources.iter().any(|source| source.alias == right.alias) {
            return Err(Error::new(
                SqlState("42712"),
                format!("table name \"{}\" specified more than once", right.alias),
            )
            .hint("Give one of them another name with AS."));
        }
        if rules == Compatibility::Ksqldb && sources.iter().any(|source| source.relation.id == right.relation.id) {
            return Err(Error::unsupported(joined_twice(&right.relation.name, sources.len())));
        }
        let (kind, constraint) = operator(&join.join_operator)?;
        let on = match constraint {
            ast::JoinConstraint::On(on) => on.clone(),
            ast::JoinConstraint::Using(names) => using(names, kind, &sources, &right, rules, &mut merged)?,
            ast::JoinConstraint::Natural | ast::JoinConstraint::None => {
                return Err(Error::new(SqlState::SYNTAX_ERROR, "a join of a standing query needs ON or USING"));
            }
        };
        check_inner_tables(from, &sources, &right)?;
        check_kinds(&sources, &right, (within.is_some(), kind), rules)?;
        let (span, unmatched) = span(within, rules);
        let null_keys_apart = rules == Compatibility::Postgres && kind == JoinKind::Full && right.relation.is_table();
        joins.push(BoundJoin { kind, span, unmatched, on, null_keys_apart });
        sources.push(right);
    }
    swap_table_stream(&mut sources, &joins);
    Ok(From { sources, joins, merged })
}

/// ksqlDB's words for a relation that comes again after so many.
fn joined_twice(name: &str, before: usize) -> String {
    match before {
        1 => format!("Can not join '{name}' to '{name}': self joins are not yet supported."),
        _ => format!("N-way joins do not support multiple occurrences of the same source. Source: '{name}'."),
    }
}

/// The span of WITHIN. In ksqlDB's rules one without GRACE PERIOD takes late rows for a day, and rows that meet nothing when
/// they come leave at once.
fn span(within: Option<WithinClause>, rules: Compatibility) -> (Option<Span>, Unmatched) {
    let Some(WithinClause { before_ms, after_ms, grace_ms }) = within else { return (None, Unmatched::WhenClosed) };
    let (default_ms, unmatched) = match (rules, grace_ms) {
        (Compatibility::Ksqldb, None) => (super::window::KSQLDB_GRACE_AND_SIZE_MS, Unmatched::AtOnce),
        _ => (super::window::DEFAULT_GRACE_MS, Unmatched::WhenClosed),
    };
    (Some(Span { before_ms, after_ms, grace_ms: grace_ms.unwrap_or(default_ms) }), unmatched)
}

/// The key of the last join where no column is it: of a FULL join, and of one by expressions on both sides.
pub fn unnamed_key(sources: &[BoundSource], joins: &[BoundJoin]) -> Result<Option<ast::Expr>> {
    let (Some(join), Some(right)) = (joins.last(), sources.last()) else { return Ok(None) };
    let ast::Expr::BinaryOp { left: one, op: ast::BinaryOperator::Eq, right: other } = &join.on else {
        return Ok(None);
    };
    let is_column = |expr: &ast::Expr| matches!(expr, ast::Expr::CompoundIdentifier(_));
    let of_right = |expr: &ast::Expr| {
        let found = walk::expressions(expr, |part| match part {
            ast::Expr::CompoundIdentifier(idents) if idents[0].value == right.alias => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        found.is_break()
    };
    let (left, right) = if of_right(one) { (other, one) } else { (one, other) };
    Ok(match join.kind {
        JoinKind::Full => Some(super::both(left, right)?),
        _ if is_column(left) || is_column(right) => None,
        JoinKind::Inner | JoinKind::Left => Some(left.as_ref().clone()),
        JoinKind::Right => Some(right.as_ref().clone()),
    })
}

/// `table JOIN stream` is `stream JOIN table` when no side is preserved.
fn swap_table_stream(sources: &mut [BoundSource], joins: &[BoundJoin]) {
    if let ([first, second], [BoundJoin { kind: JoinKind::Inner, .. }]) = (&mut *sources, joins)
        && first.relation.is_table()
        && !second.relation.is_table()
    {
        std::mem::swap(first, second);
    }
}

/// ksqlDB's hint to a name that only its case keeps from being that of a relation; else nothing.
pub fn in_other_case(catalog: &Catalog, name: &str) -> String {
    let alike = catalog.relations().find(|relation| relation.name.eq_ignore_ascii_case(name));
    match alike.map(|relation| relation.name.as_str()) {
        Some(known) if known.chars().any(|letter| letter.is_ascii_lowercase()) => format!(
            "\nDid you mean \"{known}\"? Hint: wrap the source name in double quotes to make it case-sensitive."
        ),
        Some(known) => format!("\nDid you mean {known}? Hint: try removing double quotes from the source name."),
        None => String::new(),
    }
}

/// A relation that is read, under its name in the query.
pub(super) fn source(table: &ast::TableFactor, catalog: &Catalog, rules: Compatibility) -> Result<BoundSource> {
    let ast::TableFactor::Table { name, alias, args, version, sample, with_ordinality, .. } = table else {
        return Err(Error::unsupported("subqueries in FROM are not there yet in standing queries"));
    };
    if args.is_some() && rules == Compatibility::Ksqldb {
        let message = format!("{name} is a function, and FROM takes streams and tables");
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    if args.is_some() || version.is_some() || sample.is_some() || *with_ordinality {
        return Err(Error::unsupported("table functions and samples are not there yet in standing queries"));
    }
    let ident = match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) if name.0.len() <= 3 => ident,
        _ => return Err(Error::unsupported(format!("cannot read from {name}"))),
    };
    let folded = fold(ident, rules);
    let relation: Arc<Relation> = catalog.relation(&folded).cloned().ok_or_else(|| {
        let message = match rules {
            Compatibility::Postgres => format!("relation \"{folded}\" does not exist"),
            Compatibility::Ksqldb => format!("{folded} does not exist.{}", in_other_case(catalog, &folded)),
        };
        let error = Error::new(SqlState::UNDEFINED_TABLE, message);
        let error = match catalog.nearest_relation(&folded) {
            Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
            None => error,
        };
        at(error, ident.span)
    })?;
    let alias = match alias {
        Some(alias) if alias.columns.is_empty() => fold(&alias.name, rules),
        Some(_) => return Err(Error::unsupported("column aliases in FROM are not there yet in standing queries")),
        None => folded,
    };
    Ok(BoundSource { alias, relation, pseudo: Vec::new(), queries: Vec::new() })
}

fn operator(operator: &ast::JoinOperator) -> Result<(JoinKind, &ast::JoinConstraint)> {
    use ast::JoinOperator as Operator;
    let not_there = |what: &str| {
        Err(Error::unsupported(format!("{what} joins are not there yet in standing queries"))
            .hint("Inner, left, right and full joins are."))
    };
    Ok(match operator {
        Operator::Join(constraint) | Operator::Inner(constraint) => (JoinKind::Inner, constraint),
        Operator::Left(constraint) | Operator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        Operator::Right(constraint) | Operator::RightOuter(constraint) => (JoinKind::Right, constraint),
        Operator::FullOuter(constraint) => (JoinKind::Full, constraint),
        Operator::CrossJoin(_) => return not_there("CROSS"),
        _ => return not_there("such"),
    })
}

/// `USING (a, b)` as `ON left.a = right.a AND left.b = right.b`; notes what its columns mean from here on.
fn using(
    names: &[ast::ObjectName],
    kind: JoinKind,
    left: &[BoundSource],
    right: &BoundSource,
    rules: Compatibility,
    merged: &mut Vec<Merged>,
) -> Result<ast::Expr> {
    let mut on: Option<ast::Expr> = None;
    for name in names {
        let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.last() else {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "USING takes names of columns"));
        };
        let name = fold(ident, rules);
        let mut exact = ast::Ident::with_quote('"', &name);
        exact.span = ident.span;
        let of = |source: &BoundSource| {
            ast::Expr::CompoundIdentifier(vec![ast::Ident::with_quote('"', &source.alias), exact.clone()])
        };
        let has = |source: &&BoundSource| source.relation.columns.iter().any(|column| column.name == name);
        let known = merged.iter().position(|merged| merged.name == name);
        let before = known.and_then(|known| merged[known].expr.clone());
        let mine = before.clone().unwrap_or_else(|| of(left.iter().find(has).unwrap_or(&left[0])));
        let theirs = of(right);
        let expr = match kind {
            JoinKind::Inner | JoinKind::Left => before,
            JoinKind::Right => Some(theirs.clone()),
            JoinKind::Full => Some(super::both(&mine, &theirs)?),
        };
        match known {
            Some(known) => merged[known].expr = expr,
            None => merged.push(Merged { name, expr }),
        }
        let pair = ast::Expr::BinaryOp { left: Box::new(mine), op: ast::BinaryOperator::Eq, right: Box::new(theirs) };
        on = Some(match on {
            None => pair,
            Some(before) => {
                ast::Expr::BinaryOp { left: Box::new(before), op: ast::BinaryOperator::And, right: Box::new(pair) }
            }
        });
    }
    on.ok_or_else(|| Error::new(SqlState::SYNTAX_ERROR, "USING needs a column"))
}

fn without_span(rules: Compatibility) -> Error {
    let message = match rules {
        Compatibility::Postgres => "a join of two streams needs WITHIN",
        Compatibility::Ksqldb => "Stream-Stream joins must have a WITHIN clause specified. None was provided.",
    };
    Error::new(SqlState::SYNTAX_ERROR, message)
        .hint("Say how far apart in time two rows may be: JOIN .. WITHIN 1 HOUR ON ..")
}

/// What ksqlDB wants of joins whose conditions are bound: each side of an equality is of one relation, and streams are joined
/// within a time.
pub fn check_conditions(sources: &[BoundSource], joins: &[BoundJoin]) -> Result<()> {
    for (join, joined) in joins.iter().zip(&sources[1..]) {
        if let ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } = &join.on {
            let wrong = [left, right].into_iter().find(|side| aliases_in(side).len() != 1);
            if let Some(side) = wrong {
                let message = format!(
                    "Invalid comparison expression '{}' in join '{}'. Each side of the join comparision must contain references from exactly one source.",
                    shown(side, Columns::Qualified),
                    shown(&join.on, Columns::Qualified)
                );
                return Err(at(Error::unsupported(message), ast::Spanned::span(side.as_ref())));
            }
            check_sides(left, right, joined)?;
        } else if !joined.is_hidden() {
            check_operator(&join.on)?;
        }
        let streams = !sources[0].relation.is_table() && !joined.relation.is_table();
        if streams && join.span.is_none() {
            return Err(without_span(Compatibility::Ksqldb));
        }
    }
    Ok(())
}

/// A condition that is no equality: several of them are told elsewhere.
fn check_operator(on: &ast::Expr) -> Result<()> {
    use ast::BinaryOperator as Operator;
    let message = match on {
        ast::Expr::BinaryOp { op: Operator::And, .. } | ast::Expr::Nested(_) => return Ok(()),
        ast::Expr::BinaryOp {
            op: Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq,
            ..
        } => "Only equality join criteria is supported.".to_owned(),
        other => format!("Unsupported join expression: {}", shown(other, Columns::Qualified)),
    };
    Err(at(Error::new(SqlState::INVALID_TABLE_DEFINITION, message), ast::Spanned::span(on)))
}

/// The sides of an equality, which are of one relation each, are of two, and one is what is joined.
fn check_sides(left: &ast::Expr, right: &ast::Expr, joined: &BoundSource) -> Result<()> {
    let of = |side: &ast::Expr| aliases_in(side).into_iter().next().unwrap_or_default();
    let (of_left, of_right) = (of(left), of(right));
    let message = if of_left == of_right {
        format!(
            "Each side of the join must reference exactly one source and not the same source. Left side references `{of_left}` and right references `{of_right}`"
        )
    } else if of_left != joined.alias && of_right != joined.alias {
        format!(
            "A join criteria is expected to reference the source (`{}`) in the FROM clause, instead the right source references `{of_right}` and the left source references `{of_left}`",
            joined.alias
        )
    } else {
        return Ok(());
    };
    Err(at(Error::new(SqlState::INVALID_TABLE_DEFINITION, message), ast::Spanned::span(left)))
}

/// The relations that an expression is about.
fn aliases_in(expr: &ast::Expr) -> HashSet<String> {
    let mut found = HashSet::new();
    let flow = walk::expressions(expr, |part| {
        if let ast::Expr::CompoundIdentifier(parts) = part {
            found.extend(parts.first().map(|alias| alias.value.clone()));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    found
}

/// The name of the key of the last join, where no column is it: ROWKEY, or the next that no column has.
pub fn name_of_unnamed_key(sources: &[BoundSource], joins: &[BoundJoin]) -> Result<Option<String>> {
    let is_taken = |name: &String| {
        sources.iter().flat_map(|source| source.relation.columns.iter()).any(|column| column.name == *name)
    };
    let numbered = (1..).map(|number| format!("ROWKEY_{number}"));
    let free = std::iter::once("ROWKEY".to_string()).chain(numbered).find(|name| !is_taken(name));
    Ok(unnamed_key(sources, joins)?.and(free))
}

/// Refuses sub-queries that make a table beside a stream: their rows have no place in time among its, since they come when they
/// are committed. Those of a table that is named have their event times.
fn check_inner_tables(from: &ast::TableWithJoins, sources: &[BoundSource], right: &BoundSource) -> Result<()> {
    let all = || sources.iter().chain([right]);
    let tables = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    let Some((table, source)) = tables.zip(all()).find(|(_, source)| source.is_inner_table()) else { return Ok(()) };
    if all().all(|source| source.relation.is_table()) {
        return Ok(());
    }
    if source.is_hidden() {
        return Err(Error::unsupported(
            "IN and EXISTS in a query over a stream ask for the whole primary key of a table yet",
        )
        .hint("Make a table whose primary key that is: CREATE TABLE .. AS SELECT DISTINCT .., and ask that."));
    }
    let hint = match table {
        ast::TableFactor::Derived { subquery, .. } if source.queries.iter().all(|query| query.window.is_none()) => {
            let name = &source.alias;
            format!("Write CREATE TABLE {name} AS {subquery}; and then this one with {name} in place of the subquery.")
        }
        _ => TWO_QUERIES.to_string(),
    };
    Err(Error::unsupported("a join of a stream with a subquery that groups or ranks is not there yet").hint(hint))
}

/// Which kinds of relations may be joined, and how. `(within, kind)` is what the join says.
fn check_kinds(
    sources: &[BoundSource],
    right: &BoundSource,
    (within, kind): (bool, JoinKind),
    rules: Compatibility,
) -> Result<()> {
    let left = &sources[0];
    let streams = sources[1..].iter().any(|source| !source.relation.is_table());
    if sources.iter().chain([right]).any(|source| source.relation.window.is_some()) {
        if rules == Compatibility::Ksqldb {
            check_windows(left, right)?;
        }
        check_windowed(sources, right, kind, rules)?;
    }
    match (left.relation.is_table(), right.relation.is_table()) {
        (false, true) if within => Err(span_misplaced(rules, false)),
        (false, true) if kind.keeps_right() => Err(outer_lookup(left, right, kind, rules)),
        (false, true) => Ok(()),
        // ksqlDB looks at the condition first.
        (false, false) if !within && rules == Compatibility::Postgres => Err(without_span(rules)),
        (false, false) => Ok(()),
        (true, true) if within => Err(span_misplaced(rules, true)),
        (true, true) if !streams => Ok(()),
        (true, false) if rules == Compatibility::Postgres && sources.len() == 1 && kind == JoinKind::Inner => Ok(()),
        (true, false) if rules == Compatibility::Ksqldb => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!(
                "Invalid join order: table-stream joins are not supported; only stream-table joins. Got {} {} JOIN {}.",
                left.relation.name,
                ksqldb_word(kind),
                right.relation.name
            ),
        )
        .hint("Name the stream first.")),
        (true, _) => Err(Error::unsupported("a stream among several joins that begin with a table is not there yet")
            .hint("Name the stream first.")),
    }
}

/// Two windowed tables are joined, or two windowed streams, whose windows are of one kind.
fn check_windowed(sources: &[BoundSource], right: &BoundSource, kind: JoinKind, rules: Compatibility) -> Result<()> {
    let left = &sources[0];
    let refused = |message: &str, hint: &str| Err(Error::unsupported(message).hint(hint));
    let (Some(one), Some(other)) = (left.relation.window, right.relation.window) else {
        return refused(
            "a join of a windowed relation with one that is not windowed is not supported",
            "A row of a window has its key and its window: make a windowed view of the other side too.",
        );
    };
    if left.relation.is_table() != right.relation.is_table() {
        return refused(
            "a join of a windowed stream with a windowed table is not there yet in standing queries",
            "Declare a stream over the table's topic, and join that.",
        );
    }
    if sources.len() != 1 {
        return refused(
            "a join of more than two windowed relations is not there yet in standing queries",
            "Make a table or a stream of the first two, and join that.",
        );
    }
    if one.size_ms.is_none() != other.size_ms.is_none() {
        return refused(
            "a join of sessions with windows of a size is not supported",
            "Their windows are never the same.",
        );
    }
    if rules == Compatibility::Ksqldb && one != other {
        return Err(implicit_repartition());
    }
    // The key of a window of a size has no end: it could not be told whose a window is that one side alone has.
    if kind == JoinKind::Full && one != other {
        return refused(
            "a FULL join of windows of two sizes is not supported",
            "Make both views with windows of one SIZE, or join them LEFT or RIGHT.",
        );
    }
    Ok(())
}

/// ksqlDB's words for windowed relations that would have to be spread anew to be joined.
pub fn implicit_repartition() -> Error {
    Error::new(
        SqlState::WRONG_OBJECT_TYPE,
        "Implicit repartitioning of windowed sources is not supported. See https://github.com/confluentinc/ksql/issues/4385.",
    )
    .hint("Join them by their keys, of windows with one size.")
}

/// Which windowed relations ksqlDB does not join at all.
fn check_windows(left: &BoundSource, right: &BoundSource) -> Result<()> {
    let kind = |source: &BoundSource| match source.relation.window {
        None => None,
        Some(window) if window.size_ms.is_none() => Some("SESSION"),
        Some(_) => Some("TIME"),
    };
    // What stands in a declaration is all that tells TUMBLING from HOPPING.
    let exact = |source: &BoundSource, kind: &'static str| {
        let declared = source.relation.statement.to_uppercase();
        ["TUMBLING", "HOPPING"].into_iter().find(|word| kind == "TIME" && declared.contains(word)).unwrap_or(kind)
    };
    let line = |source: &BoundSource| match kind(source) {
        None => format!("`{}` is not windowed", source.relation.name),
        Some(kind) => format!("`{}` is {kind} windowed", source.relation.name),
    };
    let message = match (kind(left), kind(right)) {
        (None, _) | (_, None) => {
            format!("Can not join windowed source to non-windowed source.\n{}\n{}", line(left), line(right))
        }
        (Some(one), Some(other)) if one != other => {
            format!(
                "Incompatible windowed sources.\nLeft source: {}\nRight source: {}\nSession windowed sources can only be joined to other session windowed sources, and may still not result in expected behaviour as session bounds must be an exact match for the join to work\nHopping and tumbling windowed sources can only be joined to other hopping and tumbling windowed sources",
                exact(left, one),
                exact(right, other)
            )
        }
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
}

/// WITHIN where tables are joined: two of them, or one with a stream.
fn span_misplaced(rules: Compatibility, of_tables: bool) -> Error {
    let message = match (rules, of_tables) {
        (Compatibility::Postgres, false) => {
            "WITHIN is for joins of two streams, and this one is of a stream with a table"
        }
        (Compatibility::Postgres, true) => "WITHIN is for joins of two streams, and this one is of two tables",
        (Compatibility::Ksqldb, false) => {
            "A window definition was provided for a Stream-Table join. These joins are not windowed. Please drop the window definition (ie. the WITHIN clause) and try to execute your join again."
        }
        (Compatibility::Ksqldb, true) => {
            "A window definition was provided for a Table-Table join. These joins are not windowed. Please drop the window definition (i.e. the WITHIN clause) and try to execute your Table-Table join again."
        }
    };
    Error::new(SqlState::SYNTAX_ERROR, message)
}

/// A table's row has no time at which it met no row of a stream.
fn outer_lookup(left: &BoundSource, right: &BoundSource, kind: JoinKind, rules: Compatibility) -> Error {
    let word = kind.as_str();
    match rules {
        Compatibility::Ksqldb => Error::unsupported(format!(
            "Invalid join type: {word}-outer join not supported for stream-table join. Got {} {} JOIN {}.",
            left.relation.name,
            ksqldb_word(kind),
            right.relation.name
        )),
        Compatibility::Postgres => {
            Error::unsupported(format!("a {} JOIN of a stream with a table is not supported", word.to_uppercase()))
        }
    }
    .hint("A stream's row meets the table's row of its time: JOIN and LEFT JOIN do that.")
}

/// The kind as ksqlDB's messages write it.
fn ksqldb_word(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "[INNER]",
        JoinKind::Left => "LEFT [OUTER]",
        JoinKind::Right => "RIGHT [OUTER]",
        JoinKind::Full => "[FULL] OUTER",
    }
}
