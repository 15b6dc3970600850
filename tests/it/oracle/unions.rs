//! Random unions of the streams `s` and `r`, as they are, or grouped.

use super::generate::Draw;
use super::generate::Query;
use super::generate::Shape;
use super::generate::WINDOW;
use super::generate::filter;

/// A query over a union; the batch query reads `s` and `r` with the bounds of their windows, `ws` and `we`.
pub fn of_streams(draw: &Draw) -> Query {
    let branches: Vec<[String; 2]> = (0..2 + draw.below(2)).map(|at| branch(draw, at == 0)).collect();
    let all = |dialect: usize, word: &str| -> String {
        branches.iter().map(|branch| branch[dialect].as_str()).collect::<Vec<_>>().join(word)
    };
    let whole = |dialect: usize| format!("({}) AS u", all(dialect, " UNION ALL "));
    let condition = *draw.of(&["", "", " WHERE x > 0", " WHERE w <> 'x' OR x IS NULL"]);
    let (window, [standing, batch], keys) = match draw.below(6) {
        0 => (None, [0, 1].map(|dialect| bare(&all(dialect, " UNION ALL "))), 0),
        1 => {
            let list = *draw.of(&["k, x + 1 AS y, w", "k, COALESCE(w, k) AS w", "k, x, w || 'x' AS w"]);
            (None, [0, 1].map(|dialect| format!("SELECT {list} FROM {}{condition}", bare(&whole(dialect)))), 0)
        }
        2 => (None, [0, 1].map(|dialect| bare(&all(dialect, " UNION "))), 3),
        form => {
            let group = *draw.of(&["k", "k", "w", "(x > 0)"]);
            let list = format!("{group} AS g, COUNT(*) AS n, SUM(x) AS s, MIN(w) AS m, COUNT(DISTINCT x) AS d");
            let window = format!(" WINDOW TUMBLING (SIZE {WINDOW} MILLISECONDS, GRACE PERIOD 1000 HOURS)");
            let (clause, bounds) = if form == 5 { (window.as_str(), ", ws, we") } else { ("", "") };
            let standing = format!("SELECT {list} FROM {}{clause}{condition} GROUP BY {group}", bare(&whole(0)));
            let batch = format!("SELECT {list}{bounds} FROM {}{condition} GROUP BY {group}{bounds}", whole(1));
            ((form == 5).then_some(()), [standing, batch.replace("/*passed*/", ", ws, we")], 1)
        }
    };
    Query {
        shape: Shape::United { view: keys != 0, windowed: window.is_some() },
        standing,
        batch,
        filter: String::new(),
        group: String::new(),
        keys,
        below: String::new(),
    }
}

fn bare(text: &str) -> String {
    text.replace("/*passed*/", "")
}

/// One branch, standing and batch: types and filters differ from branch to branch, names are the first one's. DataFusion wants
/// those of the batch query told.
fn branch(draw: &Draw, is_first: bool) -> [String; 2] {
    let relation = *draw.of(&["s", "r"]);
    let x = *draw.of(if is_first { &["a", "b", "a + 1", "d"] } else { &["a", "b", "NULL", "3", "b - a", "d"] });
    let w = *draw.of(&["t", "t", "'told'", "k", "COALESCE(t, 'none')"]);
    let named = format!("k, {x} AS x, {w} AS w");
    let list = if is_first { named.clone() } else { format!("k, {x}, {w}") };
    let filter = filter(draw, " WHERE ");
    [format!("SELECT {list} FROM {relation}{filter}"), format!("SELECT {named}/*passed*/ FROM {relation}{filter}")]
}
