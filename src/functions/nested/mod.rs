//! Functions that make, take apart and compute ARRAY, MAP and STRUCT, a file an idea.
//!
//! Those that PostgreSQL or DataFusion has under the same name, with other answers, begin with `__ksql_`, and
//! `compatibility = 'ksqldb'` calls them; the others have their own names under both rules. Elements are equal, and ordered, as
//! their key bytes are.

mod access;
mod bounds;
mod cast;
mod construct;
mod cube;
mod definition;
mod facts;
mod in_order;
mod lambda;
mod maps;
mod matches;
mod mixed;
mod order;
mod sets;
mod sorted;
mod texts;

pub use access::FieldOf;
pub use cast::NestedIn;
pub use construct::KSQL_ARRAY;
pub use construct::MakeStruct;
pub use cube::CUBE;
pub use definition::Collection;
pub use lambda::Lambda;
pub use lambda::LambdaBody;
pub use lambda::LambdaKind;
pub use lambda::UnplannedLambda;
pub use mixed::Mixed;
pub use mixed::met_number;

/// All that stand in tables.
pub fn all() -> impl Iterator<Item = Collection> {
    let lists: [&'static [definition::Definition]; 13] = [
        &access::DEFINITIONS,
        &bounds::DEFINITIONS,
        &cast::DEFINITIONS,
        &construct::DEFINITIONS,
        &cube::DEFINITIONS,
        &facts::DEFINITIONS,
        &in_order::DEFINITIONS,
        &maps::DEFINITIONS,
        &matches::DEFINITIONS,
        &order::DEFINITIONS,
        &sets::DEFINITIONS,
        &sorted::DEFINITIONS,
        &texts::DEFINITIONS,
    ];
    lists.into_iter().flatten().map(Collection::new)
}
