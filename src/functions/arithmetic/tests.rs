//! Both rules, on the values where they differ.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;

use super::Arithmetic;
use super::Operation;
use super::Rules;

fn call(rules: Rules, operation: Operation, left: ArrayRef, right: ArrayRef) -> Result<ArrayRef, String> {
    let function = Arithmetic::new(rules, operation);
    let types = function.coerce_types(&[left.data_type().clone(), right.data_type().clone()]).expect("numbers");
    let return_type = function.return_type(&types).expect("numbers");
    let arrays = [cast(&left, &types[0]).expect("wider"), cast(&right, &types[1]).expect("wider")];
    let args = ScalarFunctionArgs {
        args: arrays.into_iter().map(ColumnarValue::Array).collect(),
        arg_fields: Vec::new(),
        number_rows: left.len(),
        return_field: Arc::new(Field::new("answer", return_type.clone(), true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    let answer = function.invoke_with_args(args).map_err(|error| error.to_string())?;
    let answer = answer.to_array(left.len()).expect("an array");
    assert_eq!(answer.data_type(), &return_type);
    Ok(answer)
}

fn one(rules: Rules, operation: Operation, left: ArrayRef, right: ArrayRef) -> Result<String, String> {
    let answer = call(rules, operation, left, right)?;
    let value = ScalarValue::try_from_array(&answer, 0).expect("one row");
    Ok(format!("{value}"))
}

fn int(value: i32) -> ArrayRef {
    Arc::new(Int32Array::from(vec![value]))
}

fn bigint(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn double(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

fn decimal(unscaled: i128, precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(precision, scale).expect("a decimal"))
}

#[test]
fn checked_arithmetic_refuses_what_does_not_fit() {
    use Operation::*;
    let checked = |operation, left, right| one(Rules::Checked, operation, left, right);
    assert_eq!(checked(Add, int(1), int(2)), Ok("3".to_owned()));
    assert_eq!(checked(Add, int(i32::MAX), bigint(1)), Ok("2147483648".to_owned()));
    assert_eq!(checked(Divide, int(-7), int(2)), Ok("-3".to_owned()));
    assert_eq!(checked(Modulo, int(-7), int(2)), Ok("-1".to_owned()));
    assert_eq!(checked(Modulo, int(i32::MIN), int(-1)), Ok("0".to_owned()));
    for (operation, left, right) in [
        (Add, int(i32::MAX), int(1)),
        (Subtract, bigint(i64::MIN), bigint(1)),
        (Multiply, int(1 << 30), int(4)),
        (Divide, int(i32::MIN), int(-1)),
        (Multiply, double(1e300), double(1e300)),
        (Add, double(f64::MAX), double(f64::MAX)),
        (Multiply, double(1e-300), double(-1e-300)),
        (Divide, double(1e-300), double(1e300)),
    ] {
        let error = checked(operation, left, right).expect_err("out of range");
        assert!(error.contains("22003") && error.contains("out of range"), "{error}");
    }
    assert_eq!(checked(Multiply, double(0.0), double(1e300)), Ok("0".to_owned()));
    assert_eq!(checked(Divide, double(1.0), double(f64::INFINITY)), Ok("0".to_owned()));
    assert_eq!(checked(Multiply, double(f64::INFINITY), double(2.0)), Ok("inf".to_owned()));
    for (operation, left, right) in [
        (Divide, int(1), int(0)),
        (Modulo, bigint(1), bigint(0)),
        (Divide, double(1.0), double(-0.0)),
        (Divide, decimal(100, 5, 2), int(0)),
    ] {
        let error = checked(operation, left, right).expect_err("division by zero");
        assert!(error.contains("22012") && error.contains("division by zero"), "{error}");
    }
}

#[test]
fn ksqldb_arithmetic_is_javas() {
    use Operation::*;
    let ksql = |operation, left, right| one(Rules::Ksqldb, operation, left, right);
    assert_eq!(ksql(Add, int(i32::MAX), int(1)), Ok(i32::MIN.to_string()));
    assert_eq!(ksql(Divide, bigint(i64::MIN), bigint(-1)), Ok(i64::MIN.to_string()));
    assert_eq!(ksql(Divide, double(1.0), int(0)), Ok("inf".to_owned()));
    assert!(ksql(Divide, int(1), int(0)).expect_err("zero").contains("division by zero"));
    assert!(ksql(Modulo, decimal(1, 3, 1), decimal(0, 3, 1)).expect_err("zero").contains("division by zero"));
}

#[test]
fn ksqldb_decimals_have_the_documented_precision_and_scale() {
    use Operation::*;
    let (left, right) = (decimal(1000, 4, 2), decimal(30, 3, 1));
    for (operation, data_type, unscaled) in [
        (Add, DataType::Decimal128(5, 2), 1300),
        (Subtract, DataType::Decimal128(5, 2), 700),
        (Multiply, DataType::Decimal128(8, 3), 30000),
        (Divide, DataType::Decimal128(9, 6), 3_333_333),
        (Modulo, DataType::Decimal128(4, 2), 100),
    ] {
        let answer = call(Rules::Ksqldb, operation, left.clone(), right.clone()).expect("in range");
        assert_eq!(answer.data_type(), &data_type, "{operation:?}");
        let expected = ScalarValue::try_from_array(&answer, 0).expect("one row");
        let DataType::Decimal128(precision, scale) = data_type else { unreachable!("all are decimals") };
        assert_eq!(expected, ScalarValue::Decimal128(Some(unscaled), precision, scale), "{operation:?}");
    }
}

#[test]
fn a_null_operand_gives_null_and_divides_nothing() {
    let left: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(4)]));
    let right: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(0), Some(2)]));
    for rules in [Rules::Checked, Rules::Ksqldb] {
        for operation in Operation::ALL {
            let answer = call(rules, operation, left.clone(), right.clone()).expect("no row divides by zero");
            assert_eq!((answer.is_null(0), answer.is_null(1), answer.is_null(2)), (true, true, false));
        }
    }
}
