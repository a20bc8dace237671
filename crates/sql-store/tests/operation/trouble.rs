//! Trouble of other kinds: each is an error of the right kind, and passes.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, Executor, MySqlConnection, Row};
use tokio_postgres::Client;
use tower_keep_core::{Applied, Created, OverLimit, SessionId, Store, StoreErrorKind, UserLimit};
use tower_keep_sql_store::{MySqlStore, PostgresStore};
use tower_keep_test_servers::{Durability, MariaDb, Postgres};

use crate::{
    Shared, begin, increment, random_id, record, small,
    support::{
        mysql::run,
        postgres::{self, Schema},
    },
};

/// A setting of a server that is being changed.
type Setting = std::pin::Pin<Box<dyn Future<Output = ()>>>;

#[tokio::test]
async fn server_that_takes_no_writes_is_unavailable_until_it_does() {
    let server = Postgres::start(Durability::Lazy);
    let maria = MariaDb::start(Durability::Lazy);
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    // The tests' own user is exempt from `read_only`, as every administrator.
    run(
        &maria.url("keep"),
        "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'app'; GRANT ALL ON keep.* TO app@'127.0.0.1'",
    )
    .await;
    let url = format!("mysql://app:app@127.0.0.1:{}/keep", maria.port());
    let mysql = MySqlStore::connect(&url).await.unwrap();
    mysql.migrate().await.unwrap();
    let stores: [(Shared, &dyn Fn(bool) -> Setting); 2] = [
        (Arc::new(store), &|read_only| {
            let url = server.url();
            Box::pin(async move {
                let client = postgres::client(&url).await;
                let word = if read_only { "on" } else { "off" };
                let set = format!("ALTER SYSTEM SET default_transaction_read_only = {word}");
                client.batch_execute(&set).await.unwrap();
                client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
            })
        }),
        (Arc::new(mysql), &|read_only| {
            let url = maria.url("keep");
            Box::pin(async move {
                run(&url, &format!("SET GLOBAL read_only = {}", u8::from(read_only))).await;
            })
        }),
    ];
    for (store, set_read_only) in stores {
        let id = begin(&store).await;
        set_read_only(true).await;
        let change = increment(&record(&store, &id).await.clone());
        let error = store.apply(&id, &change).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("takes no writes"), "{cause}");
        set_read_only(false).await;
        assert!(matches!(store.apply(&id, &change).await.unwrap(), Applied::Applied(_)));
    }
}

