//! Operators, functions and literals of PostgreSQL that DataFusion's planner does not have, or reads otherwise, in words that
//! it reads alike.

use sqlparser::ast;

use super::json_words;
use super::reworded::call;
use crate::format;

/// Units that `date_trunc` takes in the plural too.
const ONE_OF_MANY: [&str; 10] =
    ["microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// The digits of NUMERIC where none are told, before the point and behind it.
const WHOLE_DIGITS: usize = 28;
const FRACTION_DIGITS: usize = 10;

/// The expression in other words, if there are any. Its parts have theirs already.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    match expr {
        ast::Expr::Value(value) => plain_number(&value.value),
        ast::Expr::Interval(interval) => Some(arrow_interval(told_span(interval)?)),
        ast::Expr::Cast { expr, data_type, .. } => cast(expr, data_type),
        ast::Expr::TypedString(typed) => {
            let text = ast::Expr::Value(typed.value.clone());
            named_moment(&text, &typed.data_type).or_else(|| precise(&text, &typed.data_type))
        }
        ast::Expr::UnaryOp { op, expr } => unary(*op, expr),
        ast::Expr::BinaryOp { left, op, right } => binary(left, op, right),
        ast::Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let escape = escape_char.clone().map_or_else(|| text("\\"), ast::Expr::Value);
            let op = if *negated { ast::BinaryOperator::PGRegexNotMatch } else { ast::BinaryOperator::PGRegexMatch };
            let right = Box::new(call("__similar_pattern", vec![pattern.as_ref().clone(), escape]));
            Some(ast::Expr::BinaryOp { left: expr.clone(), op, right })
        }
        ast::Expr::AtTimeZone { timestamp, time_zone } => {
            Some(call("timezone", vec![time_zone.as_ref().clone(), timestamp.as_ref().clone()]))
        }
        ast::Expr::Function(function) => function_call(function),
        // Texts compare byte by byte anyway.
        ast::Expr::Collate { expr, collation } if is_of_bytes(collation) => Some(expr.as_ref().clone()),
        ast::Expr::AnyOp { left, compare_op: ast::BinaryOperator::Eq, right, .. }
            if let Some(list) = written_values(right) =>
        {
            Some(ast::Expr::InList { expr: left.clone(), list, negated: false })
        }
        ast::Expr::AnyOp { left, compare_op: ast::BinaryOperator::Eq, right, .. } => {
            let array = written_array(right).unwrap_or_else(|| right.as_ref().clone());
            Some(call("array_has", vec![array, left.as_ref().clone()]))
        }
        ast::Expr::AnyOp { left, compare_op, right, is_some } => Some(ast::Expr::AnyOp {
            left: left.clone(),
            compare_op: compare_op.clone(),
            right: Box::new(written_array(right)?),
            is_some: *is_some,
        }),
        ast::Expr::AllOp { left, compare_op, right } => Some(ast::Expr::AllOp {
            left: left.clone(),
            compare_op: compare_op.clone(),
            right: Box::new(written_array(right)?),
        }),
        ast::Expr::Identifier(ident) if ident.quote_style.is_none() => bare_word(&ident.value),
        _ => None,
    }
}

fn is_of_bytes(collation: &ast::ObjectName) -> bool {
    let name = collation.0.last().and_then(ast::ObjectNamePart::as_ident).map(|ident| ident.value.to_lowercase());
    matches!(name.as_deref(), Some("c" | "posix" | "ucs_basic" | "default"))
}

/// The elements of an array that is written out as a text and whose type they do not tell as numbers do: they are of that of what they are
/// compared with.
fn written_values(expr: &ast::Expr) -> Option<Vec<ast::Expr>> {
    let ast::Expr::Value(_) = expr else { return None };
    let values = super::quantified::elements(expr)?;
    let is_number = |value: &ast::Expr| match value {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => text.parse::<f64>().is_ok(),
            _ => true,
        },
        _ => false,
    };
    (!values.iter().all(is_number)).then_some(values)
}

/// A text that is written out where an array must stand: `'{1,2}'`.
fn written_array(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Value(value) = expr else { return None };
    let ast::Value::SingleQuotedString(told) = &value.value else { return None };
    let elements = told.trim().strip_prefix('{')?.strip_suffix('}')?;
    let words = || elements.split(',').map(str::trim).filter(|word| !word.eq_ignore_ascii_case("null"));
    let is_decimal = |word: &str| word.parse::<f64>().is_ok_and(f64::is_finite) && !word.contains(['e', 'E']);
    let item = match words().all(|word| word.parse::<i64>().is_ok()) {
        true => ast::DataType::BigInt(None),
        false if words().all(is_decimal) => ast::DataType::Numeric(ast::ExactNumberInfo::None),
        false => ast::DataType::Text,
    };
    Some(as_type(expr.clone(), ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(Box::new(item), None))))
}

