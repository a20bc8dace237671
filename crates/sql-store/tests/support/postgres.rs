//! Schemas of a private PostgreSQL.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};
use tower_keep_core::{Token, conformance::Capability};
use tower_keep_sql_store::{PostgresStore, PostgresStoreBuilder};
use tower_keep_test_servers::Postgres;

pub(crate) const ALL: &[Capability] =
    &[Capability::Index, Capability::Sweep, Capability::Purge, Capability::Import];

/// A schema of its own, whose clock can be turned.
pub(crate) struct Schema {
    pub(crate) name: String,
}

impl Schema {
    pub(crate) fn new() -> Self {
        Self { name: format!("case_{}", Token::random().unwrap().id().short()) }
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder().schema(&self.name).connections(2)
    }

    /// A store whose clock is the server's, turned.
    #[cfg(feature = "conformance")]
    pub(crate) async fn store(&self) -> PostgresStore {
        let client = client(&Postgres::shared().url()).await;
        let name = &self.name;
        let made = format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.clock (turned interval); \
             INSERT INTO {name}.clock VALUES (interval '0')"
        );
        client.batch_execute(&made).await.unwrap();
        let clock = format!(
            "date_trunc('milliseconds', statement_timestamp()) + (SELECT turned FROM {name}.clock)"
        );
        let store = self.builder().clock_sql(clock).connect(&Postgres::shared().url()).await;
        let store = store.unwrap();
        store.migrate().await.unwrap();
        store
    }

    pub(crate) async fn turn_clock(&self, by: Duration) {
        let client = client(&Postgres::shared().url()).await;
        let turn = format!(
            "UPDATE {}.clock SET turned = turned + interval '1 millisecond' * {}",
            self.name,
            by.as_millis()
        );
        client.batch_execute(&turn).await.unwrap();
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
