//! A small store that keeps the whole contract: a map behind a lock.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tower_keep_core::{
    Applied, Change, Check, Checked, Clock, Created, Cursor, Import, Index, LayerName, Listed,
    Loaded, NewRecord, OverLimit, Page, Purge, Purged, Query, Receipt, Record, Rotated, SessionId,
    Stats, Store, StoreFuture, Sweep, Swept, Timestamp, Touch, Touched, UserId, UserLimit,
};

pub(crate) type Records = HashMap<SessionId, Arc<Record>>;

/// Keeps sessions in a map.
pub(crate) struct Reference {
    clock: Arc<dyn Clock>,
    records: Mutex<Records>,
}

impl Reference {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, records: Mutex::default() }
    }

    /// One locked step, with an await before and after it, as a server far away has them.
    pub(crate) fn step<'a, T: Send + 'a>(
        &'a self,
        step: impl FnOnce(&mut Records, Timestamp) -> T + Send + 'a,
    ) -> StoreFuture<'a, T> {
        StoreFuture::new(async move {
            tokio::task::yield_now().await;
            let answer = step(&mut self.lock(), self.clock.now());
            tokio::task::yield_now().await;
            Ok(answer)
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference")
    }
}

impl Store for Reference {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        self.step(|records, now| {
            if live(records, id, now).is_some() {
                return Created::Taken;
            }
            let room = make_room(records, now, &new.layer, new.user.as_ref(), new.user_limit, id);
            let Some(evicted) = room else {
                return Created::OverLimit;
            };
            Created::Created(put(records, *id, new.at(now), now, evicted))
        })
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        self.step(|records, now| live(records, id, now).map(|record| Loaded { record, at: now }))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        self.step(|records, now| {
            let Some(record) = live(records, id, now) else {
                return Applied::Gone;
            };
            if !change.fits(record.version) {
                return Applied::Conflict(Loaded { record, at: now });
            }
            Applied::Applied(put(records, *id, change.applied_to(&record, now), now, 0))
        })
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        self.step(|records, now| {
            let Some(record) = live(records, old, now) else {
                return Rotated::Gone;
            };
            if record.version != change.base_version {
                return Rotated::Conflict(Loaded { record, at: now });
            }
            if live(records, new, now).is_some() {
                return Rotated::Taken;
            }
            let (user, limit) = (change.user.as_ref(), change.user_limit);
            let Some(evicted) = make_room(records, now, &record.layer, user, limit, old) else {
                return Rotated::OverLimit;
            };
            records.remove(old);
            let moved = change.applied_to(&record, now);
            Rotated::Rotated(put(records, *new, moved, now, evicted))
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        self.step(move |records, now| match live(records, id, now) {
            None => Touched::Gone,
            Some(record) => {
                let touched = record.touched(touch.lifetime, now);
                Touched::Touched(put(records, *id, touched, now, 0))
            }
        })
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.step(|records, now| {
            let found = live(records, id, now).is_some();
            records.remove(id);
            found
        })
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

    fn check(&self) -> Option<&dyn Check> {
        Some(self)
    }
}

impl Index for Reference {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        self.step(|records, now| {
            let found = going_on(matching(records, now, query), query);
            page(found, query.limit)
        })
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        self.step(move |records, now| {
            let query = layer.cloned().map_or_else(Query::all, Query::from);
            stats_of(&matching(records, now, &query))
        })
    }
}

impl Sweep for Reference {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        self.step(move |records, now| {
            let expired = expired(records, now);
            for id in expired.iter().take(limit) {
                records.remove(id);
            }
            Swept::Removed {
                sessions: expired.len().min(limit) as u64,
                more: expired.len() > limit,
            }
        })
    }
}

impl Purge for Reference {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        self.step(|records, _| {
            let sessions = records.drain().count() as u64;
            Purged { sessions, bytes: 0 }
        })
    }
}

