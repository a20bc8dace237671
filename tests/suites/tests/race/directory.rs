//! Stores on one directory that take turns: [`Directory`].

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tempfile::TempDir;
use tower_keep::{
    Applied, Change, Check, Created, Durability, FileStore, Import, Index, Loaded, NewRecord,
    Purge, Rotated, SessionId, Store, StoreFuture, Sweep, Touch, Touched,
};

/// Stores on one directory, which is removed with them. Each call asks the next.
#[derive(Debug)]
pub(crate) struct Directory {
    stores: [FileStore; 2],
    turn: AtomicUsize,
    _place: TempDir,
}

impl Directory {
    /// A directory, opened twice if `several`.
    pub(crate) async fn open(durability: Durability, several: bool) -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("sessions");
        let open = || FileStore::builder(&directory).durability(durability).open();
        let store = open().await.unwrap();
        let other = if several { open().await.unwrap() } else { store.clone() };
        Self { stores: [store, other], turn: AtomicUsize::new(0), _place: place }
    }

    fn next(&self) -> &FileStore {
        &self.stores[self.turn.fetch_add(1, Relaxed) % 2]
    }
}

#[deny(clippy::missing_trait_methods)]
impl Store for Directory {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        self.next().create(id, new)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        self.next().load(id)
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        self.next().apply(id, change)
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        self.next().rotate(old, new, change)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        self.next().touch(id, touch)
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.next().delete(id)
    }

    fn answers_at_once(&self) -> bool {
        self.next().answers_at_once()
    }

    fn index(&self) -> Option<&dyn Index> {
        self.next().index()
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        Store::sweep(self.next())
    }

    fn purge(&self) -> Option<&dyn Purge> {
        Store::purge(self.next())
    }

    fn import(&self) -> Option<&dyn Import> {
        Store::import(self.next())
    }

    fn check(&self) -> Option<&dyn Check> {
        Store::check(self.next())
    }
}
