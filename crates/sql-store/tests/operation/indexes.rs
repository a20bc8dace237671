//! Every operation finds its rows by an index.

use rusqlite::Connection;
use sqlx::{Connection as _, MySqlConnection, Row};
use tokio_postgres::Client;
use tower_keep_core::Store;
use tower_keep_sql_store::{MySqlStore, SqliteStore};
use tower_keep_test_servers::{MariaDb, Postgres};

use crate::{
    random_id, small,
    support::{
        mysql::Database,
        postgres::{Schema, client},
    },
};

/// So many rows that no planner reads them all for one.
const ROWS: usize = 2_000;

async fn fill(store: &impl Store) {
    for _ in 0..ROWS {
        store.create(&random_id(), small()).await.unwrap();
    }
}

#[tokio::test]
async fn postgres_reads_no_table_from_end_to_end() {
    let schema = Schema::new();
    let url = Postgres::shared().url();
    let store = schema.builder().connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    fill(&store).await;
    let client = client(&url).await;
    let table = format!("{}.tower_keep_sessions", schema.name);
    client.batch_execute(&format!("VACUUM ANALYZE {table}")).await.unwrap();
    assert_indexed_in_postgres(&client, &schema).await;
}

/// Asks the server how it would run each statement, on a connection like the store's.
pub(crate) async fn assert_indexed_in_postgres(client: &Client, schema: &Schema) {
    let settings = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                    SET enable_bitmapscan = off; SET enable_hashjoin = off; \
                    SET enable_mergejoin = off";
    client.batch_execute(settings).await.unwrap();
    for (name, text) in schema.builder().statements().unwrap() {
        client.batch_execute(&format!("PREPARE {name} AS {text}")).await.unwrap();
        let values = (1..).take_while(|n| text.contains(&format!("${n}"))).map(|_| "NULL");
        let values = values.collect::<Vec<_>>().join(", ");
        let explain = if values.is_empty() {
            format!("EXPLAIN EXECUTE {name}")
        } else {
            format!("EXPLAIN EXECUTE {name}({values})")
        };
        let plan = client.query(&explain, &[]).await.unwrap();
        let plan: Vec<&str> = plan.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        // A count of all sessions reads all of them, in an index if they are many.
        let reads_all = name == "stats";
        assert!(plan.contains("Index") || reads_all, "{name}:\n{plan}");
        assert!(!plan.contains("Seq Scan on tower_keep_sessions") || reads_all, "{name}:\n{plan}");
    }
}

#[tokio::test]
async fn mariadb_reads_no_table_from_end_to_end() {
    let database = Database::new();
    database.make().await;
    let store = MySqlStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap();
    fill(&store).await;
    let mut connection =
        MySqlConnection::connect(&MariaDb::shared().url(&database.name)).await.unwrap();
    sqlx::query("ANALYZE TABLE tower_keep_sessions").fetch_all(&mut connection).await.unwrap();
    assert_indexed_in_mariadb(&mut connection).await;
}

/// Asks the server how it would run each statement.
pub(crate) async fn assert_indexed_in_mariadb(connection: &mut MySqlConnection) {
    for (name, text) in MySqlStore::builder().statements().unwrap() {
        let id = random_id();
        let explain = format!("EXPLAIN {text}");
        let mut asked = sqlx::query(&explain);
        // In the order of the statement; numbers where it takes some.
        let places = text.matches('?').count();
        for place in 0..places {
            let is_id = match name {
                "load" | "delete" => true,
                "load_some" => true,
                // After the numbers of the stamp and of the lifetime come ids, with what they get.
                "update_some" => is_id_of_update(place, places),
                "apply" => place == places - 3,
                "touch" => place == places - 1,
                "list" | "list_user" => place == 0,
                _ => false,
            };
            let is_name = name == "list_user" && (place == 1 || place == 2);
            asked = match (is_id, is_name) {
                (true, _) => asked.bind(id.as_bytes().to_vec()),
                (_, true) => asked.bind("ada"),
                _ => asked.bind(10_i64),
            };
        }
        let plan = asked.fetch_all(&mut *connection).await.unwrap();
        for step in &plan {
            let key: Option<&[u8]> = step.try_get_unchecked("key").unwrap();
            let kind: Option<&[u8]> = step.try_get_unchecked("type").unwrap();
            let table: Option<&[u8]> = step.try_get_unchecked("table").unwrap();
            // What another step found is read whole.
            if table.is_some_and(|table| table.starts_with(b"<")) {
                continue;
            }
            let found_nothing = kind.is_none();
            assert!(key.is_some() || found_nothing, "{name} uses no index: {text}");
            assert!(kind != Some(b"ALL"), "{name} reads all rows: {text}");
        }
    }
}

#[tokio::test]
async fn sqlite_reads_no_table_from_end_to_end() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sessions.db");
    let store = SqliteStore::builder().durable(false).open(&file).await.unwrap();
    fill(&store).await;
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("ANALYZE").unwrap();
    assert_indexed_in_sqlite(&connection);
}

/// Asks SQLite how it would run each statement.
pub(crate) fn assert_indexed_in_sqlite(connection: &Connection) {
    for (name, text) in SqliteStore::builder().statements().unwrap() {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let plan = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        let plan: Vec<String> = plan.map(Result::unwrap).collect();
        for step in plan.iter().filter(|step| step.starts_with("SCAN tower_keep_sessions")) {
            assert!(step.contains("USING COVERING INDEX"), "{name}: {plan:?}");
        }
    }
}

/// Whether a place of an update of several rows takes an id: two numbers, then ids; two lifetimes, then
/// ids, data, ids, seals, ids; then an id, a version and a seal for each.
fn is_id_of_update(place: usize, places: usize) -> bool {
    let rows = (places - 4) / 9;
    match place {
        0 | 1 => false,
        place if place < 2 + rows => true,
        place if place < 4 + rows => false,
        place if place < 4 + 6 * rows => ((place - 4 - rows) / rows).is_multiple_of(2),
        place => (place - 4 - 6 * rows).is_multiple_of(3),
    }
}
