//! Queries over tables.

use std::fmt::Write;

use super::Draw;
use super::Query;
use super::Shape;
use super::aggregates::Call;
use super::aggregates::taken_back;

/// The tables `c`, `e` and `g` have the same columns; which rows meet depends on nothing but what they hold at the end.
pub(super) fn tables(draw: &Draw) -> Query {
    let kinds = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];
    let chain = draw.once_in(3);
    // A FULL join has its key in either column, and comes last.
    let first = *draw.of(if chain { &kinds[..3] } else { &kinds });
    let key_of = |kind: &str, left: &str, right: &str| match kind {
        "RIGHT JOIN" => right.to_string(),
        "FULL JOIN" => format!("COALESCE({left}, {right})"),
        _ => left.to_string(),
    };
    let mut key = key_of(first, "c.k", "e.k");
    let on = *draw.of(&["c.k = e.k", "e.k = c.k"]);
    let mut from = format!("c {first} {} ON {on}", draw.of(&["e", "e", "c e"]));
    let mut list = String::from("c.x AS x, c.y AS y, e.x AS ex");
    if chain {
        let second = *draw.of(&kinds);
        let met = if first == "JOIN" { *draw.of(&["c.k", "e.k"]) } else { &key };
        let _ = write!(from, " {second} g ON {met} = g.k");
        key = key_of(second, &key, "g.k");
        let _ = write!(list, ", g.y AS gy, COALESCE(g.x, c.x) AS v");
    }
    let filter = if draw.once_in(2) {
        format!(
            " WHERE {}",
            draw.of(&["c.x > 0", "e.x IS NULL", "c.y = 'p' OR e.y = 'q'", "c.x + e.x > -3", "c.k IS NOT NULL"])
        )
    } else {
        String::new()
    };
    let text = match draw.once_in(4) {
        true => format!("SELECT c.y AS y, COUNT(*) AS n, SUM(e.x) AS s FROM {from}{filter} GROUP BY c.y"),
        false => format!("SELECT {key} AS k, {list} FROM {from}{filter}"),
    };
    let mut query = Query::asked_alike(Shape::Tables { chain, foreign: false }, text);
    // DataFusion does not know which side's the column of USING is.
    if !chain && draw.once_in(3) {
        query.standing = with_using(&query.standing, (on, "k"), &key);
    }
    query
}

/// A join `ON` columns that have one name on both sides, with USING; its `key` is named bare.
pub(super) fn with_using(text: &str, (on, columns): (&str, &str), key: &str) -> String {
    let key = format!("SELECT {key} AS k");
    text.replacen(&format!("ON {on}"), &format!("USING ({columns})"), 1).replacen(&key, "SELECT k", 1)
}

/// The table as it is, for a while.
pub(super) fn kept(draw: &Draw) -> Query {
    let filter = if draw.once_in(2) {
        format!(" WHERE {}", draw.of(&["x > 0", "y = 'p'", "x IS NULL OR z <> k"]))
    } else {
        String::new()
    };
    let text = format!("SELECT k, x, y || '!' AS y, z FROM c{filter}");
    Query::asked_alike(Shape::Kept { ttl: *draw.of(&[1, 3_000, 20_000, 60_000]) }, text)
}

/// Both tables beside each other, one with two columns for each other.
const UNION: &str =
    "(SELECT k, x, y, z FROM c WHERE x > -8 UNION ALL SELECT k, x + 1 AS x, z AS y, y AS z FROM e) AS c";

/// Groups of rows of tables.
pub(super) fn table_groups(draw: &Draw) -> Query {
    let from = *draw.of(&[
        "c",
        "c",
        UNION,
        "c JOIN e ON c.k = e.k",
        "c FULL JOIN e ON c.k = e.k",
        "c LEFT JOIN e ON c.z = e.k",
    ]);
    let both = from != "c" && from != UNION;
    let a = if both { *draw.of(&["c.x", "e.x"]) } else { "c.x" };
    let (b, t) =
        if both { ("c.x + e.x", *draw.of(&["c.y", "e.y"])) } else { ("LENGTH(c.y)", *draw.of(&["c.y", "c.z"])) };
    let group = *draw.of(&["c.z", "c.y", "c.x > 0"]);
    let calls: Vec<Call> = (0..1 + draw.below(4)).map(|_| taken_back(draw, a, b, t)).collect();
    let filter = if draw.once_in(3) { *draw.of(&[" WHERE c.x > -5", " WHERE c.y <> 'q'"]) } else { "" };
    let having = if draw.once_in(4) { *draw.of(&[" HAVING COUNT(*) > 1", " HAVING MAX(c.x) > 0"]) } else { "" };
    let text = |dialect: fn(&Call) -> &String| {
        let calls: Vec<String> =
            calls.iter().enumerate().map(|(at, call)| format!("{} AS v{at}", dialect(call))).collect();
        format!("SELECT {group} AS g, {} FROM {from}{filter} GROUP BY {group}{having}", calls.join(", "))
    };
    Query {
        shape: Shape::TableGroups,
        standing: text(|(standing, _)| standing),
        batch: text(|(_, batch)| batch),
        filter: String::new(),
        group: String::new(),
        keys: 1,
        below: String::new(),
    }
}

