//! A function over collections as DataFusion's function: what types it takes and gives, and how a batch is computed.

use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::MapArray;
use datafusion::arrow::array::NullBufferBuilder;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::StructArray;
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Fields;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::functions_nested::all_default_nested_functions;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::format::RowKeys;
use crate::format::RowValues;
use crate::functions::columnwise::columnwise;
use crate::functions::described::described;
use crate::functions::rowwise::not_accepted;
use crate::model::SqlType;

/// What a function takes, once coerced, and what it gives.
pub(super) type Types = (Vec<DataType>, DataType);

/// A function over collections. Immutable.
#[derive(Debug)]
pub(super) struct Definition {
    /// The name; `__ksql_` before it where DataFusion has another of this name.
    pub(super) name: &'static str,
    /// How it is called, a line a way: `name(array) -> int`; empty for a function that is not for users.
    pub(super) usage: &'static str,
    /// What it gives, in a sentence for people.
    pub(super) about: &'static str,
    /// What becomes of arguments of these types, `None` if they are not taken.
    pub(super) types: fn(&[DataType]) -> Option<Types>,
    /// The column of answers to columns of the types taken, for so many rows.
    pub(super) compute: fn(&[ArrayRef], usize, &DataType) -> Result<ArrayRef>,
}

/// A definition made into a function.
#[derive(Debug)]
pub struct Collection {
    definition: &'static Definition,
    signature: Signature,
    documentation: Documentation,
    /// Those of DataFusion's function that it stands over.
    aliases: Vec<String>,
}

// There is one function of a name.
impl PartialEq for Collection {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Collection {}

impl Hash for Collection {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl Collection {
    pub(super) fn new(definition: &'static Definition) -> Self {
        let documentation = described(definition.usage, definition.about);
        let stock = all_default_nested_functions().into_iter().find(|stock| stock.name() == definition.name);
        let aliases = stock.map_or_else(Vec::new, |stock| stock.aliases().to_vec());
        Self { definition, signature: Signature::user_defined(Volatility::Immutable), documentation, aliases }
    }

    fn types(&self, arguments: &[DataType]) -> Result<Types> {
        (self.definition.types)(arguments).ok_or_else(|| not_accepted(self.definition.name, arguments))
    }
}

impl ScalarUDFImpl for Collection {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.types(arguments)?.0)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(self.types(arguments)?.1)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let arrays: Vec<ArrayRef> =
                args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<_>>()?;
            (self.definition.compute)(&arrays, rows, args.return_field.data_type())
        })
    }
}

/// An error of ours as DataFusion passes it on.
pub(super) fn failed(error: impl Into<Error>) -> DataFusionError {
    DataFusionError::External(Box::new(error.into()))
}

/// The one Arrow type that carries what this type stands for; null stays null.
pub(super) fn plain(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Null => Some(DataType::Null),
        other => Some(SqlType::from_arrow(other)?.arrow()),
    }
}

/// The type that both become, `None` if there is none.
pub(super) fn met(left: &DataType, right: &DataType) -> Option<DataType> {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int32 => Some(0),
        DataType::Int64 => Some(1),
        DataType::Decimal128(..) => Some(2),
        DataType::Float64 => Some(3),
        _ => None,
    };
    match (left, right) {
        (DataType::Null, other) | (other, DataType::Null) => plain(other),
        (DataType::List(left), DataType::List(right)) => {
            Some(DataType::new_list(met(left.data_type(), right.data_type())?, true))
        }
        // The fields of both, each of the type that both become; what one has not is null in it.
        (DataType::Struct(left), DataType::Struct(right)) => {
            let mut fields: Vec<Field> = Vec::new();
            for field in left.iter().chain(right) {
                match fields.iter_mut().find(|known| known.name() == field.name()) {
                    Some(known) => *known = Field::new(field.name(), met(known.data_type(), field.data_type())?, true),
                    None => fields.push(Field::new(field.name(), plain(field.data_type())?, true)),
                }
            }
            Some(DataType::Struct(Fields::from(fields)))
        }
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) => {
            let scale = *s1.max(s2);
            let whole = (i16::from(*p1) - i16::from(*s1)).max(i16::from(*p2) - i16::from(*s2));
            let precision = u8::try_from(whole + i16::from(scale)).ok().filter(|precision| *precision <= 38)?;
            Some(DataType::Decimal128(precision, scale))
        }
        (left, right) => {
            let (left, right) = (plain(left)?, plain(right)?);
            if left == right {
                return Some(left);
            }
            match (&left, &right) {
                (DataType::Decimal128(..), DataType::Int32 | DataType::Int64) => {
                    met(&left, &DataType::Decimal128(if right == DataType::Int32 { 10 } else { 19 }, 0))
                }
                (DataType::Int32 | DataType::Int64, DataType::Decimal128(..)) => met(&right, &left),
                _ => Some(if rank(&left)? < rank(&right)? { right } else { left }),
            }
        }
    }
}

/// The type of a list's elements, `None` for what is no list. A null is a list of nulls.
pub(super) fn item(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => plain(item.data_type()),
        DataType::Null => Some(DataType::Null),
        _ => None,
    }
}

/// The types of a map's keys and values, `None` for what is no map.
pub(super) fn entry(data_type: &DataType) -> Option<(DataType, DataType)> {
    match SqlType::from_arrow(data_type)? {
        SqlType::Map(key, value) => Some((key.arrow(), value.arrow())),
        _ => None,
    }
}

