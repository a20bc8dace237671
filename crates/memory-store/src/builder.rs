//! The settings of a store: [`MemoryStoreBuilder`].

use tower_keep_core::{Clock, SystemClock};

use crate::{MemoryStore, keep::Keep};

/// The settings of a [`MemoryStore`].
///
/// ```
/// use tower_keep_memory_store::MemoryStore;
///
/// let store = MemoryStore::builder()
///     .max_sessions(50_000)
///     .max_bytes(64 * 1024 * 1024)
///     .build();
/// assert_eq!(store.sessions(), 0);
/// ```
#[derive(Debug)]
#[must_use = "settings do nothing until they are built"]
pub struct MemoryStoreBuilder {
    pub(crate) max_sessions: u64,
    pub(crate) max_bytes: u64,
    pub(crate) clock: Box<dyn Clock>,
}

impl MemoryStoreBuilder {
    /// Sets the most sessions that are kept: ten million unless told, and at least one.
    ///
    /// At the bound, expired sessions are dropped first, then those that were used least recently.
    /// The default stops a flood of new sessions before the memory of a small server ends, and is
    /// far above what one process serves.
    pub fn max_sessions(mut self, sessions: u64) -> Self {
        self.max_sessions = sessions.max(1);
        self
    }

    /// Sets the most bytes that the sessions may take, as [`MemoryStore::bytes`] counts them: one
    /// gibibyte unless told.
    ///
    /// At the bound, sessions are dropped as at that of [`max_sessions`](Self::max_sessions). A
    /// session that alone is larger is refused with
    /// [`StoreErrorKind::Full`](tower_keep_core::StoreErrorKind::Full).
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the clock that judges expiry: the system's unless told.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Makes the store.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore::of(Keep::new(self))
    }
}

impl Default for MemoryStoreBuilder {
    fn default() -> Self {
        Self { max_sessions: 10_000_000, max_bytes: 1 << 30, clock: Box::new(SystemClock) }
    }
}
