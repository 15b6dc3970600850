//! A definition as DataFusion's function.

use std::hash::Hash;
use std::hash::Hasher;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::cell::Answer;
use super::cell::Cell;
use super::cell::column;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::columnwise::columnwise;
use crate::functions::described::described;
use crate::functions::described::shown_name;
use crate::model::SqlType;

/// The type of an argument or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// BOOLEAN.
    Boolean,
    /// INT.
    Int,
    /// BIGINT.
    BigInt,
    /// DOUBLE.
    Double,
    /// VARCHAR.
    Text,
    /// BYTES.
    Bytes,
    /// DATE.
    Date,
    /// TIME.
    Time,
    /// TIMESTAMP.
    Timestamp,
    /// JSON.
    Json,
    /// JSONB.
    Jsonb,
    /// An array of VARCHAR, or a text that tells one.
    TextArray,
    /// An argument of whatever type; the function sees nothing of types without a cell.
    Any,
    /// As the last of an overload: one VARCHAR and as many more as there are.
    Texts,
}

impl Type {
    fn arrow(self, argument: &DataType) -> DataType {
        match self {
            Type::Boolean => DataType::Boolean,
            Type::Int => DataType::Int32,
            Type::BigInt => DataType::Int64,
            Type::Double => DataType::Float64,
            Type::Text | Type::Texts => DataType::Utf8,
            Type::Bytes => DataType::Binary,
            Type::Date => DataType::Date32,
            Type::Time => DataType::Time64(TimeUnit::Microsecond),
            Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Type::Json => DataType::LargeUtf8,
            Type::Jsonb => DataType::LargeBinary,
            Type::TextArray => match argument {
                DataType::List(_) => DataType::new_list(DataType::Utf8, true),
                _ => DataType::Utf8,
            },
            Type::Any => argument.clone(),
        }
    }

    /// The name in a usage.
    fn as_str(self) -> &'static str {
        match self {
            Type::Boolean => "boolean",
            Type::Int => "int",
            Type::BigInt => "bigint",
            Type::Double => "double precision",
            Type::Text => "text",
            Type::Bytes => "bytea",
            Type::Date => "date",
            Type::Time => "time",
            Type::Timestamp => "timestamp",
            Type::Json => "json",
            Type::Jsonb => "jsonb",
            Type::TextArray => "text[]",
            Type::Any => "any",
            Type::Texts => "text ...",
        }
    }

    /// How many steps an argument is away; `None` if it is not taken.
    fn distance(self, argument: &DataType) -> Option<usize> {
        if self.arrow(argument) == *argument || argument.is_null() {
            return Some(usize::from(self == Type::Any));
        }
        match (self, argument) {
            (Type::Text | Type::Texts | Type::TextArray, DataType::Utf8View) => Some(0),
            (Type::Bytes, DataType::BinaryView) => Some(0),
            (Type::Int, DataType::Int8 | DataType::Int16) | (Type::BigInt, DataType::Int32) => Some(1),
            (Type::Double, DataType::Float32 | DataType::Decimal128(..))
            | (Type::Timestamp, DataType::Timestamp(..)) => Some(1),
            (Type::Double, DataType::Int64) => Some(2),
            (Type::Double, DataType::Int32) => Some(3),
            // Whole numbers in a statement are BIGINT; one that is too great for the function is 22003.
            (Type::Int, DataType::Int64) => Some(4),
            _ => None,
        }
    }
}

/// One way to call a function.
#[derive(Debug)]
pub struct Overload {
    /// What it takes.
    pub arguments: &'static [Type],
    /// What it gives.
    pub result: Type,
}

impl Overload {
    /// What it takes of so many arguments, `None` if it takes another number.
    fn taken(&self, count: usize) -> Option<Vec<Type>> {
        match self.arguments {
            [first @ .., Type::Texts] if first.len() < count => {
                let rest = std::iter::repeat_n(Type::Texts, count - first.len());
                Some(first.iter().copied().chain(rest).collect())
            }
            all => (all.len() == count && all.last() != Some(&Type::Texts)).then(|| all.to_vec()),
        }
    }
}

/// What a null argument makes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Null, without a call.
    GiveNull,
    /// The function decides.
    AreArguments,
}

