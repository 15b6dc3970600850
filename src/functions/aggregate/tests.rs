//! Sums at the ends of their ranges, taken back, written and read.

use datafusion::arrow::datatypes::i256;

use super::DoubleSum;
use super::ExactSum;
use super::Number;
use super::Running;
use super::Total;
use super::TotalKind;
use super::TotalStyle;
use crate::error::Error;
use crate::model::SqlType;

fn total(kind: TotalKind, argument: &SqlType) -> Total {
    Total::new(kind, TotalStyle::Postgres, argument).expect("numbers have totals")
}

fn sum_of<R: Running>(values: impl IntoIterator<Item = R::Native>) -> R {
    let mut sum = R::default();
    values.into_iter().for_each(|value| sum.add(value, 1));
    sum
}

fn message<T: std::fmt::Debug>(result: Result<T, super::OutOfRange>) -> String {
    let error = Error::from(result.expect_err("out of range"));
    assert_eq!(error.state().0, "22003");
    error.message().to_string()
}

#[test]
fn a_sum_of_bigint_is_a_decimal_and_passes_the_ends_of_bigint() {
    let total = total(TotalKind::Sum, &SqlType::BigInt);
    assert_eq!(total.output(), &SqlType::Decimal { precision: 38, scale: 0 });
    let sum: ExactSum = sum_of([i128::from(i64::MAX), i128::from(i64::MAX), 2]);
    assert_eq!(total.of_exact(&sum), Ok(Number::Exact(1 << 64)));
}

#[test]
fn a_sum_that_does_not_fit_is_told_and_is_right_again_once_it_fits() {
    let ends = [
        (SqlType::Int, i128::from(i64::MAX), "bigint out of range"),
        (SqlType::Decimal { precision: 38, scale: 2 }, 10i128.pow(38) - 1, "value overflows numeric format"),
    ];
    for (argument, greatest, told) in ends {
        let total = total(TotalKind::Sum, &argument);
        let mut sum: ExactSum = sum_of([greatest, greatest, greatest]);
        assert_eq!(message(total.of_exact(&sum)), told);
        sum.add(greatest, -2);
        assert_eq!(total.of_exact(&sum), Ok(Number::Exact(greatest)));
    }
}

#[test]
fn ksqldb_wraps_integers_in_the_type_of_the_argument_and_refuses_decimals() {
    let total = |argument| Total::new(TotalKind::Sum, TotalStyle::Ksqldb, &argument).expect("numbers have totals");
    let sum: ExactSum = sum_of([i128::from(i32::MAX), 1]);
    assert_eq!(total(SqlType::Int).of_exact(&sum), Ok(Number::Exact(i128::from(i32::MIN))));
    let sum: ExactSum = sum_of([i128::from(i64::MAX), 1]);
    assert_eq!(total(SqlType::BigInt).of_exact(&sum), Ok(Number::Exact(i128::from(i64::MIN))));
    let sum: ExactSum = sum_of([99, 1]);
    let decimal = total(SqlType::Decimal { precision: 2, scale: 0 });
    assert_eq!(message(decimal.of_exact(&sum)), "Numeric field overflow");
    assert_eq!(decimal.of_exact(&ExactSum::default()), Ok(Number::Exact(0)));
}

#[test]
fn an_average_of_decimals_fits_wherever_they_do_and_rounds_half_away_from_zero() {
    let greatest = 10i128.pow(38) - 1;
    let widest = total(TotalKind::Avg, &SqlType::Decimal { precision: 38, scale: 0 });
    assert_eq!(widest.of_exact(&sum_of([greatest, greatest])), Ok(Number::Exact(greatest)));
    let average = total(TotalKind::Avg, &SqlType::Decimal { precision: 4, scale: 2 });
    assert_eq!(average.output(), &SqlType::Decimal { precision: 8, scale: 6 });
    assert_eq!(average.of_exact(&sum_of([1, 1, 0])), Ok(Number::Exact(6667)));
    let halves = total(TotalKind::Avg, &SqlType::Decimal { precision: 38, scale: 2 });
    assert_eq!(halves.of_exact(&sum_of([0, -1])), Ok(Number::Exact(-1)));
    assert_eq!(halves.of_exact(&ExactSum::default()), Ok(Number::Null));
}

#[test]
fn what_is_no_number_can_be_taken_back_from_a_sum_of_doubles() {
    let total = total(TotalKind::Sum, &SqlType::Double);
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        let mut sum: DoubleSum = sum_of([1.5, odd, odd, 2.0]);
        let result = total.of_double(&sum);
        match odd {
            f64::MAX => assert_eq!(message(result), "value out of range: overflow"),
            odd => assert_eq!(format!("{result:?}"), format!("{:?}", Ok::<_, ()>(Number::Double(odd)))),
        }
        sum.add(odd, -2);
        assert_eq!(total.of_double(&sum), Ok(Number::Double(3.5)), "{odd}");
    }
    let both: DoubleSum = sum_of([f64::INFINITY, f64::NEG_INFINITY]);
    assert!(matches!(total.of_double(&both), Ok(Number::Double(value)) if value.is_nan()));
}

#[test]
fn the_average_of_the_greatest_doubles_is_one_of_them() {
    let average = total(TotalKind::Avg, &SqlType::Double);
    assert_eq!(average.of_double(&sum_of([f64::MAX; 3])), Ok(Number::Double(f64::MAX)));
    let least = f64::from_bits(1);
    assert_eq!(average.of_double(&sum_of([least])), Ok(Number::Double(least)));
}

#[test]
fn a_running_sum_is_read_as_it_was_written() {
    let sums = [0, 1, -1, 127, 128, -128, -129, 255, 256, i128::MAX, i128::MIN];
    let wide = [i256::MAX, i256::MIN, i256::from_i128(i128::MAX).wrapping_mul(i256::from_i128(3))];
    for sum in sums.map(i256::from_i128).into_iter().chain(wide) {
        let written = ExactSum { sum, count: -7 };
        let mut state = Vec::new();
        written.write(&mut state);
        let whole = state.clone();
        state.push(9);
        let mut rest = state.as_slice();
        assert_eq!(ExactSum::read(&mut rest), Some(written), "{sum}");
        assert_eq!(rest, [9]);
        assert!((0..whole.len()).all(|length| ExactSum::read(&mut &whole[..length]).is_none()), "{sum}, cut short");
    }
    for values in [vec![], vec![0.1, 1e300, -0.3], vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX]] {
        let written: DoubleSum = sum_of(values);
        let mut state = Vec::new();
        written.write(&mut state);
        assert_eq!(DoubleSum::read(&mut state.as_slice()), Some(written));
    }
}

#[test]
fn parts_that_are_merged_are_the_whole() {
    let values = [1e16, 3.0, -1e16, f64::MAX, 4.5, -f64::MAX];
    for cut in 0..values.len() {
        let mut left: DoubleSum = sum_of(values[..cut].iter().copied());
        left.merge(&sum_of(values[cut..].iter().copied()));
        assert_eq!(total(TotalKind::Sum, &SqlType::Double).of_double(&left), Ok(Number::Double(7.5)), "{cut}");
    }
}
