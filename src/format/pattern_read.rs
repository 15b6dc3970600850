//! Times read by Java's patterns.
//!
//! What a text tells twice must agree, as with Java: a name of a day that is not the date's is no such text.

use chrono::Datelike;
use chrono::Days;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::NaiveTime;
use chrono::Timelike;

use super::NamedZone;
use super::Twice;
use super::pattern::Part;
use super::pattern::Pattern;
use super::pattern_field::Field;
use super::pattern_field::Style;
use super::pattern_field::name_of;
use super::pattern_field::named_values;
use super::pattern_field::of_week;
use super::times;

const UTC_IN_FULL: [&str; 2] = ["Coordinated Universal Time", "Greenwich Mean Time"];

/// What was read of a text, and what is still to be read.
#[derive(Debug, Clone)]
struct Told<'a> {
    rest: &'a str,
    fields: Vec<(Field, i64)>,
    offset: Option<i32>,
    zone: Option<NamedZone>,
}

impl Pattern {
    /// The instant that a text tells, microseconds; what the pattern leaves out is the epoch's, the zone UTC.
    pub fn parse(&self, text: &str) -> Option<i64> {
        self.parse_in(text, NamedZone::UTC)
    }

    /// `parse`, where a text without a zone is read on a clock of `zone`.
    pub fn parse_in(&self, text: &str, zone: NamedZone) -> Option<i64> {
        let told = self.told(text)?;
        let (date, is_whole) = told.date()?;
        let at = date.and_time(told.time()?);
        told.agrees(&at, is_whole).then_some(())?;
        let local = at.and_utc().timestamp_micros();
        match told.offset {
            Some(offset) => local.checked_sub(i64::from(offset) * 1_000_000),
            None => told.zone.unwrap_or(zone).instant_of_local(local, Twice::First),
        }
    }

    /// The time of day that a text tells, microseconds; `None` also where it tells of a date, or no hour.
    pub fn parse_time(&self, text: &str) -> Option<i64> {
        let told = self.told(text)?;
        let has_hour = [Field::Hour, Field::ClockHour, Field::MilliOfDay, Field::NanoOfDay, Field::HalfOfDay]
            .iter()
            .any(|field| told.value(*field).is_some());
        if !has_hour || told.fields.iter().any(|(field, _)| field.is_of_date()) {
            return None;
        }
        let at = NaiveDate::default().and_time(told.time()?);
        told.agrees(&at, false).then(|| Field::NanoOfDay.of(&at) / 1000)
    }

    fn told<'a>(&self, text: &'a str) -> Option<Told<'a>> {
        let mut told = Told { rest: text, fields: Vec::new(), offset: None, zone: None };
        told.read(&self.parts)?;
        told.rest.is_empty().then_some(told)
    }
}

