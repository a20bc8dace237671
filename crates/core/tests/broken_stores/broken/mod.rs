//! The reference store with one thing wrong: [`Broken`].

mod apply;
mod capabilities;
mod create;
mod flaw;
mod load;
mod rotate;
mod touch;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

pub(crate) use flaw::Flaw;
use tower_keep_core::{
    Applied, Change, Check, Clock, Created, Import, Index, Loaded, NewRecord, Purge, Rotated,
    SessionId, Store, StoreFuture, Sweep, Touch, Touched,
};

use crate::reference::Reference;

/// A [`Reference`] that breaks the contract in one way.
pub(crate) struct Broken {
    inner: Reference,
    flaw: Flaw,
    /// What a dropped future leaves locked.
    locked: AtomicBool,
}

impl Broken {
    pub(crate) fn new(clock: Arc<dyn Clock>, flaw: Flaw) -> Self {
        Self { inner: Reference::new(clock), flaw, locked: AtomicBool::new(false) }
    }
}

/// Lets others in between two steps that should have been one.
async fn pause() {
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.flaw == Flaw::DebugShowsFields {
            let records = self.inner.lock();
            let fields = records.values().flat_map(|record| record.fields.iter());
            return f.debug_map().entries(fields).finish();
        }
        f.write_str("Broken")
    }
}

impl Store for Broken {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        self.broken_create(id, new)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        self.broken_load(id)
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        self.broken_apply(id, change)
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        self.broken_rotate(old, new, change)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        self.broken_touch(id, touch)
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.broken_delete(id)
    }

    fn index(&self) -> Option<&dyn Index> {
        (self.flaw != Flaw::IndexIsHidden).then_some(self)
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        Some(self)
    }

    fn purge(&self) -> Option<&dyn Purge> {
        Some(self)
    }

    fn answers_at_once(&self) -> bool {
        self.flaw == Flaw::PromisesToAnswerAtOnce
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }

    fn check(&self) -> Option<&dyn Check> {
        Some(self)
    }
}
