//! Sessions in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tower_keep_core::*;

/// Keeps sessions in memory.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore(Arc<Mutex<HashMap<SessionId, Arc<Record>>>>);

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn live(&self) -> (MutexGuard<'_, HashMap<SessionId, Arc<Record>>>, Timestamp) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemClock.now();
        if map.len() < 10_000 {
            map.retain(|_, r| !r.is_expired(now));
        }
        (map, now)
    }
}

impl Store for MemoryStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: &'a NewRecord) -> StoreFuture<'a, Created> {
        let (mut map, now) = self.live();
        if map.contains_key(id) {
            return StoreFuture::ready(Ok(Created::Taken));
        }
        let record = new.at(now);
        let receipt = Receipt::of(&record, now);
        map.insert(*id, Arc::new(record));
        StoreFuture::ready(Ok(Created::Created(receipt)))
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        let (map, at) = self.live();
        StoreFuture::ready(Ok(map.get(id).map(|record| Loaded {
            record: record.clone(),
            at,
        })))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        let (mut map, at) = self.live();
        let Some(record) = map.get_mut(id) else {
            return StoreFuture::ready(Ok(Applied::Gone));
        };
        if !change.fits(record.version) {
            return StoreFuture::ready(Ok(Applied::Conflict(Loaded {
                record: record.clone(),
                at,
            })));
        }
        *record = Arc::new(change.applied_to(record, at));
        StoreFuture::ready(Ok(Applied::Applied(Receipt::of(record, at))))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        let (mut map, at) = self.live();
        let Some(record) = map.get(old).cloned() else {
            return StoreFuture::ready(Ok(Rotated::Gone));
        };
        if record.version != change.base_version {
            return StoreFuture::ready(Ok(Rotated::Conflict(Loaded { record, at })));
        }
        let record = Arc::new(change.applied_to(&record, at));
        map.remove(old);
        map.insert(*new, record.clone());
        StoreFuture::ready(Ok(Rotated::Rotated(Receipt::of(&record, at))))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        let (mut map, at) = self.live();
        let Some(record) = map.get_mut(id) else {
            return StoreFuture::ready(Ok(Touched::Gone));
        };
        *record = Arc::new(record.touched(touch.lifetime, at));
        StoreFuture::ready(Ok(Touched::Touched(Receipt::of(record, at))))
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let (mut map, _) = self.live();
        StoreFuture::ready(Ok(map.remove(id).is_some()))
    }

    fn index(&self) -> Option<&dyn Index> {
        Some(self)
    }
}

impl Index for MemoryStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        let (map, _) = self.live();
        let mut all: Vec<_> = map
            .iter()
            .filter(|(_, r)| {
                query.layer.as_ref().is_none_or(|l| *l == r.layer)
                    && (query.user.is_none() || r.user == query.user)
            })
            .map(|(id, record)| Listed {
                id: *id,
                record: record.clone(),
            })
            .collect();
        all.sort_by_key(|l| l.id);
        StoreFuture::ready(Ok(Page::new(all, None)))
    }

    fn stats<'a>(&'a self, _: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        let (map, _) = self.live();
        let mut stats = Stats::default();
        stats.active = map.len() as u64;
        StoreFuture::ready(Ok(stats))
    }
}
