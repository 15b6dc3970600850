//! What is in a document: its fields, elements, length and kind.

use crate::error::Error;
use crate::error::SqlState;
use crate::format::Document;
use crate::format::DocumentKind;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

type Computed = Result<Answer, Error>;

/// All of them.
pub(super) static DEFINITIONS: [Definition; 11] = [
    Definition {
        name: "__json_get",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Json, Type::Text], result: Type::Json },
            Overload { arguments: &[Type::Json, Type::BigInt], result: Type::Json },
            Overload { arguments: &[Type::Jsonb, Type::Text], result: Type::Jsonb },
            Overload { arguments: &[Type::Jsonb, Type::BigInt], result: Type::Jsonb },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(document(got(cells))),
    },
    Definition {
        name: "__json_get_text",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Json, Type::Text], result: Type::Text },
            Overload { arguments: &[Type::Json, Type::BigInt], result: Type::Text },
            Overload { arguments: &[Type::Jsonb, Type::Text], result: Type::Text },
            Overload { arguments: &[Type::Jsonb, Type::BigInt], result: Type::Text },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(text(got(cells))),
    },
    Definition {
        name: "__json_path",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Json, Type::TextArray], result: Type::Json },
            Overload { arguments: &[Type::Jsonb, Type::TextArray], result: Type::Jsonb },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| reached(cells).map(document),
    },
    Definition {
        name: "__json_path_text",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Json, Type::TextArray], result: Type::Text },
            Overload { arguments: &[Type::Jsonb, Type::TextArray], result: Type::Text },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| reached(cells).map(text),
    },
    Definition {
        name: "json_extract_path",
        about: "The part of a document to which names of fields and places in arrays lead.",
        overloads: &[Overload { arguments: &[Type::Json, Type::Texts], result: Type::Json }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(document(extracted(cells))),
    },
    Definition {
        name: "jsonb_extract_path",
        about: "The part of a document to which names of fields and places in arrays lead.",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::Texts], result: Type::Jsonb }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(document(extracted(cells))),
    },
    Definition {
        name: "json_extract_path_text",
        about: "The text of the part of a document to which names of fields and places in arrays lead.",
        overloads: &[Overload { arguments: &[Type::Json, Type::Texts], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(text(extracted(cells))),
    },
    Definition {
        name: "jsonb_extract_path_text",
        about: "The text of the part of a document to which names of fields and places in arrays lead.",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::Texts], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(text(extracted(cells))),
    },
    Definition {
        name: "jsonb_array_length",
        about: "How many elements an array of JSON has.",
        overloads: &[Overload { arguments: &[Type::Jsonb], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: array_length,
    },
    Definition {
        name: "json_typeof",
        about: "What a document is: object, array, string, number, boolean or null.",
        overloads: &[Overload { arguments: &[Type::Json], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: kind,
    },
    Definition {
        name: "jsonb_typeof",
        about: "What a document is: object, array, string, number, boolean or null.",
        overloads: &[Overload { arguments: &[Type::Jsonb], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: kind,
    },
];

/// The field of a name, or the element at a place.
fn got<'a>(cells: &[Cell<'a>]) -> Option<Document<'a>> {
    let whole = Document::of(cells[0].text());
    match cells[1] {
        Cell::Int(place) => whole.element(place),
        name => whole.field(name.text()),
    }
}

/// What a path in an array leads to.
fn reached<'a>(cells: &[Cell<'a>]) -> Result<Option<Document<'a>>, Error> {
    let steps = path(cells[1])?;
    if steps.iter().any(Option::is_none) {
        return Ok(None);
    }
    Ok(Document::of(cells[0].text()).at_path(steps.iter().flatten().map(String::as_str)))
}

/// What a path in several texts leads to.
fn extracted<'a>(cells: &[Cell<'a>]) -> Option<Document<'a>> {
    Document::of(cells[0].text()).at_path(cells[1..].iter().map(|step| step.text()))
}

/// The steps of a path.
pub(super) fn path(cell: Cell<'_>) -> Result<Vec<Option<String>>, Error> {
    cell.texts().ok_or_else(|| {
        let message = format!("malformed array literal: \"{}\"", cell.text());
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
            .detail("Array value must start with \"{\" or dimension information.")
    })
}

fn document(found: Option<Document<'_>>) -> Answer {
    Answer::text(found.map(Document::as_str))
}

fn text(found: Option<Document<'_>>) -> Answer {
    Answer::text(found.and_then(Document::text))
}

fn kind(cells: &[Cell<'_>]) -> Computed {
    Ok(Answer::Text(Document::of(cells[0].text()).kind().as_str().to_owned()))
}

fn array_length(cells: &[Cell<'_>]) -> Computed {
    let whole = Document::of(cells[0].text());
    let refused =
        |what: &str| Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("cannot get array length of a {what}"));
    match whole.elements() {
        Some(elements) => Ok(Answer::int(i64::try_from(elements.len()).ok())),
        None if whole.kind() == DocumentKind::Object => Err(refused("non-array")),
        None => Err(refused("scalar")),
    }
}
