//! Expressions over the columns of the stream.

use super::Draw;

pub fn filter(draw: &Draw, word: &str) -> String {
    if draw.once_in(2) { format!("{word}{}", predicate(draw, 2)) } else { String::new() }
}

pub(super) fn scalar(draw: &Draw, depth: u64) -> String {
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

pub(super) fn predicate(draw: &Draw, depth: u64) -> String {
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