pub(super) fn list_of(item: DataType) -> DataType {
    // A list of nothing but nulls is one of texts, as any column of nulls is.
    DataType::new_list(if item.is_null() { DataType::Utf8 } else { item }, true)
}

pub(super) fn map_of(key: &DataType, value: &DataType) -> Option<DataType> {
    let (key, value) = (SqlType::from_arrow(key)?, SqlType::from_arrow(value)?);
    Some(SqlType::Map(Box::new(key), Box::new(value)).arrow())
}

/// The places of a row's elements among the list's values, `None` for a null.
pub(super) fn span(list: &ListArray, row: usize) -> Option<std::ops::Range<usize>> {
    use datafusion::arrow::array::Array;
    let bound = |at: usize| usize::try_from(list.value_offsets()[at]).unwrap_or_default();
    list.is_valid(row).then(|| bound(row)..bound(row + 1))
}

/// The places of a row's entries, `None` for a null.
pub(super) fn map_span(map: &MapArray, row: usize) -> Option<std::ops::Range<usize>> {
    use datafusion::arrow::array::Array;
    let bound = |at: usize| usize::try_from(map.value_offsets()[at]).unwrap_or_default();
    map.is_valid(row).then(|| bound(row)..bound(row + 1))
}

/// Bytes that are equal where elements are, and in their order: nulls first.
pub(super) fn keys_of(values: &ArrayRef) -> Result<Vec<Vec<u8>>> {
    let holds_map = SqlType::from_arrow(values.data_type()).is_some_and(|sql_type| sql_type.holds_map());
    if holds_map {
        // Maps have no order, and are equal here if their entries are, one by one.
        let batch = RecordBatch::try_from_iter([("value", Arc::clone(values))])?;
        return RowValues::encode(&batch).map_err(failed);
    }
    RowKeys::encode(std::slice::from_ref(values)).map_err(failed)
}

/// Rows of elements, each picked from one of several columns.
#[derive(Default)]
pub(super) struct Picks {
    picked: Vec<(usize, usize)>,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Picks {
    pub(super) fn push(&mut self, source: usize, place: usize) {
        self.picked.push((source, place));
    }

    /// Ends a row; one that is null has no elements.
    pub(super) fn end(&mut self, valid: bool) -> Result<()> {
        let end = i32::try_from(self.picked.len())
            .map_err(|_| DataFusionError::ResourcesExhausted("arrays of more than 2^31 elements".to_owned()))?;
        self.ends.push(end);
        self.valid.push(valid);
        Ok(())
    }

    fn offsets(&self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from_iter(std::iter::once(0).chain(self.ends.iter().copied())))
    }

    fn nulls(&self) -> Option<datafusion::arrow::buffer::NullBuffer> {
        let mut nulls = NullBufferBuilder::new(self.valid.len());
        self.valid.iter().for_each(|valid| nulls.append(*valid));
        nulls.finish()
    }

    /// The column of lists.
    pub(super) fn lists(self, sources: &[&ArrayRef], of_type: &DataType) -> Result<ArrayRef> {
        let DataType::List(item) = of_type else {
            return Err(DataFusionError::Internal(format!("{of_type} is no list")));
        };
        let sources: Vec<_> = sources.iter().map(|source| source.as_ref()).collect();
        let values = interleave(&sources, &self.picked)?;
        Ok(Arc::new(ListArray::new(Arc::clone(item), self.offsets(), values, self.nulls())))
    }

    /// The column of maps of keys picked here and of values picked in `values`, as many in each row.
    pub(super) fn maps_of(self, keys: &ArrayRef, values: Picks, of: &ArrayRef, of_type: &DataType) -> Result<ArrayRef> {
        let picked_keys = interleave(&[keys.as_ref()], &self.picked)?;
        let picked_values = interleave(&[of.as_ref()], &values.picked)?;
        map_array(picked_keys, picked_values, self.offsets(), self.nulls(), of_type)
    }

    /// The column of maps whose keys and values stand at the same places of their columns.
    pub(super) fn maps(self, keys: &[&ArrayRef], values: &[&ArrayRef], of_type: &DataType) -> Result<ArrayRef> {
        let keys: Vec<_> = keys.iter().map(|source| source.as_ref()).collect();
        let values: Vec<_> = values.iter().map(|source| source.as_ref()).collect();
        let keys = interleave(&keys, &self.picked)?;
        let values = interleave(&values, &self.picked)?;
        map_array(keys, values, self.offsets(), self.nulls(), of_type)
    }
}

/// Maps of these entries.
pub(super) fn map_array(
    keys: ArrayRef,
    values: ArrayRef,
    offsets: OffsetBuffer<i32>,
    nulls: Option<datafusion::arrow::buffer::NullBuffer>,
    of_type: &DataType,
) -> Result<ArrayRef> {
    let DataType::Map(entries, sorted) = of_type else {
        return Err(DataFusionError::Internal(format!("{of_type} is no map")));
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(DataFusionError::Internal(format!("{of_type} has no entries")));
    };
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted)?))
}

/// The argument as lists.
pub(super) fn list(arrays: &[ArrayRef], at: usize) -> &ListArray {
    arrays[at].as_list::<i32>()
}
