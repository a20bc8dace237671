//! Where the floor keeps its sessions: [`Keep`].

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::record::Record;

/// All sessions, in one concurrent map.
#[derive(Clone, Default)]
pub(super) struct Keep(Arc<scc::HashMap<u128, Arc<Record>, BuildHasherDefault<AsIs>>>);

impl Keep {
    pub(super) fn load(&self, id: u128) -> Option<Arc<Record>> {
        self.0.read_sync(&id, |_, record| Arc::clone(record))
    }

    /// Replaces a record; a session that is gone stays gone.
    pub(super) fn replace(&self, id: u128, record: Arc<Record>) {
        // The old record comes out of the closure, so that it is dropped outside the map's lock.
        drop(self.0.update_sync(&id, |_, old| std::mem::replace(old, record)));
    }

    /// Keeps a record under an id of its own.
    pub(super) fn create(&self, record: Arc<Record>) -> u128 {
        let id = rand::random();
        // Of 128 random bits none come twice.
        let _ = self.0.insert_sync(id, record);
        id
    }

    /// Removes what has expired at `now`.
    ///
    /// Found first and then removed one by one, so that no lock is held for longer than one removal.
    pub(super) fn sweep(&self, now: u64) -> usize {
        let mut expired = Vec::new();
        self.0.iter_sync(|id, record| {
            if record.expires_at <= now {
                expired.push(*id);
            }
            true
        });
        let removed = expired.into_iter().map(|id| {
            let record = self.0.remove_if_sync(&id, |record| record.expires_at <= now);
            usize::from(record.is_some())
        });
        removed.sum()
    }
}

/// The ids are random, hence their own hash.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("ids are numbers")
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}
