//! What the tests of this crate share.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "no test uses all of it")]

mod scripted;

use std::{sync::Arc, time::Duration};

#[allow(unused_imports, reason = "no test uses all of it")]
pub(crate) use scripted::{Scripted, Step};

use tower_keep_core::{
    Change, Lifetime, NewRecord, Record, SessionId, Store, TestClock, Timestamp, Touch, UserId,
};
use tower_keep_memory_store::MemoryStore;

pub(crate) const IDLE: Duration = Duration::from_secs(1_800);
pub(crate) const LIFETIME: Lifetime = Lifetime::new(IDLE, Duration::from_secs(86_400));

/// A store in memory, and the clock that it goes by.
pub(crate) fn memory() -> (MemoryStore, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    (memory_with(&clock), clock)
}

/// A store in memory that goes by this clock.
pub(crate) fn memory_with(clock: &Arc<TestClock>) -> MemoryStore {
    MemoryStore::builder().clock(Arc::clone(clock)).build()
}

/// The id with this number, spread as digests are.
pub(crate) fn id(number: u64) -> SessionId {
    let mut bytes = [0; 32];
    for (place, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 + 2 * place as u64);
        chunk.copy_from_slice(&(mixed ^ mixed >> 29).to_le_bytes());
    }
    SessionId::from_bytes(bytes)
}

pub(crate) fn new_session(user: Option<&str>, fields: &[(&str, &str)]) -> NewRecord {
    let mut new = NewRecord::new("shop".into(), LIFETIME);
    new.user = user.map(UserId::from);
    new.fields = fields.iter().copied().collect();
    new
}

pub(crate) async fn create(store: &impl Store, number: u64) {
    store.create(&id(number), new_session(None, &[("n", "1")])).await.unwrap();
}

pub(crate) async fn load(store: &impl Store, number: u64) -> Option<Arc<Record>> {
    store.load(&id(number)).await.unwrap().map(|loaded| loaded.record)
}

/// Sets a field of a session to a number.
pub(crate) async fn set(store: &impl Store, number: u64, value: u32) {
    let record = load(store, number).await.unwrap();
    let mut change = Change::new(&record, LIFETIME);
    change.edits.set("n", &value.to_string());
    store.apply(&id(number), &change).await.unwrap();
}

pub(crate) async fn touch(store: &impl Store, number: u64) {
    let created_at: Timestamp = load(store, number).await.unwrap().created_at;
    store.touch(&id(number), Touch { created_at, lifetime: LIFETIME }).await.unwrap();
}

pub(crate) async fn delete(store: &impl Store, number: u64) {
    assert!(store.delete(&id(number)).await.unwrap());
}
