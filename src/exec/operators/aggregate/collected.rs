//! The values that aggregates such as COLLECT_LIST and TOPK keep of a group, and their layout in state.
//!
//! State: the number of values as 4 bytes, then each as FIRST has its own, with how often it
//! came as 8 bytes, big endian.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::ListArray;
use arrow::array::MapArray;
use arrow::array::StructArray;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;

use super::accumulate::Kept;
use super::accumulate::read_kept;
use super::accumulate::take;
use super::accumulate::write_kept;
use super::results::Results;
use crate::exec::ExecError;
use crate::functions::Collect;

/// The most values that a histogram counts, as in ksqlDB.
const HISTOGRAM_MAX: usize = 1000;

/// The values of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collected {
    values: Vec<Item>,
}

/// A value that a group keeps.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    value: Option<Kept>,
    /// How often it came; more than once only in a histogram and a set.
    count: i64,
    /// The number of its first row.
    arrival: i64,
}

impl Collected {
    /// A row's value; `weight` -1 takes it back, the last one that is equal. Rows come in the order of `arrival`.
    pub fn add(&mut self, kind: Collect, value: Option<Kept>, weight: i64, arrival: i64) {
        let ignores_nulls = match kind {
            Collect::List | Collect::Set | Collect::Attr => false,
            Collect::Earliest { ignores_nulls, .. } | Collect::Latest { ignores_nulls, .. } => ignores_nulls,
            Collect::TopK { .. }
            | Collect::TopRows { .. }
            | Collect::TopKDistinct { .. }
            | Collect::Histogram
            | Collect::CountDistinct => true,
        };
        if value.is_none() && ignores_nulls {
            return;
        }
        self.take(kind, Item { value, count: weight, arrival });
    }

    /// Takes all that another group has seen; which of the two is merged into which makes no difference.
    pub fn merge(&mut self, kind: Collect, other: &Collected) {
        match kind {
            // The order of these is that of their values, and of equal ones that of their rows.
            Collect::TopK { .. } | Collect::TopRows { .. } | Collect::TopKDistinct { .. } => {
                other.values.iter().for_each(|item| self.take(kind, item.clone()));
            }
            Collect::List
            | Collect::Set
            | Collect::Attr
            | Collect::CountDistinct
            | Collect::Histogram
            | Collect::Earliest { .. }
            | Collect::Latest { .. } => {
                let mut both = std::mem::take(&mut self.values);
                both.extend(other.values.iter().cloned());
                both.sort_by_key(|item| item.arrival);
                both.into_iter().for_each(|item| self.take(kind, item));
            }
        }
    }

    fn take(&mut self, kind: Collect, item: Item) {
        match kind {
            Collect::List if item.count < 0 => {
                if let Some(at) = self.values.iter().rposition(|known| known.value == item.value) {
                    self.values.remove(at);
                }
            }
            Collect::List => self.values.push(item),
            Collect::Set => self.count(item, usize::MAX),
            Collect::CountDistinct => {
                if !self.knows(&item) {
                    self.values.push(item);
                }
            }
            // Two tell already that not all are one.
            Collect::Attr => {
                if self.values.len() < 2 && !self.knows(&item) {
                    self.values.push(item);
                }
            }
            Collect::TopK { k } | Collect::TopRows { k } => self.insert(item, k),
            Collect::TopKDistinct { k } => {
                if !self.knows(&item) {
                    self.insert(item, k);
                }
            }
            Collect::Histogram => self.count(item, HISTOGRAM_MAX),
            Collect::Earliest { n, .. } => {
                if self.values.len() < n as usize {
                    self.values.push(item);
                }
            }
            Collect::Latest { n, .. } => {
                self.values.push(item);
                let over = self.values.len().saturating_sub(n as usize);
                self.values.drain(..over);
            }
        }
    }

    fn knows(&self, item: &Item) -> bool {
        self.has(&item.value)
    }

