//! The store contract in its plainest form, on a clock that tests move: [`ClockedStore`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use tower_keep::{
    Applied, Change, Clock, Created, Loaded, NewRecord, Receipt, Record, Rotated, SessionId, Store,
    StoreFuture, TestClock, Timestamp, Touch, Touched,
};

type Records = BTreeMap<SessionId, Arc<Record>>;

/// The store contract in its plainest form, on a clock that tests move. Copies share both.
#[derive(Clone, Debug, Default)]
pub struct ClockedStore {
    clock: Arc<TestClock>,
    records: Arc<Mutex<Records>>,
}

impl ClockedStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock that judges expiry.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// All live records.
    #[must_use]
    pub fn live(&self) -> Vec<(SessionId, Arc<Record>)> {
        let (records, now) = self.open();
        let live = records.iter().filter(|(_, record)| !record.is_expired(now));
        live.map(|(id, record)| (*id, Arc::clone(record))).collect()
    }

    /// The one live record; there must be one and no other.
    pub fn only(&self) -> (SessionId, Arc<Record>) {
        let live = self.live();
        assert_eq!(live.len(), 1, "sessions in the store");
        live.into_iter().next().unwrap()
    }

    fn open(&self) -> (MutexGuard<'_, Records>, Timestamp) {
        (self.records.lock().unwrap(), self.clock.now())
    }
}

fn live<'a>(
    records: &'a mut Records,
    id: &SessionId,
    now: Timestamp,
) -> Option<&'a mut Arc<Record>> {
    records.get_mut(id).filter(|record| !record.is_expired(now))
}

impl Store for ClockedStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        let (mut records, now) = self.open();
        if live(&mut records, id, now).is_some() {
            return StoreFuture::ready(Ok(Created::Taken));
        }
        let record = new.at(now);
        let receipt = Receipt::of(&record, now);
        records.insert(*id, Arc::new(record));
        StoreFuture::ready(Ok(Created::Created(receipt)))
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        let (mut records, at) = self.open();
        let record = live(&mut records, id, at).cloned();
        StoreFuture::ready(Ok(record.map(|record| Loaded { record, at })))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        let (mut records, at) = self.open();
        StoreFuture::ready(Ok(match live(&mut records, id, at) {
            None => Applied::Gone,
            Some(record) if !change.fits(record.version) => {
                Applied::Conflict(Loaded { record: Arc::clone(record), at })
            }
            Some(record) => {
                *record = Arc::new(change.applied_to(record, at));
                Applied::Applied(Receipt::of(record, at))
            }
        }))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        let (mut records, at) = self.open();
        if live(&mut records, new, at).is_some() {
            return StoreFuture::ready(Ok(Rotated::Taken));
        }
        let Some(record) = live(&mut records, old, at).cloned() else {
            return StoreFuture::ready(Ok(Rotated::Gone));
        };
        if record.version != change.base_version {
            return StoreFuture::ready(Ok(Rotated::Conflict(Loaded { record, at })));
        }
        let record = Arc::new(change.applied_to(&record, at));
        let receipt = Receipt::of(&record, at);
        records.remove(old);
        records.insert(*new, record);
        StoreFuture::ready(Ok(Rotated::Rotated(receipt)))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        let (mut records, at) = self.open();
        StoreFuture::ready(Ok(match live(&mut records, id, at) {
            None => Touched::Gone,
            Some(record) => {
                *record = Arc::new(record.touched(touch.lifetime, at));
                Touched::Touched(Receipt::of(record, at))
            }
        }))
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let (mut records, at) = self.open();
        let was_there = live(&mut records, id, at).is_some();
        records.remove(id);
        StoreFuture::ready(Ok(was_there))
    }
}
