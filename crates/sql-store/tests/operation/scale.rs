//! A million rows, of which half are swept while others are read. Small unless `TOWER_KEEP_LONG=1`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use sqlx::{Connection, MySqlConnection};
use tower_keep_core::{Lifetime, Receipt, Record, SessionId, Swept, Timestamp};
use tower_keep_sql_store::{MySqlStore, SqliteStore};
use tower_keep_test_servers::Postgres;
use tower_keep_tests::rounds;

use crate::{
    Shared, increment,
    indexes::{assert_indexed_in_mariadb, assert_indexed_in_postgres, assert_indexed_in_sqlite},
    random_id, small,
    support::{
        mysql::{Database, run},
        postgres::{Schema, client},
    },
};

/// The middle of how long reads and writes take, in turn, one at a time.
async fn measure(store: &Shared, ids: &[SessionId]) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for id in ids {
        let begin = Instant::now();
        let record = store.load(id).await.unwrap().unwrap().record;
        times[0].push(begin.elapsed());
        let begin = Instant::now();
        store.apply(id, &increment(&record)).await.unwrap();
        times[1].push(begin.elapsed());
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

/// The middle and the 99th percentile of how long reads take until told to stop.
async fn reads(store: &Shared, ids: &[SessionId], stop: impl Fn() -> bool) -> [Duration; 2] {
    let mut times = Vec::new();
    for id in ids.iter().cycle() {
        let begin = Instant::now();
        assert!(store.load(id).await.unwrap().is_some());
        times.push(begin.elapsed());
        if stop() {
            break;
        }
    }
    times.sort_unstable();
    [50, 99].map(|percent| times[times.len() * percent / 100])
}

async fn fill(store: &Shared, count: usize) -> Vec<SessionId> {
    let ids: Vec<SessionId> = (0..count).map(|_| random_id()).collect();
    let creates = ids.iter().map(|id| async move { store.create(id, small()).await.unwrap() });
    stream::iter(creates).buffer_unordered(64).for_each(async |_| {}).await;
    ids
}

async fn assert_scales(store: Shared, name: &str, multiply: impl AsyncFn(usize)) {
    let rows = rounds(20_000, 1_000_000);
    let ids = fill(&store, 1_000).await;
    measure(&store, &ids[..200]).await;
    let few = measure(&store, &ids).await;
    multiply(rows).await;
    measure(&store, &ids[..200]).await;
    let many = measure(&store, &ids).await;
    let quiet = Instant::now();
    let length = Duration::from_millis(rounds(300, 5_000) as u64);
    let idle = reads(&store, &ids, || quiet.elapsed() > length).await;

    // Half of them expired at once, and are swept while others are read.
    let stop = Arc::new(AtomicBool::new(false));
    let sweeping = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            let begin = Instant::now();
            let mut swept = 0;
            loop {
                match store.sweep().unwrap().sweep(1_000).await.unwrap() {
                    Swept::Removed { sessions, more } => {
                        swept += sessions;
                        if !more {
                            break;
                        }
                    }
                    _ => panic!("nobody else sweeps"),
                }
            }
            stop.store(true, SeqCst);
            (swept, begin.elapsed())
        })
    };
    let beside = reads(&store, &ids, || stop.load(SeqCst)).await;
    let (swept, took) = sweeping.await.unwrap();
    println!(
        "{name}: [load, apply] {few:?} at 1,000 and {many:?} at {rows} rows; {swept} swept in {took:?}; \
         [median, 99th percentile] of loads {idle:?} idle and {beside:?} meanwhile"
    );
    assert_eq!(swept, rows as u64 / 2);
    for id in &ids {
        assert!(store.load(id).await.unwrap().is_some(), "no live session is swept");
    }
    // A figure of a busy or unoptimized program says nothing.
    if rounds(0, 1) == 1 && !cfg!(debug_assertions) {
        assert!(many.iter().zip(few).all(|(many, few)| *many <= 2 * few), "{few:?} -> {many:?}");
        assert!(beside[1] <= 2 * idle[1], "{beside:?} is more than twice {idle:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_as_fast_with_a_million_rows() {
    let schema = Schema::new();
    let url = Postgres::shared().url();
    let store = schema.builder().connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let client = client(&url).await;
    let table = format!("{}.tower_keep_sessions", schema.name);
    assert_scales(Arc::new(store), "PostgreSQL", async |rows| {
        let more = format!(
            "INSERT INTO {table} SELECT sha256(n::text::bytea), 'shop', 'user ' || n / 3, NULL, NULL, \
             now(), now(), now() + CASE WHEN n % 2 = 0 THEN interval '-1 day' ELSE interval '1 day' END, \
             1, false, '{{\"n\":0}}', 0 FROM generate_series(1, {rows}) AS n"
        );
        client.batch_execute(&more).await.unwrap();
        client.batch_execute(&format!("VACUUM ANALYZE {table}")).await.unwrap();
        assert_indexed_in_postgres(&client, &schema).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_as_fast_with_a_million_rows() {
    let database = Database::new();
    database.make().await;
    let store = MySqlStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap();
    assert_scales(Arc::new(store), "MariaDB", async |rows| {
        let more = format!(
            "INSERT INTO tower_keep_sessions (id, layer, user_id, client_address, client_agent, \
             created_at, last_active, expires_at, version, remember, data, seal) SELECT UNHEX(SHA2(seq, 256)), 'shop', \
             CONCAT('user ', seq DIV 3), NULL, NULL, UTC_TIMESTAMP(), UTC_TIMESTAMP(), \
             UTC_TIMESTAMP() + INTERVAL IF(seq % 2 = 0, -1, 1) DAY, 1, FALSE, '{{\"n\":0}}', 0 \
             FROM seq_1_to_{rows}"
        );
        run(&database.url(), &more).await;
        let mut connection = MySqlConnection::connect(&database.url()).await.unwrap();
        sqlx::query("ANALYZE TABLE tower_keep_sessions").fetch_all(&mut connection).await.unwrap();
        assert_indexed_in_mariadb(&mut connection).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_as_fast_with_a_million_rows() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sessions.db");
    let store: Shared = Arc::new(SqliteStore::builder().durable(false).open(&file).await.unwrap());
    let filled = Arc::clone(&store);
    assert_scales(store, "SQLite", async |rows| {
        // Expired ones are not imported, so they are made by hand.
        let now = now(&filled).await;
        let long = Lifetime::default();
        let mut connection = rusqlite::Connection::open(&file).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO tower_keep_sessions VALUES \
                     (?1, 'shop', ?2, NULL, NULL, ?3, ?3, ?4, 1, 0, '{\"n\":0}', 0)",
                )
                .unwrap();
            for n in 0..rows {
                let end = if n % 2 == 0 { now } else { now + long.idle };
                insert
                    .execute(rusqlite::params![
                        random_id().as_bytes(),
                        format!("user {}", n / 3),
                        now.as_millis(),
                        end.as_millis()
                    ])
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
        connection.execute_batch("ANALYZE").unwrap();
        assert_indexed_in_sqlite(&connection);
    })
    .await;
}

async fn now(store: &Shared) -> Timestamp {
    let id = random_id();
    let tower_keep_core::Created::Created(Receipt { at, .. }) =
        store.create(&id, small()).await.unwrap()
    else {
        panic!("a random id is free")
    };
    store.delete(&id).await.unwrap();
    Record::new("shop".into(), at).created_at
}
