//! The conformance and race suites on PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::time::Duration;

use support::postgres::{self, ALL, Schema};
use tower_keep_core::conformance::{Capability, Harness};
use tower_keep_sql_store::PostgresStore;

impl Harness for Schema {
    type Store = PostgresStore;

    async fn open(&self) -> PostgresStore {
        self.store().await
    }

    async fn advance(&self, by: Duration) {
        self.turn_clock(by).await;
    }

    fn capabilities(&self) -> &[Capability] {
        ALL
    }
}

tower_keep_core::store_conformance!(Schema::new());

mod race {
    tower_keep_tests::race_suite!(super::postgres::fresh_store().await);
}
