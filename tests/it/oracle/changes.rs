//! Random UPDATE, DELETE and INSERT statements over a table, each beside what it must make of the table's rows.

use std::collections::BTreeMap;

use super::generate::Draw;
use super::generate::Event;

/// A row without its key: `x INT`, `y TEXT`, `z TEXT`.
type Values = Vec<Option<String>>;

/// A statement, and the records that it must come to.
#[derive(Debug, Clone)]
pub struct Change {
    pub table: String,
    pub statement: String,
    /// How many rows the tag tells.
    pub rows: usize,
    pub events: Vec<Event>,
}

/// A condition in SQL, and whether it holds for a row.
type Condition = (&'static str, fn(&str, &Values) -> bool);
/// An assignment in SQL, and what it makes of a row.
type Assignment = (&'static str, fn(&str, &Values) -> Values);

const CONDITIONS: [Condition; 7] = [
    ("y = 'p'", |_, row| row[1].as_deref() == Some("p")),
    ("x IS NULL OR x < 0", |_, row| number(row).is_none_or(|x| x < 0)),
    ("k = 'k1'", |key, _| key == "k1"),
    ("'k2' = k AND x > -5", |key, row| key == "k2" && number(row).is_some_and(|x| -5 < x)),
    ("k IN ('k0', 'k3')", |key, _| key == "k0" || key == "k3"),
    ("z <> k", |key, row| row[2].as_deref().is_some_and(|z| z != key)),
    ("TRUE", |_, _| true),
];

const ASSIGNMENTS: [Assignment; 5] = [
    ("x = x + 1", |_, row| with(row, 0, number(row).map(|x| (x + 1).to_string()))),
    ("y = 'q', z = k", |key, row| with(&with(row, 1, Some("q".to_string())), 2, Some(key.to_string()))),
    ("x = NULL", |_, row| with(row, 0, None)),
    ("(z, y) = (y, z)", |_, row| with(&with(row, 2, row[1].clone()), 1, row[2].clone())),
    ("y = COALESCE(y, 'r') || 's'", |_, row| with(row, 1, Some(format!("{}s", row[1].as_deref().unwrap_or("r"))))),
];

fn number(row: &Values) -> Option<i64> {
    row[0].as_ref().map(|text| text.parse().expect("a number"))
}

fn with(row: &Values, at: usize, value: Option<String>) -> Values {
    let mut row = row.clone();
    row[at] = value;
    row
}

/// Statements over a table with this history, `count` of them; their records have the time `time`.
pub fn changes(draw: &Draw, table: &str, history: &[Event], count: u64, time: i64) -> Vec<Change> {
    let mut rows: BTreeMap<String, Values> = BTreeMap::new();
    history.iter().for_each(|event| apply(&mut rows, event));
    let mut all = Vec::new();
    for _ in 0..count {
        let change = change(draw, table, &rows, time);
        change.events.iter().for_each(|event| apply(&mut rows, event));
        all.push(change);
    }
    all
}

fn apply(rows: &mut BTreeMap<String, Values>, event: &Event) {
    match &event.values {
        Some(values) => rows.insert(event.key.clone(), values.clone()),
        None => rows.remove(&event.key),
    };
}

fn change(draw: &Draw, table: &str, rows: &BTreeMap<String, Values>, time: i64) -> Change {
    let event = |key: &str, values: Option<Values>| Event { key: key.to_string(), values, time };
    let (condition, holds) = *draw.of(&CONDITIONS);
    let met = rows.iter().filter(|(key, row)| holds(key, row));
    match draw.below(8) {
        0 | 1 => Change {
            table: table.to_string(),
            statement: format!("DELETE FROM {table} WHERE {condition}"),
            rows: met.clone().count(),
            events: met.map(|(key, _)| event(key, None)).collect(),
        },
        2 | 3 => upsert(draw, table, rows, time),
        4 => {
            // A key that ends in m is no key of the histories, so each of them is free once.
            let moves = |key: &str| !key.ends_with('m') && !rows.contains_key(&format!("{key}m"));
            let moved: Vec<_> = met.filter(|(key, _)| moves(key)).collect();
            let free = format!("NOT EXISTS (SELECT 1 FROM {table} taken WHERE taken.k = {table}.k || 'm')");
            let gone = moved.iter().map(|(key, _)| event(key, None));
            let new = moved.iter().map(|(key, row)| event(&format!("{key}m"), Some((*row).clone())));
            Change {
                table: table.to_string(),
                statement: format!(
                    "UPDATE {table} SET k = k || 'm' WHERE ({condition}) AND k NOT LIKE '%m' AND {free}"
                ),
                rows: moved.len(),
                events: gone.chain(new).collect(),
            }
        }
        _ => {
            let (assignment, make) = *draw.of(&ASSIGNMENTS);
            Change {
                table: table.to_string(),
                statement: format!("UPDATE {table} SET {assignment} WHERE {condition}"),
                rows: met.clone().count(),
                events: met.map(|(key, row)| event(key, Some(make(key, row)))).collect(),
            }
        }
    }
}

/// `INSERT .. ON CONFLICT` of a key that may be there.
fn upsert(draw: &Draw, table: &str, rows: &BTreeMap<String, Values>, time: i64) -> Change {
    let key = format!("k{}", draw.below(6));
    let (x, y) = (draw.below(9), *draw.of(&["p", "q"]));
    let there = rows.get(&key);
    let insert = format!("INSERT INTO {table} (k, x, y) VALUES ('{key}', {x}, '{y}') ON CONFLICT");
    let new = vec![Some(x.to_string()), Some(y.to_string()), None];
    let (statement, values) = match (draw.below(3), there) {
        (0, there) => {
            let values = there.is_none().then_some(new);
            (format!("{insert} DO NOTHING"), values)
        }
        (1, there) => {
            let values =
                there.map_or(new, |row| with(row, 0, number(row).map(|before| (before + x as i64).to_string())));
            (format!("{insert} (k) DO UPDATE SET x = {table}.x + excluded.x"), Some(values))
        }
        (_, there) => {
            let values = match there {
                None => Some(new),
                Some(row) if row[1].as_deref() == Some("q") => Some(with(row, 2, Some(y.to_string()))),
                Some(_) => None,
            };
            (format!("{insert} (k) DO UPDATE SET z = excluded.y WHERE {table}.y = 'q'"), values)
        }
    };
    let events: Vec<Event> =
        values.into_iter().map(|values| Event { key: key.clone(), values: Some(values), time }).collect();
    Change { table: table.to_string(), statement, rows: events.len(), events }
}
