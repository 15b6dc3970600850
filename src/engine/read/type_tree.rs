//! The question of asyncpg about types that it does not know, which are those of arrays, in words that are planned here.
//!
//! It walks from a type to what it is made of, with a recursive query in a recursive query. Elements of our arrays are types that
//! it knows, and there are no domains, ranges or composite types: one step is the whole walk.

/// The name that the walk has in the question.
const WALK: &str = "WITH RECURSIVE typeinfo_tree(";

const ANSWER: &str = "SELECT t.oid AS oid, 'pg_catalog' AS ns, t.typname AS name, t.typtype AS kind, NULL::int AS basetype, \
    t.typelem AS elemtype, ',' AS elemdelim, NULL::int AS range_subtype, NULL::text AS attrtypoids, NULL::text AS attrnames, \
    0 AS depth, NULL::text AS basetype_name, NULL::text AS elemtype_name, NULL::text AS range_subtype_name \
    FROM pg_catalog.pg_type t WHERE t.oid = ANY($1::int[])";

/// The question in other words, whose one parameter is an array of oids; `None` for another statement.
pub fn type_question(text: &str) -> Option<&'static str> {
    text.trim_start().starts_with(WALK).then_some(ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_question_is_reworded() {
        assert!(type_question("WITH RECURSIVE typeinfo_tree(\n    oid, ns, name)\nAS (SELECT 1) SELECT 2").is_some());
        assert!(type_question("WITH RECURSIVE tree(oid) AS (SELECT 1) SELECT 2").is_none());
    }
}
