//! The fields of dates and times that Java's patterns name, and their values on a calendar: the American one, whose
//! weeks begin on Sunday and whose first week of a year is the one with January 1st in it.

use chrono::Datelike;
use chrono::Days;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::Timelike;

/// A field; its letters are those of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// `G`: 0 before Christ, 1 after.
    Era,
    /// `y`: from 1 on, counted in its era.
    YearOfEra,
    /// `u`
    Year,
    /// `Y`: the year that a week is counted in.
    WeekYear,
    /// `Q`, `q`
    Quarter,
    /// `M`, `L`
    Month,
    /// `w`
    WeekOfYear,
    /// `W`
    WeekOfMonth,
    /// `d`
    Day,
    /// `D`
    DayOfYear,
    /// `E`, `e`, `c`: Sunday is 1.
    DayOfWeek,
    /// `F`: days are counted from 1 to 7, again and again, from the first of the month: Java's until its version 18.
    DayOfSeven,
    /// `a`: 0 before noon, 1 after.
    HalfOfDay,
    /// `H`
    Hour,
    /// `k`: 1 to 24.
    ClockHour,
    /// `K`: 0 to 11.
    HourOfHalf,
    /// `h`: 1 to 12.
    ClockHourOfHalf,
    /// `m`
    Minute,
    /// `s`
    Second,
    /// `n`, `S`
    Nano,
    /// `A`
    MilliOfDay,
    /// `N`
    NanoOfDay,
}

impl Field {
    /// Whether it is of a date; the others are of a time of day.
    pub fn is_of_date(self) -> bool {
        use Field::*;
        matches!(
            self,
            Era | YearOfEra
                | Year
                | WeekYear
                | Quarter
                | Month
                | WeekOfYear
                | WeekOfMonth
                | Day
                | DayOfYear
                | DayOfWeek
                | DayOfSeven
        )
    }

    /// Whether two digits of it are a year of this century.
    pub fn is_year(self) -> bool {
        matches!(self, Field::YearOfEra | Field::Year | Field::WeekYear)
    }

    /// Its value at a time.
    pub fn of(self, at: &NaiveDateTime) -> i64 {
        let year = i64::from(at.year());
        let second_of_day = i64::from(at.num_seconds_from_midnight());
        let nano = i64::from(at.nanosecond());
        i64::from(match self {
            Field::Year => return year,
            Field::YearOfEra => return if year < 1 { 1 - year } else { year },
            Field::WeekYear => return i64::from(week_of_year(at.date()).0),
            Field::Nano => return nano,
            Field::MilliOfDay => return second_of_day * 1000 + nano / 1_000_000,
            Field::NanoOfDay => return second_of_day * 1_000_000_000 + nano,
            Field::Era => u32::from(0 < year),
            Field::Quarter => at.month0() / 3 + 1,
            Field::Month => at.month(),
            Field::WeekOfYear => week_of_year(at.date()).1,
            Field::WeekOfMonth => (at.day0() + days_before(first_of_month(at.date()))) / 7 + 1,
            Field::Day => at.day(),
            Field::DayOfYear => at.ordinal(),
            Field::DayOfWeek => days_before(at.date()) + 1,
            Field::DayOfSeven => at.day0() % 7 + 1,
            Field::HalfOfDay => at.hour() / 12,
            Field::Hour => at.hour(),
            Field::ClockHour => (at.hour() + 23) % 24 + 1,
            Field::HourOfHalf => at.hour() % 12,
            Field::ClockHourOfHalf => at.hour12().1,
            Field::Minute => at.minute(),
            Field::Second => at.second(),
        })
    }
}

/// Days of the date's week that are before it.
fn days_before(date: NaiveDate) -> u32 {
    date.weekday().num_days_from_sunday()
}

fn first_of_month(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// The year that the date's week is counted in, and which week of it this is.
fn week_of_year(date: NaiveDate) -> (i32, u32) {
    let first = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1);
    let of_next = first(date.year() + 1).and_then(|first| first.checked_sub_days(Days::new(days_before(first).into())));
    if of_next.is_some_and(|start| start <= date) {
        return (date.year() + 1, 1);
    }
    let before = first(date.year()).map_or(0, days_before);
    (date.year(), (date.ordinal0() + before) / 7 + 1)
}

/// The day of a week that is counted from the one with `first` in it; the day of the week from 1, Sunday.
pub(super) fn of_week(first: NaiveDate, week: i64, day_of_week: i64) -> Option<NaiveDate> {
    let days = week.checked_sub(1)?.checked_mul(7)?.checked_add(day_of_week - 1)? - i64::from(days_before(first));
    let days_from_1970 = i64::from(first.to_epoch_days()).checked_add(days)?;
    NaiveDate::from_epoch_days(i32::try_from(days_from_1970).ok()?)
}

/// How long a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Short,
    Full,
    Narrow,
}

/// The months, in English.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The days of a week, which begins on Sunday, in English.
pub const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The values of a field that has names.
pub(super) fn named_values(field: Field) -> std::ops::RangeInclusive<i64> {
    match field {
        Field::Month => 1..=12,
        Field::DayOfWeek => 1..=7,
        Field::Quarter => 1..=4,
        _ => 0..=1,
    }
}

/// The English name of a value.
pub(super) fn name_of(field: Field, value: i64, style: Style) -> String {
    let place = usize::try_from(value).unwrap_or(0);
    let cut = |name: &str| match style {
        Style::Full => name.to_owned(),
        Style::Short => name[..3].to_owned(),
        Style::Narrow => name[..1].to_owned(),
    };
    match (field, style) {
        (Field::Month, _) => cut(MONTHS[(place + 11) % 12]),
        (Field::DayOfWeek, _) => cut(DAYS[(place + 6) % 7]),
        (Field::Quarter, Style::Short) => format!("Q{value}"),
        (Field::Quarter, Style::Full) => format!("{value}{} quarter", ["st", "nd", "rd", "th"][(place + 3) % 4]),
        (Field::Quarter, Style::Narrow) => value.to_string(),
        (Field::HalfOfDay, _) => ["AM", "PM"][place % 2].to_owned(),
        (_, Style::Full) => ["Before Christ", "Anno Domini"][place % 2].to_owned(),
        (_, Style::Short) => ["BC", "AD"][place % 2].to_owned(),
        (_, Style::Narrow) => ["B", "A"][place % 2].to_owned(),
    }
}
