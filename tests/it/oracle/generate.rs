//! Random histories and random queries over them, from a seed.

use std::fmt::Write;

use super::derived;
use super::inner_tables;
use super::ranks;
use super::unions;
use tidemill::env::Random;
use tidemill::env::SeededRandom;

/// Draws from a seeded generator.
pub struct Draw(SeededRandom);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    /// A number from 0 up to and without `below`.
    pub fn below(&self, below: u64) -> u64 {
        self.0.next_u64() % below
    }

    /// True once in `of` times.
    pub fn once_in(&self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// True once in `of` times, else null.
    fn null_or(&self, value: impl Into<String>) -> Option<String> {
        if self.once_in(8) { None } else { Some(value.into()) }
    }
}

/// A record of the stream `s (k TEXT KEY, a INT, b BIGINT, d DECIMAL(10,2), t TEXT, f BOOLEAN)` or of the table
/// `c (k TEXT PRIMARY KEY, x INT, y TEXT, z TEXT)`, whose `z` names keys: values as SQL text, `None` is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub key: String,
    /// `None` deletes the key (tables only).
    pub values: Option<Vec<Option<String>>>,
    /// Event time in milliseconds.
    pub time: i64,
}

pub const STREAM_COLUMNS: &[(&str, &str)] =
    &[("k", "TEXT"), ("a", "INT"), ("b", "BIGINT"), ("d", "DECIMAL(10,2)"), ("t", "TEXT"), ("f", "BOOLEAN")];
pub const TABLE_COLUMNS: &[(&str, &str)] = &[("k", "TEXT"), ("x", "INT"), ("y", "TEXT"), ("z", "TEXT")];

/// How far a row may lie behind the newest one, in milliseconds.
const DISORDER: u64 = 20_000;

/// Rows of the stream: keys repeat, times run forward with disorder, some lie where windows end, some rows are exact repeats.
pub fn stream_history(draw: &Draw, rows: u64) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut now = 1_000_000;
    for _ in 0..rows {
        if !events.is_empty() && draw.once_in(10) {
            let repeated = draw.of(&events).clone();
            events.push(repeated);
            continue;
        }
        now += draw.below(6_000) as i64;
        let time = if draw.once_in(3) { now - draw.below(DISORDER) as i64 } else { now };
        let time = if draw.once_in(5) { time - time % 1_000 } else { time };
        let values = vec![
            draw.null_or((draw.below(21) as i64 - 10).to_string()),
            draw.null_or((draw.below(2_000) as i64 - 1_000).to_string()),
            draw.null_or(format!("{}{}.{:02}", draw.of(&["", "-"]), draw.below(100), draw.below(100))),
            draw.null_or(*draw.of(&["", "x", "Xy", "xyz", "ü", "a b"])),
            draw.null_or(*draw.of(&["true", "false"])),
        ];
        events.push(Event { key: format!("k{}", draw.below(5)), values: Some(values), time });
    }
    events
}

/// Versions of the table's rows, with deletes; some come at the very time of a row of the stream.
pub fn table_history(draw: &Draw, rows: u64, stream: &[Event]) -> Vec<Event> {
    let mut now = 990_000;
    let mut version = |_| {
        now += draw.below(9_000) as i64;
        let time = if draw.once_in(5) { now - draw.below(DISORDER) as i64 } else { now };
        let time = if draw.once_in(4) { draw.of(stream).time } else { time };
        let row = || {
            let number = draw.null_or((draw.below(21) as i64 - 10).to_string());
            vec![number, draw.null_or(*draw.of(&["p", "q", "r"])), draw.null_or(format!("k{}", draw.below(6)))]
        };
        Event { key: format!("k{}", draw.below(5)), values: (!draw.once_in(6)).then(row), time }
    };
    (0..rows).map(&mut version).collect()
}

/// The windows of a query; all spans in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Tumbling if `advance` is `size`, else hopping.
    Fixed {
        size: i64,
        advance: i64,
        grace: i64,
    },
    Session {
        gap: i64,
        grace: i64,
    },
}

impl Windows {
    fn draw(draw: &Draw, may_be_late: bool) -> Self {
        let grace = if may_be_late { *draw.of(&[0, 3_000, 10_000, 1_000_000]) } else { 100_000_000 };
        let size = *draw.of(&[1_000, 7_000, 60_000]);
        match draw.below(3) {
            0 => Windows::Fixed { size, advance: size, grace },
            1 => {
                let (size, advance) = *draw.of(&[(6_000, 2_000), (10_000, 4_000), (7_000, 1_000), (60_000, 15_000)]);
                Windows::Fixed { size, advance, grace }
            }
            _ => Windows::Session { gap: *draw.of(&[1_000, 4_000, 12_000]), grace },
        }
    }

