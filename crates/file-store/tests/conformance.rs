//! The store contract, kept by the store in files.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tower_keep_core::{
    TestClock,
    conformance::{Capability, Harness},
};
use tower_keep_file_store::{Durability, FileStore};

struct Files {
    place: TempDir,
    fan_out: u8,
    clock: Arc<TestClock>,
}

impl Files {
    fn new(fan_out: u8) -> Self {
        Self { place: tempfile::tempdir().unwrap(), fan_out, clock: Arc::default() }
    }
}

impl Harness for Files {
    type Store = FileStore;

    async fn open(&self) -> FileStore {
        let store = FileStore::builder(self.place.path().join("sessions"))
            // What a power cut may cost is tested by itself.
            .durability(Durability::None)
            .fan_out(self.fan_out)
            .clock(Arc::clone(&self.clock));
        store.open().await.unwrap()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        &[Capability::Index, Capability::Sweep, Capability::Purge, Capability::Import]
    }
}

mod fanned_out {
    use super::*;

    tower_keep_core::store_conformance!(Files::new(1));
}

mod flat {
    use super::*;

    tower_keep_core::store_conformance!(Files::new(0));
}
