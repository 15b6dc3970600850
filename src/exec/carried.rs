//! Headers of the records that a task reads, on their way to the records that these cause.
//!
//! They do not pass the operators. A row that comes in has its place, `__seq`, and rows that leave have the place of the row that
//! caused them; so it is enough to know, until the cut, the headers of the records at some places. Records without headers are
//! not mentioned anywhere: without any, nothing is kept and nothing looked up.

use std::sync::Arc;

use super::ExecError;
use crate::protocol::Headers;
use crate::protocol::OwnedHeaders;
use crate::protocol::Record;

/// What an entry takes besides its headers.
const ENTRY_BYTES: usize = 40;

/// The headers of a batch's records by offset, or of a slice's rows by their producer's `__seq`; in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowHeaders(Vec<(i64, OwnedHeaders)>);

impl RowHeaders {
    /// Those of a batch, `None` if no record has any.
    pub fn of_records(records: &[Record<'_>]) -> Option<Arc<Self>> {
        let with_some = records.iter().filter(|record| 0 < record.headers.len());
        Self::made(with_some.map(|record| (record.offset.0, record.headers.to_owned())).collect())
    }

    fn made(entries: Vec<(i64, OwnedHeaders)>) -> Option<Arc<Self>> {
        (!entries.is_empty()).then(|| Arc::new(Self(entries)))
    }

    /// Which entry is that of a place.
    pub fn find(&self, place: i64) -> Option<usize> {
        self.0.binary_search_by_key(&place, |(place, _)| *place).ok()
    }

    /// Memory.
    pub fn size_in_bytes(&self) -> usize {
        self.0.iter().map(|(_, headers)| ENTRY_BYTES + headers.as_headers().as_bytes().len()).sum()
    }

    /// As `Carried::encode` wrote them.
    pub fn decode(mut bytes: &[u8]) -> Result<Option<Arc<Self>>, ExecError> {
        let wrong = || ExecError::InternalRecord("the headers of a slice");
        let mut entries: Vec<(i64, OwnedHeaders)> = Vec::new();
        while !bytes.is_empty() {
            let place = i64::from_be_bytes(*bytes.split_off(..8).and_then(<[u8]>::first_chunk).ok_or_else(wrong)?);
            let mut number =
                || bytes.split_off(..4).and_then(<[u8]>::first_chunk).map(|four| u32::from_be_bytes(*four));
            let (Some(count), Some(length)) = (number(), number()) else { return Err(wrong()) };
            let of_record = bytes.split_off(..length as usize).ok_or_else(wrong)?;
            let count = i32::try_from(count).map_err(|_| wrong())?;
            entries.push((place, Headers::check(count, of_record).map_err(|_| wrong())?.to_owned()));
        }
        if !entries.is_sorted_by_key(|(place, _)| *place) {
            return Err(wrong());
        }
        Ok(Self::made(entries))
    }
}

/// The headers at the places of a cut's rows.
#[derive(Debug, Default)]
pub struct Carried {
    /// `__seq`, ascending, and which entry of which headers.
    entries: Vec<(i64, Arc<RowHeaders>, usize)>,
    bytes: usize,
}

impl Carried {
    /// The row at `seq`, which follows those noted before or is the last of them, was caused by this entry.
    pub fn note(&mut self, seq: i64, headers: &Arc<RowHeaders>, entry: usize) {
        if self.entries.last().is_some_and(|(last, ..)| *last == seq) {
            return;
        }
        debug_assert!(self.entries.last().is_none_or(|(last, ..)| *last < seq));
        self.bytes += ENTRY_BYTES + headers.0[entry].1.as_headers().as_bytes().len();
        self.entries.push((seq, Arc::clone(headers), entry));
    }

    /// Those of a later round follow; how many bytes they take.
    pub fn extend(&mut self, later: Self) -> usize {
        self.bytes += later.bytes;
        match self.entries.is_empty() {
            true => self.entries = later.entries,
            false => self.entries.extend(later.entries),
        }
        later.bytes
    }

