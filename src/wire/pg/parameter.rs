//! Parameters of Bind: bytes in a client's format to values of the types that the statement wants.

use arrow::array::AsArray;
use arrow::array::ListArray;
use arrow::array::timezone::Tz;
use bytes::Buf;
use bytes::Bytes;
use datafusion::common::ScalarValue;

use super::frontend::Format;
use super::numeric::NumericError;
use super::numeric::read_numeric;
use super::pg_type;
use crate::engine::canonical_uuid;
use crate::engine::interval_text;
use crate::engine::read_text;
use crate::engine::uuid_text;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::model::decimal_precision;

pub(super) const INVALID_BINARY_REPRESENTATION: SqlState = SqlState("22P03");
const CHARACTER_NOT_IN_REPERTOIRE: SqlState = SqlState("22021");

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's timestamps begin.
pub(super) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970-01-01 to 2000-01-01.
pub(super) const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// A parameter as its place in the statement wants it.
pub(super) struct ParameterType {
    /// The client's own oid where it declared one, else that of `sql_type`: what binary bytes are read as.
    pub oid: u32,
    /// The type of the place.
    pub sql_type: SqlType,
}

/// The value of parameter `number` (from 1); instants without an offset are read in `zone`.
///
/// It is of the place's type; but a decimal keeps its own digits, since a place's are no reason to round it.
pub(super) fn decode(
    number: usize,
    bytes: Option<&Bytes>,
    format: Format,
    wanted: &ParameterType,
    zone: Tz,
) -> Result<ScalarValue, Error> {
    let arrow = wanted.sql_type.arrow();
    let value = match (bytes, format) {
        (None, _) => return ScalarValue::try_from(&arrow).map_err(|error| cannot(number, wanted, &error.to_string())),
        (Some(bytes), Format::Text) => from_text(number, bytes, wanted, zone)?,
        (Some(bytes), Format::Binary) => from_binary(number, bytes, wanted, zone)?,
    };
    if value.data_type() == arrow || matches!(wanted.sql_type, SqlType::Decimal { .. }) {
        return Ok(value);
    }
    value.cast_to(&arrow).map_err(|error| cannot(number, wanted, &error.strip_backtrace()))
}

fn cannot(number: usize, wanted: &ParameterType, why: &str) -> Error {
    let message = format!("parameter ${number} cannot be read as {}", wanted.sql_type);
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message).detail(why.to_string())
}

fn utf8(number: usize, bytes: &Bytes) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Error::new(CHARACTER_NOT_IN_REPERTOIRE, format!("parameter ${number} is not UTF-8")))
}

/// The text of a statement.
pub(super) fn statement_text(bytes: Bytes) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::new(CHARACTER_NOT_IN_REPERTOIRE, "the statement is not UTF-8"))
}

fn from_text(number: usize, bytes: &Bytes, wanted: &ParameterType, zone: Tz) -> Result<ScalarValue, Error> {
    let text = utf8(number, bytes)?;
    if wanted.oid == pg_type::UUID {
        let uuid = canonical_uuid(&text).map(|uuid| ScalarValue::Utf8(Some(uuid.into_owned())));
        return uuid.ok_or_else(|| {
            let message = format!("invalid input syntax for type uuid: \"{text}\"");
            Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message).detail(format!("It is parameter ${number}."))
        });
    }
    let value = read_text(&wanted.sql_type, &text, zone)
        .map_err(|error| error.detail(format!("It is parameter ${number}.")))?;
    match value {
        ScalarValue::List(list) if wanted.oid == pg_type::UUIDS => canonical_uuids(number, &list),
        value => Ok(value),
    }
}

/// UUIDs in the one form in which columns keep them.
fn canonical_uuids(number: usize, list: &ListArray) -> Result<ScalarValue, Error> {
    let wanted = ParameterType { oid: pg_type::UUID, sql_type: SqlType::Text };
    let utc: Tz = "+00:00".parse().expect("a fixed offset");
    let texts = list.values().as_string::<i32>().iter();
    let uuid = |text: Option<&str>| {
        let text = text.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        decode(number, text.as_ref(), Format::Text, &wanted, utc)
    };
    let uuids = texts.map(uuid).collect::<Result<Vec<_>, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&uuids, &wanted.sql_type.arrow())))
}

