//! All that a store holds, and what its operations share: [`Keep`].

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
};

use tower_keep_core::{
    Clock, LayerName, Loaded, Record, SessionId, StoreError, StoreErrorKind, Timestamp, UserId,
};

use crate::{
    bound::Dropper,
    builder::MemoryStoreBuilder,
    figures::{Amount, Figures, OVERHEAD_BYTES, cost},
    place::{Place, SHARDS},
    recency::Recency,
    shard::{Node, Shard},
    users::{Desk, UserKey, Users},
};

/// All that a store holds.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) shards: Box<[Shard]>,
    pub(crate) users: Users,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) max_sessions: u64,
    pub(crate) max_bytes: u64,
    pub(crate) figures: Figures,
    /// What each shard may hold that is not among the figures yet.
    uncounted: Amount,
    /// What the figures may come to, so that both bounds hold whatever the shards hold besides.
    pub(crate) bound: Amount,
    pub(crate) recency: Recency,
    /// Held by a rotation from before its new node is in until both nodes are what they should be.
    pub(crate) rotations: Mutex<()>,
    /// How many purges are under way.
    pub(crate) purges: AtomicUsize,
    /// The shard where the next sweep begins.
    pub(crate) sweep_from: AtomicUsize,
    pub(crate) dropper: Mutex<Dropper>,
    /// No deadline is before this point, in milliseconds.
    pub(crate) no_deadline_before: AtomicI64,
}

/// What a look at a place finds.
pub(crate) enum Seen<T> {
    /// A session that lives.
    Live(T),
    /// Nothing that lives.
    Missing,
    /// A rotation to this place is under way.
    Pending,
}

impl Keep {
    pub(crate) fn new(settings: MemoryStoreBuilder) -> Self {
        let fit = settings.max_bytes / OVERHEAD_BYTES as u64;
        let uncounted = Amount::uncounted(settings.max_sessions, settings.max_bytes);
        let within = |most: u64, uncounted: i64| {
            i64::try_from(most).unwrap_or(i64::MAX) - SHARDS as i64 * uncounted
        };
        Self {
            shards: (0..SHARDS).map(Shard::new).collect(),
            users: Users::default(),
            clock: settings.clock,
            max_sessions: settings.max_sessions,
            max_bytes: settings.max_bytes,
            figures: Figures::new(),
            uncounted,
            bound: Amount {
                sessions: within(settings.max_sessions, uncounted.sessions),
                bytes: within(settings.max_bytes, uncounted.bytes),
            },
            recency: Recency::new(settings.max_sessions.min(fit)),
            rotations: Mutex::default(),
            purges: AtomicUsize::new(0),
            sweep_from: AtomicUsize::new(0),
            dropper: Mutex::default(),
            no_deadline_before: AtomicI64::new(i64::MAX),
        }
    }

    #[inline]
    pub(crate) fn shard(&self, place: Place) -> &Shard {
        &self.shards[place.shard()]
    }

    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads a live session, and marks it as used.
    #[inline]
    pub(crate) fn load(&self, id: &SessionId) -> Option<Loaded> {
        self.find(id, |node| self.recency.read(&node.used))
    }

    /// Reads a live session.
    pub(crate) fn peek(&self, id: &SessionId) -> Option<Loaded> {
        self.find(id, |_| {})
    }

    #[inline]
    fn find(&self, id: &SessionId, mark: impl Fn(&Node)) -> Option<Loaded> {
        let place = Place::of(id);
        loop {
            let at = self.now();
            let seen = self.shard(place).read(place, |node| {
                if node.id != *id {
                    Seen::Missing
                } else if node.is_pending() {
                    Seen::Pending
                } else if node.record.is_expired(at) {
                    Seen::Missing
                } else {
                    mark(node);
                    Seen::Live(Arc::clone(&node.record))
                }
            });
            match seen {
                Some(Seen::Live(record)) => return Some(Loaded { record, at }),
                Some(Seen::Pending) => self.await_rotation(),
                Some(Seen::Missing) | None => return None,
            }
        }
    }

