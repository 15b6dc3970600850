//! Round trips, order and garbage, over random rows of every type.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BinaryArray;
use arrow::array::BooleanArray;
use arrow::array::Date32Array;
use arrow::array::Decimal128Array;
use arrow::array::Float64Array;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::StringArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::array::make_comparator;
use arrow::compute::SortOptions;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::RowKeys;
use super::RowValues;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::format::decode_slice;
use crate::format::encode_slice;

const ROWS: usize = 64;

fn some<T>(random: &SeededRandom, value: impl Fn(u64) -> T) -> Vec<Option<T>> {
    (0..ROWS).map(|_| (!random.next_u64().is_multiple_of(5)).then(|| value(random.next_u64()))).collect()
}

/// Small and extreme values, so that equal keys, prefixes and sign changes are common.
fn long(bits: u64) -> i64 {
    match bits % 4 {
        0 => (bits >> 8) as i64 % 3,
        1 => i64::MIN + (bits >> 60) as i64,
        2 => i64::MAX - (bits >> 60) as i64,
        _ => bits as i64,
    }
}

fn double(bits: u64) -> f64 {
    match bits % 8 {
        0 => 0.0,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => f64::NAN,
        4 => (bits >> 62) as f64 - 1.5,
        _ => Some(f64::from_bits(bits)).filter(|double| !double.is_nan() && *double != 0.0).unwrap_or(1.0),
    }
}

fn bytes(bits: u64) -> Vec<u8> {
    bits.to_le_bytes()[..(bits % 5) as usize].iter().map(|byte| [0, 1, 0xFE, 0xFF][(byte % 4) as usize]).collect()
}

fn text(bits: u64) -> String {
    bytes(bits).iter().map(|byte| ['\0', 'a', 'é', '\u{10FFFF}'][(byte % 4) as usize]).collect()
}

fn columns(random: &SeededRandom) -> Vec<ArrayRef> {
    vec![
        Arc::new(BooleanArray::from(some(random, |bits| bits % 2 == 0))),
        Arc::new(Int32Array::from(some(random, |bits| long(bits) as i32))),
        Arc::new(Int64Array::from(some(random, long))),
        Arc::new(Float64Array::from(some(random, double))),
        Arc::new(
            Decimal128Array::from(some(random, |bits| i128::from(long(bits)) << (bits % 40)))
                .with_precision_and_scale(38, 4)
                .expect("38 digits"),
        ),
        Arc::new(StringArray::from(some(random, text))),
        Arc::new(some(random, bytes).into_iter().collect::<BinaryArray>()),
        Arc::new(Date32Array::from(some(random, |bits| long(bits) as i32))),
        Arc::new(TimestampMicrosecondArray::from(some(random, long)).with_timezone("UTC")),
    ]
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

#[test]
fn keys_and_rows_come_back_as_they_were() {
    for seed in 0..20 {
        let batch = batch(columns(&SeededRandom::new(seed)));
        let schema = batch.schema();
        let keys = RowKeys::encode(batch.columns()).expect("types with a key");
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        assert_eq!(RowKeys::decode(&keys, &schema).expect("our own bytes"), batch, "seed {seed}");
        let rows = RowValues::encode(&batch).expect("types with a row");
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        assert_eq!(RowValues::decode(&rows, &schema).expect("our own bytes"), batch, "seed {seed}");
        let slice = encode_slice(&batch).expect("no dictionaries");
        assert_eq!(decode_slice(&slice, schema).expect("our own bytes"), batch, "seed {seed}");
    }
}

#[test]
fn encoded_keys_sort_as_their_values_nulls_first() {
    let options = SortOptions { descending: false, nulls_first: true };
    for seed in 0..20 {
        let random = SeededRandom::new(seed);
        let all = columns(&random);
        for _ in 0..6 {
            let first = all[(random.next_u64() % all.len() as u64) as usize].clone();
            let second = all[(random.next_u64() % all.len() as u64) as usize].clone();
            let keys = RowKeys::encode(&[first.clone(), second.clone()]).expect("types with a key");
            let by_first = make_comparator(&first, &first, options).expect("comparable");
            let by_second = make_comparator(&second, &second, options).expect("comparable");
            for left in 0..ROWS {
                for right in 0..ROWS {
                    let expected: Ordering = by_first(left, right).then(by_second(left, right));
                    assert_eq!(keys[left].cmp(&keys[right]), expected, "seed {seed}, rows {left} and {right}");
                }
            }
        }
    }
}

#[test]
fn both_zeros_and_all_nans_have_one_key() {
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY]));
    let keys = RowKeys::encode(&[doubles]).expect("doubles have a key");
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[2], keys[3]);
    assert!(keys[4] < keys[2], "NaN is above infinity");
}

#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let random = SeededRandom::new(7);
    let batch = batch(columns(&random));
    let schema = batch.schema();
    let keys = RowKeys::encode(batch.columns()).expect("types with a key");
    let rows = RowValues::encode(&batch).expect("types with a row");
    let slice = encode_slice(&batch).expect("no dictionaries");
    for round in 0..4000 {
        for good in [&keys[round % ROWS], &rows[round % ROWS]] {
            let mut bad = good.clone();
            let place = random.next_u64() as usize % bad.len();
            match random.next_u64() % 3 {
                0 => bad[place] ^= 1 << (random.next_u64() % 8),
                1 => bad.truncate(place),
                _ => bad.insert(place, random.next_u64() as u8),
            }
            let _ = RowKeys::decode(&[&bad], &schema);
            let _ = RowValues::decode(&[&bad], &schema);
        }
        let mut bad = slice.clone();
        let place = random.next_u64() as usize % bad.len();
        bad[place] ^= 1 << (random.next_u64() % 8);
        assert!(decode_slice(&bad, schema.clone()).is_err(), "a flipped bit is found");
        assert!(decode_slice(&slice[..place], schema.clone()).is_err(), "a torn slice is found");
    }
}
