//! Schemas of a private PostgreSQL.

use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use tower_keep_core::{Token, conformance::Capability};
use tower_keep_sql_store::{PostgresStore, PostgresStoreBuilder};
use tower_keep_test_servers::Postgres;

pub(crate) const ALL: &[Capability] = &[
    Capability::Index,
    Capability::Sweep,
    Capability::Purge,
    Capability::Import,
    Capability::Check,
];

/// A schema of its own, whose clock stands until it is turned, so that a busy machine ends no session.
pub(crate) struct Schema {
    pub(crate) name: String,
    client: OnceCell<Client>,
}

impl Schema {
    pub(crate) fn new() -> Self {
        let name = format!("case_{}", Token::random().unwrap().id().short());
        Self { name, client: OnceCell::new() }
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder().schema(&self.name).connections(2)
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(async || client(&Postgres::shared().url()).await).await
    }

    /// A store whose clock is turned by hand.
    pub(crate) async fn store(&self) -> PostgresStore {
        let name = &self.name;
        let made = format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.clock (at timestamptz); \
             INSERT INTO {name}.clock VALUES (date_trunc('milliseconds', now()))"
        );
        self.client().await.batch_execute(&made).await.unwrap();
        let clock = format!("SELECT at FROM {name}.clock");
        let store = self.builder().clock_sql(clock).connect(&Postgres::shared().url()).await;
        let store = store.unwrap();
        store.migrate().await.unwrap();
        store
    }

    pub(crate) async fn turn_clock(&self, by: Duration) {
        let turn = format!(
            "UPDATE {}.clock SET at = at + interval '1 millisecond' * {}",
            self.name,
            by.as_millis()
        );
        self.client().await.batch_execute(&turn).await.unwrap();
    }
}

/// A store in a schema of its own.
pub(crate) async fn fresh_store() -> PostgresStore {
    let store = Schema::new().builder().connect(&Postgres::shared().url()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// A connection beside the store's.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