    /// How long rows of windows are kept from their start, or a session's from its end: not shorter than they are open.
    fn retention(self, draw: &Draw) -> i64 {
        let (Windows::Fixed { size: open, grace, .. } | Windows::Session { gap: open, grace }) = self;
        open + grace + draw.below(60_000) as i64
    }

    fn clause(self, retention: Option<i64>) -> String {
        let retention = retention.map_or(String::new(), |retention| format!(", RETENTION {retention} MILLISECONDS"));
        match self {
            Windows::Fixed { size, advance, grace } if size == advance => {
                format!(" WINDOW TUMBLING (SIZE {size} MILLISECONDS{retention}, GRACE PERIOD {grace} MILLISECONDS)")
            }
            Windows::Fixed { size, advance, grace } => format!(
                " WINDOW HOPPING (SIZE {size} MILLISECONDS, ADVANCE BY {advance} MILLISECONDS{retention}, GRACE PERIOD {grace} MILLISECONDS)"
            ),
            Windows::Session { gap, grace } => {
                format!(" WINDOW SESSION ({gap} MILLISECONDS{retention}, GRACE PERIOD {grace} MILLISECONDS)")
            }
        }
    }
}

/// What a query does, so that the model knows which answer to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A projection and a filter: one row out per row in.
    Stateless,
    /// `GROUP BY`, over all time or in windows; grouped `again` without windows.
    Grouped { window: Option<Windows>, last: bool, retention: Option<i64>, ranked: bool, again: bool },
    /// Stream joined with the table as of each row's turn.
    Joined { left: bool },
    /// Stream joined with the stream `r` or, if `twice`, with itself.
    Paired { pairing: Pairing, twice: bool },
    /// Tables joined by their keys, or one by what it names of another; `chain` of them with more than two.
    Tables { chain: bool, foreign: bool },
    /// `GROUP BY` over a table or two, whose rows are taken back.
    TableGroups,
    /// The first rows of each partition of the stream.
    Top,
    /// The same of a table or two.
    TableTop,
    /// Groups of groups or of ranked rows of tables, and tables joined with groups.
    InnerTables,
    /// Rows of a table that others have, or have not.
    SemiJoins,
    /// Rows of the table, kept for so many milliseconds after their event time.
    Kept { ttl: i64 },
    /// The windowed views `ws` and `wr` joined by key and window.
    WindowPairs,
    /// The streams `s` and `r` beside each other, as they are or (`view`) grouped.
    United { view: bool, windowed: bool },
}

/// The size of the windows of `ws` and `wr`, over `s` and `r`, in milliseconds.
pub const WINDOW: i64 = 7_000;

/// How two streams are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairing {
    pub keeps_left: bool,
    pub keeps_right: bool,
    /// Milliseconds.
    pub before: i64,
    pub after: i64,
    pub grace: i64,
    /// Joined by column `a` in place of the key.
    pub by_value: bool,
}

/// A query in both dialects: standing, and batch over what it accepted.
#[derive(Debug, Clone)]
pub struct Query {
    pub shape: Shape,
    pub standing: String,
    /// Over a table `s` with the stream's columns and `ws` and `we`, the window's bounds in milliseconds.
    pub batch: String,
    /// The standing query's WHERE clause, if it has one.
    pub filter: String,
    /// The groups, as a list of expressions.
    pub group: String,
    /// The number of leading columns that are the key of a kept view; 0 for streams.
    pub keys: usize,
    /// WITH of the batch query, and of what else is asked of the stream: what the sub-queries of the standing query make of it.
    pub below: String,
}

impl Query {
    /// A query with a view by one column, whose text the batch query is too.
    pub fn asked_alike(shape: Shape, text: String) -> Self {
        let none = String::new;
        Self { shape, standing: text.clone(), batch: text, filter: none(), group: none(), keys: 1, below: none() }
    }
}

/// A query of a random shape. `may_be_late`: grace so short that rows are late, which only one partition can model.
/// `only`: of one kind.
pub fn query(draw: &Draw, may_be_late: bool, only: Option<&str>) -> Query {
    loop {
        let query = plain_query(draw, may_be_late);
        let query = if draw.once_in(3) { derived::wrapped(draw, query) } else { query };
        if only.is_none_or(|kind| query.is_of(kind)) {
            return query;
        }
    }
}

