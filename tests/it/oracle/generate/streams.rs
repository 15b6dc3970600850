//! Queries over streams.

use std::fmt::Write;

use super::Draw;
use super::Pairing;
use super::Query;
use super::Shape;
use super::Windows;
use super::expressions::filter;
use super::expressions::number;
use super::expressions::predicate;
use super::expressions::scalar;
use super::tables::with_using;
use crate::oracle::derived;
use crate::oracle::ranks;

/// Joins of two streams: by key, or by value through repartitions, which only rows that are never late can model.
pub(super) fn paired(draw: &Draw, may_be_late: bool) -> Query {
    let by_value = draw.once_in(3);
    let exchanged = by_value && !may_be_late;
    let (keeps_left, keeps_right) = if exchanged { (false, false) } else { (draw.once_in(2), draw.once_in(2)) };
    let twice = draw.once_in(4);
    let pairing = Pairing {
        keeps_left,
        keeps_right,
        before: *draw.of(&[0, 1_000, 7_000, 40_000]),
        after: *draw.of(&[0, 1_000, 7_000, 40_000]),
        grace: if exchanged { 100_000_000 } else { *draw.of(&[0, 3_000, 10_000, 1_000_000]) },
        by_value,
    };
    let word = match (keeps_left, keeps_right) {
        (false, false) => "JOIN",
        (true, false) => "LEFT JOIN",
        (false, true) => "RIGHT JOIN",
        (true, true) => "FULL JOIN",
    };
    let on = if by_value { "l.a = r.a" } else { "l.k = r.k" };
    let second = if twice { "s" } else { "r" };
    let list = format!(
        "l.a + 0 AS a, r.k || '' AS rk, r.a + 0 AS ra, r.t AS rt, {} AS e",
        draw.of(&["l.a + r.a", "COALESCE(l.b, r.b)", "l.d", "CASE WHEN r.f THEN l.t ELSE r.t END"])
    );
    let filter = if draw.once_in(3) {
        format!(
            " WHERE {}",
            draw.of(&["l.a <= r.a", "l.t = r.t OR l.f", "r.k IS NULL OR l.a > 0", "l.k IS NULL OR r.a IS NULL"])
        )
    } else {
        String::new()
    };
    let Pairing { before, after, grace, .. } = pairing;
    let within = format!("WITHIN ({before} MILLISECONDS, {after} MILLISECONDS) GRACE PERIOD {grace} MILLISECONDS");
    // A stream without its key in the SELECT list, as such, has none; the model shows that as NULL.
    let plain = |text: &str| text.replace("l.", "l_").replace("r.", "r_");
    Query {
        shape: Shape::Paired { pairing, twice },
        standing: format!("SELECT {list} FROM s l {word} {second} r {within} ON {on}{filter}"),
        batch: format!("SELECT NULL, {} FROM s{}", plain(&list), plain(&filter)),
        filter: String::new(),
        group: String::new(),
        keys: 0,
        below: String::new(),
    }
}

pub(super) fn stateless(draw: &Draw) -> Query {
    let mut list = String::from("k");
    for column in 0..1 + draw.below(3) {
        let _ = write!(list, ", {} AS c{column}", scalar(draw, 2));
    }
    if draw.once_in(4) {
        let _ = write!(list, ", unnest(ARRAY[{}, {}]) AS u", number(draw, 1), number(draw, 1));
        if draw.once_in(2) {
            let _ = write!(list, ", unnest(ARRAY[t, k, 'z']) AS w");
        }
    }
    let text = format!("SELECT {list} FROM s{}", filter(draw, " WHERE "));
    Query {
        shape: Shape::Stateless,
        standing: text.clone(),
        batch: text,
        filter: String::new(),
        group: String::new(),
        keys: 0,
        below: String::new(),
    }
}

pub(super) fn joined(draw: &Draw) -> Query {
    let left = draw.once_in(2);
    let predicate = if draw.once_in(2) {
        format!(" WHERE {}", draw.of(&["s.a < c.x", "c.y = 'p'", "s.a + c.x > 0", "c.x IS NULL OR s.f"]))
    } else {
        String::new()
    };
    let list = format!(
        "SELECT s.k AS k, s.a AS a, c.x AS x, c.y AS y, {} AS e",
        draw.of(&["s.a + c.x", "COALESCE(c.x, s.a)", "s.b", "CASE WHEN c.y = 'q' THEN s.a ELSE c.x END"])
    );
    let join = if left { "LEFT JOIN" } else { "JOIN" };
    Query {
        shape: Shape::Joined { left },
        standing: format!("{list} FROM s {join} c ON s.k = c.k{predicate}"),
        // The model has already put the version of `c` beside each row of `s`, and left out rows without one.
        batch: format!(
            "{} FROM s{}",
            list.replace("s.", "").replace("c.", ""),
            predicate.replace("s.", "").replace("c.", "")
        ),
        filter: String::new(),
        group: String::new(),
        keys: 0,
        below: String::new(),
    }
}

