//! Which session was used before which: [`Recency`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Stores up to this size drop exactly the least recently used session of all.
pub(crate) const EXACT_SESSIONS: u64 = 4_096;

/// A count of uses, whose value marks when a session was last used.
///
/// A write counts. A read only takes the count as it is, since a counter that every read moves would
/// be what all threads wait for: reads between two writes are of one time. In a small store, where
/// the order of the reads decides who is dropped, they count too.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Recency {
    /// Grows by two, so that a read has a mark between those of two writes.
    uses: AtomicU64,
    reads_count: bool,
}

impl Recency {
    pub(crate) fn new(max_sessions: u64) -> Self {
        Self { uses: AtomicU64::new(0), reads_count: max_sessions <= EXACT_SESSIONS }
    }

    /// The mark of a write.
    pub(crate) fn write(&self) -> u64 {
        self.uses.fetch_add(2, Relaxed) + 2
    }

    /// Marks a session that is read.
    #[inline]
    pub(crate) fn read(&self, used: &AtomicU64) {
        let before = used.load(Relaxed);
        let uses = self.uses.load(Relaxed);
        if self.reads_count {
            if before != uses {
                used.store(self.write(), Relaxed);
            }
        } else if before != uses | 1 {
            used.store(uses | 1, Relaxed);
        }
    }
}
