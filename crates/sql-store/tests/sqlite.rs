//! The conformance suite on SQLite, in memory and in a file.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{sync::Arc, time::Duration};

use tower_keep_core::{
    TestClock,
    conformance::{Capability, Harness},
};
use tower_keep_sql_store::SqliteStore;

const ALL: &[Capability] = &[
    Capability::Index,
    Capability::Sweep,
    Capability::Purge,
    Capability::Import,
    Capability::Check,
];

#[derive(Default)]
struct Memory {
    clock: Arc<TestClock>,
}

impl Harness for Memory {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        SqliteStore::builder().clock(Arc::clone(&self.clock)).in_memory().await.unwrap()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        ALL
    }
}

struct File {
    clock: Arc<TestClock>,
    directory: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self { clock: Arc::default(), directory: tempfile::tempdir().unwrap() }
    }
}

impl Harness for File {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        let path = self.directory.path().join("sessions.db");
        // What a loss of power does is not what this suite looks for.
        let builder = SqliteStore::builder().clock(Arc::clone(&self.clock)).durable(false);
        builder.open(path).await.unwrap()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        ALL
    }
}

mod memory {
    use super::*;

    tower_keep_core::store_conformance!(Memory::default());
}

mod file {
    use super::*;

    tower_keep_core::store_conformance!(File::new());
}

mod race {
    async fn open() -> super::SqliteStore {
        super::SqliteStore::in_memory().await.unwrap()
    }

    tower_keep_tests::race_suite!(open().await);
}

mod race_in_a_file {
    /// The directory stays until the target directory goes, since it has to outlive the store.
    async fn open() -> super::SqliteStore {
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = place.keep().join("sessions.db");
        super::SqliteStore::builder().durable(false).open(path).await.unwrap()
    }

    tower_keep_tests::race_suite!(open().await);
}