    /// Takes a session out, if it is there; says whether it was live.
    pub(crate) fn delete(&self, id: &SessionId) -> bool {
        let place = Place::of(id);
        loop {
            let mut pending = false;
            let mut live = false;
            let taken = self.shard(place).take_if(place, |node| {
                pending = node.id == *id && node.is_pending();
                live = !node.record.is_expired(self.now());
                node.id == *id && !pending
            });
            if pending {
                self.await_rotation();
                continue;
            }
            return match taken {
                Some(node) => {
                    self.forget(place, &node);
                    live
                }
                None => false,
            };
        }
    }

    /// Settles the counts and the index for a node that was taken out. Hold no desk.
    pub(crate) fn forget(&self, place: Place, node: &Node) {
        self.figures.add(Amount { sessions: -1, bytes: -cost(&node.record) });
        if let Some(key) = self.users.key_of(&node.record) {
            self.unlink(key, place);
        }
    }

    /// Takes a place off a user's desk, unless a session of this user is there. Hold no desk.
    pub(crate) fn unlink(&self, key: UserKey, place: Place) {
        let mut desk = self.users.desk(key);
        let owned = self.shard(place).read(place, |node| {
            // Expired or not: a session that is swept is unlinked then.
            self.users.key_of(&node.record) == Some(key)
        });
        if owned != Some(true) {
            desk.remove(place);
        }
    }

    /// The live sessions on a desk that are this user's.
    pub(crate) fn sessions_at(
        &self,
        desk: &Desk<'_>,
        layer: &LayerName,
        user: &UserId,
    ) -> Vec<(Place, SessionId, Arc<Record>)> {
        let now = self.now();
        let places = desk.places().into_iter();
        places
            .filter_map(|place| {
                self.shard(place).read(place, |node| {
                    let record = &node.record;
                    let counts = !node.is_pending()
                        && !record.is_expired(now)
                        && record.user.as_ref() == Some(user)
                        && record.layer == *layer;
                    counts.then(|| (place, node.id, Arc::clone(record)))
                })?
            })
            .collect()
    }

    /// Queues the deadline of a session that is in its map already.
    pub(crate) fn queue(&self, at: Timestamp, place: Place) {
        self.shard(place).queue(at, place);
        self.note_deadline(at);
    }

    /// As [`queue`](Self::queue), of a session that was created, which is counted.
    pub(crate) fn queue_new(&self, at: Timestamp, place: Place, bytes: i64) {
        self.shard(place).queue_new(at, place, bytes, self.uncounted, &self.figures);
        self.note_deadline(at);
    }

    fn note_deadline(&self, at: Timestamp) {
        if at.as_millis() < self.no_deadline_before.load(Relaxed) {
            self.no_deadline_before.fetch_min(at.as_millis(), Relaxed);
        }
    }

    /// What is kept.
    pub(crate) fn amount(&self) -> Amount {
        self.shards.iter().fold(self.figures.amount(), |Amount { sessions, bytes }, shard| {
            let uncounted = shard.uncounted();
            Amount { sessions: sessions + uncounted.sessions, bytes: bytes + uncounted.bytes }
        })
    }

    /// What a record costs; refuses one that would not fit if it were alone.
    pub(crate) fn check_size(&self, record: &Record) -> Result<i64, StoreError> {
        self.check_bytes(cost(record))
    }

    /// As [`check_size`](Self::check_size), of what a record costs.
    pub(crate) fn check_bytes(&self, bytes: i64) -> Result<i64, StoreError> {
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= self.max_bytes) {
            return Ok(bytes);
        }
        let cause = "one session is larger than the memory store may become: raise max_bytes";
        Err(StoreError::new(StoreErrorKind::Full, cause))
    }

    /// Waits until no rotation is under way. Hold no bucket.
    pub(crate) fn await_rotation(&self) {
        drop(lock(&self.rotations));
    }
}

/// Locks a mutex, whether a thread panicked under it or not: what they guard here stays sound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
