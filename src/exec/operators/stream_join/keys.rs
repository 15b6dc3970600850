//! The keys of a stream-stream join's state; `docs/design/0007-joins.md` draws them.

use bytes::Bytes;

use crate::exec::operators::sortable;
use crate::exec::operators::sortable::sortable;

/// Which input of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// Port 0.
    Left,
    /// Port 1.
    Right,
}

impl Port {
    /// Its number.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Port::Left => Port::Right,
            Port::Right => Port::Left,
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Port::Left),
            1 => Some(Port::Right),
            _ => None,
        }
    }
}

/// First byte of the key of a row that waits for its window to close.
const PENDING: u8 = 2;
/// The key of the operator's time and its count of rows.
pub const CLOCK: &[u8] = &[3];

fn number(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(sortable::number)
}

/// What the keys of all rows of a side, a bucket of time and a join key begin with.
pub fn prefix(port: Port, bucket: i64, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 25);
    bytes.push(port as u8);
    bytes.extend(sortable(bucket));
    bytes.extend(key);
    bytes
}

/// Where the rows below a `prefix` end. No row has the greatest time and place.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    end.extend([u8::MAX; 16]);
    end
}

/// The key of a row: prefix, event time, place of arrival.
pub fn row(prefix: &[u8], time: i64, place: i64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(prefix.len() + 16);
    bytes.extend(prefix);
    bytes.extend(sortable(time));
    bytes.extend(sortable(place));
    bytes
}

/// Event time and place of a row's key.
pub fn time_and_place(key: &[u8]) -> Option<(i64, i64)> {
    let (rest, place) = key.split_last_chunk::<8>()?;
    let (_, time) = rest.split_last_chunk::<8>()?;
    Some((number(time)?, number(place)?))
}

/// Where the rows of a side begin that are not in a bucket below `bucket`.
pub fn bucket(port: Port, bucket: i64) -> Vec<u8> {
    let mut bytes = vec![port as u8];
    bytes.extend(sortable(bucket));
    bytes
}

/// The key of a row that has met nobody: when it closes, side, place of arrival.
pub fn pending(closes: i64, port: Port, place: i64) -> Vec<u8> {
    let mut bytes = vec![PENDING];
    bytes.extend(sortable(closes));
    bytes.push(port as u8);
    bytes.extend(sortable(place));
    bytes
}

/// The range of those that close at `now` or before.
pub fn closed(now: i64) -> (Vec<u8>, Vec<u8>) {
    let mut end = vec![PENDING];
    end.extend(sortable(now));
    end.push(u8::MAX);
    (vec![PENDING], end)
}

/// The side of a pending row.
pub fn pending_port(key: &[u8]) -> Option<Port> {
    key.get(9).copied().and_then(Port::of_byte)
}

/// A pending row's value: its event time, then its columns.
pub fn pending_value(time: i64, row: &[u8]) -> Vec<u8> {
    let mut bytes = sortable(time).to_vec();
    bytes.extend(row);
    bytes
}

/// The parts of `pending_value`.
pub fn pending_parts(value: &Bytes) -> Option<(i64, Bytes)> {
    Some((number(value.get(..8)?)?, value.slice(8..)))
}

/// The value of `CLOCK`.
pub fn clock_value(now: i64, places: i64) -> Vec<u8> {
    [sortable(now), sortable(places)].concat()
}

/// The parts of `clock_value`.
pub fn clock_parts(value: &[u8]) -> Option<(i64, i64)> {
    Some((number(value.get(..8)?)?, number(value.get(8..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_side_bucket_key_time_and_place() {
        let keys = [
            row(&prefix(Port::Left, -1, b"b"), 0, 0),
            row(&prefix(Port::Left, 0, b"a"), -5, 9),
            row(&prefix(Port::Left, 0, b"a"), 3, 1),
            row(&prefix(Port::Left, 0, b"a"), 3, 2),
            row(&prefix(Port::Left, 0, b"b"), 0, 0),
            row(&prefix(Port::Right, -7, b"a"), 0, 0),
            pending(i64::MIN, Port::Right, 0),
            pending(4, Port::Left, 1),
            CLOCK.to_vec(),
        ];
        assert!(keys.is_sorted());
        assert_eq!(time_and_place(&keys[1]), Some((-5, 9)));
        assert_eq!(pending_port(&keys[6]), Some(Port::Right));
        assert_eq!(pending_parts(&Bytes::from(pending_value(-3, b"row"))), Some((-3, Bytes::from_static(b"row"))));
        assert_eq!(clock_parts(&clock_value(i64::MIN, 7)), Some((i64::MIN, 7)));
    }

    #[test]
    fn what_closes_now_is_in_the_range_and_what_closes_later_is_not() {
        let (from, to) = closed(10);
        let within = |key: Vec<u8>| from <= key && key < to;
        assert!(within(pending(10, Port::Right, i64::MAX)) && within(pending(i64::MIN, Port::Left, 0)));
        assert!(!within(pending(11, Port::Left, i64::MIN)) && !within(CLOCK.to_vec()));
    }
}