/// Windows of `s` and of `r` that belong together.
pub(super) fn window_pairs(draw: &Draw) -> Query {
    let (word, sides) =
        *draw.of(&[("JOIN", "l.#"), ("LEFT JOIN", "l.#"), ("RIGHT JOIN", "r.#"), ("FULL JOIN", "COALESCE(l.#, r.#)")]);
    let filter = if draw.once_in(2) {
        let conditions = ["l.n > 1", "r.n IS NULL OR r.n > l.n", "l.n IS NULL OR l.t > 0", "l.t + r.t > 0"];
        format!(" WHERE {}", draw.of(&conditions))
    } else {
        String::new()
    };
    let of_key = |column: &str| sides.replace('#', column);
    let list = format!("{} AS k, l.n AS n, r.n AS rn, COALESCE(l.t, r.t) AS t", of_key("k"));
    let on = draw.of(&["l.k = r.k AND l.W = r.W", "r.W = l.W AND l.k = r.k"]);
    let (standing, batch) = (on.replace('W', "windowstart"), on.replace('W', "ws"));
    let plain = format!("SELECT {list} FROM ws l {word} wr r ON {standing}{filter}");
    let plain = match draw.once_in(3) {
        true => with_using(&plain, (&standing, "k, windowstart"), &of_key("k")),
        false => plain,
    };
    let windows = |name: &str| format!("(SELECT k, ws, we, COUNT(*) AS n, SUM(a) AS t FROM {name} GROUP BY k, ws, we)");
    let (left, right) = (windows("s"), windows("r"));
    Query {
        shape: Shape::WindowPairs,
        standing: plain,
        batch: format!(
            "SELECT {list}, {} AS ws, {} AS we FROM {left} l {word} {right} r ON {batch}{filter}",
            of_key("ws"),
            of_key("we")
        ),
        filter: String::new(),
        group: String::new(),
        keys: 1,
        below: String::new(),
    }
}

pub(super) fn grouped(draw: &Draw, may_be_late: bool) -> Query {
    let window = (!draw.once_in(3)).then(|| Windows::draw(draw, may_be_late));
    // When rows go follows from a stream time that only one partition has.
    let retention = window.filter(|_| may_be_late && draw.once_in(3)).map(|window| window.retention(draw));
    let keys: Vec<String> = match draw.below(6) {
        0 => vec!["k".into()],
        1 => vec!["t".into()],
        2 => vec!["k".into(), "f".into()],
        4 => vec!["ARRAY[a, b]".into(), "t".into()],
        // A bare number would be a place in the select list.
        3 => vec![format!("({} + a)", number(draw, 1))],
        _ => vec!["a".into(), "t".into()],
    };
    let mut list: Vec<String> = keys.iter().enumerate().map(|(at, key)| format!("{key} AS g{at}")).collect();
    for at in 0..1 + draw.below(3) {
        let argument = number(draw, 1);
        let call = match draw.below(14) {
            12 | 13 => derived::call(draw).to_string(),
            11 => format!("COUNT(DISTINCT a) FILTER (WHERE {})", predicate(draw, 1)),
            8 if draw.once_in(2) => "COUNT(DISTINCT a)".to_string(),
            8 => format!("COUNT(DISTINCT {argument})"),
            9 => format!("SUM(DISTINCT {argument})"),
            10 => format!("{}({argument})", draw.of(&["VAR_POP", "VAR_SAMP", "STDDEV_POP", "STDDEV"])),
            0 => "COUNT(*)".to_string(),
            1 => format!("COUNT({argument})"),
            2 => format!("SUM({argument})"),
            3 => format!("MIN({argument})"),
            4 => format!("MAX({argument})"),
            5 => "AVG(d)".to_string(),
            6 => format!("MIN({})", draw.of(&["t", "d"])),
            _ => format!("SUM({argument}) FILTER (WHERE {})", predicate(draw, 1)),
        };
        list.push(format!("{call} AS v{at}"));
    }
    let having = if draw.once_in(3) {
        format!(" HAVING {}", draw.of(&["COUNT(*) > 1", "SUM(a) > 0", "MAX(b) IS NOT NULL", "COUNT(a) + 1 < 4"]))
    } else {
        String::new()
    };
    let filter = filter(draw, " WHERE ");
    let group = keys.join(", ");
    let last = window.is_some() && draw.once_in(3);
    let clause = window.map_or(String::new(), |window| window.clause(retention));
    let starts = if window.is_some() { ", ws, we" } else { "" };
    let emit = if last { " EMIT FINAL" } else { "" };
    let calls = list.len() - keys.len();
    let list = list.join(", ");
    let from = format!("FROM s{clause}{filter} GROUP BY {group}{having}");
    let batch_from = format!("FROM s{filter} GROUP BY {group}{starts}{having}");
    let rank = draw.once_in(4).then(|| ranks::of_groups(draw, &keys, window.is_some(), retention.is_some(), last));
    let (standing, batch) = match &rank {
        Some(rank) => {
            let names = ranks::names(keys.len(), calls);
            (
                format!("SELECT {names}, n FROM (SELECT {list}, {} {from}) {}{emit}", rank.standing, rank.limit),
                format!(
                    "SELECT {names}, n{starts} FROM (SELECT {list}{starts}, {} {batch_from}) {}",
                    rank.batch, rank.limit
                ),
            )
        }
        None => {
            let (standing, batch) = (format!("SELECT {list} {from}"), format!("SELECT {list}{starts} {batch_from}"));
            let [standing, batch] = match draw.once_in(4) {
                true => derived::around_groups(draw, keys.len(), calls, [&standing, &batch], starts),
                false => [standing, batch],
            };
            (format!("{standing}{emit}"), batch)
        }
    };
    Query {
        shape: Shape::Grouped { window, last, retention, ranked: rank.is_some(), again: false },
        standing,
        // Stock DataFusion cuts the digits of a decimal mean off, PostgreSQL rounds them.
        batch: batch.replace("AVG(d)", "ROUND(AVG(CAST(d AS DECIMAL(20,8))), 6)"),
        filter,
        group,
        keys: keys.len(),
        below: String::new(),
    }
}
