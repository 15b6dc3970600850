//! Casts on the values where ksqlDB, PostgreSQL and Arrow differ.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;

use super::CastTarget;
use super::CheckedCast;
use super::KsqlCast;

fn call(function: &dyn ScalarUDFImpl, value: ScalarValue, data_type: DataType) -> Result<ScalarValue, String> {
    let args = ScalarFunctionArgs {
        args: vec![ColumnarValue::Scalar(value)],
        arg_fields: Vec::new(),
        number_rows: 1,
        return_field: Arc::new(Field::new("answer", data_type, true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    match function.invoke_with_args(args).map_err(|error| error.to_string())? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(_) => Err("a constant became an array".to_owned()),
    }
}

fn ksql(target: CastTarget, value: ScalarValue) -> Result<ScalarValue, String> {
    call(&KsqlCast::new(target), value, target.arrow())
}

fn checked(target: CastTarget, value: ScalarValue) -> Result<ScalarValue, String> {
    call(&CheckedCast::new(target), value, target.arrow())
}

fn text(text: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(text.to_owned()))
}

fn double(value: f64) -> ScalarValue {
    ScalarValue::Float64(Some(value))
}

#[test]
fn ksqldb_casts_as_java_does() {
    assert_eq!(ksql(CastTarget::Text, double(1e10)), Ok(text("1.0E10")));
    assert_eq!(ksql(CastTarget::Text, ScalarValue::Boolean(Some(true))), Ok(text("true")));
    assert_eq!(ksql(CastTarget::Text, ScalarValue::Decimal128(Some(150), 4, 2)), Ok(text("1.50")));
    assert_eq!(ksql(CastTarget::Boolean, text(" TRUE")), Ok(ScalarValue::Boolean(Some(true))));
    assert_eq!(ksql(CastTarget::Boolean, text("yes")), Ok(ScalarValue::Boolean(Some(false))));
    assert_eq!(ksql(CastTarget::Int, double(-1.9)), Ok(ScalarValue::Int32(Some(-1))));
    assert_eq!(ksql(CastTarget::Int, text(" 7 ")), Ok(ScalarValue::Int32(Some(7))));
    assert_eq!(ksql(CastTarget::BigInt, ScalarValue::Decimal128(Some(-199), 4, 2)), Ok(ScalarValue::Int64(Some(-1))));
    assert_eq!(ksql(CastTarget::Double, ScalarValue::Null), Ok(ScalarValue::Float64(None)));
    assert!(ksql(CastTarget::Int, text("x")).is_err());
    assert!(ksql(CastTarget::Double, text("")).is_err());
}

#[test]
fn ksqldb_decimals_round_half_up_or_fail() {
    let decimal = |value| call(&KsqlCast::new(CastTarget::Decimal), value, DataType::Decimal128(4, 2));
    assert_eq!(decimal(text("1.005")), Ok(ScalarValue::Decimal128(Some(101), 4, 2)));
    assert_eq!(decimal(double(1.5)), Ok(ScalarValue::Decimal128(Some(150), 4, 2)));
    assert_eq!(decimal(double(1e-7)), Ok(ScalarValue::Decimal128(Some(0), 4, 2)));
    assert!(decimal(ScalarValue::Int32(Some(100))).is_err());
    assert!(decimal(double(f64::NAN)).is_err());
}

#[test]
fn default_mode_casts_as_postgresql_does() {
    assert_eq!(checked(CastTarget::Int, double(2.5)), Ok(ScalarValue::Int32(Some(2))));
    assert_eq!(checked(CastTarget::Int, ScalarValue::Decimal128(Some(250), 4, 2)), Ok(ScalarValue::Int32(Some(3))));
    assert_eq!(
        checked(CastTarget::BigInt, ScalarValue::Decimal128(Some(-250), 4, 2)),
        Ok(ScalarValue::Int64(Some(-3)))
    );
    assert_eq!(checked(CastTarget::Text, double(1.0)), Ok(text("1")));
    assert_eq!(checked(CastTarget::Text, ScalarValue::Boolean(Some(false))), Ok(text("false")));
    assert!(checked(CastTarget::Int, double(1e10)).expect_err("too large").contains("22003"));
    assert!(checked(CastTarget::BigInt, double(f64::NAN)).expect_err("no number").contains("22003"));
    assert!(checked(CastTarget::Int, text("x")).expect_err("no number").contains("22P02"));
    assert_eq!(checked(CastTarget::Int, ScalarValue::Utf8View(Some("5".to_owned()))), Ok(ScalarValue::Int32(Some(5))));
}
