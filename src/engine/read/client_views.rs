//! Views of `information_schema` and `pg_catalog` as queries: those that DataFusion and the catalog lack, and those in which they
//! say other words than PostgreSQL.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use crate::error::Error;
use crate::error::Result;
use crate::sql::DATABASE;
use crate::sql::walk;

/// The alias of a view of DataFusion's own, which stays what it is.
const OWN: &str = "__own";

/// The names of types as PostgreSQL has them, for those that Arrow gives.
const TYPE: &str = "CASE data_type WHEN 'Int32' THEN 'integer' WHEN 'Int64' THEN 'bigint' WHEN 'Utf8' THEN 'text'
    WHEN 'Float64' THEN 'double precision' WHEN 'Boolean' THEN 'boolean' WHEN 'Date32' THEN 'date' WHEN 'Binary' THEN 'bytea'
    WHEN 'LargeUtf8' THEN 'json' WHEN 'LargeBinary' THEN 'jsonb'
    ELSE CASE WHEN data_type LIKE 'Decimal%' THEN 'numeric' WHEN data_type LIKE 'Timestamp(%UTC%' THEN 'timestamp with time zone'
    WHEN data_type LIKE 'Timestamp(%' THEN 'timestamp without time zone' WHEN data_type LIKE 'Time64(%' THEN 'time without time zone'
    WHEN data_type LIKE 'List(%' THEN 'ARRAY' WHEN data_type LIKE 'Interval(%' THEN 'interval'
    WHEN data_type LIKE 'Map(%' OR data_type LIKE 'Struct(%' THEN 'json' ELSE data_type END END";

/// The names in `pg_type` of the same types.
const UDT: &str = "CASE data_type WHEN 'Int32' THEN 'int4' WHEN 'Int64' THEN 'int8' WHEN 'Utf8' THEN 'text' WHEN 'Float64' THEN 'float8'
    WHEN 'Boolean' THEN 'bool' WHEN 'Date32' THEN 'date' WHEN 'Binary' THEN 'bytea'
    WHEN 'LargeUtf8' THEN 'json' WHEN 'LargeBinary' THEN 'jsonb'
    ELSE CASE WHEN data_type LIKE 'Decimal%' THEN 'numeric' WHEN data_type LIKE 'Timestamp(%UTC%' THEN 'timestamptz'
    WHEN data_type LIKE 'Timestamp(%' THEN 'timestamp' WHEN data_type LIKE 'Time64(%' THEN 'time' WHEN data_type LIKE 'List(%' THEN '_text'
    WHEN data_type LIKE 'Interval(%' THEN 'interval' WHEN data_type LIKE 'Map(%' OR data_type LIKE 'Struct(%' THEN 'json'
    ELSE data_type END END";

