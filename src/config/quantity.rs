//! Numbers with units, as knobs are written and read: sizes and durations.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

/// A number of bytes; in text `4096`, `64 KiB`, `1 MiB`, `1.5 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many times 2^20 bytes.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes, as what memory and slices are counted in.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const BYTE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIME_UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
    ("m", 60_000_000),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_unit(self.0, &BYTE_UNITS))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity(deserializer, &BYTE_UNITS, Some(1), "a size such as \"64 KiB\"").map(ByteSize)
    }
}

/// Durations as text: `100 ms`, `10 s`, `1 h`.
pub(super) mod duration_text {
    use super::*;

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        serializer.serialize_str(&with_unit(micros, &TIME_UNITS))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        quantity(deserializer, &TIME_UNITS, None, "a duration such as \"100 ms\"").map(Duration::from_micros)
    }
}

/// What a knob says of a value that it does not take, around what it does.
pub(super) const EXPECTED: &str = "expected ";
pub(super) const NOT: &str = ", not ";

/// The number in the largest unit that divides it.
fn with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().find(|(_, size)| number != 0 && number.is_multiple_of(*size));
    let (unit, size) = fits.unwrap_or(&units[3]);
    format!("{} {unit}", number / size)
}

/// Reads a number with a unit; a bare number only where `bare` says what it counts.
fn quantity<'de, D: Deserializer<'de>>(
    deserializer: D,
    units: &[(&str, u64)],
    bare: Option<u64>,
    expected: &str,
) -> Result<u64, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let wrong = || de::Error::custom(format!("{EXPECTED}{expected}{NOT}{value}"));
    let text = match &value {
        toml::Value::String(text) => text.trim().to_string(),
        toml::Value::Integer(number) => number.to_string(),
        _ => return Err(wrong()),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim();
    let size = match units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, size)) => *size,
        None if unit.is_empty() => bare.ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    let scaled = number * size as f64;
    if scaled.is_finite() && scaled < i64::MAX as f64 { Ok(scaled as u64) } else { Err(wrong()) }
}
