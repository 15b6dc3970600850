//! Points as a chart of characters.

/// A point: where it stands from left to right, and how high.
pub(super) type Point = (f64, f64);

/// What a chart is drawn with, from empty to full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strokes {
    /// Eighths of a character.
    Blocks,
    /// ASCII.
    Letters,
}

impl Strokes {
    fn levels(self) -> &'static [char] {
        match self {
            Strokes::Blocks => &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Strokes::Letters => &[' ', '.', ':', '#'],
        }
    }
}

/// A chart of so many columns and rows, the least and the greatest value at its left; each column has the mean of its points,
/// or what the column before it has.
pub(super) fn chart(points: &[Point], (columns, rows): (usize, usize), strokes: Strokes) -> Vec<String> {
    let finite: Vec<Point> = points.iter().copied().filter(|(at, value)| at.is_finite() && value.is_finite()).collect();
    let (low, high) = bounds(finite.iter().map(|(_, value)| *value));
    // Heights are told from zero, unless values are far from it.
    let base = if 0.0 <= low && low <= high / 2.0 { 0.0 } else { low };
    let labels = [number(high), number(base)];
    let margin = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).min(columns / 2);
    let room = columns.saturating_sub(margin + 2).max(1);
    let heights = heights(&finite, room);
    let levels = strokes.levels();
    let steps = levels.len() - 1;
    let rows = rows.max(1);
    let mut lines = Vec::new();
    for row in 0..rows {
        let label = match row {
            0 => labels[0].as_str(),
            _ if row + 1 == rows => labels[1].as_str(),
            _ => "",
        };
        let mut line = format!("{label:>margin$} ");
        line.push(if strokes == Strokes::Blocks { '┤' } else { '|' });
        for height in &heights {
            let share = height.map_or(0.0, |height| if high <= base { 1.0 } else { (height - base) / (high - base) });
            // A value at the base is seen too.
            let filled = (share * (rows * steps) as f64).round().max(f64::from(u8::from(height.is_some())));
            let filled = (filled - ((rows - 1 - row) * steps) as f64).clamp(0.0, steps as f64);
            line.push(levels[filled as usize]);
        }
        lines.push(line.trim_end().to_string());
    }
    lines
}

/// The mean of each column's points.
fn heights(points: &[Point], columns: usize) -> Vec<Option<f64>> {
    let (first, last) = bounds(points.iter().map(|(at, _)| *at));
    let mut sums = vec![(0.0, 0u32); columns];
    for (at, value) in points {
        let share = if last <= first { 0.0 } else { (at - first) / (last - first) };
        let column = (share * (columns - 1) as f64).round() as usize;
        let (sum, count) = &mut sums[column.min(columns - 1)];
        *sum += value;
        *count += 1;
    }
    let mut before = None;
    let mean = |(sum, count): (f64, u32)| {
        before = if count == 0 { before } else { Some(sum / f64::from(count)) };
        before
    };
    sums.into_iter().map(mean).collect()
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// A number of a few digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_string();
    }
    for (unit, letter) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if unit <= size {
            let unit = if letter == "k" { 1e3 } else { unit };
            return format!("{}{letter}", trimmed(value / unit, 1));
        }
    }
    match size {
        size if 100.0 <= size => trimmed(value, 0),
        size if 0.01 <= size => trimmed(value, 2),
        _ => format!("{value:.1e}"),
    }
}

fn trimmed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_rises_with_its_points() {
        let points: Vec<Point> = (0..9).map(|at| (f64::from(at), f64::from(at))).collect();
        assert_eq!(chart(&points, (12, 2), Strokes::Letters), ["8 |     .::#", "0 |..::#####"].map(str::to_string));
        let lines = chart(&points, (12, 1), Strokes::Blocks);
        assert_eq!(lines, ["8 ┤▁▁▂▃▄▅▆▇█"]);
    }

    #[test]
    fn any_points_and_any_size_make_a_chart() {
        let odd = [(f64::NAN, 1.0), (0.0, f64::INFINITY), (1e300, -1e300), (-1e300, 1e300), (0.0, 0.0)];
        for points in [&[][..], &[(0.0, 0.0)], &[(5.0, -3.0), (5.0, -3.0)], &odd] {
            for size in [(0, 0), (1, 1), (3, 2), (40, 10)] {
                for strokes in [Strokes::Blocks, Strokes::Letters] {
                    assert_eq!(chart(points, size, strokes).len(), size.1.max(1));
                }
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (8.0, "8"),
            (0.5, "0.5"),
            (1234.0, "1234"),
            (-12_345.0, "-12.3k"),
            (2_500_000.0, "2.5M"),
            (0.00001, "1.0e-5"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
