//! Random queries over sub-queries that group or rank: groups of groups, of windows and of ranked rows, and joins with groups;
//! and of rows that sub-queries have, by IN and EXISTS.

use super::generate::Draw;
use super::generate::Query;
use super::generate::Shape;
use super::generate::Windows;
use super::generate::filter;

/// Groups of groups of the stream; `window` are the windows of the inner ones, with their clause.
pub fn of_stream(draw: &Draw, window: Option<(Windows, String)>) -> Query {
    let keys = *draw.of(&["k", "t", "k, f", "a, t"]);
    let named = |dialect: usize| {
        let groups = keys.split(", ").enumerate().map(|(at, key)| format!("{key} AS g{at}"));
        let bound = window.iter().map(|_| format!("{} AS w", ["windowstart", "ws"][dialect]));
        groups.chain(bound).collect::<Vec<_>>().join(", ")
    };
    let filter = filter(draw, " WHERE ");
    let is_distinct = window.is_none() && draw.once_in(4);
    let calls = *draw.of(&[
        "COUNT(*) AS v0, SUM(a) AS v1",
        "COUNT(b) AS v0, MAX(a) AS v1",
        "COUNT(DISTINCT a) AS v0, MIN(b) AS v1",
        "SUM(a) AS v0, COUNT(*) FILTER (WHERE f) AS v1",
    ]);
    let having = *draw.of(&["", "", " HAVING COUNT(*) > 1", " HAVING MAX(b) IS NOT NULL"]);
    let clause = window.as_ref().map_or("", |(_, clause)| clause);
    let bounds = if window.is_some() { ", ws, we" } else { "" };
    let inner = match is_distinct {
        true => [0, 1].map(|dialect| format!("SELECT DISTINCT {} FROM s{filter}", named(dialect))),
        false => [
            format!("SELECT {}, {calls} FROM s{clause}{filter} GROUP BY {keys}{having}", named(0)),
            format!("SELECT {}, {calls} FROM s{filter} GROUP BY {keys}{bounds}{having}", named(1)),
        ],
    };
    let [standing, batch] = again(draw, inner, (window.is_some(), is_distinct));
    Query {
        shape: Shape::Grouped {
            window: window.map(|(window, _)| window),
            last: false,
            retention: None,
            ranked: false,
            again: true,
        },
        standing,
        batch,
        filter,
        group: keys.to_string(),
        keys: 1,
        below: String::new(),
    }
}

/// Groups of an inner table with the columns `g0`, `v0` and `v1`, or none of the latter two, and perhaps `w`; sometimes groups
/// of these again.
fn again(draw: &Draw, inner: [String; 2], (has_window, is_distinct): (bool, bool)) -> [String; 2] {
    let groups: &[&str] = match (has_window, is_distinct) {
        (true, _) => &["w", "w", "v0", "g0", ""],
        (false, true) => &["g0", "g0", ""],
        (false, false) => &["v0", "v0", "v1", "g0", "v1 > 0", "v0 + v1", ""],
    };
    let group = *draw.of(groups);
    let calls: Vec<&str> = match is_distinct {
        true => vec!["COUNT(*)", "COUNT(g0)", "MIN(g0)", "MAX(g0)", "COUNT(DISTINCT g0)"],
        false => vec!["COUNT(*)", "SUM(v0)", "MIN(v1)", "MAX(v1)", "COUNT(DISTINCT v1)", "MAX(g0)", "AVG(v0)"],
    };
    let calls: Vec<String> = (0..1 + draw.below(3)).map(|at| format!("{} AS n{at}", draw.of(&calls))).collect();
    let group_item = if group.is_empty() { String::new() } else { format!("{group} AS g, ") };
    let by = if group.is_empty() { String::new() } else { format!(" GROUP BY {group}") };
    let conditions: &[&str] = match is_distinct {
        true => &["", " WHERE g0 IS NOT NULL"],
        false => &["", "", " WHERE v0 > 1", " WHERE g0 IS NOT NULL OR v1 > 0"],
    };
    let condition = *draw.of(conditions);
    let having = if group.is_empty() { "" } else { *draw.of(&["", "", " HAVING COUNT(*) > 1"]) };
    let alias = *draw.of(&["", " q"]);
    let texts = inner.map(|inner| {
        // DataFusion wants a name.
        format!("SELECT {group_item}{} FROM ({inner}){alias}{condition}{by}{having}", calls.join(", "))
    });
    if group.is_empty() || !draw.once_in(4) {
        return texts;
    }
    texts.map(|text| format!("SELECT n0, COUNT(*) AS n, COUNT(g) AS m FROM ({text}) z GROUP BY n0"))
}

/// Groups of groups and of ranked rows of the tables, and tables joined with groups.
pub fn of_tables(draw: &Draw) -> Query {
    let text = match draw.below(6) {
        0 | 1 => {
            let [text, _] = again(draw, [groups(draw, "g0"), String::new()], (false, false));
            text
        }
        2 => {
            let [text, _] =
                again(draw, ["SELECT DISTINCT y AS g0, z FROM c".to_string(), String::new()], (false, true));
            text
        }
        3 => ranked(draw),
        _ => joined(draw),
    };
    Query::asked_alike(Shape::InnerTables, text)
}

