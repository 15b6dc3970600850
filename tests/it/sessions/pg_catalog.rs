//! What psql and drivers ask at once.

use super::harness::World;

#[tokio::test]
async fn clients_find_a_postgres() {
    let mut client = World::new().await.session();
    let version = client.ask("SELECT version()").await.expect("it has one");
    assert!(version.starts_with("PostgreSQL 15.0"), "{version}");
    client.expect("SELECT current_database()", "tidemill").await;
    client.expect("SELECT current_schema()", "public").await;
    client.expect("CREATE TABLE shown (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE").await;
    client
        .expect(
            "SELECT n.nspname as \"Schema\",
  c.relname as \"Name\",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as \"Type\",
  pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;",
            "public|shown|table|tidemill",
        )
        .await;
    client
        .expect(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'shown' ORDER BY ordinal_position",
            "id\nv",
        )
        .await;
}

#[tokio::test]
async fn a_tables_primary_key_is_an_index_and_a_constraint() {
    let mut client = World::new().await.session();
    let table = "CREATE TABLE shown (a INT, \"B c\" TEXT, n INT NOT NULL, v TEXT, PRIMARY KEY (a, \"B c\"))";
    client.expect(table, "CREATE TABLE").await;
    client.expect("CREATE STREAM facts (a INT KEY, v TEXT) WITH (kafka_topic = 'facts')", "CREATE STREAM").await;
    let has_index =
        "SELECT relname, relhasindex FROM pg_catalog.pg_class WHERE relname IN ('shown', 'facts') ORDER BY 1";
    client.expect(has_index, "facts|f\nshown|t").await;
    // What psql's \d asks.
    let keys = "SELECT c2.relname, i.indisprimary, i.indisunique, i.indisvalid,
          pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
          pg_catalog.pg_get_constraintdef(con.oid, true), contype
        FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
          LEFT JOIN pg_catalog.pg_constraint con
            ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
        WHERE c.relname = 'shown' AND c.oid = i.indrelid AND i.indexrelid = c2.oid
        ORDER BY i.indisprimary DESC, c2.relname";
    let index = "CREATE UNIQUE INDEX shown_pkey ON public.shown USING btree (a, \"B c\")";
    client.expect(keys, &format!("shown_pkey|t|t|t|{index}|PRIMARY KEY (a, \"B c\")|p")).await;
    let strict = "SELECT a.attname, a.attnotnull FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE c.relname = 'shown' ORDER BY a.attnum";
    client.expect(strict, "a|t\nB c|t\nn|t\nv|f").await;
}
