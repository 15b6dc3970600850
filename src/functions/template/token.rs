//! A template of times, token by token.

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Hour24,
    Hour12,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    /// So many digits of a second.
    Fraction(usize),
    SecondOfDay,
    /// With periods or without.
    Meridiem {
        dotted: bool,
    },
    Era {
        dotted: bool,
    },
    /// The last so many digits; 5 is `Y,YYY`.
    Year(usize),
    IsoYear(usize),
    MonthName,
    MonthShort,
    Month,
    DayName,
    DayShort,
    DayOfYear,
    IsoDayOfYear,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    WeekOfMonth,
    Week,
    IsoWeek,
    Century,
    JulianDay,
    Quarter,
    RomanMonth,
    Zone,
    ZoneHour,
    ZoneMinute,
    ZoneOffset,
}

/// How letters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LetterCase {
    Upper,
    Title,
    Lower,
}

/// What `TH` behind a number adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordinal {
    None,
    Upper,
    Lower,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    Field { field: Field, case: LetterCase, filled: bool, ordinal: Ordinal },
}

/// The names of fields; of those that begin alike the longest comes first.
const NAMES: [(&str, Field); 48] = [
    ("A.M.", Field::Meridiem { dotted: true }),
    ("P.M.", Field::Meridiem { dotted: true }),
    ("A.D.", Field::Era { dotted: true }),
    ("B.C.", Field::Era { dotted: true }),
    ("SSSSS", Field::SecondOfDay),
    ("Y,YYY", Field::Year(5)),
    ("MONTH", Field::MonthName),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("SSSS", Field::SecondOfDay),
    ("YYYY", Field::Year(4)),
    ("IYYY", Field::IsoYear(4)),
    ("IDDD", Field::IsoDayOfYear),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("YYY", Field::Year(3)),
    ("IYY", Field::IsoYear(3)),
    ("MON", Field::MonthShort),
    ("DAY", Field::DayName),
    ("DDD", Field::DayOfYear),
    ("TZH", Field::ZoneHour),
    ("TZM", Field::ZoneMinute),
    ("HH", Field::Hour12),
    ("MI", Field::Minute),
    ("SS", Field::Second),
    ("MS", Field::Millisecond),
    ("US", Field::Microsecond),
    ("AM", Field::Meridiem { dotted: false }),
    ("PM", Field::Meridiem { dotted: false }),
    ("AD", Field::Era { dotted: false }),
    ("BC", Field::Era { dotted: false }),
    ("YY", Field::Year(2)),
    ("IY", Field::IsoYear(2)),
    ("MM", Field::Month),
    ("DY", Field::DayShort),
    ("DD", Field::Day),
    ("ID", Field::IsoDayOfWeek),
    ("WW", Field::Week),
    ("IW", Field::IsoWeek),
    ("CC", Field::Century),
    ("RM", Field::RomanMonth),
    ("TZ", Field::Zone),
    ("OF", Field::ZoneOffset),
    ("Y", Field::Year(1)),
];
const LETTERS: [(&str, Field); 5] = [
    ("I", Field::IsoYear(1)),
    ("D", Field::DayOfWeek),
    ("W", Field::WeekOfMonth),
    ("J", Field::JulianDay),
    ("Q", Field::Quarter),
];

/// The tokens of a template.
pub(super) fn tokens(template: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut rest = template;
    let mut filled = true;
    while let Some(letter) = rest.chars().next() {
        if letter == '"' {
            rest = quoted(&rest[1..], &mut found);
            continue;
        }
        if let Some(behind) = rest.strip_prefix("\\\"") {
            push(&mut found, '"');
            rest = behind;
            continue;
        }
        if let Some(behind) = after(rest, "FM").or_else(|| after(rest, "TM")) {
            (filled, rest) = (false, behind);
            continue;
        }
        if let Some(behind) = after(rest, "FX") {
            rest = behind;
            continue;
        }
        let known = NAMES.iter().chain(&LETTERS).find_map(|(name, field)| Some((name, field, after(rest, name)?)));
        let Some((name, field, behind)) = known else {
            push(&mut found, letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        let (ordinal, behind) = match behind.get(..2) {
            Some("TH") => (Ordinal::Upper, &behind[2..]),
            Some("th") => (Ordinal::Lower, &behind[2..]),
            _ => (Ordinal::None, behind),
        };
        found.push(Token::Field { field: *field, case: case(&rest[..name.len()]), filled, ordinal });
        (filled, rest) = (true, behind);
    }
    found
}

fn after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let head = text.get(..name.len())?;
    head.eq_ignore_ascii_case(name).then(|| &text[name.len()..])
}

fn case(written: &str) -> LetterCase {
    let mut letters = written.chars().filter(char::is_ascii_alphabetic);
    let (first, second) = (letters.next(), letters.next());
    match (first.is_some_and(char::is_uppercase), second.is_some_and(char::is_uppercase)) {
        (true, true) => LetterCase::Upper,
        (true, false) => LetterCase::Title,
        (false, _) => LetterCase::Lower,
    }
}

/// What stands behind a quoted text, which is added.
fn quoted<'t>(text: &'t str, found: &mut Vec<Token>) -> &'t str {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return &text[at + 1..],
            '\\' => {
                if let Some((_, escaped)) = letters.next() {
                    push(found, escaped);
                }
            }
            other => push(found, other),
        }
    }
    ""
}

fn push(found: &mut Vec<Token>, letter: char) {
    match found.last_mut() {
        Some(Token::Text(text)) => text.push(letter),
        _ => found.push(Token::Text(letter.to_string())),
    }
}
