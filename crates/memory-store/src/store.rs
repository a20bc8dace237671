//! The store itself: [`MemoryStore`].

use std::{fmt, sync::Arc};

use tower_keep_core::{
    Applied, Change, Created, Import, Index, LayerName, Loaded, NewRecord, Page, Purge, Purged,
    Query, Record, Rotated, SessionId, Stats, Store, StoreFuture, Sweep, Swept, Touch, Touched,
};

use crate::{MemoryStoreBuilder, keep::Keep};

/// Keeps sessions in the memory of this process.
///
/// A copy shares the sessions. It has all capabilities: it lists, sweeps, purges and imports. It runs
/// nothing by itself: without a sweeper, expired sessions stay in memory, unseen, until a bound is
/// reached.
///
/// A read answers at once, shares the record and allocates nothing. A session of three fields and
/// 200 bytes takes less than 500 bytes, everything included.
///
/// # Bounds
///
/// It keeps at most [`max_sessions`](MemoryStoreBuilder::max_sessions) and
/// [`max_bytes`](MemoryStoreBuilder::max_bytes). At a bound, a write drops expired sessions first,
/// then those that were used least recently: exactly those in a store bounded to 4,096 sessions,
/// nearly those in a larger one. The session being written is never dropped. What is dropped is
/// [counted](MemoryStore::dropped) and logged at most once a minute. While several threads write at
/// once, each may be one session over the bound for a moment. Stores of 65,536 sessions and 19 MB or
/// more count them in parts, and may drop sessions when a two-thousandth of a bound is still free.
///
/// # Users
///
/// The limit of sessions per user is exact, however many sign-ins run at once: they wait for each
/// other. Other users do not wait.
#[derive(Clone)]
pub struct MemoryStore {
    keep: Arc<Keep>,
}

impl MemoryStore {
    /// The bytes that are counted for each session besides its fields, its user's id and its
    /// `User-Agent`: its record, and its share of the maps and queues.
    pub const OVERHEAD_BYTES: usize = crate::figures::OVERHEAD_BYTES;

    /// An empty store of the default bounds: ten million sessions, one gibibyte.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets up a store.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::default()
    }

    pub(crate) fn of(keep: Keep) -> Self {
        let keep = Arc::new(keep);
        Self { keep }
    }

    /// How many sessions are kept, expired ones that were not swept yet included.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        u64::try_from(self.keep.amount().sessions).unwrap_or(0)
    }

    /// How many bytes they take: those of their fields, users and agents, and
    /// [`OVERHEAD_BYTES`](Self::OVERHEAD_BYTES) each.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.keep.amount().bytes).unwrap_or(0)
    }

    /// How many live sessions were dropped because the store was full. If it grows, raise the bounds,
    /// shorten the lifetimes, or find out who makes so many sessions.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.keep.figures.dropped()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows figures only.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("sessions", &self.sessions())
            .field("max_sessions", &self.keep.max_sessions)
            .field("bytes", &self.bytes())
            .field("max_bytes", &self.keep.max_bytes)
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        StoreFuture::ready(self.keep.create(id, new))
    }

    #[inline]
    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::ready(Ok(self.keep.load(id)))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        StoreFuture::ready(self.keep.apply(id, change))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        StoreFuture::ready(self.keep.rotate(old, new, change))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        StoreFuture::ready(self.keep.touch(id, touch))
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        StoreFuture::ready(Ok(self.keep.delete(id)))
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    fn index(&self) -> Option<&dyn Index> {
        Some(self)
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        Some(self)
    }

    fn purge(&self) -> Option<&dyn Purge> {
        Some(self)
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }
}

impl Index for MemoryStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        StoreFuture::new(self.keep.list(query))
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        StoreFuture::new(self.keep.stats(layer))
    }
}

impl Sweep for MemoryStore {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::ready(Ok(self.keep.sweep(limit)))
    }
}

impl Purge for MemoryStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        StoreFuture::new(async { Ok(self.keep.purge().await) })
    }
}

impl Import for MemoryStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        StoreFuture::ready(self.keep.import(id, record))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower_keep_core::{Lifetime, OverLimit, TestClock, Token, UserLimit};

    use super::*;

    fn random_id() -> SessionId {
        Token::random().unwrap().id()
    }

    /// Sign-ins that end in every way a session can end leave nothing behind.
    #[test]
    fn users_leave_nothing_behind() {
        let clock = Arc::new(TestClock::default());
        let store = MemoryStore::builder().max_sessions(50).clock(Arc::clone(&clock)).build();
        let keep = &store.keep;
        let lifetime = Lifetime::new(Duration::from_secs(60), Duration::from_secs(60));
        for round in 0..20_000_u32 {
            let (id, next) = (random_id(), random_id());
            let mut new = NewRecord::new("shop".into(), lifetime);
            new.user = Some((round % 3_000).into());
            new.user_limit = Some(UserLimit::new(2, OverLimit::EvictOldest));
            assert!(matches!(keep.create(&id, new), Ok(Created::Created(_))));
            let mut change = Change::new(&keep.load(&id).unwrap().record, lifetime);
            change.user = Some((round % 7_000).into());
            match round % 4 {
                // Some are dropped by the bound, some expire, some are evicted by the limit.
                0 => {}
                1 => assert!(keep.delete(&id)),
                2 => assert!(matches!(keep.apply(&id, &change), Ok(Applied::Applied(_)))),
                _ => assert!(matches!(keep.rotate(&id, &next, &change), Ok(Rotated::Rotated(_)))),
            }
            if round % 1_000 == 0 {
                clock.advance(Duration::from_secs(59));
            }
            assert!(keep.users.len() <= 50);
        }
        clock.advance(Duration::from_secs(60));
        while let Swept::Removed { more: true, .. } = keep.sweep(10) {}
        assert_eq!(keep.users.len(), 0);
        assert_eq!((store.sessions(), store.bytes()), (0, 0));
    }

    /// No entry of another session in the same place opens or changes it.
    #[test]
    fn place_shared_by_two_ids_keeps_them_apart() {
        use crate::{place::Place, shard::Node};

        let store = MemoryStore::new();
        let (id, other) = (random_id(), random_id());
        let now = store.keep.now();
        let record = Arc::new(Record::new("shop".into(), now));
        let place = Place::of(&id);
        let node = Node::new(other, Arc::clone(&record), 0);
        store.keep.shard(place).insert(place, node, now);
        let new = NewRecord::new("shop".into(), Lifetime::default());
        let change = Change::new(&record, Lifetime::default());
        assert!(store.keep.load(&id).is_none());
        assert!(!store.keep.delete(&id));
        assert!(matches!(store.keep.create(&id, new.clone()), Ok(Created::Taken)));
        assert!(matches!(store.keep.apply(&id, &change), Ok(Applied::Gone)));
        assert!(matches!(store.keep.rotate(&id, &random_id(), &change), Ok(Rotated::Gone)));
        let free = random_id();
        assert!(store.keep.create(&free, new).is_ok());
        assert!(matches!(store.keep.rotate(&free, &id, &change), Ok(Rotated::Taken)));
        assert!(store.keep.load(&free).is_some());
    }
}
