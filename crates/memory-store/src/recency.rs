//! Which session was used before which: [`Recency`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::place::Place;

/// Stores bounded to so many sessions drop exactly the least recently used of all; of so many that are
/// kept the one that was written longest ago goes, whatever the bounds.
pub(crate) const EXACT_SESSIONS: u64 = 4_096;

/// Among more sessions writes to one place in so many count.
const COUNTED: u64 = 16;

/// A count of uses, whose value marks when a session was last used.
///
/// In a store of small bounds every use counts, since their order decides who is dropped. In any other a
/// read takes the count as it is, since a counter that every request moves would be what all threads
/// wait for. While few sessions are kept every write counts; later, writes to one place in sixteen do,
/// and the others take the count as it is too. Uses between two that count are of one time.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Recency {
    /// Grows by two, so that a use has a mark between those of two writes that count.
    uses: AtomicU64,
    is_exact: bool,
}

impl Recency {
    pub(crate) fn new(max_sessions: u64) -> Self {
        Self { uses: AtomicU64::new(0), is_exact: max_sessions <= EXACT_SESSIONS }
    }

    /// The mark of a write to a place, while few sessions are kept or many.
    pub(crate) fn write(&self, place: Place, are_few: bool) -> u64 {
        if self.is_exact || are_few || place.tag().is_multiple_of(COUNTED) {
            return self.count();
        }
        self.uses.load(Relaxed) | 1
    }

    /// Marks a session that is read.
    #[inline]
    pub(crate) fn read(&self, used: &AtomicU64) {
        let before = used.load(Relaxed);
        let uses = self.uses.load(Relaxed);
        if self.is_exact {
            if before != uses {
                used.store(self.count(), Relaxed);
            }
        } else if before != uses | 1 {
            used.store(uses | 1, Relaxed);
        }
    }

    fn count(&self) -> u64 {
        self.uses.fetch_add(2, Relaxed) + 2
    }
}
