//! What is counted: [`Figures`], in [`Amount`]s, and what a record [costs](cost).

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

/// The share of a bound that each shard may hold uncounted.
const UNCOUNTED_SHARE: u64 = 1 << 16;

/// So many sessions that a shard counts at once are nearly as cheap as any number.
const UNCOUNTED_SESSIONS: i64 = 64;

/// So many sessions, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    // Signed, since a session may be taken off the count before its maker has put it there.
    pub(crate) sessions: i64,
    pub(crate) bytes: i64,
}

impl Amount {
    /// What a shard may hold uncounted in a store of these bounds: nothing, if that were no session.
    pub(crate) fn uncounted(max_sessions: u64, max_bytes: u64) -> Self {
        let share = |bound: u64| i64::try_from(bound / UNCOUNTED_SHARE).unwrap_or(i64::MAX);
        let (sessions, bytes) = (share(max_sessions).min(UNCOUNTED_SESSIONS), share(max_bytes));
        if sessions == 0 || bytes < OVERHEAD_BYTES as i64 {
            return Self::default();
        }
        Self { sessions, bytes }
    }

    /// Adds; gives all of it once there is more than `most`, and begins anew.
    pub(crate) fn add(&mut self, more: Self, most: Self) -> Option<Self> {
        self.sessions += more.sessions;
        self.bytes += more.bytes;
        let is_enough = self.sessions > most.sessions || self.bytes > most.bytes;
        is_enough.then(|| std::mem::take(self))
    }
}

/// What is counted.
///
/// On cache lines of its own: many writes of sessions write here, and no read should wait for that.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Figures {
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

    pub(crate) fn add(&self, Amount { sessions, bytes }: Amount) {
        if sessions != 0 {
            self.sessions.fetch_add(sessions, Relaxed);
        }
        if bytes != 0 {
            self.bytes.fetch_add(bytes, Relaxed);
        }
    }

    pub(crate) fn amount(&self) -> Amount {
        Amount { sessions: self.sessions.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Counts a live session that the bound cost, and says so from time to time.
    pub(crate) fn count_dropped(&self, now: Timestamp, kept: impl FnOnce() -> Amount) {
        let dropped = self.dropped.fetch_add(1, Relaxed) + 1;
        let now = now.as_millis();
        let warned_at = self.warned_at.load(Relaxed);
        if now < warned_at.saturating_add(WARN_EVERY_MILLIS) {
            return;
        }
        if self.warned_at.compare_exchange(warned_at, now, Relaxed, Relaxed).is_ok() {
            let Amount { sessions, bytes } = kept();
            tracing::warn!(
                dropped,
                sessions,
                bytes,
                "the memory store is full: live sessions are dropped, the least recently used first",
            );
        }
    }
}