    /// Into the place that the value has from the greatest down, behind those that are equal and came before.
    fn insert(&mut self, item: Item, k: u32) {
        let before = |known: &Item| match compare(known.value.as_ref(), item.value.as_ref()) {
            Ordering::Greater => true,
            Ordering::Equal => known.arrival <= item.arrival,
            Ordering::Less => false,
        };
        let at = self.values.partition_point(before);
        self.values.insert(at, item);
        self.values.truncate(k as usize);
    }

    /// One more or one fewer of a value; of so many values no further one is counted.
    fn count(&mut self, item: Item, values_max: usize) {
        match self.values.iter().position(|known| known.value == item.value) {
            Some(at) => {
                self.values[at].count += item.count;
                if self.values[at].count == 0 {
                    self.values.remove(at);
                }
            }
            // One that goes and was not counted is one that came when there was no room.
            None if 0 < item.count && self.values.len() < values_max => self.values.push(item),
            None => {}
        }
    }

    /// These values, in their order.
    pub fn of(values: Vec<Option<Kept>>) -> Self {
        Self { values: values.into_iter().map(|value| Item { value, count: 1, arrival: 0 }).collect() }
    }

    /// Whether a value is among them.
    pub fn has(&self, value: &Option<Kept>) -> bool {
        self.values.iter().any(|known| known.value == *value)
    }

    /// The value, if there is one alone.
    pub fn only(&self) -> Option<Kept> {
        match self.values.as_slice() {
            [item] => item.value.clone(),
            _ => None,
        }
    }

    /// The result, an array of one: a list, or a histogram's map; `output` is its type. `None` for a count.
    pub fn result(&self, output: &DataType) -> Result<ArrayRef, ExecError> {
        let wrong = || ExecError::UnknownNode(format!("a collection of type {output}"));
        let length = self.values.len();
        Ok(match output {
            DataType::List(item) => {
                let values = self.column(item.data_type())?;
                Arc::new(ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths([length]), values, None)?)
            }
            DataType::Map(entries, sorted) => {
                let DataType::Struct(fields) = entries.data_type() else { return Err(wrong()) };
                let counts = Int64Array::from_iter_values(self.values.iter().map(|item| item.count));
                let columns = vec![self.column(fields[0].data_type())?, Arc::new(counts) as ArrayRef];
                let pairs = StructArray::try_new(fields.clone(), columns, None)?;
                let offsets = OffsetBuffer::from_lengths([length]);
                Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, None, *sorted)?)
            }
            DataType::Int64 => Arc::new(Int64Array::from(vec![i64::try_from(length).unwrap_or(i64::MAX)])),
            _ => return Err(wrong()),
        })
    }

    /// The values as a column of their type.
    pub fn column(&self, item: &DataType) -> Result<ArrayRef, ExecError> {
        let mut results = Results::new(item);
        for item in &self.values {
            results.push_kept(item.value.clone())?;
        }
        results.finish()
    }

    /// Adds the values to `state`.
    pub fn write(&self, state: &mut Vec<u8>) {
        state.extend((self.values.len() as u32).to_be_bytes());
        for Item { value, count, arrival } in &self.values {
            write_kept(Some(&(*arrival, value.clone())), state);
            state.extend(count.to_be_bytes());
        }
    }

    /// Reads what `write` wrote; `state` moves behind it.
    pub fn read(state: &mut &[u8]) -> Result<Self, ExecError> {
        let count = u32::from_be_bytes(take(state)?);
        let mut values = Vec::new();
        for _ in 0..count {
            let kept = read_kept(state)?.ok_or(ExecError::InternalRecord("the values of an aggregate"))?;
            let (arrival, value) = kept;
            values.push(Item { value, count: i64::from_be_bytes(take(state)?), arrival });
        }
        Ok(Self { values })
    }
}

