//! What the tests of this crate share.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "no test uses all of it")]

use std::{sync::Arc, time::Duration};

use tower_keep_core::{
    Change, Created, Lifetime, NewRecord, OverLimit, Record, SessionId, Store, StoreFuture,
    TestClock, UserLimit,
};
use tower_keep_memory_store::{MemoryStore, MemoryStoreBuilder};

pub(crate) const IDLE: Duration = Duration::from_secs(60);
pub(crate) const LIFETIME: Lifetime = Lifetime::new(IDLE, Duration::from_secs(3_600));

pub(crate) fn store_with(
    settings: impl FnOnce(MemoryStoreBuilder) -> MemoryStoreBuilder,
) -> (MemoryStore, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let settings = settings(MemoryStore::builder().clock(Arc::clone(&clock)));
    (settings.build(), clock)
}

/// An answer that is there already.
pub(crate) fn now<T>(answer: StoreFuture<'_, T>) -> T {
    try_now(answer).unwrap()
}

pub(crate) fn try_now<T>(answer: StoreFuture<'_, T>) -> Result<T, tower_keep_core::StoreError> {
    let mut answer = std::pin::pin!(answer);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            return answer;
        }
    }
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

pub(crate) fn anonymous() -> NewRecord {
    NewRecord::new("shop".into(), LIFETIME)
}

pub(crate) fn of_user(user: &str, limit: Option<(u32, OverLimit)>) -> NewRecord {
    let mut new = anonymous();
    new.user = Some(user.into());
    new.user_limit = limit.map(|(sessions, over)| UserLimit::new(sessions, over));
    new
}

pub(crate) fn with_bytes(bytes: usize) -> NewRecord {
    let mut new = anonymous();
    new.fields = [("f", "9".repeat(bytes - 1).as_str())].into_iter().collect();
    new
}

pub(crate) fn create(store: &MemoryStore, number: u64, new: &NewRecord) -> Created {
    now(store.create(&id(number), new.clone()))
}

pub(crate) fn is_live(store: &MemoryStore, number: u64) -> bool {
    now(store.load(&id(number))).is_some()
}

pub(crate) fn change(store: &MemoryStore, number: u64) -> Change {
    let record: Arc<Record> = now(store.load(&id(number))).unwrap().record;
    Change::new(&record, LIFETIME)
}
