//! What arguments a function of DataFusion has no answer for, as PostgreSQL says it.

use crate::error::Error;
use crate::error::SqlState;

/// Bytes of the longest result: one value is not to take a server's memory.
const BYTES_MAX: f64 = 10_000_000.0;

/// Which arguments are refused. A text stands for its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Guard {
    /// No negative number.
    SquareRoot,
    /// Only positive numbers; of two the first is the base.
    Logarithm,
    /// What has no real result.
    Power,
    /// No result that a double does not hold.
    Exponential,
    /// From -1 to 1.
    Inverse,
    /// From 1.
    AreaCosine,
    /// From 0 to 20.
    Factorial,
    /// A number of Unicode that is a character.
    Character,
    /// No longer text than a value may be.
    Repeat,
    /// No negative length.
    Substring,
    /// No field 0.
    Field,
    /// No negative size, and no longer array than `ITEMS_MAX`.
    Size,
    /// No longer array than `ITEMS_MAX`; the last argument says how often.
    Times,
    /// No longer array than `ITEMS_MAX`: from, to, and the step if it is told.
    Series,
}

/// Bytes of the texts that one call makes, of all its rows together.
pub(super) const CALL_BYTES_MAX: f64 = 512e6;

/// Items of the arrays that one call makes, of all its rows together: some 40 MB.
pub(in crate::functions) const ITEMS_MAX: f64 = 5_000_000.0;