fn compare(left: Option<&Kept>, right: Option<&Kept>) -> Ordering {
    match (left, right) {
        (Some(Kept::Int(left)), Some(Kept::Int(right))) => left.cmp(right),
        (Some(Kept::Float(left)), Some(Kept::Float(right))) => left.total_cmp(right),
        (Some(Kept::Bytes(left)), Some(Kept::Bytes(right))) => left.cmp(right),
        (Some(Kept::Ranked { rank: left, .. }), Some(Kept::Ranked { rank: right, .. })) => left.cmp(right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: &[Option<i128>], kind: Collect) -> Collected {
        let mut collected = Collected::default();
        for (arrival, value) in (0..).zip(values) {
            collected.add(kind, value.map(Kept::Int), 1, arrival);
        }
        collected
    }

    fn kept(collected: &Collected) -> Vec<Option<i128>> {
        let int = |value: &Option<Kept>| match value {
            Some(Kept::Int(value)) => Some(*value),
            _ => None,
        };
        collected.values.iter().map(|item| int(&item.value)).collect()
    }

    const ROWS: [Option<i128>; 6] = [Some(2), None, Some(5), Some(2), Some(7), None];

    #[test]
    fn each_kind_keeps_its_values() {
        for (kind, wanted) in [
            (Collect::List, ROWS.to_vec()),
            (Collect::Set, vec![Some(2), None, Some(5), Some(7)]),
            (Collect::TopK { k: 2 }, vec![Some(7), Some(5)]),
            (Collect::TopK { k: 4 }, vec![Some(7), Some(5), Some(2), Some(2)]),
            (Collect::TopKDistinct { k: 4 }, vec![Some(7), Some(5), Some(2)]),
            (Collect::CountDistinct, vec![Some(2), Some(5), Some(7)]),
            (Collect::Earliest { n: 2, ignores_nulls: true }, vec![Some(2), Some(5)]),
            (Collect::Earliest { n: 2, ignores_nulls: false }, vec![Some(2), None]),
            (Collect::Latest { n: 2, ignores_nulls: true }, vec![Some(2), Some(7)]),
            (Collect::Latest { n: 2, ignores_nulls: false }, vec![Some(7), None]),
        ] {
            assert_eq!(kept(&ints(&ROWS, kind)), wanted, "{kind:?}");
            for parts in 0..1 << ROWS.len() {
                assert_eq!(kept(&merged(kind, parts)), wanted, "{kind:?} in parts {parts:b}");
            }
        }
    }

    /// The rows whose bit is set in one group and the others in another, merged.
    fn merged(kind: Collect, parts: i32) -> Collected {
        let mut groups = [Collected::default(), Collected::default()];
        for (arrival, value) in (0..).zip(ROWS) {
            groups[usize::from(parts & 1 << arrival != 0)].add(kind, value.map(Kept::Int), 1, arrival);
        }
        let [mut own, other] = groups;
        own.merge(kind, &other);
        own
    }

    #[test]
    fn a_row_that_goes_takes_the_last_equal_value_or_its_count_away() {
        let mut list = ints(&ROWS, Collect::List);
        list.add(Collect::List, Some(Kept::Int(2)), -1, 9);
        assert_eq!(kept(&list), [Some(2), None, Some(5), Some(7), None]);
        let mut counts = ints(&ROWS, Collect::Histogram);
        counts.add(Collect::Histogram, Some(Kept::Int(2)), -1, 9);
        counts.add(Collect::Histogram, Some(Kept::Int(5)), -1, 9);
        assert_eq!(kept(&counts), [Some(2), Some(7)]);
        assert!(counts.values.iter().all(|item| item.count == 1));
    }

    #[test]
    fn state_comes_back_and_a_cut_one_is_an_error() {
        let mut collected = ints(&ROWS, Collect::List);
        collected.add(Collect::List, Some(Kept::Bytes(b"text".to_vec())), 1, 6);
        collected.add(Collect::List, Some(Kept::Float(-0.5)), 1, 7);
        let mut state = Vec::new();
        collected.write(&mut state);
        let mut rest = state.as_slice();
        assert_eq!(Collected::read(&mut rest).expect("what was written"), collected);
        assert!(rest.is_empty());
        for length in 0..state.len() {
            assert!(Collected::read(&mut &state[..length]).is_err(), "{length} bytes");
        }
    }
}
