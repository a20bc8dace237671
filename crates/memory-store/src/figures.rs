//! What is counted: [`Figures`], and what a record [costs](cost).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use tower_keep_core::{Client, Record, Timestamp};

/// What a session takes besides its fields: its record, and its share of the map and the queue.
/// Measured at a million sessions of three fields (`benches/footprint.rs`).
pub(crate) const OVERHEAD_BYTES: usize = 288;

/// A flood writes a line a minute, not a line a session.
const WARN_EVERY_MILLIS: i64 = 60_000;

/// The bytes that are counted for a record.
pub(crate) fn cost(record: &Record) -> i64 {
    let user = record.user.as_ref().map_or(0, |user| user.as_str().len());
    let agent = record.client.as_ref().and_then(Client::agent);
    let bytes = OVERHEAD_BYTES + record.fields.bytes() + user + agent.map_or(0, str::len);
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// What is counted.
///
/// On cache lines of its own: every write of a session writes here, and no read should wait for that.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Figures {
    // Signed, since a session may be taken off the count before its maker has put it there.
    sessions: AtomicI64,
    bytes: AtomicI64,
    dropped: AtomicU64,
    warned_at: AtomicI64,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            sessions: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            dropped: AtomicU64::new(0),
            warned_at: AtomicI64::new(i64::MIN),
        }
    }

    pub(crate) fn add(&self, sessions: i64, bytes: i64) {
        if sessions != 0 {
            self.sessions.fetch_add(sessions, Relaxed);
        }
        if bytes != 0 {
            self.bytes.fetch_add(bytes, Relaxed);
        }
    }

    pub(crate) fn sessions(&self) -> u64 {
        u64::try_from(self.sessions.load(Relaxed)).unwrap_or(0)
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes.load(Relaxed)).unwrap_or(0)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Counts a live session that the bound cost, and says so from time to time.
    pub(crate) fn count_dropped(&self, now: Timestamp) {
        let dropped = self.dropped.fetch_add(1, Relaxed) + 1;
        let now = now.as_millis();
        let warned_at = self.warned_at.load(Relaxed);
        if now < warned_at.saturating_add(WARN_EVERY_MILLIS) {
            return;
        }
        if self.warned_at.compare_exchange(warned_at, now, Relaxed, Relaxed).is_ok() {
            tracing::warn!(
                dropped,
                sessions = self.sessions(),
                bytes = self.bytes(),
                "the memory store is full: live sessions are dropped, the least recently used first",
            );
        }
    }
}