/// Joins of `c` with rows of `e`, or of itself, that its `z` names, and on from there; either table may come first.
pub(super) fn references(draw: &Draw) -> Query {
    let named = *draw.of(&["e", "e", "c m"]);
    let one = named.split(' ').next_back().expect("a word");
    let names = *draw.of(&["c.z", "c.z", "COALESCE(c.z, c.k)", "'k' || CAST(c.x AS TEXT)"]);
    let on = match draw.once_in(2) {
        true => format!("{names} = {one}.k"),
        false => format!("{one}.k = {names}"),
    };
    if draw.once_in(4) {
        return kept_named(draw, named, &on);
    }
    let keeps = draw.once_in(2);
    let further = ["", "", " AND c.x < 6", " AND M.x > 0", " AND c.x > M.x", " AND (M.y = 'p' OR c.y = 'q')"];
    let further = draw.of(&further).replace('M', one);
    let mut from = match (draw.once_in(3), keeps) {
        (false, true) => format!("c LEFT JOIN {named} ON {on}{further}"),
        (false, false) => format!("c JOIN {named} ON {on}"),
        (true, true) => format!("{named} RIGHT JOIN c ON {on}{further}"),
        (true, false) => format!("{named} JOIN c ON {on}{further}"),
    };
    let mut list = format!("c.x AS x, c.z AS z, {one}.k AS mk, {one}.x AS mx");
    let chain = draw.once_in(3);
    if chain {
        let kind = draw.of(&["JOIN", "LEFT JOIN"]);
        let on = draw.of(&["c.k = g.k", "c.z = g.k", "M.z = g.k"]).replace('M', one);
        let _ = write!(from, " {kind} {} ON {on}", draw.of(&["g", "g", "e g", "c g"]));
        list.push_str(", g.y AS gy, COALESCE(g.x, c.x) AS v");
    }
    let conditions = ["c.x > 0", "M.k IS NULL", "c.y = 'p' OR M.y = 'q'", "c.x + M.x > -3", "M.z = c.k"];
    let filter = match draw.once_in(2) {
        true => format!(" WHERE {}", draw.of(&conditions).replace('M', one)),
        false => String::new(),
    };
    let text = match draw.once_in(4) {
        true => format!("SELECT {one}.y AS y, COUNT(*) AS n, SUM(c.x) AS s FROM {from}{filter} GROUP BY {one}.y"),
        false => format!("SELECT c.k AS k, {list} FROM {from}{filter}"),
    };
    Query::asked_alike(Shape::Tables { chain, foreign: true }, text)
}

/// Groups over a join that keeps the rows that `c` names or does not name, and `c`'s own perhaps.
fn kept_named(draw: &Draw, named: &str, on: &str) -> Query {
    let one = named.split(' ').next_back().expect("a word");
    let further = draw.of(&["", "", " AND c.x < 6", " AND c.y = 'p'"]);
    let from = match draw.below(3) {
        0 => format!("{named} LEFT JOIN c ON {on}{further}"),
        1 => format!("c RIGHT JOIN {named} ON {on}{further}"),
        _ => format!("c FULL JOIN {named} ON {on}"),
    };
    let group = draw.of(&["M.k", "M.y", "c.z"]).replace('M', one);
    let calls = format!("COUNT(*) AS n, COUNT(c.k) AS met, SUM(c.x) AS s, MAX({one}.x) AS m");
    let text = format!("SELECT {group} AS g, {calls} FROM {from} GROUP BY {group}");
    Query::asked_alike(Shape::Tables { chain: false, foreign: true }, text)
}