impl Import for Reference {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        self.step(|records, now| {
            if live(records, id, now).is_some() {
                return Created::Taken;
            }
            if record.is_expired(now) {
                return Created::Created(Receipt::of(record, now));
            }
            Created::Created(put(records, *id, record.clone(), now, 0))
        })
    }
}

impl Check for Reference {
    fn check(&self) -> StoreFuture<'_, Checked> {
        self.step(|records, now| {
            let live = records.values().filter(|record| !record.is_expired(now));
            Checked::new(live.count() as u64, Vec::new())
        })
    }
}

pub(crate) fn live(records: &Records, id: &SessionId, now: Timestamp) -> Option<Arc<Record>> {
    let record = records.get(id)?;
    (!record.is_expired(now)).then(|| Arc::clone(record))
}

pub(crate) fn put(
    records: &mut Records,
    id: SessionId,
    record: Record,
    now: Timestamp,
    evicted: u32,
) -> Receipt {
    let mut receipt = Receipt::of(&record, now);
    receipt.evicted = evicted;
    records.insert(id, Arc::new(record));
    receipt
}

/// Evicts what is over the limit, the session `besides` not counted; `None` refuses.
pub(crate) fn make_room(
    records: &mut Records,
    now: Timestamp,
    layer: &LayerName,
    user: Option<&UserId>,
    limit: Option<UserLimit>,
    besides: &SessionId,
) -> Option<u32> {
    let (Some(user), Some(limit)) = (user, limit) else {
        return Some(0);
    };
    let mut others = matching(records, now, &Query::from(layer.clone()).of_user(user.clone()));
    others.retain(|listed| listed.id != *besides);
    others.sort_by_key(|listed| listed.record.created_at);
    let over = (others.len() + 1).saturating_sub(limit.sessions as usize);
    if over > 0 && limit.over == OverLimit::Refuse {
        return None;
    }
    for listed in others.iter().take(over) {
        records.remove(&listed.id);
    }
    Some(over as u32)
}

/// The live sessions that a query asks for, in the order of their ids; its cursor is not heeded.
pub(crate) fn matching(records: &Records, now: Timestamp, query: &Query) -> Vec<Listed> {
    let mut found: Vec<Listed> = records
        .iter()
        .filter(|(_, record)| {
            !record.is_expired(now)
                && (query.user.is_none() || query.layer.is_some())
                && query.layer.as_ref().is_none_or(|layer| *layer == record.layer)
                && (query.user.is_none() || query.user == record.user)
        })
        .map(|(id, record)| Listed { id: *id, record: Arc::clone(record) })
        .collect();
    found.sort_by_key(|listed| listed.id);
    found
}

/// What comes after the query's cursor; nothing after one of another store.
pub(crate) fn going_on(mut found: Vec<Listed>, query: &Query) -> Vec<Listed> {
    if let Some(cursor) = &query.after {
        let after = cursor.as_str().parse::<SessionId>();
        found.retain(|listed| after.as_ref().is_ok_and(|after| listed.id > *after));
    }
    found
}

pub(crate) fn page(mut found: Vec<Listed>, limit: usize) -> Page {
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|listed| Cursor::new(listed.id.to_string()));
    Page::new(found, next)
}

pub(crate) fn stats_of(found: &[Listed]) -> Stats {
    let mut users: Vec<_> = found
        .iter()
        .filter_map(|listed| Some((&listed.record.layer, listed.record.user.as_ref()?)))
        .collect();
    users.sort();
    let mut stats = Stats::default();
    stats.active = found.len() as u64;
    stats.signed_in = users.len() as u64;
    users.dedup();
    stats.users = users.len() as u64;
    stats.oldest = found.iter().map(|listed| listed.record.created_at).min();
    stats.newest = found.iter().map(|listed| listed.record.created_at).max();
    stats
}

pub(crate) fn expired(records: &Records, now: Timestamp) -> Vec<SessionId> {
    let expired = records.iter().filter(|(_, record)| record.is_expired(now));
    expired.map(|(id, _)| *id).collect()
}
