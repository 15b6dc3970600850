//! Intervals as PostgreSQL reads them: `1 year 2 mons 3 days 04:05:06.7`, `1-2`, `3 4:05`, `P1Y2M3DT4H`, with `ago`.

const MICROS_PER_SECOND: f64 = 1e6;
const MICROS_PER_DAY: f64 = 86_400.0 * MICROS_PER_SECOND;
const DAYS_PER_MONTH: f64 = 30.0;
/// The units, with what one of them is in months, days and microseconds.
const UNITS: [(&[&str], f64, f64, f64); 12] = [
    (&["microsecond", "usecond", "usec", "us"], 0.0, 0.0, 1.0),
    (&["millisecond", "msecond", "msec", "ms"], 0.0, 0.0, 1e3),
    (&["second", "sec", "s"], 0.0, 0.0, MICROS_PER_SECOND),
    (&["minute", "min", "m"], 0.0, 0.0, 60.0 * MICROS_PER_SECOND),
    (&["hour", "hr", "h"], 0.0, 0.0, 3600.0 * MICROS_PER_SECOND),
    (&["day", "d"], 0.0, 1.0, 0.0),
    (&["week", "w"], 0.0, 7.0, 0.0),
    (&["month", "mon"], 1.0, 0.0, 0.0),
    (&["year", "yr", "y"], 12.0, 0.0, 0.0),
    (&["decade", "dec"], 120.0, 0.0, 0.0),
    (&["century", "centurie", "cent", "c"], 1200.0, 0.0, 0.0),
    (&["millennium", "millennia", "mil"], 12_000.0, 0.0, 0.0),
];

/// Months, days and time are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// The rest, in microseconds.
    pub micros: i64,
}

/// What is counted before it is told apart: parts of a month go to the days, parts of a day to the time.
#[derive(Default)]
struct Sum {
    months: f64,
    days: f64,
    micros: f64,
}

impl Span {
    /// The interval that a text tells, `None` if it tells none or one that is too long.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let sum = match text.strip_prefix(['P', 'p']) {
            Some(iso) => iso_8601(iso)?,
            None => in_words(text)?,
        };
        sum.told()
    }

    /// As many the other way; `None` if that is too long.
    pub fn negated(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }

    /// The text that Arrow reads as this interval.
    pub fn in_arrow_words(self) -> String {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        format!("{} mons {} days {sign}{}.{:06} secs", self.months, self.days, micros / 1_000_000, micros % 1_000_000)
    }
}

impl Sum {
    fn add(&mut self, value: f64, unit: &str) -> Option<()> {
        let lower = unit.to_ascii_lowercase();
        let singular = lower.strip_suffix('s').filter(|rest| 1 < rest.len()).unwrap_or(&lower);
        let known = |name: &&str| *name == lower || *name == singular;
        let (_, months, days, micros) = UNITS.iter().find(|(names, ..)| names.iter().any(known))?;
        self.months += value * months;
        self.days += value * days;
        self.micros += value * micros;
        // Years and what is longer give whole months, as PostgreSQL has it.
        if 1.0 < *months {
            self.months = self.months.round();
        }
        Some(())
    }

    fn negate(&mut self) {
        (self.months, self.days, self.micros) = (-self.months, -self.days, -self.micros);
    }

    fn told(self) -> Option<Span> {
        let whole = |value: f64| {
            let near = value.round();
            if (value - near).abs() < 1e-9 { near } else { value.trunc() }
        };
        let months = whole(self.months);
        let days_told = self.days + (self.months - months) * DAYS_PER_MONTH;
        let days = whole(days_told);
        let micros = (self.micros + (days_told - days) * MICROS_PER_DAY).round();
        let fits = |value: f64| value.abs() <= f64::from(i32::MAX);
        (fits(months) && fits(days) && micros.abs() < 9.2e18).then_some(Span {
            months: months as i32,
            days: days as i32,
            micros: micros as i64,
        })
    }
}

fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// Words and numbers, each by itself, also where nothing stands between them.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for word in text.split_whitespace() {
        let mut start = 0;
        for (at, pair) in word.as_bytes().windows(2).enumerate() {
            if pair[0].is_ascii_alphabetic() != pair[1].is_ascii_alphabetic() {
                found.push(&word[start..=at]);
                start = at + 1;
            }
        }
        found.push(&word[start..]);
    }
    found
}

