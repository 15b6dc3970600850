//! Documents and what is none: texts read as documents, and scalars of JSONB as numbers and truths.

use serde_json::Value;

use super::change::strip_nulls;
use super::change::value;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::Document;
use crate::format::DocumentKind;
use crate::format::check_document;
use crate::format::normal_document;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

type Computed = Result<Answer, Error>;

/// All of them.
pub(super) static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "__json_in",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Json], result: Type::Json },
            Overload { arguments: &[Type::Jsonb], result: Type::Json },
            Overload { arguments: &[Type::Text], result: Type::Json },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            check_document(cells[0].text())?;
            Ok(Answer::Text(cells[0].text().to_owned()))
        },
    },
    Definition {
        name: "__jsonb_in",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Jsonb], result: Type::Jsonb },
            Overload { arguments: &[Type::Json], result: Type::Jsonb },
            Overload { arguments: &[Type::Text], result: Type::Jsonb },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(normal_document(cells[0].text())?)),
    },
    Definition {
        name: "__jsonb_number",
        about: "",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| scalar(cells[0], DocumentKind::Number, cells[1].text()),
    },
    Definition {
        name: "__jsonb_truth",
        about: "",
        overloads: &[Overload { arguments: &[Type::Jsonb], result: Type::Boolean }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            scalar(cells[0], DocumentKind::Boolean, "boolean").map(|_| Answer::Boolean(cells[0].text() == "true"))
        },
    },
    Definition {
        name: "json_strip_nulls",
        about: "A document without the fields that are null.",
        overloads: &[Overload { arguments: &[Type::Json], result: Type::Json }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let mut whole: Value = value(cells[0])?;
            strip_nulls(&mut whole);
            Ok(Answer::Text(whole.to_string()))
        },
    },
];

/// The text of a scalar, 22023 for what is of another kind.
fn scalar(cell: Cell<'_>, wanted: DocumentKind, name: &str) -> Computed {
    let document = Document::of(cell.text());
    let found = match document.kind() {
        kind if kind == wanted => return Ok(Answer::Text(document.as_str().to_owned())),
        DocumentKind::Number => "numeric",
        DocumentKind::Array | DocumentKind::Object => "array or object",
        kind => kind.as_str(),
    };
    Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("cannot cast jsonb {found} to type {name}")))
}