impl Told<'_> {
    fn value(&self, wanted: Field) -> Option<i64> {
        self.fields.iter().find(|(field, _)| *field == wanted).map(|(_, value)| *value)
    }

    fn read(&mut self, parts: &[Part]) -> Option<()> {
        for (place, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => self.rest = strip_prefix_ignoring_case(self.rest, literal)?,
                Part::Number { field, length } => {
                    let next = parts.get(place + 1);
                    let next_is_number = matches!(next, Some(Part::Number { .. } | Part::Fraction { .. }));
                    let value = take_number(&mut self.rest, *field, *length, next_is_number)?;
                    self.fields.push((*field, value));
                }
                Part::Fraction { digits } => {
                    let value =
                        self.rest.get(..*digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
                    self.fields.push((Field::Nano, format!("{value:0<9}").get(..9)?.parse().ok()?));
                    self.rest = &self.rest[*digits..];
                }
                Part::Name { field, style } => {
                    let value = take_name(&mut self.rest, *field, *style)?;
                    self.fields.push((*field, value));
                }
                Part::Zone { .. } | Part::ZoneId => {
                    self.zone = Some(take_zone(&mut self.rest, matches!(part, Part::Zone { in_full: true }))?);
                }
                Part::Offset { .. } => self.offset = Some(take_offset(&mut self.rest)?),
                Part::GmtOffset { .. } => {
                    self.rest = strip_prefix_ignoring_case(self.rest, "GMT")?;
                    self.offset = Some(take_gmt_offset(&mut self.rest)?);
                }
                Part::Optional(section) => {
                    let mut with_it = self.clone();
                    if with_it.read(section).is_some() {
                        *self = with_it;
                    }
                }
            }
        }
        Some(())
    }

    /// The date, and whether the text tells all of it; 1970-01-01 with what is told in its place if not.
    fn date(&self) -> Option<(NaiveDate, bool)> {
        let year = match (self.value(Field::Year), self.value(Field::YearOfEra), self.value(Field::Era)) {
            (None, Some(year), Some(0)) => Some(1 - year),
            (None, year, _) | (year, ..) => year,
        };
        let year = year.map(i32::try_from).transpose().ok()?;
        let small = |field: Field| self.value(field).map(u32::try_from).transpose().ok();
        let (month, day, ordinal) = (small(Field::Month)?, small(Field::Day)?, small(Field::DayOfYear)?);
        let day_of_week = self.value(Field::DayOfWeek);
        if let (Some(year), Some(month), Some(day)) = (year, month, day) {
            return Some((NaiveDate::from_ymd_opt(year, month, day)?, true));
        }
        if let (Some(year), Some(ordinal)) = (year, ordinal) {
            return Some((NaiveDate::from_yo_opt(year, ordinal)?, true));
        }
        if let (Some(year), Some(week), Some(day)) =
            (self.value(Field::WeekYear), self.value(Field::WeekOfYear), day_of_week)
        {
            let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 1, 1)?;
            return Some((of_week(first, week, day)?, true));
        }
        if let (Some(year), Some(month), Some(week), Some(day)) =
            (year, month, self.value(Field::WeekOfMonth), day_of_week)
        {
            return Some((of_week(NaiveDate::from_ymd_opt(year, month, 1)?, week, day)?, true));
        }
        let mut date = NaiveDate::default();
        if let Some(day) = day_of_week {
            (1..=7).contains(&day).then_some(())?;
            // The epoch's week as Java has it, from Monday on.
            let monday = date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))?;
            date = monday.checked_add_days(Days::new(u64::try_from((day + 5) % 7).ok()?))?;
        }
        if let Some(day) = day {
            date = date.with_day(day)?;
        }
        if let Some(ordinal) = ordinal {
            date = date.with_ordinal(ordinal)?;
        }
        let month = month.unwrap_or(date.month());
        let year = year.unwrap_or(date.year());
        // The 31st of a shorter month is its last day.
        (1..=12).contains(&month).then_some(())?;
        Some((
            (28..=date.day()).rev().chain([date.day()]).find_map(|day| NaiveDate::from_ymd_opt(year, month, day))?,
            false,
        ))
    }

    fn time(&self) -> Option<NaiveTime> {
        let of_day = match (self.value(Field::NanoOfDay), self.value(Field::MilliOfDay)) {
            (Some(nanos), _) => Some(nanos),
            (None, Some(millis)) => Some(millis.checked_mul(1_000_000)?),
            (None, None) => None,
        };
        if let Some(nanos) = of_day {
            let seconds = u32::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
            return NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos.rem_euclid(1_000_000_000) as u32);
        }
        let half = self.value(Field::HalfOfDay).unwrap_or(0) * 12;
        let of_half = self.value(Field::HourOfHalf).or_else(|| Some(self.value(Field::ClockHourOfHalf)? % 12));
        let hour = self
            .value(Field::Hour)
            .or_else(|| Some(self.value(Field::ClockHour)? % 24))
            .unwrap_or(half + of_half.unwrap_or(0));
        let small = |value: i64| u32::try_from(value).ok();
        let told = |field: Field| small(self.value(field).unwrap_or(0));
        NaiveTime::from_hms_nano_opt(small(hour)?, told(Field::Minute)?, told(Field::Second)?, told(Field::Nano)?)
            .filter(|time| time.nanosecond() < 1_000_000_000)
    }

    /// Whether all that was told is so at a time; what is told of a date counts only if all of it is.
    fn agrees(&self, at: &NaiveDateTime, date_is_whole: bool) -> bool {
        let counts = |field: Field| if field.is_of_date() { date_is_whole } else { true };
        // A year without its era may be one that has none.
        let is_so = |field: Field, value: i64| match field {
            Field::YearOfEra if self.value(Field::Era).is_none() => Field::Year.of(at) == value,
            field => field.of(at) == value,
        };
        self.fields.iter().all(|(field, value)| !counts(*field) || is_so(*field, *value))
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn take_number(rest: &mut &str, field: Field, length: usize, next_is_number: bool) -> Option<i64> {
    let sign = match rest.as_bytes().first() {
        Some(b'-') if field == Field::Year => -1,
        Some(b'+') if field.is_year() && length != 2 => 1,
        _ => 0,
    };
    let digits = if sign == 0 { *rest } else { &rest[1..] };
    let is_long = matches!(field, Field::Nano | Field::MilliOfDay | Field::NanoOfDay);
    let length_max = match length {
        2 if !is_long && field != Field::DayOfYear => 2,
        length if next_is_number => length,
        _ if is_long => 18,
        _ => 9,
    };
    let count = digits.bytes().take(length_max).take_while(u8::is_ascii_digit).count();
    if count < length.clamp(1, 2) || count == 0 {
        return None;
    }
    let value: i64 = digits[..count].parse().ok()?;
    *rest = &digits[count..];
    Some(match sign {
        -1 => -value,
        _ if length == 2 && field.is_year() => 2000 + value,
        _ => value,
    })
}

/// A name in full or short, whichever the pattern has; one letter is not enough to tell a month or a day.
fn take_name(rest: &mut &str, field: Field, style: Style) -> Option<i64> {
    let styles: &[Style] = match (field, style) {
        (Field::Month | Field::DayOfWeek, Style::Narrow) => return None,
        (_, Style::Narrow) => &[Style::Narrow],
        _ => &[Style::Full, Style::Short],
    };
    for style in styles {
        for value in named_values(field) {
            if let Some(after) = strip_prefix_ignoring_case(rest, &name_of(field, value, *style)) {
                *rest = after;
                return Some(value);
            }
        }
    }
    None
}

fn take_zone(rest: &mut &str, in_full: bool) -> Option<NamedZone> {
    if in_full && let Some(after) = UTC_IN_FULL.iter().find_map(|name| strip_prefix_ignoring_case(rest, name)) {
        *rest = after;
        return Some(NamedZone::UTC);
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-:".contains(byte);
    let length = rest.bytes().take_while(|byte| is_part(byte)).count();
    let zone = NamedZone::named(&rest[..length])?;
    *rest = &rest[length..];
    Some(zone)
}

fn take_offset(rest: &mut &str) -> Option<i32> {
    let length = match rest.as_bytes().first()? {
        b'Z' | b'z' => 1,
        _ => 1 + rest.get(1..)?.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count(),
    };
    let offset = times::parse_offset(&rest[..length])?;
    *rest = &rest[length..];
    Some(offset)
}

/// What stands after `GMT`: nothing, or an offset of which the hour may have one digit.
fn take_gmt_offset(rest: &mut &str) -> Option<i32> {
    if !rest.starts_with(['+', '-']) {
        return Some(0);
    }
    let length = 1 + rest[1..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
    let (offset, after) = rest.split_at(length);
    let has_one_digit = offset[1..].split(':').next().is_some_and(|hour| hour.len() == 1);
    let zero = if has_one_digit { "0" } else { "" };
    *rest = after;
    times::parse_offset(&format!("{}{zero}{}", &offset[..1], &offset[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_what_java_reads() {
        let day = 1_525_996_800_000_000;
        for (pattern, text, micros) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2017-11-13T23:59:58.123", Some(1_510_617_598_123_000)),
            ("yyyy-MM-dd'T'HH:mm:ssX", "2017-11-13T23:59:58Z", Some(1_510_617_598_000_000)),
            ("yyyy-MM-dd HH:mm:ssX", "2017-11-13 23:59:58+01:00", Some(1_510_613_998_000_000)),
            ("yyyyMMdd", "20171113", Some(1_510_531_200_000_000)),
            ("dd/MMM/yyyy:HH:mm", "13/Nov/2017:23:59", Some(1_510_617_540_000_000)),
            ("yyyy-MM-dd hh:mm a", "2017-11-13 11:59 PM", Some(1_510_617_540_000_000)),
            ("yyyy-MM-dd", "2017-13-01", None),
            ("yyyy-MM-dd", "2017-11-13 ", None),
            ("yyyy-MM-dd", "", None),
            ("yyyy''MM", "2017'11", Some(1_509_494_400_000_000)),
            ("EEE, d MMM yyyy HH:mm:ss Z", "Fri, 11 May 2018 21:58:33 +0000", Some(1_526_075_913_000_000)),
            ("EEE, d MMM yyyy HH:mm:ss Z", "Mon, 11 May 2018 21:58:33 +0000", None),
            ("EEE MMM dd HH:mm:ss zzz yyyy", "Fri May 11 21:58:33 UTC 2018", Some(1_526_075_913_000_000)),
            ("EEE MMM dd HH:mm:ss zzz yyyy", "Fri May 11 14:58:33 PDT 2018", Some(1_526_075_913_000_000)),
            ("yyyy-MM-dd'T'HH:mm[:ss]", "2018-05-11T10:11", Some(day + 36_660_000_000)),
            ("yyyy-MM-dd'T'HH:mm[:ss[.SSS]]", "2018-05-11T10:11:12.5", None),
            ("yyyy-MM-dd'T'HH:mm[:ss[.SSS]]", "2018-05-11T10:11:12.500", Some(day + 36_672_500_000)),
            ("yyyy-MM-dd[ HH:mm", "2018-05-11 10:11", Some(day + 36_660_000_000)),
            ("YYYY-'W'ww-e", "2018-W19-6", Some(day)),
            ("YYYY-MM-dd", "2018-01-02", Some(86_400_000_000)),
            ("yyyy-MM-W-e", "2018-05-2-6", Some(day)),
            ("yyyy-DDD", "2018-131", Some(day)),
            ("yyyyDDD", "2018131", Some(day)),
            ("yyyy-DDD", "2018-366", None),
            ("yyyy-MM-dd kk", "2018-05-11 24", Some(day)),
            ("yyyy-MM-dd kk", "2018-05-11 0", None),
            ("yyyy-MM-dd KK a", "2018-05-11 11 PM", Some(day + 82_800_000_000)),
            ("yyyy-MM-dd KK a", "2018-05-11 12 PM", None),
            ("yyyy-MM-dd HH a", "2018-05-11 13 AM", None),
            ("yyyy-MM-dd hh a", "2018-05-11 13 AM", None),
            ("yyyy-MM-dd A", "2018-05-11 1000", Some(day + 1_000_000)),
            ("yyyy-MM-dd N", "2018-05-11 1000", Some(day + 1)),
            ("yyyy-MM-dd H:m:s n", "2018-05-11 1:0:0 5000", Some(day + 3_600_000_005)),
            ("yyyy-MM-dd QQQ", "2018-05-11 Q2", Some(day)),
            ("yyyy-MM-dd QQQ", "2018-05-11 Q3", None),
            ("yyyy-MM-dd QQQQ", "2018-05-11 2nd quarter", Some(day)),
            ("y G M d", "2018 AD 5 11", Some(day)),
            ("y G M d", "44 BC 3 15", Some(-63_517_824_000_000_000)),
            ("yyyy-MM-dd HH:mm OOOO", "2018-05-11 10:11 GMT+01:00", Some(day + 33_060_000_000)),
            ("yyyy-MM-dd HH:mm O", "2018-05-11 10:11 GMT+1", Some(day + 33_060_000_000)),
            ("yyyy-MM-dd HH:mm O", "2018-05-11 10:11 GMT", Some(day + 36_660_000_000)),
            ("yyyy-MM-dd HH:mm ZZZZZ", "2018-05-11 10:11 Z", Some(day + 36_660_000_000)),
            ("yyyy-MM-dd HH:mm zzzz", "2018-05-11 10:11 Coordinated Universal Time", Some(day + 36_660_000_000)),
            ("EEEE", "Friday", Some(86_400_000_000)),
            ("e", "9", None),
            ("dd-MM", "31-04", Some(119 * 86_400_000_000)),
        ] {
            assert_eq!(Pattern::new(pattern).expect("a pattern").parse(text), micros, "{pattern} {text}");
        }
    }

    #[test]
    fn times_of_day_are_read_from_no_date() {
        for (pattern, text, micros) in [
            ("HH:mm", "10:11", Some(36_660_000_000)),
            ("hh:mm a", "10:11 PM", Some(79_860_000_000)),
            ("HH:mm yyyy", "10:11 2018", None),
            ("HH:mm[ yyyy]", "10:11", Some(36_660_000_000)),
            ("mm:ss", "10:11", None),
            ("EEE HH", "Fri 10", None),
        ] {
            assert_eq!(Pattern::new(pattern).expect("a pattern").parse_time(text), micros, "{pattern} {text}");
        }
    }
}