/// A view of `information_schema`; `{database}`, `{type}` and `{udt}` stand for what they say, `{none:a b}` for texts that are NULL.
const INFORMATION_SCHEMA: [(&str, &str); 19] = [
    (
        "columns",
        "SELECT __own.table_catalog, __own.table_schema, __own.table_name, __own.column_name,
            CAST(ordinal_position AS INT) + 1 AS ordinal_position, n.adbin AS column_default,
            CASE WHEN n.attnotnull THEN 'NO' ELSE is_nullable END AS is_nullable,
            CASE n.atttypid WHEN 1042 THEN 'character' WHEN 1043 THEN 'character varying' WHEN 2950 THEN 'uuid' ELSE {type} END AS data_type,
            CASE WHEN n.atttypid IN (1042, 1043) THEN n.atttypmod - 4 END AS character_maximum_length,
            CASE WHEN n.atttypid IN (1042, 1043) THEN 4 * (n.atttypmod - 4) END AS character_octet_length,
            CASE data_type WHEN 'Int64' THEN 64 WHEN 'Float64' THEN 53 ELSE CAST(numeric_precision AS INT) END AS numeric_precision,
            CAST(numeric_precision_radix AS INT) AS numeric_precision_radix,
            CASE WHEN data_type IN ('Int32', 'Int64') THEN 0 ELSE CAST(numeric_scale AS INT) END AS numeric_scale,
            CAST(datetime_precision AS INT) AS datetime_precision, interval_type, CAST(NULL AS INT) AS interval_precision,
            {none:character_set_catalog character_set_schema character_set_name collation_catalog collation_schema collation_name},
            {none:domain_catalog domain_schema domain_name},
            '{database}' AS udt_catalog, 'pg_catalog' AS udt_schema,
            CASE n.atttypid WHEN 1042 THEN 'bpchar' WHEN 1043 THEN 'varchar' WHEN 2950 THEN 'uuid' ELSE {udt} END AS udt_name,
            {none:scope_catalog scope_schema scope_name}, CAST(NULL AS INT) AS maximum_cardinality,
            CAST(CAST(ordinal_position AS INT) + 1 AS TEXT) AS dtd_identifier, 'NO' AS is_self_referencing,
            CASE WHEN n.attidentity IN ('a', 'd') THEN 'YES' ELSE 'NO' END AS is_identity,
            CASE n.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS identity_generation,
            {none:identity_start identity_increment identity_maximum identity_minimum}, 'NO' AS identity_cycle,
            'NEVER' AS is_generated, {none:generation_expression}, 'YES' AS is_updatable
         FROM information_schema.columns AS __own
            LEFT JOIN (SELECT s.nspname, t.relname, a.attname, a.attnotnull, a.atttypid, a.atttypmod, a.attidentity, d.adbin
                FROM pg_catalog.pg_attribute a
                JOIN pg_catalog.pg_class t ON t.oid = a.attrelid JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
                LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE (s.nspname = 'public' OR starts_with(s.nspname, 'pg_temp_')) AND 0 < a.attnum) AS n
            ON n.nspname = __own.table_schema AND n.relname = __own.table_name AND n.attname = __own.column_name",
    ),
    (
        "tables",
        "SELECT __own.table_catalog, __own.table_schema, __own.table_name,
            CASE WHEN starts_with(__own.table_schema, 'pg_temp_') THEN 'LOCAL TEMPORARY' ELSE __own.table_type END AS table_type,
            {none:self_referencing_column_name reference_generation user_defined_type_catalog user_defined_type_schema},
            {none:user_defined_type_name}, CASE __own.table_type WHEN 'BASE TABLE' THEN 'YES' ELSE 'NO' END AS is_insertable_into,
            'NO' AS is_typed, {none:commit_action}
         FROM information_schema.tables AS __own",
    ),
    (
        "schemata",
        "SELECT '{database}' AS catalog_name, nspname AS schema_name, '{database}' AS schema_owner,
            {none:default_character_set_catalog default_character_set_schema default_character_set_name sql_path}
         FROM pg_catalog.pg_namespace",
    ),
    (
        "routines",
        "SELECT '{database}' AS specific_catalog, 'pg_catalog' AS specific_schema, specific_name,
            '{database}' AS routine_catalog, 'pg_catalog' AS routine_schema, routine_name, routine_type, data_type,
            is_deterministic
         FROM information_schema.routines AS __own WHERE NOT starts_with(routine_name, '__')",
    ),
    ("information_schema_catalog_name", "SELECT '{database}' AS catalog_name"),
    (
        "element_types",
        "SELECT {none:object_catalog object_schema object_name object_type collection_type_identifier data_type udt_catalog},
            {none:udt_schema udt_name dtd_identifier} WHERE false",
    ),
    (
        "domains",
        "SELECT {none:domain_catalog domain_schema domain_name data_type domain_default udt_catalog udt_schema udt_name} WHERE false",
    ),
    (
        "view_table_usage",
        "SELECT {none:view_catalog view_schema view_name table_catalog table_schema table_name} WHERE false",
    ),
    (
        "views",
        "SELECT '{database}' AS table_catalog, schemaname AS table_schema, viewname AS table_name, definition AS view_definition,
            'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into
         FROM pg_catalog.pg_views",
    ),
    (
        "table_constraints",
        "SELECT '{database}' AS constraint_catalog, n.nspname AS constraint_schema, c.conname AS constraint_name,
            '{database}' AS table_catalog, n.nspname AS table_schema, t.relname AS table_name, 'PRIMARY KEY' AS constraint_type,
            'NO' AS is_deferrable, 'NO' AS initially_deferred, 'YES' AS enforced
         FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace",
    ),
    (
        "key_column_usage",
        "SELECT '{database}' AS constraint_catalog, n.nspname AS constraint_schema, c.conname AS constraint_name,
            '{database}' AS table_catalog, n.nspname AS table_schema, t.relname AS table_name, a.attname AS column_name,
            CAST(c.place AS INT) AS ordinal_position, CAST(NULL AS INT) AS position_in_unique_constraint
         FROM (SELECT conname, conrelid, unnest(__numbers(conkey)) AS number, unnest(__ordinality(__numbers(conkey))) AS place
                FROM pg_catalog.pg_constraint) c
            JOIN pg_catalog.pg_class t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.number",
    ),
    (
        "constraint_column_usage",
        "SELECT '{database}' AS table_catalog, n.nspname AS table_schema, t.relname AS table_name, a.attname AS column_name,
            '{database}' AS constraint_catalog, n.nspname AS constraint_schema, c.conname AS constraint_name
         FROM (SELECT conname, conrelid, unnest(__numbers(conkey)) AS number FROM pg_catalog.pg_constraint) c
            JOIN pg_catalog.pg_class t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.number",
    ),
    (
        "referential_constraints",
        "SELECT '' AS constraint_catalog, '' AS constraint_schema, '' AS constraint_name, '' AS unique_constraint_catalog,
            '' AS unique_constraint_schema, '' AS unique_constraint_name, '' AS match_option, '' AS update_rule, '' AS delete_rule
         WHERE false",
    ),
    ("table_privileges", PRIVILEGES),
    ("role_table_grants", PRIVILEGES),
    (
        "sequences",
        "SELECT '' AS sequence_catalog, '' AS sequence_schema, '' AS sequence_name, '' AS data_type, 0 AS numeric_precision,
            '' AS start_value, '' AS minimum_value, '' AS maximum_value, '' AS increment, '' AS cycle_option
         WHERE false",
    ),
    (
        "triggers",
        "SELECT '' AS trigger_catalog, '' AS trigger_schema, '' AS trigger_name, '' AS event_manipulation, '' AS event_object_catalog,
            '' AS event_object_schema, '' AS event_object_table, '' AS action_statement, '' AS action_timing
         WHERE false",
    ),
    (
        "check_constraints",
        "SELECT '' AS constraint_catalog, '' AS constraint_schema, '' AS constraint_name, '' AS check_clause WHERE false",
    ),
    (
        "character_sets",
        "SELECT CAST(NULL AS TEXT) AS character_set_catalog, CAST(NULL AS TEXT) AS character_set_schema, 'UTF8' AS character_set_name,
            'UCS' AS character_repertoire, 'UTF8' AS form_of_use, '{database}' AS default_collate_catalog",
    ),
];

