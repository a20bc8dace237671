//! Two processes of an application share one database.

use std::process::{Command, Stdio};

use tower_keep_core::{Applied, Store};
use tower_keep_sql_store::{MySqlStore, PostgresStore, SqliteStore};
use tower_keep_test_servers::Postgres;

use crate::{
    Shared, begin, increment, record,
    support::{mysql::Database, postgres::Schema},
};

const INCREMENTS: u64 = 150;

/// What a child process is told: a store, and the session that it counts in.
const STORE: &str = "TOWER_KEEP_TEST_STORE";
const SESSION: &str = "TOWER_KEEP_TEST_SESSION";

async fn open(place: &str) -> Shared {
    match place.split_once(' ') {
        Some(("postgres", schema)) => {
            let store = PostgresStore::builder()
                .schema(schema)
                .connect(&std::env::var("TOWER_KEEP_TEST_URL").unwrap())
                .await;
            std::sync::Arc::new(store.unwrap())
        }
        Some(("mysql", url)) => std::sync::Arc::new(MySqlStore::connect(url).await.unwrap()),
        Some((_, file)) => std::sync::Arc::new(SqliteStore::open(file).await.unwrap()),
        None => panic!("no store"),
    }
}

/// Counts in a session, where this is a child process.
#[tokio::test]
async fn child_counts() {
    let (Ok(place), Ok(session)) = (std::env::var(STORE), std::env::var(SESSION)) else {
        return;
    };
    let store = open(&place).await;
    let id = session.parse().unwrap();
    for _ in 0..INCREMENTS {
        let mut present = record(&store, &id).await;
        loop {
            match store.apply(&id, &increment(&present)).await.unwrap() {
                Applied::Applied(_) => break,
                Applied::Conflict(fresh) => present = fresh.record,
                Applied::Gone => panic!("the session is gone"),
            }
        }
    }
}

async fn assert_exact(store: impl Store, place: &str, url: &str) {
    let store: Shared = std::sync::Arc::new(store);
    let id = begin(&store).await;
    let children: Vec<_> = (0..2)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "processes::child_counts"])
                .env(STORE, place)
                .env(SESSION, id.to_string())
                .env("TOWER_KEEP_TEST_URL", url)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(ended.success());
    }
    let n = record(&store, &id).await.fields.get("n").unwrap().to_owned();
    assert_eq!(n, (2 * INCREMENTS).to_string());
}

#[tokio::test]
async fn two_processes_count_exactly_in_postgres() {
    let schema = Schema::new();
    let url = Postgres::shared().url();
    let store = schema.builder().connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    assert_exact(store, &format!("postgres {}", schema.name), &url).await;
}

#[tokio::test]
async fn two_processes_count_exactly_in_mariadb() {
    let database = Database::new();
    database.make().await;
    let store = MySqlStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap();
    assert_exact(store, &format!("mysql {}", database.url()), "").await;
}

#[tokio::test]
async fn two_processes_count_exactly_in_sqlite() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sessions.db");
    let store = SqliteStore::open(&file).await.unwrap();
    assert_exact(store, &format!("sqlite {}", file.display()), "").await;
}

/// Instances that start at once all find one table.
#[tokio::test]
async fn migrations_that_run_at_once_make_one_table() {
    let schema = Schema::new();
    let database = Database::new();
    database.make().await;
    let url = Postgres::shared().url();
    let migrations = (0..6).map(async |_| {
        schema.builder().connect(&url).await.unwrap().migrate().await.unwrap();
        MySqlStore::connect(&database.url()).await.unwrap().migrate().await.unwrap();
    });
    futures_util::future::join_all(migrations).await;
}