    /// The headers of the record that stands at `seq`, if there is one.
    pub fn of(&self, seq: i64) -> Headers<'_> {
        if self.entries.is_empty() {
            return Headers::default();
        }
        match self.entries.binary_search_by_key(&seq, |(seq, ..)| *seq) {
            Ok(found) => {
                let (_, headers, entry) = &self.entries[found];
                headers.0[*entry].1.as_headers()
            }
            Err(_) => Headers::default(),
        }
    }

    /// Those at these places, for the reader of a slice with these rows; empty if there are none.
    pub fn encode(&self, seqs: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.entries.is_empty() {
            return bytes;
        }
        let mut seqs: Vec<i64> = seqs.to_vec();
        seqs.sort_unstable();
        seqs.dedup();
        for seq in seqs {
            let headers = self.of(seq);
            if 0 < headers.len() {
                bytes.extend_from_slice(&seq.to_be_bytes());
                bytes.extend_from_slice(&(headers.len() as u32).to_be_bytes());
                bytes.extend_from_slice(&(headers.as_bytes().len() as u32).to_be_bytes());
                bytes.extend_from_slice(headers.as_bytes());
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BatchBuilder;

    type Pairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn pairs(headers: Headers<'_>) -> Pairs {
        headers.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect()
    }

    /// The headers of records 0 to 2, of which 1 has none.
    fn headers() -> Option<Arc<RowHeaders>> {
        let mut builder = BatchBuilder::new();
        builder.append(0, None, None, &[(b"a", Some(b"1")), (b"a", None)]);
        builder.append(0, None, None, &[]);
        builder.append(0, None, None, &[(b"", Some(b""))]);
        let batch = builder.finish();
        let payload = batch.payload().expect("a payload");
        let records: Vec<_> = payload.records().collect::<Result<_, _>>().expect("records");
        RowHeaders::of_records(&records)
    }

    #[test]
    fn headers_are_found_by_place_and_survive_a_slice() {
        let headers = headers().expect("two records have headers");
        let mut carried = Carried::default();
        for (seq, offset) in [(5, 0), (5, 0), (7, 2)] {
            carried.note(seq, &headers, headers.find(offset).expect("it has headers"));
        }
        assert_eq!(headers.find(1), None);
        let of_first: Pairs = vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"a".to_vec(), None)];
        assert_eq!(pairs(carried.of(5)), of_first);
        assert_eq!(pairs(carried.of(7)), [(Vec::new(), Some(Vec::new()))]);
        assert_eq!(carried.of(6).len() + carried.of(i64::MIN).len(), 0);
        let read = RowHeaders::decode(&carried.encode(&[7, 6, 5, 5])).expect("as it was written").expect("not empty");
        assert_eq!(read.find(6), None);
        let mut behind = Carried::default();
        behind.note(1, &read, read.find(5).expect("it is there"));
        assert_eq!(pairs(behind.of(1)), of_first);
        assert_eq!(carried.extend(behind), 40 + 7);
    }

    #[test]
    fn records_without_headers_leave_nothing() {
        assert_eq!(RowHeaders::of_records(&[]), None);
        assert_eq!(Carried::default().encode(&[1, 2]), Vec::<u8>::new());
        assert_eq!(RowHeaders::decode(&[]).expect("nothing is right"), None);
    }

    #[test]
    fn damaged_headers_of_a_slice_are_an_error() {
        let headers = headers().expect("two records have headers");
        let mut carried = Carried::default();
        carried.note(5, &headers, 0);
        let bytes = carried.encode(&[5]);
        for length in 1..bytes.len() {
            assert!(RowHeaders::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        let mut twice = bytes.clone();
        twice[7] = 9;
        twice.extend_from_slice(&bytes);
        assert!(RowHeaders::decode(&twice).is_err(), "in another order");
    }
}