impl Guard {
    /// Why these arguments are refused, if they are.
    pub(super) fn refuses(self, arguments: &[f64]) -> Option<Error> {
        let first = arguments.first().copied().unwrap_or_default();
        let error = |state, message: &str| Some(Error::new(state, message));
        match self {
            Guard::SquareRoot if first < 0.0 => {
                error(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number")
            }
            Guard::Logarithm => arguments.iter().find_map(|argument| logarithm(*argument)).or_else(|| {
                let base_is_one = arguments.len() == 2 && first == 1.0;
                base_is_one.then(|| Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"))
            }),
            Guard::Power => power(first, arguments.get(1).copied().unwrap_or_default()),
            Guard::Inverse if first.abs() > 1.0 => out_of_range(),
            Guard::AreaCosine if first < 1.0 => out_of_range(),
            Guard::Factorial if first < 0.0 => {
                error(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "factorial of a negative number is undefined")
            }
            Guard::Factorial if 20.0 < first => error(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"),
            Guard::Character => character(first),
            Guard::Repeat if BYTES_MAX < first * arguments.get(1).copied().unwrap_or_default() => {
                error(SqlState::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
            }
            Guard::Substring if arguments.get(2).is_some_and(|length| *length < 0.0) => {
                error(SqlState::SUBSTRING_ERROR, "negative substring length not allowed")
            }
            Guard::Field if arguments.get(2) == Some(&0.0) => {
                error(SqlState::INVALID_PARAMETER_VALUE, "field position must not be zero")
            }
            Guard::Size if first < 0.0 => error(SqlState::INVALID_PARAMETER_VALUE, "size must not be negative"),
            _ => None,
        }
    }

    /// The argument that fills an array, where only the second one is looked at: it may be null, or no number.
    pub(super) fn filling(self) -> Option<usize> {
        match self {
            Guard::Size => Some(2),
            Guard::Times => Some(0),
            _ => None,
        }
    }

    /// The bytes of the text that arguments ask for.
    pub(super) fn bytes(self, arguments: &[f64]) -> f64 {
        match (self, arguments) {
            (Guard::Repeat, [length, times]) => (length * times).max(0.0),
            _ => 0.0,
        }
    }

    /// The items of the array that arguments ask for, without what fills it.
    pub(super) fn items(self, arguments: &[f64]) -> f64 {
        match (self, arguments) {
            (Guard::Size | Guard::Times, [size]) => *size,
            (Guard::Series, [to]) => *to,
            (Guard::Series, [from, to]) => to - from + 1.0,
            (Guard::Series, [from, to, step]) if *step != 0.0 => (to - from) / step + 1.0,
            _ => 0.0,
        }
        .max(0.0)
    }

    /// Whether finite arguments may have a result that a double does not hold.
    pub(super) fn may_overflow(self) -> bool {
        matches!(self, Guard::Power | Guard::Exponential)
    }
}

fn logarithm(argument: f64) -> Option<Error> {
    let message = match argument {
        0.0 => "cannot take logarithm of zero",
        argument if argument < 0.0 => "cannot take logarithm of a negative number",
        _ => return None,
    };
    Some(Error::new(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, message))
}

fn power(base: f64, exponent: f64) -> Option<Error> {
    let message = if base == 0.0 && exponent < 0.0 {
        "zero raised to a negative power is undefined"
    } else if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        "a negative number raised to a non-integer power yields a complex result"
    } else {
        return None;
    };
    Some(Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message))
}

fn character(number: f64) -> Option<Error> {
    let refused = |message: String| Some(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    if number < 0.0 {
        return refused("character number must be positive".to_string());
    }
    if number == 0.0 {
        return refused("null character not permitted".to_string());
    }
    if f64::from(u32::from(char::MAX)) < number {
        return refused(format!("requested character too large for encoding: {number}"));
    }
    match char::from_u32(number as u32) {
        Some(_) => None,
        None => refused(format!("requested character not valid for encoding: {number}")),
    }
}

fn out_of_range() -> Option<Error> {
    Some(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_answer_is_refused_as_in_postgresql() {
        for (guard, arguments, state) in [
            (Guard::SquareRoot, &[-1.0][..], Some("2201F")),
            (Guard::SquareRoot, &[0.0], None),
            (Guard::Logarithm, &[0.0], Some("2201E")),
            (Guard::Logarithm, &[-0.5], Some("2201E")),
            (Guard::Logarithm, &[2.0, 0.0], Some("2201E")),
            (Guard::Logarithm, &[1.0, 5.0], Some("22012")),
            (Guard::Logarithm, &[1.0], None),
            (Guard::Power, &[0.0, -1.0], Some("2201F")),
            (Guard::Power, &[-8.0, 0.5], Some("2201F")),
            (Guard::Power, &[-8.0, 3.0], None),
            (Guard::Inverse, &[1.5], Some("22003")),
            (Guard::Inverse, &[f64::NAN], None),
            (Guard::AreaCosine, &[0.5], Some("22003")),
            (Guard::Factorial, &[-1.0], Some("22003")),
            (Guard::Factorial, &[21.0], Some("22003")),
            (Guard::Character, &[0.0], Some("54000")),
            (Guard::Character, &[55_296.0], Some("54000")),
            (Guard::Character, &[1_114_112.0], Some("54000")),
            (Guard::Character, &[65.0], None),
            (Guard::Repeat, &[1.0, 2e9], Some("54000")),
            (Guard::Repeat, &[1.0, -2e9], None),
            (Guard::Substring, &[3.0, 1.0, -1.0], Some("22011")),
            (Guard::Substring, &[3.0, 1.0], None),
            (Guard::Field, &[3.0, 1.0, 0.0], Some("22023")),
            (Guard::Size, &[-1.0], Some("22023")),
        ] {
            let found = guard.refuses(arguments).map(|error| error.state().0);
            assert_eq!(found, state, "{guard:?} {arguments:?}");
        }
    }

    #[test]
    fn a_series_has_as_many_items_as_steps_from_its_begin_to_its_end() {
        for (arguments, items) in [
            (&[1.0, 10.0][..], 10.0),
            (&[10.0], 10.0),
            (&[1.0, 10.0, 2.0], 5.5),
            (&[10.0, 1.0, -3.0], 4.0),
            (&[10.0, 1.0], 0.0),
            (&[1.0, 9.0, 0.0], 0.0),
        ] {
            assert_eq!(Guard::Series.items(arguments), items, "{arguments:?}");
        }
    }
}
