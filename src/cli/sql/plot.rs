//! `\plot column`: a column of a result as a chart over time.

use std::collections::VecDeque;

use chrono::DateTime;
use chrono::NaiveDate;
use chrono::NaiveDateTime;

use super::chart::Point;
use super::chart::Strokes;
use super::chart::chart;
use super::chart::number;
use super::error::SqlError;
use super::layout::Row;
use super::picture::Line;
use super::picture::Picture;
use super::protocol::ResultColumn;

/// Points that are kept: of a result that goes on, the last ones.
const POINTS_MAX: usize = 100_000;
/// No chart is higher.
const ROWS_MAX: usize = 20;

/// Oids of date, timestamp and timestamptz.
const DATE: u32 = 1082;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;

/// See the file's head.
pub(super) struct Plot {
    column: String,
    strokes: Strokes,
    /// Where the values stand.
    values: usize,
    /// Where the times stand, and their type.
    times: Option<(usize, u32)>,
    endless: bool,
    points: VecDeque<Point>,
    /// Rows without a number.
    left_out: u64,
}

impl Plot {
    /// A plot of this column; of a result that goes on, `endless`, by the time of arrival if it has no time of its own.
    pub fn new(column: &str, endless: bool, strokes: Strokes) -> Self {
        let column = super::lexer::unquoted(column);
        Self { column, strokes, values: 0, times: None, endless, points: VecDeque::new(), left_out: 0 }
    }
}

impl Picture for Plot {
    fn begin(&mut self, columns: Vec<ResultColumn>) -> Result<(), SqlError> {
        let found = columns.iter().position(|column| column.name == self.column);
        self.values = found.ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|column| &column.name[..]).collect();
            let message = format!("\\plot: the result has no column {}; it has {}", self.column, names.join(", "));
            SqlError::Usage(message)
        })?;
        let is_time = |(at, column): (usize, &ResultColumn)| {
            (matches!(column.oid, DATE | TIMESTAMP | TIMESTAMPTZ) && at != self.values).then_some((at, column.oid))
        };
        self.times = columns.iter().enumerate().find_map(is_time);
        Ok(())
    }

    fn row(&mut self, row: Row, at_micros: i64) {
        let cell = |at: usize| row.get(at).and_then(|cell| cell.as_deref());
        let value = cell(self.values).and_then(|text| text.parse::<f64>().ok()).filter(|value| value.is_finite());
        let at = match self.times {
            Some((at, oid)) => cell(at).and_then(|text| micros(text, oid)),
            None if self.endless => Some(at_micros),
            None => Some(self.points.len() as i64),
        };
        let (Some(at), Some(value)) = (at, value) else {
            self.left_out += 1;
            return;
        };
        if POINTS_MAX <= self.points.len() {
            self.points.pop_front();
        }
        self.points.push_back((at as f64, value));
    }

    fn lines(&mut self, (columns, rows): (usize, usize)) -> Vec<Line> {
        let mut points: Vec<Point> = self.points.iter().copied().collect();
        points.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        let mut told = format!("{}: {} points", self.column, points.len());
        if let Some((_, last)) = points.last() {
            told.push_str(&format!(", last {}", number(*last)));
        }
        if 0 < self.left_out {
            told.push_str(&format!(", {} rows without a number", self.left_out));
        }
        let mut lines = vec![Line::Strong(told)];
        let room = rows.saturating_sub(3).clamp(1, ROWS_MAX);
        lines.extend(chart(&points, (columns, room), self.strokes).into_iter().map(Line::Plain));
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return lines };
        let (first, last) = match self.times.is_some() || self.endless {
            true => (time(*first), time(*last)),
            false => (number(*first + 1.0), number(*last + 1.0)),
        };
        let gap = columns.saturating_sub(first.chars().count() + last.chars().count()).max(1);
        lines.push(Line::Plain(format!("{first}{}{last}", " ".repeat(gap))));
        lines
    }
}

/// A time as PostgreSQL writes it, in microseconds since 1970.
fn micros(text: &str, oid: u32) -> Option<i64> {
    match oid {
        DATE => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
        }
        TIMESTAMP => {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
            Some(time.and_utc().timestamp_micros())
        }
        _ => Some(DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?.timestamp_micros()),
    }
}

fn time(micros: f64) -> String {
    let time = DateTime::from_timestamp_micros(micros as i64);
    time.map_or(String::new(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plotted(columns: &[(&str, u32)], rows: &[&[Option<&str>]]) -> Vec<Line> {
        let mut plot = Plot::new("n", false, Strokes::Letters);
        let column = |(name, oid): &(&str, u32)| ResultColumn { name: (*name).to_string(), oid: *oid, modifier: -1 };
        plot.begin(columns.iter().map(column).collect()).expect("it has the column");
        for row in rows {
            plot.row(row.iter().map(|cell| cell.map(str::to_string)).collect(), 0);
        }
        plot.lines((43, 4))
    }

    #[test]
    fn a_column_stands_over_the_first_time_of_its_rows() {
        let rows: &[&[Option<&str>]] = &[
            &[Some("4"), Some("2026-01-01 01:00:00+00")],
            &[Some("2"), Some("2026-01-01 01:00:00.5+01")],
            &[None, Some("2026-01-01 02:00:00+00")],
            &[Some("NaN"), Some("2026-01-01 02:00:00+00")],
        ];
        let lines = plotted(&[("n", 20), ("at", TIMESTAMPTZ)], rows);
        assert_eq!(lines[0], Line::Strong("n: 2 points, last 4, 2 rows without a number".to_string()));
        assert_eq!(lines.last(), Some(&Line::Plain("2026-01-01 00:00:00     2026-01-01 01:00:00".to_string())));
    }

    #[test]
    fn without_a_time_it_stands_over_the_rows() {
        let lines = plotted(&[("n", 20)], &[&[Some("4")], &[Some("2")]]);
        let Some(Line::Plain(last)) = lines.last() else { panic!("a line below") };
        assert_eq!(last.split_whitespace().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(plotted(&[("n", 20)], &[]).len(), 2);
    }

    #[test]
    fn a_column_that_is_not_there_is_told() {
        let mut plot = Plot::new("N", false, Strokes::Blocks);
        let column = ResultColumn { name: "m".to_string(), oid: 20, modifier: -1 };
        assert!(matches!(plot.begin(vec![column]), Err(SqlError::Usage(_))));
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(micros("1970-01-02", DATE), Some(86_400_000_000));
        assert_eq!(micros("1970-01-01 00:00:01.5", TIMESTAMP), Some(1_500_000));
        assert_eq!(micros("1970-01-01 05:30:00+05:30", TIMESTAMPTZ), Some(0));
        assert_eq!(micros("infinity", TIMESTAMPTZ), None);
    }
}
