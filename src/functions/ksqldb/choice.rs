//! `ELT` and `FIELD`: the text at a place of a list, and the place of a text.

use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `elt(INT, text, ..) -> text`, null beyond the list, and `field(text, text, ..) -> INT`, 0 for what is not in it, as null is
/// not. Places begin at 1.
pub static DEFINITIONS: [Definition; 2] = [
    Definition {
        name: "elt",
        about: "The n-th of the texts behind it, from 1; NULL if there is none.",
        overloads: &[Overload { arguments: &[Type::Int, Type::Texts], result: Type::Text }],
        nulls: Nulls::AreArguments,
        compute: |cells| {
            // Place 0 is the number itself.
            let place = usize::try_from(cells[0].int()).ok().filter(|place| 0 < *place);
            let found = place.and_then(|place| cells.get(place));
            Ok(match found {
                Some(Cell::Text(text)) => Answer::Text((*text).to_owned()),
                _ => Answer::Null,
            })
        },
    },
    Definition {
        name: "field",
        about: "Where a text stands among those behind it, from 1; 0 if it does not, and for NULL.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Texts], result: Type::Int }],
        nulls: Nulls::AreArguments,
        compute: |cells| {
            let place = match cells {
                [wanted @ Cell::Text(_), list @ ..] => list.iter().position(|cell| cell == wanted),
                _ => None,
            };
            Ok(Answer::Int(place.and_then(|place| i64::try_from(place + 1).ok()).unwrap_or(0)))
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_begin_at_one() {
        let [elt, field] = &DEFINITIONS;
        let list = [Cell::Text("a"), Cell::Null, Cell::Text("b")];
        let with = |first: Cell<'static>| [&[first][..], &list].concat();
        for (place, answer) in [(1, Some("a")), (2, None), (3, Some("b")), (4, None), (0, None), (-1, None)] {
            let given = (elt.compute)(&with(Cell::Int(place))).expect("an answer");
            assert_eq!(given, Answer::text(answer), "{place}");
        }
        assert_eq!((elt.compute)(&with(Cell::Null)).expect("an answer"), Answer::Null);
        for (wanted, place) in [(Cell::Text("b"), 3), (Cell::Text("c"), 0), (Cell::Null, 0)] {
            assert_eq!((field.compute)(&with(wanted)).expect("an answer"), Answer::Int(place));
        }
    }
}