/// A number with an exponent, written without one. The point at its end says that it is NUMERIC without it too.
fn plain_number(value: &ast::Value) -> Option<ast::Expr> {
    let ast::Value::Number(written, long) = value else { return None };
    let (mantissa, exponent) = written.split_once(['e', 'E'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let length = i32::try_from(digits.len()).ok()?;
    let plain = match usize::try_from(point) {
        Ok(point) if length <= point as i32 => format!("{digits}{}.", "0".repeat(point - digits.len())),
        Ok(point) => format!("{}.{}", &digits[..point], &digits[point..]),
        Err(_) => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    };
    let plain = match plain.strip_prefix('.') {
        Some(fraction) => format!("0.{fraction}"),
        None => plain,
    };
    Some(ast::Expr::value(ast::Value::Number(plain, *long)))
}

/// What an interval's text tells, with the unit behind it.
fn told_span(interval: &ast::Interval) -> Option<format::text::Span> {
    let ast::Expr::Value(value) = interval.value.as_ref() else { return None };
    let ast::Value::SingleQuotedString(told) = &value.value else { return None };
    match (&interval.leading_field, &interval.last_field) {
        (Some(unit), None) if told.trim().parse::<f64>().is_ok() => {
            format::text::Span::parse(&format!("{told} {unit}"))
        }
        (Some(ast::DateTimeField::Minute), Some(ast::DateTimeField::Second)) => {
            format::text::Span::parse(&format!("00:{told}"))
        }
        (None, None) | (Some(_), Some(_)) => format::text::Span::parse(told),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

fn arrow_interval(span: format::text::Span) -> ast::Expr {
    ast::Expr::Interval(ast::Interval {
        value: Box::new(text(&span.in_arrow_words())),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

fn text(value: &str) -> ast::Expr {
    ast::Expr::value(ast::Value::SingleQuotedString(value.to_string()))
}

fn number(value: u64) -> ast::Expr {
    ast::Expr::value(ast::Value::Number(value.to_string(), false))
}

fn as_type(expr: ast::Expr, data_type: ast::DataType) -> ast::Expr {
    ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn cast(expr: &ast::Expr, data_type: &ast::DataType) -> Option<ast::Expr> {
    use ast::DataType;
    match data_type {
        DataType::Interval { .. } => {
            let mut inner = expr;
            while let ast::Expr::Nested(nested) = inner {
                inner = nested;
            }
            let ast::Expr::Value(value) = inner else { return None };
            let ast::Value::SingleQuotedString(told) = &value.value else { return None };
            Some(arrow_interval(format::text::Span::parse(told)?))
        }
        DataType::Array(ast::ArrayElemTypeDef::SquareBracket(item, length)) if **item == DataType::Uuid => {
            let texts = ast::ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), *length);
            Some(as_type(expr.clone(), DataType::Array(texts)))
        }
        // An array of arrays has the type of one there.
        DataType::Array(ast::ArrayElemTypeDef::SquareBracket(item, length)) if is_array_of_arrays(expr) => {
            let inner = DataType::Array(ast::ArrayElemTypeDef::SquareBracket(item.clone(), None));
            Some(as_type(expr.clone(), DataType::Array(ast::ArrayElemTypeDef::SquareBracket(Box::new(inner), *length))))
        }
        DataType::CharacterVarying(None) | DataType::CharVarying(None) => {
            Some(as_type(expr.clone(), DataType::Varchar(None)))
        }
        DataType::Uuid => Some(call("__uuid", vec![as_type(expr.clone(), DataType::Text)])),
        DataType::Varchar(Some(length))
        | DataType::CharacterVarying(Some(length))
        | DataType::CharVarying(Some(length))
        | DataType::Char(Some(length))
        | DataType::Character(Some(length)) => {
            let ast::CharacterLength::IntegerLength { length, .. } = length else { return None };
            let whole = as_type(expr.clone(), DataType::Text);
            Some(call("substr", vec![whole, number(1), number(*length)]))
        }
        DataType::Numeric(ast::ExactNumberInfo::None)
        | DataType::Decimal(ast::ExactNumberInfo::None)
        | DataType::Dec(ast::ExactNumberInfo::None) => own_digits(expr),
        _ => named_moment(expr, data_type).or_else(|| precise(expr, data_type)),
    }
}

/// A text that is written out.
fn written(expr: &ast::Expr) -> Option<&str> {
    let ast::Expr::Value(value) = expr else { return None };
    match &value.value {
        ast::Value::SingleQuotedString(text) => Some(text.trim()),
        _ => None,
    }
}

fn is_array_of_arrays(expr: &ast::Expr) -> bool {
    written(expr).and_then(|text| text.strip_prefix('{')).is_some_and(|inner| inner.trim_start().starts_with('{'))
}

/// `'today'::date`, `timestamp 'now'`.
fn named_moment(expr: &ast::Expr, data_type: &ast::DataType) -> Option<ast::Expr> {
    if !matches!(data_type, ast::DataType::Date | ast::DataType::Timestamp(None, _)) {
        return None;
    }
    let now = || call("now", Vec::new());
    let today = || as_type(now(), ast::DataType::Date);
    let beside = |op| {
        let day = ast::Expr::BinaryOp { left: Box::new(today()), op, right: Box::new(number(1)) };
        ast::Expr::Nested(Box::new(day))
    };
    let moment = match written(expr)?.to_ascii_lowercase().as_str() {
        "now" => now(),
        "today" => today(),
        "tomorrow" => beside(ast::BinaryOperator::Plus),
        "yesterday" => beside(ast::BinaryOperator::Minus),
        _ => return None,
    };
    Some(as_type(moment, data_type.clone()))
}

/// A time of a type that tells how many digits its seconds have.
fn precise(expr: &ast::Expr, data_type: &ast::DataType) -> Option<ast::Expr> {
    let (whole, digits) = match data_type {
        ast::DataType::Timestamp(Some(digits), zone) => (ast::DataType::Timestamp(None, *zone), digits),
        ast::DataType::Time(Some(digits), zone) => (ast::DataType::Time(None, *zone), digits),
        _ => return None,
    };
    Some(call("__to_precision", vec![as_type(expr.clone(), whole), number(*digits)]))
}

/// A number that is written out and cast to NUMERIC, if it has digits for which NUMERIC without digits has no room here.
fn own_digits(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Value(value) = expr else { return None };
    let written = match &value.value {
        ast::Value::Number(written, _) => written.as_str(),
        ast::Value::SingleQuotedString(written) => written.trim(),
        _ => return None,
    };
    let (is_negative, written) = match written.strip_prefix('-') {
        Some(written) => (true, written),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let number = ast::Value::Number(written.to_string(), false);
    let plain = plain_number(&number).unwrap_or_else(|| ast::Expr::value(number));
    let digits = plain.to_string();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !fraction.contains('.');
    let has_room = whole.len() <= WHOLE_DIGITS && fraction.len() <= FRACTION_DIGITS;
    if !is_number || has_room || WHOLE_DIGITS + FRACTION_DIGITS < whole.trim_start_matches('0').len() + fraction.len() {
        return None;
    }
    Some(match is_negative {
        true => ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: Box::new(plain) },
        false => plain,
    })
}

fn unary(op: ast::UnaryOperator, expr: &ast::Expr) -> Option<ast::Expr> {
    let minus = |expr: Box<ast::Expr>| ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr };
    match (op, expr) {
        (ast::UnaryOperator::PGSquareRoot, _) => Some(call("sqrt", vec![expr.clone()])),
        (ast::UnaryOperator::PGCubeRoot, _) => Some(call("cbrt", vec![expr.clone()])),
        (ast::UnaryOperator::PGAbs, _) => Some(call("abs", vec![expr.clone()])),
        (ast::UnaryOperator::BitwiseNot, _) => Some(ast::Expr::Nested(Box::new(ast::Expr::BinaryOp {
            left: Box::new(minus(Box::new(number(1)))),
            op: ast::BinaryOperator::Minus,
            right: Box::new(ast::Expr::Nested(Box::new(expr.clone()))),
        }))),
        (ast::UnaryOperator::Minus, ast::Expr::Interval(interval)) => {
            Some(arrow_interval(told_span(interval)?.negated()?))
        }
        // PostgreSQL's parser takes the sign for a part of the number: the least integer's opposite is a number too.
        (ast::UnaryOperator::Minus, expr) if let Some(number) = negative_number(expr) => Some(number),
        // A sign binds closer than `^`.
        (ast::UnaryOperator::Minus, ast::Expr::BinaryOp { left, op: ast::BinaryOperator::PGExp, right }) => {
            let base = unary(op, left).unwrap_or_else(|| minus(left.clone()));
            Some(ast::Expr::BinaryOp { left: Box::new(base), op: ast::BinaryOperator::PGExp, right: right.clone() })
        }
        _ => None,
    }
}

/// The number of `-1` and `(-1)`, without its sign.
fn negative_number(expr: &ast::Expr) -> Option<ast::Expr> {
    match expr {
        ast::Expr::Nested(inner) => negative_number(inner),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match expr.as_ref() {
            ast::Expr::Value(value) if matches!(value.value, ast::Value::Number(..)) => Some(expr.as_ref().clone()),
            _ => None,
        },
        _ => None,
    }
}

fn binary(left: &ast::Expr, op: &ast::BinaryOperator, right: &ast::Expr) -> Option<ast::Expr> {
    if let ast::BinaryOperator::AtArrow | ast::BinaryOperator::ArrowAt = op {
        let (left, right) = (Box::new(told_array(left)), Box::new(told_array(right)));
        return Some(ast::Expr::BinaryOp { left, op: op.clone(), right });
    }
    if *op == ast::BinaryOperator::PGOverlap {
        return Some(call("__array_overlap", vec![told_array(left), told_array(right)]));
    }
    if let (ast::BinaryOperator::Overlaps, ast::Expr::Tuple(first), ast::Expr::Tuple(second)) = (op, left, right) {
        return overlaps(first, second);
    }
    let name = match op {
        ast::BinaryOperator::PGStartsWith => "starts_with",
        _ => return None,
    };
    Some(call(name, vec![left.clone(), right.clone()]))
}

fn told_array(expr: &ast::Expr) -> ast::Expr {
    written_array(expr).unwrap_or_else(|| expr.clone())
}

/// `(a, b) OVERLAPS (c, d)`: an interval tells how long a span is.
fn overlaps(first: &[ast::Expr], second: &[ast::Expr]) -> Option<ast::Expr> {
    let ([start, end], [other_start, other_end]) = (first, second) else { return None };
    let told = |expr: &ast::Expr| match expr {
        ast::Expr::TypedString(typed) => Some(typed.data_type.clone()),
        ast::Expr::Cast { data_type, .. } => Some(data_type.clone()),
        ast::Expr::Interval(_) => Some(ast::DataType::Interval { fields: None, precision: None }),
        _ => None,
    };
    let ends = |start: &ast::Expr, end: &ast::Expr| match told(end) {
        Some(ast::DataType::Interval { .. }) => ast::Expr::Nested(Box::new(ast::Expr::BinaryOp {
            left: Box::new(start.clone()),
            op: ast::BinaryOperator::Plus,
            right: Box::new(end.clone()),
        })),
        _ => end.clone(),
    };
    let all = [start.clone(), ends(start, end), other_start.clone(), ends(other_start, other_end)];
    let timestamp = ast::DataType::Timestamp(None, ast::TimezoneInfo::None);
    Some(call("__overlaps", all.into_iter().map(|expr| as_type(expr, timestamp.clone())).collect()))
}

/// Whether a call has other words before functions are looked up.
pub fn is_reworded(function: &ast::Function) -> bool {
    matches!(function.args, ast::FunctionArguments::List(_)) && function_call(function).is_some()
}

/// The arguments of a plain call.
pub(super) fn arguments(function: &ast::Function) -> Option<Vec<&ast::Expr>> {
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let plain = |argument| match argument {
        &ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

fn function_call(function: &ast::Function) -> Option<ast::Expr> {
    let name = function.name.to_string().to_lowercase();
    if matches!(function.args, ast::FunctionArguments::None) {
        return bare_word(&name);
    }
    let arguments = arguments(function)?;
    let nested = |expr: &ast::Expr| Box::new(ast::Expr::Nested(Box::new(expr.clone())));
    let divided = |op, left: &ast::Expr, right: &ast::Expr| {
        let quotient = ast::Expr::BinaryOp { left: nested(left), op, right: nested(right) };
        ast::Expr::Nested(Box::new(quotient))
    };
    if name.starts_with("json") {
        return json_words::reworded(&name, function, &arguments);
    }
    match (name.as_str(), arguments.as_slice()) {
        ("transaction_timestamp" | "statement_timestamp", []) => Some(call("now", Vec::new())),
        ("mod", [left, right]) => Some(divided(ast::BinaryOperator::Modulo, left, right)),
        ("div", [left, right]) => Some(call("trunc", vec![divided(ast::BinaryOperator::Divide, left, right)])),
        ("age", [since]) => {
            let today = as_type(call("now", Vec::new()), ast::DataType::Date);
            let midnight = as_type(today, ast::DataType::Timestamp(None, ast::TimezoneInfo::None));
            Some(call("age", vec![midnight, (*since).clone()]))
        }
        // The days of the zone, told as instants.
        ("date_trunc", [unit, time, zone]) => {
            let local = call("timezone", vec![(*zone).clone(), (*time).clone()]);
            Some(call("timezone", vec![(*zone).clone(), call("date_trunc", vec![(*unit).clone(), local])]))
        }
        ("date_trunc", [ast::Expr::Value(unit), time]) => {
            let ast::Value::SingleQuotedString(unit) = &unit.value else { return None };
            let unit = unit.to_lowercase();
            let one = unit.strip_suffix('s').filter(|one| ONE_OF_MANY.contains(one))?;
            Some(call("date_trunc", vec![text(one), (*time).clone()]))
        }
        ("array_cat", [array, null] | [null, array]) if is_null(null) => Some((*array).clone()),
        ("width_bucket", [value, bounds]) => Some(call("__width_bucket", vec![(*value).clone(), told_array(bounds)])),
        ("to_number", [value, ast::Expr::Value(pattern)]) => {
            let ast::Value::SingleQuotedString(pattern) = &pattern.value else { return None };
            let digits = |text: &str| text.bytes().filter(|byte| matches!(byte, b'0' | b'9')).count() as i64;
            let scale = pattern.split_once(['.', 'D', 'd']).map_or(0, |(_, fraction)| digits(fraction));
            let info = ast::ExactNumberInfo::PrecisionAndScale(38, scale);
            let read = call("__to_number", vec![(*value).clone(), text(pattern)]);
            Some(as_type(read, ast::DataType::Numeric(info)))
        }
        // With the digits of its seconds.
        ("current_timestamp" | "localtimestamp" | "localtime", [digits]) => {
            let now = bare_word(&name).unwrap_or_else(|| call("now", Vec::new()));
            Some(call("__to_precision", vec![now, (*digits).clone()]))
        }
        ("every", [_]) => {
            let mut renamed = function.clone();
            renamed.name = ast::ObjectName::from(vec![ast::Ident::new("bool_and")]);
            Some(ast::Expr::Function(renamed))
        }
        // PostgreSQL's base64 has its padding.
        ("encode", [bytes, ast::Expr::Value(encoding)]) if matches!(&encoding.value, ast::Value::SingleQuotedString(name) if name.eq_ignore_ascii_case("base64")) => {
            Some(call("encode", vec![(*bytes).clone(), text("base64pad")]))
        }
        _ => None,
    }
}

fn is_null(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if value.value == ast::Value::Null)
}

/// Whether a word is a function without parentheses.
pub fn is_bare_word(word: &str) -> bool {
    bare_word(word).is_some()
}

fn now_as(data_type: ast::DataType) -> ast::Expr {
    as_type(call("now", Vec::new()), data_type)
}

fn bare_word(word: &str) -> Option<ast::Expr> {
    match word.to_ascii_lowercase().as_str() {
        "localtimestamp" => Some(now_as(ast::DataType::Timestamp(None, ast::TimezoneInfo::None))),
        "localtime" => Some(now_as(ast::DataType::Time(None, ast::TimezoneInfo::None))),
        // Nobody becomes another user.
        "current_role" | "current_user" | "session_user" | "user" => Some(call("current_user", Vec::new())),
        "current_schema" => Some(text("public")),
        "current_catalog" => Some(text("tidemill")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_for_which_numeric_has_no_room() {
        let number = |text: &str| ast::Expr::value(ast::Value::Number(text.to_string(), false));
        for (expr, kept) in [
            (number("0.123456789012"), Some("0.123456789012")),
            (number("0.1234567890"), None),
            (text("0.00000000001"), Some("0.00000000001")),
            (text(" -1e-12 "), Some("-0.000000000001")),
            (text("12345678901234567890123456789"), Some("12345678901234567890123456789")),
            (number("5"), None),
            (text("NaN"), None),
            (text("1.2.3.4.5.6.7.8.9.0.1.2"), None),
            (text("0.123456789012345678901234567890123456789"), None),
        ] {
            assert_eq!(own_digits(&expr).map(|expr| expr.to_string()).as_deref(), kept, "{expr}");
        }
    }

    #[test]
    fn exponents_are_written_out() {
        for (written, plain) in [
            ("1e3", "1000."),
            ("1.5e3", "1500."),
            ("1.5e1", "15."),
            ("1.25e1", "12.5"),
            ("1.5e-3", "0.0015"),
            ("15e-1", "1.5"),
            (".5e1", "5."),
            ("5e-1", "0.5"),
            ("0e5", "000000."),
        ] {
            let found = plain_number(&ast::Value::Number(written.to_string(), false));
            assert_eq!(found.map(|expr| expr.to_string()).as_deref(), Some(plain), "{written}");
        }
        assert!(plain_number(&ast::Value::Number("15".to_string(), false)).is_none());
    }
}