fn from_binary(number: usize, bytes: &Bytes, wanted: &ParameterType, zone: Tz) -> Result<ScalarValue, Error> {
    let wrong = || {
        let message = format!("parameter ${number} is not a binary value of type {}", wanted.oid);
        Error::new(INVALID_BINARY_REPRESENTATION, message)
    };
    let fixed = |length: usize| if bytes.len() == length { Ok(&bytes[..]) } else { Err(wrong()) };
    Ok(match wanted.oid {
        pg_type::BOOL => ScalarValue::from(fixed(1)?[0] != 0),
        pg_type::INT2 => ScalarValue::Int32(Some(i32::from(i16::from_be_bytes(array(fixed(2)?))))),
        pg_type::INT4 | pg_type::OID => ScalarValue::Int32(Some(i32::from_be_bytes(array(fixed(4)?)))),
        pg_type::INT8 => ScalarValue::Int64(Some(i64::from_be_bytes(array(fixed(8)?)))),
        pg_type::FLOAT4 => ScalarValue::Float64(Some(f64::from(f32::from_be_bytes(array(fixed(4)?))))),
        pg_type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(array(fixed(8)?)))),
        pg_type::NUMERIC => match read_numeric(bytes) {
            Ok((unscaled, scale)) => ScalarValue::Decimal128(Some(unscaled), decimal_precision(unscaled, scale), scale),
            Err(NumericError::Malformed) => return Err(wrong()),
            Err(NumericError::OutOfRange) => {
                let message = format!("parameter ${number} is not a decimal of at most 38 digits");
                return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message));
            }
        },
        pg_type::TEXT | pg_type::VARCHAR | pg_type::BPCHAR | pg_type::NAME | pg_type::UNKNOWN | pg_type::JSON => {
            return from_text(number, bytes, wanted, zone);
        }
        pg_type::INTERVAL => {
            let bytes = fixed(16)?;
            let micros = i64::from_be_bytes(array(&bytes[..8]));
            let [days, months] = [&bytes[8..12], &bytes[12..]].map(|part| i32::from_be_bytes(array(part)));
            ScalarValue::Utf8(Some(interval_text(months, days, micros)))
        }
        pg_type::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        pg_type::UUID => ScalarValue::Utf8(Some(uuid_text(array(fixed(16)?)))),
        // The text of a JSONB has a number of its version before it.
        pg_type::JSONB if bytes.first() == Some(&1) => return from_text(number, &bytes.slice(1..), wanted, zone),
        pg_type::DATE => {
            let days = i32::from_be_bytes(array(fixed(4)?)).checked_add(POSTGRES_EPOCH_DAYS);
            ScalarValue::Date32(Some(days.ok_or_else(|| out_of_range(number))?))
        }
        pg_type::TIME => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(array(fixed(8)?)))),
        pg_type::TIMESTAMP | pg_type::TIMESTAMPTZ => {
            let micros = match i64::from_be_bytes(array(fixed(8)?)) {
                infinite @ (i64::MIN | i64::MAX) => Some(infinite),
                micros => micros.checked_add(POSTGRES_EPOCH_MICROS),
            };
            let zone = (wanted.oid == pg_type::TIMESTAMPTZ).then(|| "UTC".into());
            ScalarValue::TimestampMicrosecond(Some(micros.ok_or_else(|| out_of_range(number))?), zone)
        }
        oid if let Some(SqlType::Array(item)) = pg_type::declared_parameter(oid) => {
            return array_from_binary(number, bytes, &item, zone)?.ok_or_else(wrong);
        }
        oid => {
            let message = format!("parameters of type {oid} are not supported in binary");
            return Err(Error::unsupported(message).hint("Send the parameter as text, or cast it."));
        }
    })
}

/// An array of one dimension: dimensions, whether a null is there, the oid of the elements, the length and the first index of
/// the dimension, then the elements. `None` for bytes that are none.
fn array_from_binary(number: usize, bytes: &Bytes, item: &SqlType, zone: Tz) -> Result<Option<ScalarValue>, Error> {
    let mut rest = bytes.clone();
    let mut next = || (4 <= rest.len()).then(|| rest.get_i32());
    let (Some(dimensions), Some(_), Some(oid)) = (next(), next(), next()) else { return Ok(None) };
    let mut elements = Vec::new();
    match dimensions {
        0 => {}
        1 => {
            let (Some(count), Some(_)) = (next(), next()) else { return Ok(None) };
            let wanted = ParameterType { oid: oid.cast_unsigned(), sql_type: item.clone() };
            for _ in 0..count {
                let Some(length) = (4 <= rest.len()).then(|| rest.get_i32()) else { return Ok(None) };
                let element = match usize::try_from(length) {
                    Err(_) => None,
                    Ok(length) if length <= rest.len() => Some(rest.split_to(length)),
                    Ok(_) => return Ok(None),
                };
                let value = decode(number, element.as_ref(), Format::Binary, &wanted, zone)?;
                let value =
                    value.cast_to(&item.arrow()).map_err(|error| cannot(number, &wanted, &error.to_string()))?;
                elements.push(value);
            }
        }
        _ => {
            return Err(Error::unsupported("array parameters of several dimensions are not supported in binary")
                .hint("Send the parameter as text."));
        }
    }
    if !rest.is_empty() {
        return Ok(None);
    }
    Ok(Some(ScalarValue::List(ScalarValue::new_list_nullable(&elements, &item.arrow()))))
}

fn out_of_range(number: usize) -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("parameter ${number} is outside the range of dates"))
}

fn array<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    bytes.try_into().expect("the length was checked")
}

#[cfg(test)]
mod tests {
    use super::super::numeric::put_numeric;
    use super::*;

