//! Random queries over sub-queries, and the words of PostgreSQL that become other aggregates: what a SELECT reads is renamed,
//! computed and filtered below it, in FROM or WITH, once or twice.

use super::generate::Draw;
use super::generate::Query;
use super::generate::STREAM_COLUMNS;
use super::generate::Shape;
use super::generate::TABLE_COLUMNS;
use super::generate::filter;
use super::ranks;

/// Where the batch query has its windows' bounds, or what else it needs of the rows, beside the columns of the stream.
const PASSED: &str = "/*passed*/";

/// One SELECT below the query: expressions with names, none for `*`, and a condition.
struct Level {
    list: Vec<(String, String)>,
    filter: String,
}

impl Level {
    fn over(&self, from: &str) -> String {
        let list = match self.list.as_slice() {
            [] => "*".to_string(),
            list => list.iter().map(|(expr, name)| format!("{expr} AS {name}")).collect::<Vec<_>>().join(", "),
        };
        format!("SELECT {list} FROM {from}{}", self.filter)
    }

    /// The same for the batch query, whose relation has more columns.
    fn batch_over(&self, from: &str) -> String {
        match self.list.as_slice() {
            [] => self.over(from),
            _ => self.over(from).replacen(" FROM ", &format!("{PASSED} FROM "), 1),
        }
    }
}

/// The batch query, or a part of it, over rows that have these columns more than the stream.
pub fn with_below(query: &Query, passed: &[&str], text: &str) -> String {
    let passed: String = passed.iter().map(|name| format!(", {name}")).collect();
    format!("{}{text}", query.below.replace(PASSED, &passed))
}

/// The query over sub-queries in place of the relations that it read; as it was where that cannot be said.
pub fn wrapped(draw: &Draw, query: Query) -> Query {
    match query.shape {
        // Beside a sub-query it is refused.
        _ if query.standing.contains(" USING (") => query,
        Shape::Stateless | Shape::Grouped { .. } | Shape::Top | Shape::Joined { .. } => over_stream(draw, query),
        Shape::Paired { twice, .. } => over_pair(draw, query, twice),
        Shape::Tables { .. }
        | Shape::TableGroups
        | Shape::TableTop
        | Shape::InnerTables
        | Shape::SemiJoins
        | Shape::Kept { .. } => over_tables(draw, query),
        Shape::WindowPairs | Shape::United { .. } => query,
    }
}

/// Levels over columns of a relation; `expressions` are what a column may become.
fn levels(draw: &Draw, columns: &[(&str, &str)], expressions: &[(&str, &[&str])], filters: &[&str]) -> Vec<Level> {
    let computed = |name: &str, renamed: &str| {
        let choices = expressions.iter().find(|(column, _)| *column == name).map(|(_, choices)| *choices);
        // `#` is the column's name in an expression, so that it can be called otherwise.
        choices.map_or(name.to_string(), |choices| draw.of(choices).to_string()).replace('#', renamed)
    };
    let filter = |renamed: &str| match draw.below(2) {
        0 if !filters.is_empty() => format!(" WHERE {}", draw.of(filters).replace('#', renamed)),
        _ => String::new(),
    };
    let names = || columns.iter().map(|(name, _)| *name);
    let straight = || names().map(|name| (computed(name, ""), name.to_string())).collect::<Vec<_>>();
    match draw.below(4) {
        0 => vec![Level { list: straight(), filter: filter("") }],
        1 => vec![Level { list: Vec::new(), filter: filter("") }, Level { list: straight(), filter: filter("") }],
        2 => vec![Level { list: straight(), filter: filter("") }, Level { list: straight(), filter: filter("") }],
        _ => {
            let below = names().map(|name| (computed(name, ""), format!("n_{name}"))).collect();
            let above = names().map(|name| {
                let expr = computed(name, "n_");
                (if expr == name { format!("n_{name}") } else { expr }, name.to_string())
            });
            vec![Level { list: below, filter: filter("") }, Level { list: above.collect(), filter: filter("n_") }]
        }
    }
}

/// The levels around a relation, the innermost first.
fn nested(levels: &[Level], relation: &str, text: fn(&Level, &str) -> String) -> String {
    let mut from = relation.to_string();
    for (at, level) in levels.iter().enumerate() {
        from = match at {
            0 => text(level, &from),
            _ => text(level, &format!("({from}) AS q{at}")),
        };
    }
    from
}

