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
            "public|shown|table|postgres",
        )
        .await;
    client
        .expect(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'shown' ORDER BY ordinal_position",
            "id\nv",
        )
        .await;
}
