//! The records that were read or written last: [`Cache`].
//!
//! None of them is used unheard: a read asks the server for the state of the session, which each change
//! changes, and takes the record from here where it is still the same. So what others changed, ended or
//! rotated is seen at once, and only what nobody changed does not travel again.

use std::{sync::Arc, time::Duration};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{self, DefaultLifecycle},
};
use tower_keep_core::{Change, Client, Record, SessionId, Timestamp};

use crate::{plain::Times, servers::Reply};

/// So long after it was read whole a record is used, so that what someone mended by hand, and left the state, is
/// seen.
const USED_FOR: Duration = Duration::from_secs(10);

/// What is kept with a record, in bytes, and a session's usual size.
const BESIDE_BYTES: usize = 400;
const USUAL_BYTES: usize = 1_024;

/// Each has its part of the bytes, and keeps no record that is larger: a million bytes by default.
const SHARDS: usize = 16;

/// Records, up to a number of bytes; those that are used least make room.
#[derive(Clone)]
pub(crate) struct Cache(Option<Arc<sync::Cache<SessionId, Arc<Cached>, Size>>>);

/// A record, and the state that it has at the server.
pub(crate) struct Cached {
    state: String,
    pub(crate) record: Arc<Record>,
    /// When it, or the record that changes of this process began with, was read whole.
    read_at: Timestamp,
    /// When it was read whole, the state was not the one that was known: others change it too, and to ask for its
    /// state is in vain.
    is_shared: bool,
    bytes: u64,
}

impl Cached {
    /// A record that was just read whole, of which so much was known.
    pub(crate) fn read(
        state: &str,
        record: &Arc<Record>,
        at: Timestamp,
        known: Option<&Self>,
    ) -> Self {
        let is_shared = known.is_some_and(|known| known.state != state);
        Self::new(state.to_owned(), Arc::clone(record), at, is_shared)
    }

    fn new(state: String, record: Arc<Record>, read_at: Timestamp, is_shared: bool) -> Self {
        let user = record.user.as_ref().map_or(0, |user| user.as_str().len());
        let agent = record.client.as_ref().and_then(Client::agent).map_or(0, str::len);
        let bytes = record.fields.bytes() + user + agent + BESIDE_BYTES;
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { state, record, read_at, is_shared, bytes }
    }

    /// Whether it is worth asking for the state, at a time.
    pub(crate) fn may_be_used(&self, now: Timestamp) -> bool {
        !self.is_shared && now.since(self.read_at) < USED_FOR
    }

    /// Whether it is the record of the state that the server told.
    pub(crate) fn is_of(&self, state: &Reply) -> bool {
        state.is_text(&self.state)
    }
}

impl Cache {
    /// One for so many bytes; for none it keeps nothing.
    pub(crate) fn of(bytes: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(bytes / USUAL_BYTES)
            .weight_capacity(u64::try_from(bytes).unwrap_or(u64::MAX))
            .shards(SHARDS)
            .build();
        let options = options.ok().filter(|_| bytes > 0);
        Self(options.map(|options| {
            let hash = DefaultHashBuilder::default();
            Arc::new(sync::Cache::with_options(options, Size, hash, DefaultLifecycle::default()))
        }))
    }

    /// What was kept of a session.
    pub(crate) fn find(&self, id: &SessionId) -> Option<Arc<Cached>> {
        self.0.as_ref()?.get(id)
    }

    /// Keeps a record that was read whole.
    pub(crate) fn keep(&self, id: &SessionId, cached: Cached) {
        if let Some(cache) = &self.0 {
            cache.insert(*id, Arc::new(cached));
        }
    }

    /// Keeps what a change made of a record that is kept, and the state that it has now.
    pub(crate) fn follow(&self, id: &SessionId, change: &Change, state: String, times: Times) {
        let Some(cache) = &self.0 else { return };
        let Some(known) = cache.peek(id) else { return };
        let mut record = change.base();
        record.fields = change.edited(&record.fields);
        change.apply_facts(&mut record, times.now);
        record.expires_at = times.end;
        let changed = Cached::new(state, Arc::new(record), known.read_at, known.is_shared);
        cache.insert(*id, Arc::new(changed));
    }

    /// Forgets a session.
    pub(crate) fn forget(&self, id: &SessionId) {
        if let Some(cache) = &self.0 {
            cache.remove(id);
        }
    }

    /// Forgets all sessions.
    pub(crate) fn clear(&self) {
        if let Some(cache) = &self.0 {
            cache.clear();
        }
    }
}

/// Counts the bytes of a record.
#[derive(Clone)]
struct Size;

impl Weighter<SessionId, Arc<Cached>> for Size {
    fn weight(&self, _: &SessionId, cached: &Arc<Cached>) -> u64 {
        cached.bytes
    }
}

#[cfg(test)]
mod tests {
    use tower_keep_core::Fields;

    use super::*;

    fn cached(bytes: usize) -> Cached {
        let at = Timestamp::from_millis(1_795_262_400_000);
        let mut record = Record::new("shop".into(), at);
        record.fields = [("text", &*"x".repeat(bytes))].into_iter().collect::<Fields>();
        Cached::read("[1,2,0,3,4]", &Arc::new(record), at, None)
    }

    #[test]
    fn bytes_are_bounded() {
        let cache = Cache::of(1_000_000);
        for number in 0..200 {
            cache.keep(&SessionId::from_bytes([number; 32]), cached(50_000));
        }
        let weight = cache.0.unwrap().weight();
        assert!((50_000..=1_000_000).contains(&weight), "{weight}");
    }

    #[test]
    fn record_of_more_than_a_sixteenth_is_not_kept() {
        let (cache, id) = (Cache::of(16 << 20), SessionId::from_bytes([1; 32]));
        cache.keep(&id, cached(900_000));
        assert!(cache.find(&id).is_some());
        cache.keep(&id, cached(1 << 20));
        assert!(cache.find(&id).is_none());
    }

    #[test]
    fn nothing_is_kept_in_no_bytes() {
        let (cache, id) = (Cache::of(0), SessionId::from_bytes([1; 32]));
        cache.keep(&id, cached(1));
        assert!(cache.find(&id).is_none());
    }
}
