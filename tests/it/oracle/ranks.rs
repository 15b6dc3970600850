//! Random ranks: the first rows of a stream, of tables and of groups.

use super::generate::Draw;
use super::generate::Query;
use super::generate::Shape;
use super::generate::filter;
use super::generate::number;

/// A rank as an item of a SELECT list in both dialects, and the condition around it.
pub struct Rank {
    pub standing: String,
    pub batch: String,
    pub limit: String,
}

/// The batch engine's ranks are unsigned.
fn item(function: &str, partition: &str, order: &str) -> String {
    let by = if partition.is_empty() { String::new() } else { format!("PARTITION BY {partition} ") };
    format!("{function}() OVER ({by}ORDER BY {order})")
}

/// `least`: how many rows of a partition there may be at least.
fn rank(draw: &Draw, function: &str, partition: [&str; 2], order: [&str; 2], least: u64) -> Rank {
    let limit = least + draw.below(4);
    let limit = match draw.below(5) {
        0 => format!("n < {}", limit + 1),
        1 => format!("{limit} >= n"),
        2 => format!("n = {limit}"),
        3 => format!("n BETWEEN 2 AND {}", limit + 1),
        _ => format!("n <= {limit}"),
    };
    Rank {
        standing: format!("{} AS n", item(function, partition[0], order[0])),
        batch: format!("CAST({} AS BIGINT) AS n", item(function, partition[1], order[1])),
        limit: format!("WHERE {limit}"),
    }
}

/// `g0, g1, v0`
pub fn names(keys: usize, calls: usize) -> String {
    let names = (0..keys).map(|at| format!("g{at}")).chain((0..calls).map(|at| format!("v{at}")));
    names.collect::<Vec<_>>().join(", ")
}

fn direction(draw: &Draw) -> &'static str {
    draw.of::<&str>(&["", " DESC", " ASC NULLS FIRST", " DESC NULLS LAST"])
}

/// Groups, ranked by what is counted of them. Those of one window are ranked together where rows of windows go.
pub fn of_groups(draw: &Draw, keys: &[String], windowed: bool, retained: bool, is_final: bool) -> Rank {
    let mut partition = match draw.below(3) {
        0 => String::new(),
        1 => keys[keys.len() - 1].clone(),
        _ => "COUNT(*) > 2".to_string(),
    };
    if windowed && (retained || draw.once_in(2)) {
        partition = "windowstart".to_string();
    }
    let by = *draw.of(&["COUNT(*)", "SUM(a)", "MAX(b)"]);
    let order = format!("{by}{}", direction(draw));
    let has_list = keys.iter().any(|key| key.starts_with("ARRAY"));
    let function = if has_list { *draw.of(&["RANK", "DENSE_RANK"]) } else { function(draw) };
    // Equal rows are numbered in the order of their keys.
    let tied = keys.iter().map(|key| format!(", {key} ASC NULLS FIRST")).collect::<String>();
    let windows = if windowed { ", ws, we" } else { "" };
    let tied = if function == "ROW_NUMBER" { format!("{order}{tied}{windows}") } else { order.clone() };
    // Of windows that have closed, equal rows are numbered as they came: the order says which comes first.
    let order = match is_final && function == "ROW_NUMBER" {
        true => tied.replace(", ws, we", ", windowstart, windowend"),
        false => order,
    };
    let batch_partition = partition.replace("windowstart", "ws");
    // A partition's only row has the partition as its key, which goes first in the view and not in the batch query; its window
    // is no part of it.
    let of_windows = windowed && partition != "windowstart";
    let least = if of_windows || keys.contains(&partition) { 2 } else { 1 };
    rank(draw, function, [&partition, &batch_partition], [&order, &tied], least)
}

fn function(draw: &Draw) -> &'static str {
    draw.of::<&str>(&["ROW_NUMBER", "RANK", "DENSE_RANK"])
}

/// Rows of the stream, numbered in an order that has no equal rows but such as are equal in all.
pub fn of_stream(draw: &Draw) -> Query {
    let partition = *draw.of(&["k", "t", "a > 0", "k, f", "a"]);
    let order = format!("{}{}, b{}, a, d, t, f, k", number(draw, 1), direction(draw), direction(draw));
    let named: Vec<&str> = partition.split(", ").collect();
    let items: Vec<String> = named.iter().enumerate().map(|(at, key)| format!("{key} AS g{at}")).collect();
    let keys: Vec<String> = (0..named.len()).map(|at| format!("g{at}")).collect();
    let (items, keys, key_count) = (items.join(", "), keys.join(", "), named.len());
    let rank = rank(draw, "ROW_NUMBER", [partition; 2], [&order; 2], 1);
    let shows = draw.once_in(2);
    // Only the first row of a partition is known without its number.
    let (list, limit) = match shows {
        true => (format!("{keys}, n, a, b, {} AS e", number(draw, 1)), rank.limit),
        false => (format!("{keys}, a, b, t"), "WHERE n = 1".to_string()),
    };
    let also = if draw.once_in(4) { *draw.of(&[" AND a > 0", " AND (b IS NULL OR f)"]) } else { "" };
    let filter = filter(draw, " WHERE ");
    let inner = |rank: &str| format!("SELECT {items}, a, b, d, t, f, k, {rank} FROM s{filter}");
    Query {
        shape: Shape::Top,
        standing: format!("SELECT {list} FROM ({}) {limit}{also}", inner(&rank.standing)),
        batch: format!("SELECT {list} FROM ({}) {limit}{also}", inner(&rank.batch)),
        filter: String::new(),
        group: String::new(),
        keys: key_count + usize::from(shows),
        below: String::new(),
    }
}

/// Rows of tables, which have a key of their own.
pub fn of_tables(draw: &Draw) -> Query {
    let from = *draw.of(&["c", "c", "c JOIN e ON c.k = e.k", "c LEFT JOIN e ON c.z = e.k"]);
    let partition = *draw.of(&["", "c.y", "c.z", "c.x > 0", "c.y, c.z", "c.k"]);
    let by = if from == "c" { "c.x" } else { *draw.of(&["c.x", "e.x", "c.x + e.x"]) };
    let function = function(draw);
    let order = format!("{by}{}", direction(draw));
    let tied = if function == "ROW_NUMBER" { format!("{order}, c.k") } else { order.clone() };
    let rank = rank(draw, function, [partition; 2], [&order, &tied], 1);
    // Without the columns of the partition, which would be the key of its first row.
    let list = *draw.of(&["k, n, x", "k, x, COALESCE(y, '') AS ya", "k, COALESCE(y, '') || 'a' AS ya, n"]);
    // The number in its partition tells rows of a table apart too.
    let is_numbered = (from, partition, function) == ("c", "c.y", "ROW_NUMBER") && draw.once_in(2);
    let list = if is_numbered { "y, n, x" } else { list };
    let also = if draw.once_in(4) { *draw.of(&[" AND x > -3", " AND y IS NOT NULL"]) } else { "" };
    let filter = if draw.once_in(3) { *draw.of(&[" WHERE c.x > -5", " WHERE c.y <> 'q'"]) } else { "" };
    let text = |item: &str| {
        format!("SELECT {list} FROM (SELECT c.k, c.x, c.y, {item} FROM {from}{filter}) {}{also}", rank.limit)
    };
    Query {
        shape: Shape::TableTop,
        standing: text(&rank.standing),
        batch: text(&rank.batch),
        filter: String::new(),
        group: String::new(),
        keys: 1,
        below: String::new(),
    }
}