const PRIVILEGES: &str =
    "SELECT \"session_user\"() AS grantor, \"session_user\"() AS grantee, __own.table_catalog, __own.table_schema,
        __own.table_name, p.privilege_type, 'YES' AS is_grantable, 'NO' AS with_hierarchy
     FROM information_schema.tables AS __own
        CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p(privilege_type)
     WHERE __own.table_schema = 'public'";

/// A view of `pg_catalog`.
const PG_CATALOG: [(&str, &str); 9] = [
    (
        "pg_views",
        "SELECT n.nspname AS schemaname, c.relname AS viewname, \"session_user\"() AS viewowner, pg_get_viewdef(c.oid) AS definition
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'v' AND n.nspname = 'public'",
    ),
    ("pg_show_all_settings", "SELECT * FROM pg_catalog.pg_settings"),
    (
        "pg_tables",
        "SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) AS tableowner,
            CAST(NULL AS TEXT) AS tablespace, c.relhasindex AS hasindexes, c.relhasrules AS hasrules, c.relhastriggers AS hastriggers,
            c.relrowsecurity AS rowsecurity
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')",
    ),
    (
        "pg_indexes",
        "SELECT n.nspname AS schemaname, t.relname AS tablename, i.relname AS indexname, CAST(NULL AS TEXT) AS tablespace,
            pg_get_indexdef(x.indexrelid) AS indexdef
         FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class t ON t.oid = x.indrelid JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace",
    ),
    (
        "pg_user",
        "SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, false AS userepl,
            false AS usebypassrls, '********' AS passwd, CAST(NULL AS TEXT) AS valuntil, CAST(NULL AS TEXT) AS useconfig
         FROM pg_catalog.pg_roles",
    ),
    (
        "pg_shadow",
        "SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, false AS userepl,
            false AS usebypassrls, CAST(NULL AS TEXT) AS passwd, CAST(NULL AS TEXT) AS valuntil, CAST(NULL AS TEXT) AS useconfig
         FROM pg_catalog.pg_roles",
    ),
    (
        "pg_stat_activity",
        "SELECT 0 AS datid, '{database}' AS datname, pg_backend_pid() AS pid, CAST(NULL AS INT) AS leader_pid, 10 AS usesysid,
            \"session_user\"() AS usename, '' AS application_name, CAST(NULL AS TEXT) AS client_addr,
            CAST(NULL AS TEXT) AS client_hostname, CAST(NULL AS INT) AS client_port, now() AS backend_start, now() AS xact_start,
            now() AS query_start, now() AS state_change, CAST(NULL AS TEXT) AS wait_event_type, CAST(NULL AS TEXT) AS wait_event,
            'active' AS state, CAST(NULL AS INT) AS backend_xid, CAST(NULL AS INT) AS backend_xmin, '' AS query,
            'client backend' AS backend_type",
    ),
    (
        "pg_stat_database",
        "SELECT 0 AS datid, '{database}' AS datname, 1 AS numbackends, 0 AS xact_commit, 0 AS xact_rollback, 0 AS blks_read, 0 AS blks_hit,
            0 AS tup_returned, 0 AS tup_fetched, 0 AS tup_inserted, 0 AS tup_updated, 0 AS tup_deleted, 0 AS conflicts, 0 AS temp_files,
            0 AS temp_bytes, 0 AS deadlocks",
    ),
    (
        "pg_available_extensions",
        "SELECT extname AS name, extversion AS default_version, extversion AS installed_version, CAST(NULL AS TEXT) AS comment
         FROM pg_catalog.pg_extension",
    ),
];

