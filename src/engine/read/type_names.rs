//! PostgreSQL's types as its catalog numbers and names them: what `regtype` means, and how functions are described.

/// Number, name in the catalog, name in SQL.
const TYPES: &[(i32, &str, &str)] = &[
    (16, "bool", "boolean"),
    (17, "bytea", "bytea"),
    (18, "char", "\"char\""),
    (19, "name", "name"),
    (20, "int8", "bigint"),
    (21, "int2", "smallint"),
    (22, "int2vector", "int2vector"),
    (23, "int4", "integer"),
    (24, "regproc", "regproc"),
    (25, "text", "text"),
    (26, "oid", "oid"),
    (30, "oidvector", "oidvector"),
    (114, "json", "json"),
    (142, "xml", "xml"),
    (194, "pg_node_tree", "pg_node_tree"),
    (199, "_json", "json[]"),
    (600, "point", "point"),
    (700, "float4", "real"),
    (701, "float8", "double precision"),
    (790, "money", "money"),
    (829, "macaddr", "macaddr"),
    (869, "inet", "inet"),
    (1000, "_bool", "boolean[]"),
    (1001, "_bytea", "bytea[]"),
    (1005, "_int2", "smallint[]"),
    (1007, "_int4", "integer[]"),
    (1009, "_text", "text[]"),
    (1015, "_varchar", "character varying[]"),
    (1016, "_int8", "bigint[]"),
    (1021, "_float4", "real[]"),
    (1022, "_float8", "double precision[]"),
    (1042, "bpchar", "character"),
    (1043, "varchar", "character varying"),
    (1082, "date", "date"),
    (1083, "time", "time without time zone"),
    (1114, "timestamp", "timestamp without time zone"),
    (1115, "_timestamp", "timestamp without time zone[]"),
    (1182, "_date", "date[]"),
    (1184, "timestamptz", "timestamp with time zone"),
    (1185, "_timestamptz", "timestamp with time zone[]"),
    (1186, "interval", "interval"),
    (1231, "_numeric", "numeric[]"),
    (1266, "timetz", "time with time zone"),
    (1560, "bit", "bit"),
    (1562, "varbit", "bit varying"),
    (1700, "numeric", "numeric"),
    (2202, "regprocedure", "regprocedure"),
    (2205, "regclass", "regclass"),
    (2206, "regtype", "regtype"),
    (2249, "record", "record"),
    (2275, "cstring", "cstring"),
    (2276, "any", "\"any\""),
    (2277, "anyarray", "anyarray"),
    (2278, "void", "void"),
    (2279, "trigger", "trigger"),
    (2281, "internal", "internal"),
    (2283, "anyelement", "anyelement"),
    (2776, "anynonarray", "anynonarray"),
    (2950, "uuid", "uuid"),
    (3614, "tsvector", "tsvector"),
    (3615, "tsquery", "tsquery"),
    (3802, "jsonb", "jsonb"),
    (3807, "_jsonb", "jsonb[]"),
    (4089, "regnamespace", "regnamespace"),
];

/// Other names of SQL.
const ALIASES: &[(&str, i32)] = &[
    ("char", 1042),
    ("dec", 1700),
    ("decimal", 1700),
    ("double", 701),
    ("float", 701),
    ("int", 23),
    ("string", 25),
    ("time", 1083),
    ("timestamp", 1114),
];

/// The number of a type by any of its names, `schema.` and precision left out of account.
pub(super) fn oid(name: &str) -> Option<i32> {
    let name = name.trim().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let (item, array) = match name.strip_suffix("[]") {
        Some(item) => (item, "[]"),
        None => (name, ""),
    };
    // `numeric(12,2)`, `timestamp(3) with time zone`
    let item = match item.split_once('(') {
        Some((before, rest)) => format!("{}{}", before.trim(), rest.split_once(')').map_or("", |(_, after)| after)),
        None => item.to_string(),
    };
    let item = item.trim().trim_matches('"');
    if let Some((_, oid)) = ALIASES.iter().find(|(alias, _)| *alias == item) {
        let sql = sql_name(*oid)?;
        return if array.is_empty() { Some(*oid) } else { by_sql_name(&format!("{sql}[]")) };
    }
    let known = TYPES.iter().find(|(_, catalog, sql)| *catalog == item || *sql == item);
    let (oid, _, sql) = known?;
    if array.is_empty() { Some(*oid) } else { by_sql_name(&format!("{sql}[]")) }
}

/// The name in SQL of a type's number.
pub(super) fn sql_name(oid: i32) -> Option<&'static str> {
    TYPES.iter().find(|(known, _, _)| *known == oid).map(|(_, _, sql)| *sql)
}

fn by_sql_name(name: &str) -> Option<i32> {
    TYPES.iter().find(|(_, _, sql)| *sql == name).map(|(oid, _, _)| *oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_each_of_its_names() {
        for (name, number) in [
            ("int4", Some(23)),
            ("INTEGER", Some(23)),
            ("pg_catalog.int8", Some(20)),
            ("numeric(12,2)", Some(1700)),
            ("timestamp(3) with time zone", Some(1184)),
            ("text[]", Some(1009)),
            ("int[]", Some(1007)),
            ("_float8", Some(1022)),
            ("double precision", Some(701)),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(oid(name), number, "{name}");
        }
        assert!(TYPES.windows(2).all(|pair| pair[0].0 < pair[1].0), "by number");
    }
}
