//! How many statements and round trips an operation takes, as the server and a proxy count them.

use sqlx::{Connection, MySqlConnection, Row};
use tower_keep_core::{Change, Touch};
use tower_keep_sql_store::MySqlStore;
use tower_keep_test_servers::{Durability, MariaDb, Postgres, Proxy};

use crate::{
    LIFETIME, Shared, begin, increment, random_id, record, small,
    support::{
        mysql::Database,
        postgres::{Schema, client},
    },
};

const ROUNDS: i64 = 10;

/// Runs each operation once.
async fn each_operation(store: &Shared) {
    let id = begin(store).await;
    let before = record(store, &id).await;
    store.apply(&id, &increment(&before)).await.unwrap();
    let touch = Touch { created_at: before.created_at, lifetime: LIFETIME };
    store.touch(&id, touch).await.unwrap();
    let mut change = Change::new(&before, LIFETIME);
    change.base_version += 1;
    change.base_fields = before.fields.with([("n", Some("1"))]);
    let new = random_id();
    let rotated = store.rotate(&id, &new, &change).await.unwrap();
    assert!(matches!(rotated, tower_keep_core::Rotated::Rotated(_)), "{rotated:?}");
    assert!(store.delete(&new).await.unwrap());
}

/// Asserts that each operation is one round trip.
async fn assert_round_trips(store: &Shared, proxy: &Proxy) {
    // Connects and prepares.
    each_operation(store).await;
    let trips = async |what: &str, operation: &mut (dyn Future<Output = ()> + Unpin)| {
        let before = proxy.round_trips();
        operation.await;
        assert_eq!(proxy.round_trips() - before, 1, "{what}");
    };
    let id = random_id();
    let new = random_id();
    trips("create", &mut Box::pin(async { store.create(&id, small()).await.map(|_| ()).unwrap() }))
        .await;
    trips("load", &mut Box::pin(async { drop(store.load(&id).await.unwrap()) })).await;
    let before = record(store, &id).await;
    let touch = Touch { created_at: before.created_at, lifetime: LIFETIME };
    trips("touch", &mut Box::pin(async { store.touch(&id, touch).await.map(|_| ()).unwrap() }))
        .await;
    let change = increment(&before);
    trips("apply", &mut Box::pin(async { drop(store.apply(&id, &change).await.unwrap()) })).await;
    let change = increment(&record(store, &id).await.clone());
    trips("rotate", &mut Box::pin(async { drop(store.rotate(&id, &new, &change).await.unwrap()) }))
        .await;
    trips("delete", &mut Box::pin(async { assert!(store.delete(&new).await.unwrap()) })).await;
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn operation_on_postgres_is_one_round_trip() {
    let server = Postgres::shared();
    let proxy = Proxy::to(server.port()).await;
    let schema = Schema::new();
    let through = schema.builder().connections(1);
    schema.builder().connect(&server.url()).await.unwrap().migrate().await.unwrap();
    let store: Shared =
        std::sync::Arc::new(through.connect(&server.url_at(proxy.port())).await.unwrap());
    assert_round_trips(&store, &proxy).await;
}

#[tokio::test]
async fn operation_on_mariadb_is_one_round_trip() {
    let server = MariaDb::shared();
    let proxy = Proxy::to(server.port()).await;
    let database = Database::new();
    database.make().await;
    let url = server.url_at(proxy.port(), &database.name);
    let store = MySqlStore::builder().connections(1).connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let store: Shared = std::sync::Arc::new(store);
    assert_round_trips(&store, &proxy).await;
}

#[tokio::test]
async fn operation_on_postgres_is_one_statement() {
    let server = Postgres::shared();
    let client = client(&server.url()).await;
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await.unwrap();
    let schema = Schema::new();
    let store = schema.builder().connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let store: Shared = std::sync::Arc::new(store);
    for _ in 0..ROUNDS {
        each_operation(&store).await;
    }
    let counted = format!(
        "SELECT calls, query FROM pg_stat_statements \
         WHERE query LIKE '%\"{}\".\"tower_keep_sessions\"%' AND query NOT LIKE 'CREATE%'",
        schema.name
    );
    let rows = client.query(&counted, &[]).await.unwrap();
    // Create, load, apply, touch, rotate and delete.
    let calls: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row.get(1)).collect();
    assert_eq!(calls, [ROUNDS; 6], "{texts:#?}");
}

#[tokio::test]
async fn operation_on_mariadb_is_one_statement_that_is_prepared_once() {
    let server = MariaDb::start(Durability::Lazy);
    let url = server.url("keep");
    let store = MySqlStore::builder().database("keep").connections(1).connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let store: Shared = std::sync::Arc::new(store);
    crate::support::mysql::run(&url, "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
        .await;
    for _ in 0..ROUNDS {
        each_operation(&store).await;
    }
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    let counted = "SELECT command_type, COUNT(*) FROM mysql.general_log \
                   WHERE argument LIKE '%`keep`.`tower_keep_sessions`%' \
                   AND argument NOT LIKE '%general_log%' GROUP BY command_type";
    let rows = sqlx::query(counted).fetch_all(&mut connection).await.unwrap();
    let counts: std::collections::BTreeMap<String, i64> = rows
        .iter()
        .map(|row| {
            let kind: &[u8] = row.try_get_unchecked(0).unwrap();
            (String::from_utf8_lossy(kind).into_owned(), row.get(1))
        })
        .collect();
    assert_eq!(counts.get("Execute"), Some(&(6 * ROUNDS)), "{counts:?}");
    assert_eq!(counts.get("Prepare"), Some(&6), "{counts:?}");
}