/// Views, tables and table functions without rows, with their columns; those that hold numbers have a `#` behind them, truths a `?`.
const EMPTY: [(&str, &str); 21] = [
    ("pg_get_publication_tables", "pubid# relid# attrs qual"),
    ("pg_options_to_table", "option_name option_value"),
    ("pg_partition_tree", "relid# parentrelid# isleaf? level#"),
    ("pg_ts_config_map", "mapcfg# maptokentype# mapseqno# mapdict#"),
    ("ts_token_type", "tokid# alias description"),
    (
        "pg_stat_user_tables",
        "relid# schemaname relname seq_scan# seq_tup_read# idx_scan# idx_tup_fetch# n_tup_ins# n_tup_upd# n_tup_del# n_live_tup# n_dead_tup# \
         last_vacuum last_autovacuum last_analyze last_autoanalyze vacuum_count# autovacuum_count# analyze_count# autoanalyze_count#",
    ),
    (
        "pg_stat_all_tables",
        "relid# schemaname relname seq_scan# seq_tup_read# idx_scan# idx_tup_fetch# n_tup_ins# n_tup_upd# n_tup_del# n_live_tup# n_dead_tup#",
    ),
    (
        "pg_statio_user_tables",
        "relid# schemaname relname heap_blks_read# heap_blks_hit# idx_blks_read# idx_blks_hit# toast_blks_read# toast_blks_hit#",
    ),
    (
        "pg_stat_user_indexes",
        "relid# indexrelid# schemaname relname indexrelname idx_scan# idx_tup_read# idx_tup_fetch#",
    ),
    (
        "pg_stat_all_indexes",
        "relid# indexrelid# schemaname relname indexrelname idx_scan# idx_tup_read# idx_tup_fetch#",
    ),
    (
        "pg_locks",
        "locktype database# relation# page# tuple# virtualxid transactionid# classid# objid# objsubid# virtualtransaction pid# mode granted \
         fastpath waitstart",
    ),
    ("pg_prepared_statements", "name statement prepare_time parameter_types from_sql generic_plans# custom_plans#"),
    ("pg_cursors", "name statement is_holdable is_binary is_scrollable creation_time"),
    (
        "pg_sequences",
        "schemaname sequencename sequenceowner data_type start_value# min_value# max_value# increment_by# cycle cache_size# last_value#",
    ),
    (
        "pg_stats",
        "schemaname tablename attname inherited null_frac# avg_width# n_distinct# most_common_vals most_common_freqs histogram_bounds correlation#",
    ),
    (
        "pg_stat_replication",
        "pid# usesysid# usename application_name client_addr backend_start state sent_lsn sync_state",
    ),
    ("pg_group", "groname grosysid# grolist"),
    ("pg_timezone_names", "name abbrev utc_offset is_dst?"),
    ("pg_rules", "schemaname tablename rulename definition"),
    ("pg_policies", "schemaname tablename policyname permissive roles cmd qual with_check"),
    ("pg_publication_tables", "pubname schemaname tablename attnames rowfilter"),
];