    fn text(sql_type: SqlType, text: &str) -> Result<ScalarValue, Error> {
        let wanted = ParameterType { oid: super::super::pg_type::PgType::of(&sql_type).oid, sql_type };
        decode(1, Some(&Bytes::copy_from_slice(text.as_bytes())), Format::Text, &wanted, utc())
    }

    fn utc() -> Tz {
        "UTC".parse().expect("a zone")
    }

    #[test]
    fn an_array_comes_in_binary() {
        let wanted = ParameterType { oid: 1007, sql_type: SqlType::Array(Box::new(SqlType::Int)) };
        let utc: Tz = "+00:00".parse().expect("a fixed offset");
        let words = |words: &[i32]| Bytes::from(words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
        let read = |bytes: Bytes| decode(1, Some(&bytes), Format::Binary, &wanted, utc);
        let two = read(words(&[1, 1, 23, 2, 1, 4, 7, -1])).expect("an array of two");
        assert_eq!(two.to_string(), "[7, ]");
        assert_eq!(read(words(&[0, 0, 23])).expect("an empty array").to_string(), "[]");
        for wrong in [&[1, 0, 23][..], &[1, 0, 23, 1, 1, 9, 7], &[1, 0, 23, 1, 1, 4, 7, 7], &[2, 0, 23, 1, 1, 1, 1]] {
            assert!(read(words(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn text_parameters_are_read_as_postgres_reads_them() {
        assert_eq!(text(SqlType::Boolean, "t").ok(), Some(ScalarValue::from(true)));
        assert_eq!(text(SqlType::Boolean, "OFF").ok(), Some(ScalarValue::from(false)));
        assert_eq!(text(SqlType::Bytes, "\\x00fF").ok(), Some(ScalarValue::Binary(Some(vec![0, 255]))));
        assert_eq!(text(SqlType::Bytes, "a\\\\\\101").ok(), Some(ScalarValue::Binary(Some(b"a\\A".to_vec()))));
        let stamp = ScalarValue::TimestampMicrosecond(Some(POSTGRES_EPOCH_MICROS + 1_500_000), None);
        assert_eq!(text(SqlType::Timestamp, "2000-01-01 00:00:01.5").ok(), Some(stamp));
        let berlin = "Europe/Berlin".parse().expect("a zone");
        let instant = ParameterType { oid: pg_type::TIMESTAMPTZ, sql_type: SqlType::TimestampTz };
        let midnight = Bytes::from_static(b"2000-01-01 00:00");
        let read = decode(1, Some(&midnight), Format::Text, &instant, berlin).ok();
        let hour = 3_600_000_000;
        let expected = ScalarValue::TimestampMicrosecond(Some(POSTGRES_EPOCH_MICROS - hour), Some("UTC".into()));
        assert_eq!(read, Some(expected), "an instant without an offset is the session's");
        for (sql_type, wrong) in
            [(SqlType::Int, "x"), (SqlType::Boolean, "o"), (SqlType::Bytes, "\\xz"), (SqlType::Date, "1")]
        {
            assert!(text(sql_type, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_decimal_keeps_its_digits_whatever_those_of_its_place_are() {
        let amount = || SqlType::Decimal { precision: 12, scale: 2 };
        let digits = "-12345678901234567890.123456789012345678";
        let unscaled = -12_345_678_901_234_567_890_123_456_789_012_345_678;
        let exact = Some(ScalarValue::Decimal128(Some(unscaled), 38, 18));
        assert_eq!(text(amount(), digits).ok(), exact);
        let mut bytes = Vec::new();
        put_numeric(&mut bytes, unscaled, 18);
        let wanted = ParameterType { oid: pg_type::NUMERIC, sql_type: amount() };
        assert_eq!(decode(1, Some(&bytes.into()), Format::Binary, &wanted, utc()).ok(), exact);
        assert_eq!(text(amount(), "12.5").ok(), Some(ScalarValue::Decimal128(Some(125), 3, 1)));
        let long = "0.123456789012345678901234567890123456789";
        assert_eq!(text(amount(), long).expect_err("39 digits").state().0, "22003");
    }

    #[test]
    fn binary_parameters_have_their_type_s_length() {
        let wanted = |oid| ParameterType { oid, sql_type: SqlType::BigInt };
        let value = |oid, bytes: &'static [u8]| {
            decode(1, Some(&Bytes::from_static(bytes)), Format::Binary, &wanted(oid), utc())
        };
        assert_eq!(value(pg_type::INT2, &[255, 254]).ok(), Some(ScalarValue::Int64(Some(-2))));
        assert_eq!(value(pg_type::INT8, &[0; 8]).ok(), Some(ScalarValue::Int64(Some(0))));
        for (oid, bytes) in [
            (pg_type::INT8, &[0u8; 4][..]),
            (pg_type::NUMERIC, &[0]),
            (pg_type::BOOL, &[]),
            (2950, &[0; 15]),
            (3802, &[2, 0]),
            (650, &[0; 16]),
        ] {
            assert!(value(oid, bytes).is_err(), "{oid}");
        }
        assert_eq!(decode(1, None, Format::Binary, &wanted(20), utc()).ok(), Some(ScalarValue::Int64(None)));
    }
}
