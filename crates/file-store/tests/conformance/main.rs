//! The store contract, kept by the store in files.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod turns;

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tower_keep_core::{
    TestClock,
    conformance::{Capability, Harness},
};
use tower_keep_file_store::{Durability, FileStore};
use turns::Turns;

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

mod alone {
    use super::*;

    tower_keep_core::store_conformance!(Files::new(1));
}

/// As several processes that take turns, since each has opened the directory for itself.
mod several {
    use super::*;

    struct Several(Files);

    impl Harness for Several {
        type Store = Turns;

        async fn open(&self) -> Turns {
            let mut stores = Vec::new();
            for _ in 0..4 {
                stores.push(self.0.open().await);
            }
            Turns::new(stores)
        }

        async fn advance(&self, by: Duration) {
            self.0.advance(by).await;
        }

        fn capabilities(&self) -> &[Capability] {
            self.0.capabilities()
        }
    }

    tower_keep_core::store_conformance!(Several(Files::new(0)));
}