fn over_stream(draw: &Draw, query: Query) -> Query {
    let expressions: &[(&str, &[&str])] = &[
        ("a", &["#a", "#a", "#a + 1", "COALESCE(#a, 0)", "CASE WHEN #f THEN #a END", "LENGTH(#k || #t)"]),
        ("b", &["#b", "#b - 5", "#b + #a", "#b * 2 - #b"]),
        ("t", &["#t", "#t || 'x'", "COALESCE(#t, #k)"]),
        ("f", &["#f", "NOT #f", "#a > 0", "#t LIKE 'x%' OR #f"]),
    ];
    let filters = ["#a > -8", "#f OR #b > 0", "#t IS NOT NULL", "#a < 9 AND #a <> 3 OR #k = 'k1'"];
    let levels = levels(draw, STREAM_COLUMNS, expressions, &filters);
    let standing = nested(&levels, "s", Level::over);
    let below = format!("WITH s AS ({}) ", nested(&levels, "s", Level::batch_over));
    let standing = match draw.below(3) {
        0 => format!("WITH s AS ({standing}) {}", query.standing),
        1 => match levels.as_slice() {
            [first, second] => {
                format!("WITH x AS ({}), s AS ({}) {}", first.over("s"), second.over("x"), query.standing)
            }
            _ => format!("WITH s AS ({standing}) {}", query.standing),
        },
        _ => in_from(&query.standing, "s", &standing),
    };
    Query { standing, below, ..query }
}

/// A relation of FROM, read once, as a sub-query of its name.
fn in_from(text: &str, relation: &str, subquery: &str) -> String {
    let from = format!("FROM {relation}");
    let at = text.find(&from).expect("the query reads it");
    let rest = &text[at + from.len()..];
    debug_assert!(rest.is_empty() || rest.starts_with([' ', ')']));
    format!("{}FROM ({subquery}) {relation}{rest}", &text[..at])
}

/// Both streams under other names and back.
fn over_pair(draw: &Draw, query: Query, twice: bool) -> Query {
    let level = |from: &str| nested(&levels(draw, STREAM_COLUMNS, &[], &[]), from, Level::over);
    let mut with = format!("WITH s AS ({})", level("s"));
    if !twice {
        with = format!("{with}, r AS ({})", level("r"));
    }
    Query { standing: format!("{with} {}", query.standing), ..query }
}

fn over_tables(draw: &Draw, query: Query) -> Query {
    let expressions: &[(&str, &[&str])] = &[
        ("x", &["#x", "#x + 1", "COALESCE(#x, 2)", "CASE WHEN #y = 'p' THEN #x END"]),
        ("y", &["#y", "COALESCE(#y, 'q')", "#z || ''"]),
    ];
    // A FULL join of what is computed is refused.
    let expressions = if query.standing.contains("FULL") { &[] } else { expressions };
    let is_outer = ["LEFT", "RIGHT", "FULL"].iter().any(|word| query.standing.contains(word));
    let filters: &[&str] = if is_outer { &[] } else { &["#x > -6", "#y IS NOT NULL", "#z <> 'k3' OR #x > 0"] };
    let names = ["c", "e", "g"].into_iter().filter(|name| {
        let read = [format!("FROM {name}"), format!("JOIN {name}")];
        let words = query.standing.replace(')', " ) ") + " ";
        read.iter().any(|read| words.contains(&format!("{read} ")))
    });
    let tables = names.map(|name| {
        let levels = levels(draw, TABLE_COLUMNS, expressions, filters);
        format!("{name} AS ({})", nested(&levels, name, Level::over))
    });
    let with = format!("WITH {} ", tables.collect::<Vec<_>>().join(", "));
    Query { standing: format!("{with}{}", query.standing), batch: format!("{with}{}", query.batch), ..query }
}

/// Rows that are different, of the stream.
pub fn distinct(draw: &Draw) -> Query {
    let list = *draw.of(&["k", "t, f", "a AS n, k AS g", "t || k AS w", "a > 0 AS p, t", "b"]);
    let text = format!("SELECT DISTINCT {list} FROM s{}", filter(draw, " WHERE "));
    Query {
        shape: Shape::Grouped { window: None, last: false, retention: None, ranked: false, again: false },
        standing: text.clone(),
        batch: text,
        filter: String::new(),
        group: String::new(),
        keys: list.split(", ").count(),
        below: String::new(),
    }
}

/// A list and a condition around groups: standing and batch, of `calls` aggregates over `keys` groups.
pub fn around_groups(draw: &Draw, keys: usize, calls: usize, inner: [&str; 2], bounds: &str) -> [String; 2] {
    let mut names: Vec<String> = ranks::names(keys, calls).split(", ").map(str::to_string).collect();
    names[keys..].iter_mut().for_each(|name| {
        if draw.once_in(2) {
            *name = format!("COALESCE({name}, {name}) AS w{name}");
        }
    });
    let condition = draw.of(&["", " WHERE v0 IS NOT NULL", " WHERE g0 IS NOT NULL OR v0 IS NULL"]);
    let names = names.join(", ");
    [
        format!("SELECT {names} FROM ({}) u{condition}", inner[0]),
        format!("SELECT {names}{bounds} FROM ({}) u{condition}", inner[1]),
    ]
}

/// An aggregate that PostgreSQL has, where the order of rows does not show.
pub fn call(draw: &Draw) -> &'static str {
    draw.of::<&str>(&[
        "BOOL_AND(f)",
        "BOOL_OR(f)",
        "BOOL_AND(a > -5)",
        "BOOL_OR(f) FILTER (WHERE a > 0)",
        "LENGTH(STRING_AGG(t, '--'))",
        "array_sort(ARRAY_AGG(a))",
        "array_sort(ARRAY_AGG(t))",
    ])
}
