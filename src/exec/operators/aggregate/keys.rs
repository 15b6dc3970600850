//! The keys of an aggregate's state.
//!
//! | window | entry | key |
//! |---|---|---|
//! | none, tumbling | a group | the window's start, then the group, as `RowKeys` writes them |
//! | hopping | a pane | `0`, group, start of the pane |
//! | session | a session | `0`, group, end, start |
//! | hopping, session | a timer | `1`, time, group |
//! | none, tumbling | how often a value is there | `FE`, number of the first call that counts it, the group's key, the value |
//! | any | a number of the operator's own | `FF FF`, its name |
//!
//! A pane's or session's times are 8 bytes that sort as the numbers do; a timer has no value.

use bytes::Bytes;

use crate::exec::ExecError;
use crate::exec::operators::sortable::NUMBER_BYTES;
use crate::exec::operators::sortable::number;
use crate::exec::operators::sortable::sortable;

/// The operator's own stream time. Keys of groups begin with less.
pub const OWN_TIME: &[u8] = b"\xff\xfftime";
/// How many rows the operator has taken.
pub const ARRIVALS: &[u8] = b"\xff\xffrows";

/// The most bytes that a key has beside those of the group, here and in the operators that keep the rows that leave.
pub const OVERHEAD_BYTES: usize = 4 * (1 + NUMBER_BYTES);

/// The most bytes that the key of a count has beside those of the group's key and the value.
pub const COUNT_OVERHEAD_BYTES: usize = 3;

const COUNT: u8 = 0xfe;
const STATE: u8 = 0;
const TIMER: u8 = 1;

fn time_of(bytes: &[u8]) -> Result<i64, ExecError> {
    let bytes = bytes.try_into().map_err(|_| ExecError::InternalRecord("a time in a key of state"))?;
    Ok(number(bytes))
}

/// The key of a group's entry with these times; of fewer times the least key of those that begin with them.
pub fn entry(group: &[u8], times: &[i64]) -> Bytes {
    let mut key = Vec::with_capacity(1 + group.len() + times.len() * NUMBER_BYTES);
    key.push(STATE);
    key.extend_from_slice(group);
    times.iter().for_each(|time| key.extend(sortable(*time)));
    key.into()
}

/// What is behind the keys of all entries of a group.
pub fn end(group: &[u8]) -> Bytes {
    entry(group, &[i64::MAX])
}

/// The last time in a key of an entry.
pub fn last_time(key: &[u8]) -> Result<i64, ExecError> {
    time_of(key.last_chunk::<NUMBER_BYTES>().map_or(&[][..], |bytes| bytes))
}

/// The end and start in the key of a session.
pub fn end_and_start(key: &[u8]) -> Result<(i64, i64), ExecError> {
    let before = key.len().saturating_sub(NUMBER_BYTES);
    Ok((last_time(&key[..before])?, last_time(key)?))
}

/// The group in the key of an entry with `times` times.
pub fn group(key: &Bytes, times: usize) -> Bytes {
    key.slice(1..key.len() - times * NUMBER_BYTES)
}

/// The key of how often a value of a call is there; of no value what the keys of all values begin with.
pub fn count(call: usize, group: &[u8], value: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(COUNT_OVERHEAD_BYTES + group.len() + value.len());
    key.push(COUNT);
    key.extend((call as u16).to_be_bytes());
    key.extend_from_slice(group);
    key.extend_from_slice(value);
    key.into()
}

/// The key of a group's timer.
pub fn timer(time: i64, group: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(1 + NUMBER_BYTES + group.len());
    key.push(TIMER);
    key.extend(sortable(time));
    key.extend_from_slice(group);
    key.into()
}

/// The time and the group of a timer's key.
pub fn of_timer(key: &Bytes) -> Result<(i64, Bytes), ExecError> {
    let time = key.get(1..1 + NUMBER_BYTES).ok_or(ExecError::InternalRecord("a timer in state"))?;
    Ok((time_of(time)?, key.slice(1 + NUMBER_BYTES..)))
}

/// The least key of a timer.
pub const FIRST_TIMER: &[u8] = &[TIMER];
