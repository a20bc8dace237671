//! The conformance and race suites on MariaDB.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::time::Duration;

use support::mysql::{self, ALL, Database};
use tower_keep_core::conformance::{Capability, Harness};
use tower_keep_sql_store::MySqlStore;

impl Harness for Database {
    type Store = MySqlStore;

    async fn open(&self) -> MySqlStore {
        self.store().await
    }

    async fn advance(&self, by: Duration) {
        self.turn_clock(by).await;
    }

    fn capabilities(&self) -> &[Capability] {
        ALL
    }
}

tower_keep_core::store_conformance!(Database::new());

mod race {
    tower_keep_tests::race_suite!(super::mysql::fresh_store().await);
}
