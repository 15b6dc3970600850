//! A long chain of `+ - * / %` as one flat call: nested calls would be typed again and again at every depth, by each rule
//! of the planner, which takes cubic time.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::Operation;
use super::Rules;
use super::apply;
use super::common_types;
use super::return_type;
use crate::functions::columnwise::columnwise;

/// `__checked_chain(signs, a, b, c, ..)` and `__ksql_chain`: from the left, each operand with the sign before it. `signs`
/// is a text of one sign less than there are operands. Null gives null; immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    rules: Rules,
    signature: Signature,
}

impl Chain {
    /// The function under some rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The type of all, of the operands' types.
    fn output(&self, signs: &str, operands: &[DataType]) -> Result<DataType> {
        let (first, others) = operands.split_first().ok_or_else(|| self.misused())?;
        let operations = signs.chars().map(Operation::of_sign).collect::<Option<Vec<_>>>();
        let operations = operations.filter(|all| all.len() == others.len()).ok_or_else(|| self.misused())?;
        let mut left = first.clone();
        for (operation, right) in operations.into_iter().zip(others) {
            let (meet_left, meet_right) = common_types(&left, right).ok_or_else(|| self.misused())?;
            left = return_type(self.rules, operation, &meet_left, &meet_right)?;
        }
        Ok(left)
    }

    fn misused(&self) -> DataFusionError {
        DataFusionError::Plan(format!("{} takes signs and the numbers between them", self.name()))
    }
}

/// Adds one more sign and operand to a chain's arguments; whether they were such.
pub fn extend(arguments: &mut Vec<Expr>, operation: Operation, operand: &Expr) -> bool {
    let Some(Expr::Literal(ScalarValue::Utf8(Some(signs)), _)) = arguments.first_mut() else { return false };
    signs.push(operation.sign());
    arguments.push(operand.clone());
    true
}

/// A chain of operands, the first without a sign.
pub fn started(first: Expr, others: impl IntoIterator<Item = (Operation, Expr)>) -> Vec<Expr> {
    let (operations, operands): (Vec<Operation>, Vec<Expr>) = others.into_iter().unzip();
    let signs: String = operations.into_iter().map(Operation::sign).collect();
    [Expr::Literal(ScalarValue::Utf8(Some(signs)), None), first].into_iter().chain(operands).collect()
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        match self.rules {
            Rules::Checked => "__checked_chain",
            Rules::Ksqldb => "__ksql_chain",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// As they are: what an operand becomes depends on what is left of it.
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Err(self.misused())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(Some(ScalarValue::Utf8(Some(signs)))) = args.scalar_arguments.first() else {
            return Err(self.misused());
        };
        let operands: Vec<DataType> = args.arg_fields.iter().skip(1).map(|field| field.data_type().clone()).collect();
        Ok(Field::new(self.name(), self.output(signs, &operands)?, true).into())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(ScalarValue::Utf8(Some(signs))), first, others @ ..] = args.args.as_slice() else {
            return Err(self.misused());
        };
        columnwise(&args, |rows| {
            let mut answer: ArrayRef = first.to_array(rows)?;
            for (sign, operand) in signs.chars().zip(others) {
                let operation = Operation::of_sign(sign).ok_or_else(|| self.misused())?;
                let operand = operand.to_array(rows)?;
                let types = common_types(answer.data_type(), operand.data_type()).ok_or_else(|| self.misused())?;
                let output = return_type(self.rules, operation, &types.0, &types.1)?;
                answer = apply(self.rules, operation, &cast(&answer, &types.0)?, &cast(&operand, &types.1)?, &output)?;
            }
            Ok(answer)
        })
    }
}
