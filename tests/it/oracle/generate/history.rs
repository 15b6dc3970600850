//! What is written: rows of the stream, versions of the rows of a table.

use super::Draw;

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