#[tokio::test]
async fn server_without_free_connections_is_unavailable_until_it_has() {
    let server = MariaDb::start(Durability::Lazy);
    let url = server.url("keep");
    let store = MySqlStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    drop(store);
    run(&url, "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'app'; GRANT ALL ON keep.* TO app@'127.0.0.1'; SET GLOBAL max_connections = 10").await;
    let url = format!("mysql://app:app@127.0.0.1:{}/keep", server.port());
    let mut others = Vec::new();
    let error = loop {
        match MySqlStore::connect(&url).await {
            Ok(store) => others.push(store),
            Err(error) => break error,
        }
        assert!(others.len() < 50);
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    // Those that have a connection go on.
    assert!(others[0].load(&random_id()).await.unwrap().is_none());
    others.truncate(2);
    tokio::time::sleep(Duration::from_millis(300)).await;
    MySqlStore::connect(&url).await.unwrap();
}

/// Holds a row of the table in a transaction, and then another one that the store holds.
async fn lock_row(client: &Client, table: &str, id: &[u8]) {
    client
        .execute(&format!("SELECT 1 FROM {table} WHERE id = $1 FOR UPDATE"), &[&id])
        .await
        .unwrap();
}

#[tokio::test]
async fn deadlock_and_serialization_failure_are_tried_again() {
    let schema = Schema::new();
    // Every statement is serializable, so that concurrent ones fail where they meet.
    let url = format!(
        "{}?options=-c%20default_transaction_isolation%3Dserializable",
        Postgres::shared().url()
    );
    let store = schema.builder().connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let store: Shared = Arc::new(store);
    let id = begin(&store).await;
    let table = format!("{}.tower_keep_sessions", schema.name);
    let client = postgres::client(&Postgres::shared().url()).await;
    client.batch_execute("BEGIN").await.unwrap();
    lock_row(&client, &table, id.as_bytes()).await;
    let touching = {
        let (store, before) = (Arc::clone(&store), record(&store, &id).await);
        tokio::spawn(async move {
            let touch =
                tower_keep_core::Touch { created_at: before.created_at, lifetime: crate::LIFETIME };
            store.touch(&id, touch).await
        })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    // What it waits for changes, which a serializable statement cannot take.
    client
        .execute(
            &format!("UPDATE {table} SET remember = true WHERE id = $1"),
            &[&&id.as_bytes()[..]],
        )
        .await
        .unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(touching.await.unwrap().unwrap(), tower_keep_core::Touched::Touched(_)));
}

/// Takes a row for itself, in a transaction.
async fn lock_in_mariadb(connection: &mut MySqlConnection, id: &SessionId) {
    let lock = "SELECT 1 FROM tower_keep_sessions WHERE id = ? FOR UPDATE";
    sqlx::query(lock).bind(id.as_bytes().as_slice()).fetch_all(connection).await.unwrap();
}

async fn number(connection: &mut MySqlConnection, text: &str) -> i64 {
    sqlx::query(text).fetch_one(connection).await.unwrap().get(0)
}

/// Two transactions wait for each other: that of the store is rolled back, and tried again.
#[tokio::test]
async fn deadlock_in_mariadb_is_tried_again() {
    let server = MariaDb::start(Durability::Lazy);
    let store = MySqlStore::connect(&server.url("keep")).await.unwrap();
    store.migrate().await.unwrap();
    let store: Shared = Arc::new(store);
    let (oldest, newest) = (random_id(), random_id());
    let mut new = small();
    new.user = Some("ada".into());
    new.user_limit = Some(UserLimit::new(1, OverLimit::EvictOldest));
    store.create(&oldest, new.clone()).await.unwrap();

    let mut other = MySqlConnection::connect(&server.url("keep")).await.unwrap();
    // It has done so much that the server sacrifices the store's.
    other.execute("CREATE TABLE ballast (n INT); START TRANSACTION").await.unwrap();
    other.execute("INSERT INTO ballast SELECT seq FROM seq_1_to_5000").await.unwrap();
    lock_in_mariadb(&mut other, &oldest).await;
    let creating = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create(&newest, new).await }
    });
    // It has made the newest session, and waits to evict the oldest.
    let mut watch = MySqlConnection::connect(&server.url("keep")).await.unwrap();
    let waits = "SELECT COUNT(*) FROM information_schema.innodb_lock_waits";
    while number(&mut watch, waits).await == 0 {
        // Asked again sooner, the server answers as before.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    lock_in_mariadb(&mut other, &newest).await;
    let deadlocks = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
                     WHERE variable_name = 'Innodb_deadlocks'";
    assert_eq!(number(&mut watch, deadlocks).await, 1, "the two waited for each other");
    other.execute("COMMIT").await.unwrap();
    match creating.await.unwrap().unwrap() {
        Created::Created(receipt) => assert_eq!(receipt.evicted, 1),
        other => panic!("{other:?}"),
    }
    assert!(store.load(&oldest).await.unwrap().is_none());
    assert!(store.load(&newest).await.unwrap().is_some());
}

/// Somebody else keeps a row for longer than the server lets others wait for it.
#[tokio::test]
async fn row_that_is_locked_for_long_is_a_time_out_and_disturbs_no_other() {
    let server = MariaDb::start(Durability::Lazy);
    let url = server.url("keep");
    let store = MySqlStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    run(&url, "SET GLOBAL innodb_lock_wait_timeout = 4").await;
    let store: Shared = Arc::new(MySqlStore::connect(&url).await.unwrap());
    let (locked, free) = (begin(&store).await, begin(&store).await);
    let mut other = MySqlConnection::connect(&url).await.unwrap();
    other.execute("START TRANSACTION").await.unwrap();
    lock_in_mariadb(&mut other, &locked).await;
    let change = increment(&record(&store, &locked).await.clone());
    let error = store.apply(&locked, &change).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    let begun = std::time::Instant::now();
    let freely = increment(&record(&store, &free).await.clone());
    assert!(matches!(store.apply(&free, &freely).await.unwrap(), Applied::Applied(_)));
    assert!(begun.elapsed() < Duration::from_secs(3));
    other.execute("COMMIT").await.unwrap();
    assert!(matches!(store.apply(&locked, &change).await.unwrap(), Applied::Applied(_)));
}

/// Callers who go away in the middle of a limited sign-in leave no lock, no connection and no half
/// transaction behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn abandoned_sign_ins_leave_nothing_behind() {
    let stores: [Shared; 2] = [
        Arc::new(postgres::fresh_store().await),
        Arc::new(crate::support::mysql::fresh_store().await),
    ];
    for store in stores {
        let mut new = small();
        new.user = Some("ada".into());
        new.user_limit = Some(UserLimit::new(3, OverLimit::EvictOldest));
        for micros in (0..60_u64).map(|round| round * 150) {
            let id = random_id();
            let patience = Duration::from_micros(micros);
            drop(tokio::time::timeout(patience, store.create(&id, new.clone())).await);
        }
        for _ in 0..3 {
            let id = random_id();
            let last =
                tokio::time::timeout(Duration::from_secs(20), store.create(&id, new.clone()));
            assert!(matches!(last.await.unwrap().unwrap(), Created::Created(_)));
        }
        let query = tower_keep_core::Query::new("shop").of_user("ada".into());
        let listed = store.index().unwrap().list(&query).await.unwrap();
        assert_eq!(listed.sessions.len(), 3);
    }
}
