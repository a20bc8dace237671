//! Databases of a private MariaDB.

use std::time::Duration;

use sqlx::{Connection, Executor, MySqlConnection};
use tower_keep_core::{Token, conformance::Capability};
use tower_keep_sql_store::MySqlStore;
use tower_keep_test_servers::MariaDb;

pub(crate) const ALL: &[Capability] = &[
    Capability::Index,
    Capability::Sweep,
    Capability::Purge,
    Capability::Import,
    Capability::Check,
];

/// A database of its own, whose clock stands until it is turned, so that a busy machine ends no session.
pub(crate) struct Database {
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self { name: format!("case_{}", Token::random().unwrap().id().short()) }
    }

    pub(crate) fn url(&self) -> String {
        MariaDb::shared().url(&self.name)
    }

    /// Makes the database.
    pub(crate) async fn make(&self) {
        run(&MariaDb::shared().url("keep"), &format!("CREATE DATABASE {}", self.name)).await;
    }

    /// A store whose clock is turned by hand.
    pub(crate) async fn store(&self) -> MySqlStore {
        self.make().await;
        let clock = "CREATE TABLE clock (at DATETIME(3)); \
                     INSERT INTO clock VALUES (UTC_TIMESTAMP(3))";
        run(&self.url(), clock).await;
        let clock = "SELECT at FROM clock";
        let store = MySqlStore::builder().clock_sql(clock).connect(&self.url()).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    pub(crate) async fn turn_clock(&self, by: Duration) {
        let turn = format!("UPDATE clock SET at = at + INTERVAL {} MICROSECOND", by.as_micros());
        run(&self.url(), &turn).await;
    }
}

/// A store in a database of its own.
pub(crate) async fn fresh_store() -> MySqlStore {
    let database = Database::new();
    database.make().await;
    let store = MySqlStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// Runs statements beside the store's.
pub(crate) async fn run(url: &str, statements: &str) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    connection.execute(statements).await.unwrap();
}
