//! The worked example of CONTRIBUTING.md: a whole store, and the suite that it passes.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_keep_core::{
    Applied, Change, Clock, Created, Loaded, NewRecord, Receipt, Record, Rotated, SessionId, Store,
    StoreError, StoreErrorKind, StoreFuture, TestClock, Timestamp, Touch, Touched,
    conformance::{Capability, Harness},
};

// [begin]
/// Keeps sessions in a map. Each operation is one locked step, which first drops what has expired.
#[derive(Debug)]
struct MapStore {
    clock: Arc<dyn Clock>,
    records: Mutex<Records>,
}

type Records = HashMap<SessionId, Arc<Record>>;

impl MapStore {
    fn step<'a, T: 'a>(
        &'a self,
        step: impl FnOnce(&mut Records, Timestamp) -> T,
    ) -> StoreFuture<'a, T> {
        StoreFuture::ready(match self.records.lock() {
            Err(_) => Err(StoreError::new(StoreErrorKind::Unavailable, "a writer panicked")),
            Ok(mut records) => {
                let now = self.clock.now();
                records.retain(|_, record| !record.is_expired(now));
                Ok(step(&mut records, now))
            }
        })
    }
}

impl Store for MapStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        self.step(|records, at| match records.entry(*id) {
            Entry::Occupied(_) => Created::Taken,
            Entry::Vacant(vacant) => {
                Created::Created(Receipt::of(vacant.insert(Arc::new(new.at(at))), at))
            }
        })
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        self.step(|records, at| records.get(id).cloned().map(|record| Loaded { record, at }))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        self.step(|records, at| {
            let Some(record) = records.get_mut(id) else {
                return Applied::Gone;
            };
            if !change.fits(record.version) {
                return Applied::Conflict(Loaded { record: Arc::clone(record), at });
            }
            *record = Arc::new(change.applied_to(record, at));
            Applied::Applied(Receipt::of(record, at))
        })
    }

    #[rustfmt::skip]
    fn rotate<'a>(&'a self, old: &'a SessionId, new: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Rotated> {
        self.step(|records, at| {
            let Some(record) = records.get(old).cloned() else { return Rotated::Gone };
            if record.version != change.base_version {
                return Rotated::Conflict(Loaded { record, at });
            }
            if records.contains_key(new) {
                return Rotated::Taken;
            }
            let record = Arc::new(change.applied_to(&record, at));
            records.remove(old);
            Rotated::Rotated(Receipt::of(records.entry(*new).insert_entry(record).get(), at))
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        self.step(|records, at| {
            let Some(record) = records.get_mut(id) else {
                return Touched::Gone;
            };
            *record = Arc::new(record.touched(touch.lifetime, at));
            Touched::Touched(Receipt::of(record, at))
        })
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.step(|records, _| records.remove(id).is_some())
    }
}
// [end]

#[derive(Default)]
struct MapHarness {
    clock: Arc<TestClock>,
}

impl Harness for MapHarness {
    type Store = MapStore;

    async fn open(&self) -> MapStore {
        MapStore { clock: Arc::clone(&self.clock) as Arc<dyn Clock>, records: Mutex::default() }
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        &[]
    }
}

tower_keep_core::store_conformance!(MapHarness::default());

#[test]
fn contributing_shows_this_very_store() {
    let source = include_str!("worked_store.rs");
    let shown = source.split("// [begin]\n").nth(1).and_then(|rest| rest.split("// [end]").next());
    assert!(include_str!("../../../CONTRIBUTING.md").contains(shown.unwrap()));
}
