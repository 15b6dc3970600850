//! Which types PostgreSQL casts to which, and which it assigns to columns of another: what `pg_cast` has, for the types there are here.

use datafusion::arrow::datatypes::DataType;

/// What a type is to operators and casts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing has told a type yet.
    Unknown,
    Number,
    Text,
    Boolean,
    Date,
    /// A timestamp, with a zone or without.
    Instant,
    /// A time of day.
    Clock,
    Span,
    Bytes,
    Json,
    Jsonb,
    Array,
    /// A MAP, a STRUCT and what else PostgreSQL does not have: their rules are their own.
    Other,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Kind::Unknown,
            DataType::Utf8 | DataType::Utf8View => Kind::Text,
            DataType::LargeUtf8 => Kind::Json,
            DataType::LargeBinary => Kind::Jsonb,
            DataType::Boolean => Kind::Boolean,
            DataType::Date32 => Kind::Date,
            DataType::Timestamp(..) => Kind::Instant,
            DataType::Time32(_) | DataType::Time64(_) => Kind::Clock,
            DataType::Interval(_) | DataType::Duration(_) => Kind::Span,
            DataType::Binary | DataType::BinaryView => Kind::Bytes,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Kind::Array,
            other if other.is_numeric() => Kind::Number,
            _ => Kind::Other,
        }
    }

    /// A date or a timestamp.
    pub(super) fn is_moment(self) -> bool {
        matches!(self, Kind::Date | Kind::Instant)
    }
}

fn item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// Whether CAST takes one type to the other.
pub fn castable(from: &DataType, to: &DataType) -> bool {
    let is_int = |of: &DataType| matches!(of, DataType::Int8 | DataType::Int16 | DataType::Int32);
    match (Kind::of(from), Kind::of(to)) {
        // A type's text can be told of any value, and is read as any.
        (Kind::Unknown | Kind::Text | Kind::Other, _) | (_, Kind::Unknown | Kind::Text | Kind::Other) => true,
        (Kind::Array, Kind::Array) => item(from).zip(item(to)).is_none_or(|(from, to)| castable(from, to)),
        (Kind::Json | Kind::Jsonb, Kind::Json | Kind::Jsonb) | (Kind::Jsonb, Kind::Number | Kind::Boolean) => true,
        (Kind::Number, Kind::Boolean) => is_int(from),
        (Kind::Boolean, Kind::Number) => is_int(to),
        (Kind::Date | Kind::Instant, Kind::Date | Kind::Instant) | (Kind::Instant, Kind::Clock) => true,
        (Kind::Clock, Kind::Span) | (Kind::Span, Kind::Clock) => true,
        (from, to) => from == to,
    }
}

/// Whether a value of one type is stored in a column of the other without a cast that is written out.
pub fn assignable(from: &DataType, to: &DataType) -> bool {
    match (Kind::of(from), Kind::of(to)) {
        (Kind::Array, Kind::Array) => item(from).zip(item(to)).is_none_or(|(from, to)| assignable(from, to)),
        (Kind::Unknown | Kind::Other, _) | (_, Kind::Other | Kind::Text) => true,
        (Kind::Text | Kind::Json | Kind::Jsonb, Kind::Number | Kind::Boolean) => false,
        (Kind::Text, _) | (Kind::Number, Kind::Boolean) | (Kind::Boolean, Kind::Number) => false,
        _ => castable(from, to),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::IntervalUnit;
    use datafusion::arrow::datatypes::TimeUnit;

    use super::*;

    /// Arrow's types of `boolean`, `integer` and so on, in the order of the table below.
    fn types() -> [DataType; 11] {
        [
            DataType::Boolean,
            DataType::Int32,
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal128(38, 10),
            DataType::Utf8,
            DataType::Binary,
            DataType::Date32,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Interval(IntervalUnit::MonthDayNano),
        ]
    }

    #[test]
    fn casts_are_those_of_pg_cast() {
        // `a`: assigned too; `e`: by CAST alone; `.`: not at all.
        let table = [
            "ae...a.....", // boolean
            "eaaaaa.....", // integer
            ".aaaaa.....", // bigint
            ".aaaaa.....", // double precision
            ".aaaaa.....", // numeric
            "eeeeeaeeeee", // text
            ".....aa....", // bytea
            ".....a.a.a.", // date
            ".....a..a.a", // time
            ".....a.aaa.", // timestamp
            ".....a..a.a", // interval
        ];
        for (from, row) in types().iter().zip(table) {
            for (to, wanted) in types().iter().zip(row.chars()) {
                let found = match (assignable(from, to), castable(from, to)) {
                    (true, true) => 'a',
                    (false, true) => 'e',
                    (false, false) => '.',
                    (true, false) => '!',
                };
                assert_eq!(found, wanted, "{from} to {to}");
            }
        }
    }

    #[test]
    fn arrays_are_cast_as_their_elements_are() {
        let list = |item: DataType| DataType::new_list(item, true);
        assert!(assignable(&list(DataType::Int32), &list(DataType::Int64)));
        assert!(!assignable(&list(DataType::Utf8), &list(DataType::Int32)));
        assert!(castable(&list(DataType::Utf8), &list(DataType::Int32)));
        assert!(!castable(&list(DataType::Date32), &list(DataType::Int32)));
        assert!(!castable(&DataType::Int32, &list(DataType::Int32)));
    }
}