/// Puts them in the place of their names.
pub(super) fn rewrite(statement: &mut ast::Statement) -> Result<()> {
    let flow = walk::walk_mut(statement, |node| {
        let walk::NodeMut::TableFactor(factor) = node else { return ControlFlow::Continue(()) };
        let ast::TableFactor::Table { name, alias, .. } = factor else { return ControlFlow::Continue(()) };
        let Some((name, query)) = view(name).filter(|_| !is_own(alias.as_ref())) else {
            return ControlFlow::Continue(());
        };
        let alias = alias.clone().map_or_else(|| format!("AS {name}"), |alias| alias.to_string());
        match derived(&format!("SELECT * FROM ({query}) {alias}")) {
            Some(table) => *factor = table,
            None => return ControlFlow::Break(Error::internal(format!("the view {name} is not read"))),
        }
        ControlFlow::Continue(())
    });
    flow.break_value().map_or(Ok(()), Err)
}

/// Whether a name without its schema is a view's of pg_catalog.
pub(super) fn is_view(name: &str) -> bool {
    PG_CATALOG.iter().chain(&EMPTY).any(|(known, _)| name.eq_ignore_ascii_case(known))
}

/// The view of a name, and its query.
fn view(name: &ast::ObjectName) -> Option<(&'static str, String)> {
    let (table, before) = name.0.split_last()?;
    let table = &table.as_ident()?.value;
    let schema = before.last().and_then(|schema| schema.as_ident()).map(|schema| schema.value.to_lowercase());
    let is_meant = |known: &&(&str, &str)| table.eq_ignore_ascii_case(known.0);
    let (name, query) = match schema.as_deref() {
        Some("information_schema") => {
            INFORMATION_SCHEMA.iter().find(is_meant).map(|(name, query)| (*name, (*query).to_string()))?
        }
        None | Some("pg_catalog") => {
            let told = PG_CATALOG.iter().find(is_meant).map(|(name, query)| (*name, (*query).to_string()));
            told.or_else(|| EMPTY.iter().find(is_meant).map(|(name, columns)| (*name, without_rows(columns))))?
        }
        Some(_) => return None,
    };
    let query = query.replace("{type}", TYPE).replace("{udt}", UDT).replace("{database}", DATABASE);
    Some((name, with_nulls(&query)))
}

/// `{none:a b}` as columns without a text.
fn with_nulls(query: &str) -> String {
    let mut parts = query.split("{none:");
    let mut told = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (names, rest) = part.split_once('}').unwrap_or((part, ""));
        let columns: Vec<String> =
            names.split_whitespace().map(|name| format!("CAST(NULL AS TEXT) AS {name}")).collect();
        told.push_str(&columns.join(", "));
        told.push_str(rest);
    }
    told
}

fn without_rows(columns: &str) -> String {
    let columns = columns.split_whitespace().map(|column| match (column.strip_suffix('#'), column.strip_suffix('?')) {
        (Some(number), _) => format!("CAST(NULL AS BIGINT) AS {number}"),
        (_, Some(truth)) => format!("CAST(NULL AS BOOLEAN) AS {truth}"),
        _ => format!("CAST(NULL AS TEXT) AS {column}"),
    });
    format!("SELECT {} WHERE false", columns.collect::<Vec<_>>().join(", "))
}

fn is_own(alias: Option<&ast::TableAlias>) -> bool {
    alias.is_some_and(|alias| alias.name.value == OWN)
}

fn derived(text: &str) -> Option<ast::TableFactor> {
    let query = Parser::new(&GenericDialect {}).try_with_sql(text).ok()?.parse_query().ok()?;
    match *query.body {
        ast::SetExpr::Select(select) => select.from.into_iter().next().map(|from| from.relation),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_can_be_read() {
        let of_schema = INFORMATION_SCHEMA.iter().map(|(name, _)| format!("information_schema.{name}"));
        let names = of_schema.chain(PG_CATALOG.iter().chain(&EMPTY).map(|(name, _)| (*name).to_string()));
        for name in names {
            let text = format!("SELECT * FROM {name} x");
            let mut parsed = Parser::parse_sql(&GenericDialect {}, &text).expect("it is SQL");
            rewrite(&mut parsed[0]).expect("it is a view");
            assert_ne!(parsed[0].to_string(), text, "{name}");
        }
    }
}
