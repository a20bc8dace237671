//! The store contract, kept by the store in memory.

use std::{sync::Arc, time::Duration};

use tower_keep_core::{
    TestClock,
    conformance::{Capability, Harness},
};
use tower_keep_memory_store::MemoryStore;

#[derive(Default)]
struct Memory {
    clock: Arc<TestClock>,
}

impl Harness for Memory {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        MemoryStore::builder().clock(Arc::clone(&self.clock)).build()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        &[Capability::Index, Capability::Sweep, Capability::Purge, Capability::Import]
    }
}

tower_keep_core::store_conformance!(Memory::default());