fn in_words(text: &str) -> Option<Sum> {
    if !text.is_ascii() {
        return None;
    }
    let mut sum = Sum::default();
    let all = tokens(text.strip_prefix('@').unwrap_or(text));
    let mut left = all.as_slice();
    let mut anything = false;
    while let [first, rest @ ..] = left {
        left = rest;
        match (number(first), left) {
            (Some(value), [unit, rest @ ..]) if unit.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
                sum.add(value, unit)?;
                left = rest;
            }
            (Some(value), [time, ..]) if time.contains(':') => sum.add(value, "day")?,
            (Some(value), []) => sum.add(value, "second")?,
            (Some(_), _) => return None,
            (None, []) if anything && first.eq_ignore_ascii_case("ago") => sum.negate(),
            (None, _) if first.contains(':') => sum.micros += clock(first)?,
            (None, _) => sum.months += years_and_months(first)?,
        }
        anything = true;
    }
    anything.then_some(sum)
}

/// `[-]h:mm[:ss[.f]]`, in microseconds.
fn clock(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let parts: Vec<&str> = digits.split(':').collect();
    if !matches!(parts.len(), 2 | 3) || parts.iter().any(|part| part.starts_with(['+', '-'])) {
        return None;
    }
    let hours = number(parts[0])?;
    let minutes = number(parts[1]).filter(|minutes| *minutes < 60.0)?;
    let seconds = match parts.get(2) {
        Some(seconds) => number(seconds).filter(|seconds| *seconds < 61.0)?,
        None => 0.0,
    };
    Some(sign * ((hours * 60.0 + minutes) * 60.0 + seconds) * MICROS_PER_SECOND)
}

/// `[-]y-m`, in months.
fn years_and_months(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (years, months) = digits.split_once('-')?;
    let whole = |part: &str| part.parse::<u32>().ok().map(f64::from);
    Some(sign * (whole(years)? * 12.0 + whole(months).filter(|months| *months < 12.0)?))
}

/// What stands behind the P.
fn iso_8601(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let (date, time) = text.split_once(['T', 't']).map_or((text, ""), |(date, time)| (date, time));
    let mut anything = false;
    for (part, names) in [(date, [('Y', "year"), ('M', "month"), ('W', "week"), ('D', "day")]), (time, TIME_NAMES)] {
        let mut start = 0;
        for (at, letter) in part.char_indices().filter(|(_, letter)| letter.is_ascii_alphabetic()) {
            let unit = names.iter().find(|(name, _)| *name == letter.to_ascii_uppercase())?.1;
            sum.add(number(&part[start..at])?, unit)?;
            start = at + 1;
            anything = true;
        }
        if start != part.len() {
            return None;
        }
    }
    anything.then_some(sum)
}

const TIME_NAMES: [(char, &str); 4] = [('H', "hour"), ('M', "minute"), ('S', "second"), ('S', "second")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_postgresql_reads_them() {
        let hour = 3_600_000_000;
        for (text, months, days, micros) in [
            ("1 day", 0, 1, 0),
            ("1 year 2 months 3 days 04:05:06.789", 14, 3, 4 * hour + 306_789_000),
            ("-1 day", 0, -1, 0),
            ("1 month -1 day", 1, -1, 0),
            ("1.5 days", 0, 1, 12 * hour),
            ("1.5 months", 1, 15, 0),
            ("1.5 years", 18, 0, 0),
            ("2 weeks", 0, 14, 0),
            ("1", 0, 0, 1_000_000),
            (" 1.5 ", 0, 0, 1_500_000),
            ("10:20", 0, 0, 10 * hour + hour / 3),
            ("-00:00:01", 0, 0, -1_000_000),
            ("3 4:05:06", 0, 3, 4 * hour + 306_000_000),
            ("1-2", 14, 0, 0),
            ("1 day 2 hours 3 minutes ago", 0, -1, -(2 * hour + hour / 20)),
            ("P1Y2M3DT4H5M6S", 14, 3, 4 * hour + 306_000_000),
            ("PT0.5S", 0, 0, 500_000),
            ("1d2h", 0, 1, 2 * hour),
            ("1 century", 1200, 0, 0),
            ("90 mins", 0, 0, hour * 3 / 2),
            ("250 ms", 0, 0, 250_000),
            ("@ 1 hour", 0, 0, hour),
        ] {
            assert_eq!(Span::parse(text), Some(Span { months, days, micros }), "{text}");
        }
        for text in
            ["", "x", "1 fortnight", "1 2", "1:2:3:4", "10:99", "P", "P1", "ago", "1 day 1e3", "é", "9e99 years"]
        {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert_eq!(Span { months: 1, days: -2, micros: -1_500_000 }.in_arrow_words(), "1 mons -2 days -1.500000 secs");
        assert_eq!(Span { months: i32::MIN, days: 0, micros: 0 }.negated(), None);
    }
}