/// Groups of tables: the group under a name, `v0` and `v1`.
fn groups(draw: &Draw, name: &str) -> String {
    let from = *draw.of(&["c", "c", "e", "c JOIN e ON c.k = e.k", "c LEFT JOIN e ON c.z = e.k"]);
    let one = &from[..1];
    let group = format!("{one}.{}", draw.of(&["z", "z", "y"]));
    let calls = draw
        .of(&["COUNT(*) AS v0, MIN(#) AS v1", "COUNT(#) AS v0, SUM(#) AS v1", "MAX(#) AS v0, COUNT(DISTINCT #) AS v1"])
        .replace('#', &format!("{one}.x"));
    let condition = draw.of(&["", "", " WHERE # > -5"]).replace('#', &format!("{one}.x"));
    let having = *draw.of(&["", "", " HAVING COUNT(*) > 1"]);
    format!("SELECT {group} AS {name}, {calls} FROM {from}{condition} GROUP BY {group}{having}")
}

fn ranked(draw: &Draw) -> String {
    let order = *draw.of(&["x DESC", "x", "z"]);
    let rows = format!("SELECT k, x, y, z, ROW_NUMBER() OVER (PARTITION BY z ORDER BY {order}, k) AS p FROM c");
    let limit = 1 + draw.below(2);
    let also = *draw.of(&["", " AND x > -3"]);
    format!("SELECT y, COUNT(*) AS n, MAX(x) AS x FROM ({rows}) q WHERE p <= {limit}{also} GROUP BY y")
}

/// A table, or other groups, joined with groups.
fn joined(draw: &Draw) -> String {
    let word = *draw.of(&["JOIN", "LEFT JOIN"]);
    let grouped = groups(draw, "h");
    let filter = *draw.of(&["", "", " WHERE q.v0 > 1", " WHERE q.h IS NULL OR q.v1 > 0"]);
    match draw.below(4) {
        0 => {
            let other = groups(draw, "h");
            format!(
                "SELECT p.h AS h, p.v0 AS a, q.v0 AS b, q.v1 AS d FROM ({other}) p {word} ({grouped}) q ON p.h = q.h{filter}"
            )
        }
        1 => format!("SELECT q.h AS h, q.v0 AS v0, c.x AS x FROM ({grouped}) q {word} c ON q.h = c.k{filter}"),
        _ => {
            let on = *draw.of(&["c.k", "c.z", "c.z", "c.y"]);
            format!(
                "SELECT c.k AS k, c.x AS x, q.v0 AS v0, q.v1 AS v1 FROM c {word} ({grouped}) q ON {on} = q.h{filter}"
            )
        }
    }
}

/// Rows of `c` that other tables have or have not, as they are or in groups.
pub fn semi_joins(draw: &Draw) -> Query {
    let conditions = match draw.below(6) {
        0 => format!("{} AND {}", condition(draw, true), condition(draw, true)),
        1 => format!("({} OR {})", condition(draw, false), condition(draw, false)),
        2 => format!("(c.x > 0 OR {})", condition(draw, false)),
        3 => format!("c.x > -5 AND {}", condition(draw, true)),
        _ => condition(draw, true),
    };
    let text = match draw.below(4) {
        0 => format!("SELECT c.y AS y, COUNT(*) AS n, SUM(c.x) AS s FROM c WHERE {conditions} GROUP BY c.y"),
        1 => format!("SELECT c.k AS k, e.y AS ey FROM c LEFT JOIN e ON c.k = e.k WHERE {conditions}"),
        _ => format!("SELECT c.k AS k, c.x AS x, c.z AS z FROM c WHERE {conditions}"),
    };
    Query::asked_alike(Shape::SemiJoins, text)
}

/// A condition of a row of `c`; `alone`: all rows must meet it, so that it may say what is not null.
fn condition(draw: &Draw, alone: bool) -> String {
    let table = *draw.of(&["e", "e", "g", "c"]);
    let asked = *draw.of(&["c.k", "c.z", "c.z", "c.y"]);
    let of = *draw.of(&["k", "z", "z", "y"]);
    let also = *draw.of(&["", "", " AND m.x > -3", " AND m.y = 'p'"]);
    let filter = also.replacen(" AND ", " WHERE ", 1);
    match draw.below(if alone { 8 } else { 7 }) {
        0 | 1 => format!("{asked} IN (SELECT m.{of} FROM {table} m{filter})"),
        2 => format!("EXISTS (SELECT 1 FROM {table} m WHERE m.{of} = {asked}{also})"),
        3 | 4 => format!("NOT EXISTS (SELECT 1 FROM {table} m WHERE m.{of} = {asked}{also})"),
        5 => {
            let other = if of == "y" { "z" } else { "y" };
            format!("EXISTS (SELECT 1 FROM {table} m WHERE m.{of} = {asked} AND m.{other} = c.{other})")
        }
        6 => format!("{asked} IN (SELECT m.{of} FROM {table} m GROUP BY m.{of} HAVING COUNT(*) > 1)"),
        _ => format!(
            "({asked} IS NOT NULL AND {asked} NOT IN (SELECT m.{of} FROM {table} m WHERE m.{of} IS NOT NULL{also}))"
        ),
    }
}
