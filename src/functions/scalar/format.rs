//! PostgreSQL's `format(text, ..)`: `%s`, `%I`, `%L` and `%%`, with places and widths.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::format::text;
use crate::functions::described::described;

/// No value is filled up to more characters.
const WIDTH_MAX: usize = 10_000;

/// `format(text, any, ..) -> text`; a null pattern gives null, a null value is empty for `%s` and NULL for `%L`.
///
/// 22023 for a pattern that asks for what is not there, 22004 for `%I` of null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Format {
    signature: Signature,
}

impl Format {
    pub fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Format {
    fn name(&self) -> &str {
        "format"
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> = LazyLock::new(|| {
            let about =
                "A text with values in it: %s as text, %I as a name, %L as a literal; %1$s takes the first of them.";
            described("format(text, any ...) -> text", about)
        });
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some((patterns, values)) = arrays.split_first() else {
            return Err(failed(Error::new(SqlState::UNDEFINED_FUNCTION, "format takes a text")));
        };
        let patterns = datafusion::arrow::compute::cast(patterns, &DataType::Utf8)?;
        let patterns = patterns.as_string::<i32>();
        let zone: Tz = "+00:00".parse().map_err(|_| DataFusionError::Internal("UTC is no zone".to_owned()))?;
        let mut texts = Vec::with_capacity(patterns.len());
        for row in 0..patterns.len() {
            texts.push(match patterns.is_valid(row) {
                true => Some(formatted(patterns.value(row), &Values { arrays: values, row, zone }).map_err(failed)?),
                false => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(texts))))
    }
}

fn failed(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn wrong(message: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The values of a row.
struct Values<'a> {
    arrays: &'a [ArrayRef],
    row: usize,
    zone: Tz,
}

impl Values<'_> {
    /// The text of the value at a place, from 0; `None` for null.
    fn text(&self, place: usize) -> std::result::Result<Option<String>, Error> {
        let array = self.arrays.get(place).ok_or_else(|| wrong("too few arguments for format()"))?;
        if array.is_null(self.row) || array.data_type().is_null() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        text::write(array.as_ref(), self.row, self.zone, &mut bytes)
            .map_err(|error| Error::internal("a value has no text").caused_by(error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn formatted(pattern: &str, values: &Values<'_>) -> std::result::Result<String, Error> {
    let mut result = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        result.push_str(&rest[..at]);
        let (directive, behind) = Directive::read(&rest[at + 1..], &mut next, values)?;
        rest = behind;
        let shown = match (directive.kind, directive.place) {
            ('%', _) => "%".to_owned(),
            (kind, place) => converted(kind, values.text(place)?)?,
        };
        let fill = " ".repeat(directive.width.saturating_sub(shown.chars().count()));
        let (before, after) = if directive.left { ("", fill.as_str()) } else { (fill.as_str(), "") };
        result.extend([before, &shown, after]);
    }
    result.push_str(rest);
    Ok(result)
}

/// What stands behind a `%`.
struct Directive {
    kind: char,
    place: usize,
    left: bool,
    width: usize,
}

impl Directive {
    /// Reads `[place$][-][width]kind`; gives what stands behind it.
    fn read<'a>(text: &'a str, next: &mut usize, values: &Values<'_>) -> std::result::Result<(Self, &'a str), Error> {
        let mut rest = text;
        let mut place = None;
        if let Some((digits, behind)) = rest.split_once('$')
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            let told = digits.parse::<usize>().ok().filter(|told| 0 < *told);
            place =
                Some(told.ok_or_else(|| wrong("format specifies argument 0, but arguments are numbered from 1"))? - 1);
            rest = behind;
        }
        let mut left = rest.starts_with('-');
        rest = rest.trim_start_matches('-');
        let width = if let Some(behind) = rest.strip_prefix('*') {
            rest = behind;
            let told = values.text(*next)?.unwrap_or_default();
            *next += 1;
            let told: i64 =
                if told.is_empty() { 0 } else { told.parse().map_err(|_| wrong("a width is a whole number"))? };
            left |= told < 0;
            usize::try_from(told.unsigned_abs()).unwrap_or(usize::MAX)
        } else {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let told = rest[..digits].parse().unwrap_or(if digits == 0 { 0 } else { usize::MAX });
            rest = &rest[digits..];
            told
        };
        if WIDTH_MAX < width {
            return Err(wrong(&format!("a width of format() is at most {WIDTH_MAX}")));
        }
        let kind = rest
            .chars()
            .next()
            .ok_or_else(|| wrong("unterminated format() type specifier").hint("For a single \"%\" use \"%%\"."))?;
        if !matches!(kind, 's' | 'I' | 'L' | '%') {
            let message = format!("unrecognized format() type specifier \"{kind}\"");
            return Err(wrong(&message).hint("For a single \"%\" use \"%%\"."));
        }
        let place = place.unwrap_or(*next);
        if kind != '%' {
            // One without a place is the one behind the last, told or not.
            *next = place.saturating_add(1);
        }
        Ok((Self { kind, place, left, width }, &rest[kind.len_utf8()..]))
    }
}

fn converted(kind: char, value: Option<String>) -> std::result::Result<String, Error> {
    Ok(match (kind, value) {
        ('s', value) => value.unwrap_or_default(),
        ('L', None) => "NULL".to_owned(),
        ('L', Some(value)) if value.contains('\\') => {
            format!(" E'{}'", value.replace('\'', "''").replace('\\', "\\\\"))
        }
        ('L', Some(value)) => format!("'{}'", value.replace('\'', "''")),
        (_, None) => {
            let state = SqlState("22004");
            return Err(Error::new(state, "null values cannot be formatted as an SQL identifier"));
        }
        (_, Some(value)) => name(&value),
    })
}

/// A name as it has to be written.
fn name(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = begins && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int32Array;

    use super::*;

    fn call(pattern: &str) -> std::result::Result<String, Error> {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("it's")])),
            Arc::new(Int32Array::from(vec![7])),
            Arc::new(StringArray::from(vec![None::<&str>])),
        ];
        let zone = "+00:00".parse().expect("UTC");
        formatted(pattern, &Values { arrays: &arrays, row: 0, zone })
    }

    #[test]
    fn patterns_are_filled_as_postgresql_fills_them() {
        for (pattern, text) in [
            ("%s and %s", "it's and 7"),
            ("%I=%L", "\"it's\"='7'"),
            ("%L", "'it''s'"),
            ("%2$s %1$s %s", "7 it's 7"),
            ("100%%", "100%"),
            ("[%6s][%-4s]", "[  it's][7   ]"),
            ("[%3$s][%3$L]", "[][NULL]"),
            ("", ""),
            ("é", "é"),
        ] {
            assert_eq!(call(pattern).expect(pattern), text);
        }
        for wrong in ["%", "%z", "%4$s", "%0$s", "%s%s%s%s", "%3$I", "%99999s", "%99999999999999999999s", "%*s"] {
            assert!(call(wrong).is_err(), "{wrong}");
        }
    }
}
