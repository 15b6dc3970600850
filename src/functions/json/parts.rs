//! The parts of a document as an array, which is unfolded to rows.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::LargeBinaryArray;
use datafusion::arrow::array::LargeStringArray;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::format::Document;
use crate::format::DocumentKind;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::not_accepted;

/// Which parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Element,
    ElementText,
    Name,
    Value,
    ValueText,
}

/// `__json_elements(json) -> json[]` and its kin, of both types of documents. Immutable; null gives null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Parts {
    part: Part,
    name: &'static str,
    signature: Signature,
}

impl Parts {
    /// One of each kind.
    pub fn all() -> [Self; 5] {
        [
            (Part::Element, "__json_elements"),
            (Part::ElementText, "__json_element_texts"),
            (Part::Name, "__json_names"),
            (Part::Value, "__json_values"),
            (Part::ValueText, "__json_value_texts"),
        ]
        .map(|(part, name)| Self { part, name, signature: Signature::any(1, Volatility::Immutable) })
    }

    /// The parts of a document.
    fn of<'a>(&self, document: Document<'a>) -> std::result::Result<Vec<Option<Cow<'a, str>>>, Error> {
        let whole = |part: Document<'a>| Some(Cow::Borrowed(part.as_str()));
        let parts = match self.part {
            Part::Element => document.elements().map(|found| found.into_iter().map(whole).collect()),
            Part::ElementText => document.elements().map(|found| found.into_iter().map(Document::text).collect()),
            Part::Name => document.fields().map(|found| found.into_iter().map(|(name, _)| Some(name)).collect()),
            Part::Value => document.fields().map(|found| found.into_iter().map(|(_, part)| whole(part)).collect()),
            Part::ValueText => document.fields().map(|found| found.into_iter().map(|(_, part)| part.text()).collect()),
        };
        parts.ok_or_else(|| self.refused(document))
    }

    /// 22023 for a document that has no such parts.
    fn refused(&self, document: Document<'_>) -> Error {
        let found = match document.kind() {
            DocumentKind::Array => "an array",
            DocumentKind::Object => "an object",
            _ => "a scalar",
        };
        let message = match self.part {
            Part::Element | Part::ElementText => format!("cannot extract elements from {found}"),
            Part::Name => format!("cannot call jsonb_object_keys on {found}"),
            Part::Value | Part::ValueText => "cannot call jsonb_each on a non-object".to_owned(),
        };
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    }
}

impl ScalarUDFImpl for Parts {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let item = match (self.part, &arguments[0]) {
            (Part::Element | Part::Value, documents @ (DataType::LargeUtf8 | DataType::LargeBinary)) => {
                documents.clone()
            }
            (_, DataType::LargeUtf8 | DataType::LargeBinary) => DataType::Utf8,
            _ => return Err(not_accepted(self.name, arguments)),
        };
        Ok(DataType::new_list(item, true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let documents = args.args[0].to_array(args.number_rows)?;
        let (mut parts, mut lengths) = (Vec::new(), Vec::with_capacity(documents.len()));
        for row in 0..documents.len() {
            let before = parts.len();
            if let Cell::Text(text) = Cell::of(documents.as_ref(), row) {
                let found = self.of(Document::of(text));
                parts.extend(found.map_err(|error| DataFusionError::External(Box::new(error)))?);
            }
            lengths.push(parts.len() - before);
        }
        let DataType::List(field) = args.return_field.data_type() else {
            return Err(DataFusionError::Internal("parts of a document are a list".to_owned()));
        };
        let values: ArrayRef = match field.data_type() {
            DataType::LargeUtf8 => Arc::new(LargeStringArray::from_iter(parts)),
            DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter(
                parts.iter().map(|part| part.as_ref().map(|text| text.as_bytes())),
            )),
            _ => Arc::new(StringArray::from_iter(parts)),
        };
        let item = Arc::new(Field::new_list_field(field.data_type().clone(), true));
        let nulls = documents.nulls().cloned().filter(|nulls: &NullBuffer| 0 < nulls.null_count());
        let lists = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, nulls)?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }
}
