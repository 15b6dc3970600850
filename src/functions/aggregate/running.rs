//! What a group keeps of its values.

use std::fmt::Debug;

use datafusion::arrow::array::ArrayRef;

use super::Number;
use super::OutOfRange;
use super::Total;

/// A sum in the making, of exact numbers or of doubles.
pub trait Running: Debug + Default + Clone + Send + Sync + 'static {
    /// A value.
    type Native;

    /// Takes a value; `weight` -1 takes it back.
    fn add(&mut self, value: Self::Native, weight: i64);

    /// Takes all values of another.
    fn merge(&mut self, other: &Self);

    /// Adds its bytes to `state`.
    fn write(&self, state: &mut Vec<u8>);

    /// What `write` wrote; `state` moves behind it. `None` for other bytes.
    fn read(state: &mut &[u8]) -> Option<Self>;

    /// The result.
    fn result(&self, total: &Total) -> Result<Number, OutOfRange>;

    /// Hands each row's value that is not null to `take`; `false` for an array of another type.
    fn for_each(values: &ArrayRef, take: impl FnMut(usize, Self::Native)) -> bool;
}

/// The next `N` bytes.
pub(super) fn take<const N: usize>(state: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = state.split_first_chunk::<N>()?;
    *state = rest;
    Some(*bytes)
}
