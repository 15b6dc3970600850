//! Values as clients write them; an error says what would do.

pub(super) fn number(value: &str) -> Result<i64, &'static str> {
    value.parse().map_err(|_| "a whole number")
}

pub(super) fn int(value: &str) -> Result<i32, &'static str> {
    value.parse().map_err(|_| "a whole number of 32 bits")
}

/// In any case, as in Kafka.
pub(super) fn boolean(value: &str) -> Result<bool, &'static str> {
    match () {
        () if value.eq_ignore_ascii_case("true") => Ok(true),
        () if value.eq_ignore_ascii_case("false") => Ok(false),
        () => Err("true or false"),
    }
}

/// -1 for no limit, -2 for that of the whole topic.
pub(super) fn local_limit(value: &str) -> Result<i64, &'static str> {
    number(value).ok().filter(|limit| -2 <= *limit).ok_or("a whole number from -2")
}

pub(super) fn not_negative(value: &str) -> Result<i64, &'static str> {
    number(value).ok().filter(|number| 0 <= *number).ok_or("a whole number from 0")
}

pub(super) fn positive(value: &str) -> Result<i64, &'static str> {
    number(value).ok().filter(|number| 1 <= *number).ok_or("a whole number from 1")
}

/// -1 for no limit.
pub(super) fn limit(value: &str) -> Result<Option<i64>, &'static str> {
    match number(value) {
        Ok(-1) => Ok(None),
        Ok(limit @ 0..) => Ok(Some(limit)),
        Ok(_) | Err(_) => Err("a whole number, or -1 for no limit"),
    }
}