fn plain_query(draw: &Draw, may_be_late: bool) -> Query {
    match draw.below(27) {
        25 | 26 => inner_tables::semi_joins(draw),
        21 | 22 => {
            let window = draw.once_in(2).then(|| Windows::draw(draw, may_be_late));
            inner_tables::of_stream(draw, window.map(|window| (window, window.clause(None))))
        }
        23 | 24 => inner_tables::of_tables(draw),
        19 | 20 => unions::of_streams(draw),
        18 => derived::distinct(draw),
        12 | 13 => ranks::of_stream(draw),
        14 => ranks::of_tables(draw),
        15 | 16 => window_pairs(draw),
        17 => kept(draw),
        6 | 7 => tables(draw),
        10 | 11 => table_groups(draw),
        8 | 9 => references(draw),
        0 => stateless(draw),
        1 => joined(draw),
        2 | 3 => paired(draw, may_be_late),
        _ => grouped(draw, may_be_late),
    }
}

/// Joins of two streams: by key, or by value through repartitions, which only rows that are never late can model.
fn paired(draw: &Draw, may_be_late: bool) -> Query {
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

fn stateless(draw: &Draw) -> Query {
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

fn joined(draw: &Draw) -> Query {
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

/// The tables `c`, `e` and `g` have the same columns; which rows meet depends on nothing but what they hold at the end.
fn tables(draw: &Draw) -> Query {
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
fn with_using(text: &str, (on, columns): (&str, &str), key: &str) -> String {
    let key = format!("SELECT {key} AS k");
    text.replacen(&format!("ON {on}"), &format!("USING ({columns})"), 1).replacen(&key, "SELECT k", 1)
}

/// The table as it is, for a while.
fn kept(draw: &Draw) -> Query {
    let filter = if draw.once_in(2) {
        format!(" WHERE {}", draw.of(&["x > 0", "y = 'p'", "x IS NULL OR z <> k"]))
    } else {
        String::new()
    };
    let text = format!("SELECT k, x, y || '!' AS y, z FROM c{filter}");
    Query::asked_alike(Shape::Kept { ttl: *draw.of(&[1, 3_000, 20_000, 60_000]) }, text)
}

/// Windows of `s` and of `r` that belong together.
fn window_pairs(draw: &Draw) -> Query {
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

/// A call of an aggregate in both dialects.
type Call = (String, String);

/// An aggregate that DataFusion has under the same name.
fn same(text: String) -> Call {
    (text.clone(), text)
}

/// Aggregates over rows that may be taken back: of a number, of another and of a text.
fn taken_back(draw: &Draw, a: &str, b: &str, t: &str) -> Call {
    let top = |k: u64, distinct: &str| {
        format!(
            "COALESCE(array_slice(array_agg({distinct}{a} ORDER BY {a} DESC) FILTER (WHERE {a} IS NOT NULL), 1, {k}), \
             arrow_cast(make_array(), 'List(Int32)'))"
        )
    };
    let k = 1 + draw.below(3);
    // Distinct aggregates of one argument share their counts, with a filter or without.
    let passing = |call: String| match draw.below(3) {
        0 => same(format!("{call} FILTER (WHERE {b} > 0)")),
        1 => same(format!("{call} FILTER (WHERE {t} <> 'q')")),
        _ => same(call),
    };
    match draw.below(20) {
        // DataFusion's own string_agg takes the order of another aggregate for its own.
        19 => (
            format!("STRING_AGG({t}, ',' ORDER BY {t} DESC)"),
            format!("array_to_string(array_agg({t} ORDER BY {t} DESC) FILTER (WHERE {t} IS NOT NULL), ',')"),
        ),
        18 => same(format!("ARRAY_AGG({a} ORDER BY {a} NULLS FIRST)")),
        17 => (
            format!("STRING_AGG(DISTINCT {t}, '/' ORDER BY {t}) FILTER (WHERE {b} > 0)"),
            format!(
                "array_to_string(array_sort(array_agg(DISTINCT {t}) FILTER (WHERE {t} IS NOT NULL AND {b} > 0)), '/')"
            ),
        ),
        0 => same(format!("MIN({a})")),
        1 => same(format!("MAX({a})")),
        2 => same(format!("MIN({t})")),
        3 => same(format!("MAX({t}) FILTER (WHERE {a} > 0)")),
        4 => passing(format!("COUNT(DISTINCT {t})")),
        5 => passing(format!("COUNT(DISTINCT {a})")),
        6 => passing(format!("SUM(DISTINCT {a})")),
        7 => same(format!("AVG({a})")),
        8 => (format!("TOPK({a}, {k})"), top(k, "")),
        9 => (format!("TOPKDISTINCT({a}, {k})"), top(k, "DISTINCT ")),
        10 => (
            format!("ATTR({t})"),
            format!("CASE WHEN COUNT(DISTINCT {t}) = 1 AND COUNT({t}) = COUNT(*) THEN MIN({t}) END"),
        ),
        11 => (format!("array_sort(COLLECT_LIST({t}))"), format!("array_sort(array_agg({t}))")),
        12 => (format!("array_sort(COLLECT_SET({t}))"), format!("array_sort(array_agg(DISTINCT {t}))")),
        13 => same(format!("{}({a})", draw.of(&["STDDEV", "STDDEV_SAMP", "STDDEV_POP"]))),
        14 => (format!("VARIANCE({a})"), format!("VAR_SAMP({a})")),
        15 => same(format!("VAR_POP({a})")),
        _ => {
            let paired =
                |term: &str| format!("CAST(SUM({term}) FILTER (WHERE {a} IS NOT NULL AND {b} IS NOT NULL) AS DOUBLE)");
            let (x, y) = (format!("CAST({a} AS BIGINT)"), format!("CAST({b} AS BIGINT)"));
            let (sx, sy) = (paired(&x), paired(&y));
            let spread = |of: &str, sum: &str| {
                format!("sqrt(NULLIF({} * {} - {sum} * {sum}, 0))", paired("1"), paired(&format!("{of} * {of}")))
            };
            let together = format!("({} * {} - {sx} * {sy})", paired("1"), paired(&format!("{x} * {y}")));
            (format!("CORR({a}, {b})"), format!("{together} / {} / {}", spread(&x, &sx), spread(&y, &sy)))
        }
    }
}

/// Both tables beside each other, one with two columns for each other.
const UNION: &str =
    "(SELECT k, x, y, z FROM c WHERE x > -8 UNION ALL SELECT k, x + 1 AS x, z AS y, y AS z FROM e) AS c";

/// Groups of rows of tables.
fn table_groups(draw: &Draw) -> Query {
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
fn references(draw: &Draw) -> Query {
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

fn grouped(draw: &Draw, may_be_late: bool) -> Query {
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

pub fn filter(draw: &Draw, word: &str) -> String {
    if draw.once_in(2) { format!("{word}{}", predicate(draw, 2)) } else { String::new() }
}

fn scalar(draw: &Draw, depth: u64) -> String {
    match draw.below(5) {
        0 => text(draw, depth),
        1 => predicate(draw, depth),
        2 => format!("ARRAY[{}, {}]", number(draw, depth), number(draw, depth)),
        _ => number(draw, depth),
    }
}

pub fn number(draw: &Draw, depth: u64) -> String {
    if depth == 0 {
        return (*draw.of(&["a", "b", "a", "b", "3", "0"])).to_string();
    }
    let one = number(draw, depth - 1);
    let two = number(draw, depth - 1);
    match draw.below(8) {
        7 => format!("(ARRAY[{one}, {two}])[{}]", draw.of(&["1", "2", "3"])),
        0 => format!("({one} + {two})"),
        1 => format!("({one} - {two})"),
        2 => format!("({one} * 2)"),
        3 => format!("COALESCE({one}, {two})"),
        4 => format!("CASE WHEN {} THEN {one} ELSE {two} END", predicate(draw, depth - 1)),
        5 => format!("({one} / 3)"),
        _ => one,
    }
}

fn text(draw: &Draw, depth: u64) -> String {
    match draw.below(4) {
        0 => "t".into(),
        1 => "(t || 'x')".into(),
        2 => format!("CASE WHEN {} THEN t ELSE k END", predicate(draw, depth.saturating_sub(1))),
        _ => "COALESCE(t, 'none')".into(),
    }
}

fn predicate(draw: &Draw, depth: u64) -> String {
    if depth == 0 {
        return (*draw.of(&["f", "a > 0", "t = 'x'", "b IS NULL", "d >= 10.50"])).to_string();
    }
    let one = predicate(draw, depth - 1);
    let two = predicate(draw, depth - 1);
    let left = number(draw, depth - 1);
    let right = number(draw, depth - 1);
    match draw.below(8) {
        0 => format!("({one} AND {two})"),
        1 => format!("({one} OR {two})"),
        2 => format!("(NOT {one})"),
        3 => format!("({left} {} {right})", draw.of(&["<", "<=", "=", "<>", ">", ">="])),
        4 => format!("({left} IS NOT NULL)"),
        5 => format!("({left} BETWEEN -5 AND {right})"),
        6 => format!("(t IN ('x', 'ü') OR {one})"),
        _ => format!("(t LIKE 'x%' AND {one})"),
    }
}
