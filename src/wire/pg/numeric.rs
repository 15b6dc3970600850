//! PostgreSQL's binary numeric: groups of four decimal digits around the point.

use bytes::Buf;
use bytes::BufMut;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Why a binary numeric is no decimal of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumericError {
    /// Bytes that no sender makes.
    Malformed,
    /// NaN, an infinity, or more than 38 digits.
    OutOfRange,
}

/// Writes `unscaled * 10^-scale`.
pub(super) fn put_numeric(body: &mut Vec<u8>, unscaled: i128, scale: i8) {
    let mut digits = unscaled.unsigned_abs().to_string();
    let scale_digits = usize::from(scale.max(0).unsigned_abs());
    digits.extend(std::iter::repeat_n('0', usize::from(scale.min(0).unsigned_abs())));
    let missing = (scale_digits + 1).saturating_sub(digits.len());
    digits.insert_str(0, &"0".repeat(missing));
    let (whole, fraction) = digits.split_at(digits.len() - scale_digits);
    let padded = format!("{:0>1$}{2:0<3$}", whole, up_to_four(whole.len()), fraction, up_to_four(fraction.len()));
    let group = |chunk: &[u8]| chunk.iter().fold(0, |group: u16, digit| group * 10 + u16::from(digit - b'0'));
    let groups: Vec<u16> = padded.as_bytes().chunks(4).map(group).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().skip(leading).rev().take_while(|group| **group == 0).count();
    let kept = &groups[leading..groups.len() - trailing];
    let weight = if kept.is_empty() { 0 } else { (up_to_four(whole.len()) / 4) as i16 - 1 - leading as i16 };
    body.put_u16(kept.len() as u16);
    body.put_i16(weight);
    body.put_u16(if unscaled < 0 { NEGATIVE } else { POSITIVE });
    body.put_u16(scale_digits as u16);
    kept.iter().for_each(|group| body.put_u16(*group));
}

fn up_to_four(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Reads a numeric as its unscaled value and its scale.
pub(super) fn read_numeric(mut bytes: &[u8]) -> Result<(i128, i8), NumericError> {
    if bytes.len() < 8 {
        return Err(NumericError::Malformed);
    }
    let (count, weight, sign, scale) = (bytes.get_u16(), bytes.get_i16(), bytes.get_u16(), bytes.get_u16());
    if bytes.len() != usize::from(count) * 2 {
        return Err(NumericError::Malformed);
    }
    if !matches!(sign, POSITIVE | NEGATIVE) || 38 < scale {
        return Err(NumericError::OutOfRange);
    }
    let mut unscaled: i128 = 0;
    // The power of ten that the last group read stands at, counted from the scale's last digit.
    for index in 0..i32::from(count) {
        let group = bytes.get_u16();
        if 9999 < group {
            return Err(NumericError::Malformed);
        }
        let exponent = (i32::from(weight) - index) * 4 + i32::from(scale);
        let value = match u32::try_from(exponent) {
            Ok(exponent) if group != 0 => {
                10i128.checked_pow(exponent).and_then(|power| power.checked_mul(i128::from(group)))
            }
            Ok(_) => Some(0),
            // Digits behind the scale are zeros that fill the group.
            Err(_) => Some(i128::from(group) / 10i128.pow(exponent.unsigned_abs().min(4))),
        };
        unscaled = value.and_then(|value| unscaled.checked_add(value)).ok_or(NumericError::OutOfRange)?;
    }
    if 10i128.pow(38) <= unscaled {
        return Err(NumericError::OutOfRange);
    }
    Ok((if sign == NEGATIVE { -unscaled } else { unscaled }, scale as i8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Random;
    use crate::env::SeededRandom;

    fn written(unscaled: i128, scale: i8) -> Vec<u8> {
        let mut body = Vec::new();
        put_numeric(&mut body, unscaled, scale);
        body
    }

    #[test]
    fn numerics_are_what_postgres_sends() {
        // As PostgreSQL 15's numeric_send writes them.
        assert_eq!(written(0, 2), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(written(123_456_789, 4), [0, 3, 0, 1, 0, 0, 0, 4, 0, 1, 9, 41, 26, 133]);
        assert_eq!(written(-15, 1), [0, 2, 0, 0, 64, 0, 0, 1, 0, 1, 19, 136]);
        assert_eq!(written(10_000, 0), [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(written(1, 5), [0, 1, 255, 254, 0, 0, 0, 5, 3, 232]);
    }

    #[test]
    fn numerics_read_back_what_was_written() {
        let random = SeededRandom::new(11);
        for round in 0..20_000 {
            let mut bytes = [0; 16];
            random.fill(&mut bytes);
            let unscaled = (i128::from_be_bytes(bytes) >> (random.next_u64() % 127)) % 10i128.pow(38);
            let scale = (random.next_u64() % 39) as i8;
            assert_eq!(read_numeric(&written(unscaled, scale)), Ok((unscaled, scale)), "round {round}");
        }
    }

    #[test]
    fn forged_numerics_are_errors() {
        let random = SeededRandom::new(12);
        for _ in 0..20_000 {
            let mut bytes = vec![0; (random.next_u64() % 14) as usize];
            random.fill(&mut bytes);
            bytes.iter_mut().for_each(|byte| *byte = if *byte < 128 { *byte % 3 } else { *byte });
            let _ = read_numeric(&bytes);
        }
        assert_eq!(read_numeric(&[0, 1]), Err(NumericError::Malformed));
        assert_eq!(read_numeric(&[0, 0, 0, 0, 192, 0, 0, 0]), Err(NumericError::OutOfRange), "NaN");
        assert_eq!(read_numeric(&[0, 1, 127, 255, 0, 0, 0, 0, 0, 1]), Err(NumericError::OutOfRange));
    }
}