/// A function: its name, what it takes, and how a row is computed. Immutable.
#[derive(Debug)]
pub struct Definition {
    /// The name; `__ksql_` before it where DataFusion or PostgreSQL has another of this name.
    pub name: &'static str,
    /// What it gives, in a sentence for people; empty for one that the binder alone calls.
    pub about: &'static str,
    /// In the order of preference.
    pub overloads: &'static [Overload],
    /// The null rule.
    pub nulls: Nulls,
    /// The answer for a row, of the overload's result type.
    pub compute: fn(&[Cell<'_>]) -> std::result::Result<Answer, Error>,
}

/// A definition made into a function.
#[derive(Debug)]
pub struct Rowwise {
    definition: &'static Definition,
    signature: Signature,
    documentation: Documentation,
}

// There is one function of a name.
impl PartialEq for Rowwise {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Rowwise {}

impl Hash for Rowwise {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl Rowwise {
    /// The function of a definition.
    pub fn new(definition: &'static Definition) -> Self {
        let name = shown_name(definition.name);
        let usage = definition.overloads.iter().map(|overload| {
            let arguments: Vec<&str> = overload.arguments.iter().map(|argument| argument.as_str()).collect();
            format!("{name}({}) -> {}", arguments.join(", "), overload.result.as_str())
        });
        let usage: Vec<String> = usage.collect();
        let nulls = match definition.nulls {
            Nulls::GiveNull => " A NULL argument gives NULL.",
            Nulls::AreArguments => "",
        };
        let documentation = described(&usage.join("\n"), &format!("{}{nulls}", definition.about));
        Self { definition, signature: Signature::user_defined(Volatility::Immutable), documentation }
    }

    fn overload(&self, arguments: &[DataType]) -> Result<&'static Overload> {
        let distance = |overload: &Overload| {
            let taken = overload.taken(arguments.len())?;
            taken.iter().zip(arguments).map(|(wanted, found)| wanted.distance(found)).sum::<Option<usize>>()
        };
        let candidates = self.definition.overloads.iter().filter_map(|overload| Some((distance(overload)?, overload)));
        let nearest = candidates.min_by_key(|(distance, _)| *distance).map(|(_, overload)| overload);
        nearest.ok_or_else(|| not_accepted(self.definition.name, arguments))
    }
}

/// 42883, in ksqlDB's words.
pub fn not_accepted(name: &str, arguments: &[DataType]) -> DataFusionError {
    let shown = |argument: &DataType| match argument {
        DataType::Null => "null".to_owned(),
        other => ksqldb_name(other),
    };
    let list: Vec<String> = arguments.iter().map(shown).collect();
    let name = shown_name(name);
    let message = format!("Function '{name}' does not accept parameters ({}).", list.join(", "));
    let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("You might need to add explicit type casts.");
    DataFusionError::External(Box::new(error))
}

/// The name of a type as ksqlDB's errors have it.
pub fn ksqldb_name(data_type: &DataType) -> String {
    SqlType::from_arrow(data_type).map_or_else(|| data_type.to_string(), |sql_type| sql_type.ksqldb_name())
}

impl ScalarUDFImpl for Rowwise {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let overload = self.overload(arguments)?;
        let taken = overload.taken(arguments.len()).unwrap_or_default();
        Ok(taken.iter().zip(arguments).map(|(wanted, found)| wanted.arrow(found)).collect())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(self.overload(arguments)?.result.arrow(&DataType::Utf8))
    }

    fn documentation(&self) -> Option<&Documentation> {
        (!self.definition.about.is_empty()).then_some(&self.documentation)
    }

    fn is_strict(&self) -> bool {
        self.definition.nulls == Nulls::GiveNull
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let result = self.overload(&types)?.result;
        columnwise(&args, |rows| {
            let arrays: Vec<ArrayRef> =
                args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<_>>()?;
            let mut answers = Vec::with_capacity(rows);
            let mut cells = Vec::with_capacity(arrays.len());
            for row in 0..rows {
                cells.clear();
                cells.extend(arrays.iter().map(|array| Cell::of(array.as_ref(), row)));
                let is_null = self.definition.nulls == Nulls::GiveNull && cells.contains(&Cell::Null);
                answers.push(match is_null {
                    true => Answer::Null,
                    false => {
                        (self.definition.compute)(&cells).map_err(|error| DataFusionError::External(Box::new(error)))?
                    }
                });
            }
            Ok(column(answers, result))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWICE: Definition = Definition {
        name: "twice",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Int], result: Type::Int },
            Overload { arguments: &[Type::Double], result: Type::Double },
            Overload { arguments: &[Type::Text, Type::Any], result: Type::Text },
        ],
        nulls: Nulls::GiveNull,
        compute: |_| Ok(Answer::Null),
    };

    #[test]
    fn the_nearest_overload_is_taken() {
        let function = Rowwise::new(&TWICE);
        for (arguments, wanted) in [
            (vec![DataType::Int32], Some(vec![DataType::Int32])),
            (vec![DataType::Int64], Some(vec![DataType::Float64])),
            (vec![DataType::Decimal128(4, 1)], Some(vec![DataType::Float64])),
            (vec![DataType::Null], Some(vec![DataType::Int32])),
            (vec![DataType::Utf8View, DataType::Date32], Some(vec![DataType::Utf8, DataType::Date32])),
            (vec![DataType::Utf8], None),
            (vec![DataType::Boolean], None),
            (vec![], None),
        ] {
            assert_eq!(function.coerce_types(&arguments).ok(), wanted, "{arguments:?}");
        }
        let refused = function.coerce_types(&[DataType::Utf8, DataType::Int32, DataType::Null]);
        let message = refused.expect_err("it takes no three").to_string();
        assert!(message.contains("Function 'twice' does not accept parameters (STRING, INTEGER, null)."), "{message}");
    }
}
