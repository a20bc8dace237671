//! Several stores on one directory that take turns: [`Turns`].

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tower_keep_core::{
    Applied, Change, Check, Created, Import, Index, Loaded, NewRecord, Purge, Rotated, SessionId,
    Store, StoreFuture, Sweep, Touch, Touched,
};
use tower_keep_file_store::FileStore;

/// Several stores on one directory, of which each call asks the next.
#[derive(Debug)]
pub(crate) struct Turns {
    stores: Vec<FileStore>,
    next: AtomicUsize,
}

impl Turns {
    pub(crate) fn new(stores: Vec<FileStore>) -> Self {
        Self { stores, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &FileStore {
        &self.stores[self.next.fetch_add(1, Relaxed) % self.stores.len()]
    }
}

#[deny(clippy::missing_trait_methods)]
impl Store for Turns {
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

    fn answers_at_once(&self) -> bool {
        self.next().answers_at_once()
    }

    fn check(&self) -> Option<&dyn Check> {
        Store::check(self.next())
    }
}
