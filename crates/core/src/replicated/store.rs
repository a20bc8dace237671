//! The store itself: [`ReplicatedStore`].

use std::{fmt, sync::Arc, time::Duration};

use super::{Repaired, Repairing, ReplicatedStoreBuilder, keep::Keep};
use crate::{
    Applied, Change, Created, Cursor, Import, Index, LayerName, Loaded, NewRecord, Page, Purge,
    Purged, Query, Record, Rotated, SessionId, Stats, Store, StoreError, StoreErrorKind,
    StoreFuture, Touch, Touched,
};

/// Keeps each session in several independent stores, and goes on while most of them do.
///
/// **Prefer Redis Sentinel or Cluster, or one SQL server with a standby**: they do the same with one
/// round trip instead of three, and people know how to run them. This is for stores that have nothing of
/// the kind, or that must not depend on each other.
///
/// A copy shares the members. See the [module](crate::replicated) for what is promised, why it holds, and what is not
/// promised.
///
/// ```
/// # use std::sync::Arc;
/// # use tower_keep_core::{ReplicatedStore, Store, StoreError};
/// # fn make(one: Arc<dyn Store>, two: Arc<dyn Store>, three: Arc<dyn Store>) -> Result<(), StoreError> {
/// let store = ReplicatedStore::builder([one, two, three]).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ReplicatedStore {
    keep: Arc<Keep>,
}

impl ReplicatedStore {
    /// Sets up a store over these members. All servers that share the members have to name all of them;
    /// the order is theirs to keep too.
    pub fn builder(members: impl IntoIterator<Item = Arc<dyn Store>>) -> ReplicatedStoreBuilder {
        ReplicatedStoreBuilder::new(members.into_iter().collect())
    }

    pub(super) fn of(keep: Keep) -> Self {
        Self { keep: Arc::new(keep) }
    }

    /// Looks at up to `limit` records of one member, and brings each to the members that lack it: one
    /// bounded step through all that the members hold.
    ///
    /// Sessions that are read are repaired by that alone. This is for those that are not: a member that
    /// was away, or came back empty, has caught up when a whole pass is through.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] or [`StoreErrorKind::TimedOut`] if too few members can be asked,
    /// [`StoreErrorKind::Misconfigured`] if one has no [`Index`].
    pub async fn repair(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Repaired, StoreError> {
        self.keep.repair(after.as_ref(), limit).await
    }

    /// Goes through all that the members hold again and again, with a pause between, until what it gives
    /// is dropped. One server does; several do no harm.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    pub fn repair_every(&self, pause: Duration) -> Repairing {
        self.keep.repair_every(pause)
    }

    /// An operation that goes on if its caller does not, so that it ends whole or not at all.
    fn carry_out<T, F>(&self, operation: impl FnOnce(Arc<Keep>) -> F) -> StoreFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let patience = self.keep.register.members.patience();
        let operation = operation(Arc::clone(&self.keep));
        StoreFuture::new(async move {
            match tokio::spawn(tokio::time::timeout(patience, operation)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(elapsed)) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
                Err(ended) => Err(StoreError::new(StoreErrorKind::Unavailable, ended)),
            }
        })
    }
}

impl Store for ReplicatedStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        let id = *id;
        self.carry_out(move |keep| async move { keep.create(id, new).await })
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(self.keep.load(*id))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        let (id, change) = (*id, change.clone());
        self.carry_out(move |keep| async move { keep.apply(id, &change).await })
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        let (old, new, change) = (*old, *new, change.clone());
        self.carry_out(move |keep| async move { keep.rotate(old, new, &change).await })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        let id = *id;
        self.carry_out(move |keep| async move { keep.touch(id, touch).await })
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let id = *id;
        self.carry_out(move |keep| async move { keep.delete(id).await })
    }

    /// If all members have one.
    fn index(&self) -> Option<&dyn Index> {
        self.keep.register.members.stores().all(|store| store.index().is_some()).then_some(self)
    }

    /// If all members have one.
    fn purge(&self) -> Option<&dyn Purge> {
        self.keep.register.members.stores().all(|store| store.purge().is_some()).then_some(self)
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }
}

impl Index for ReplicatedStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        StoreFuture::new(self.keep.list(query))
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        StoreFuture::new(self.keep.stats(layer))
    }
}

impl Purge for ReplicatedStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        StoreFuture::new(self.keep.purge())
    }
}

impl Import for ReplicatedStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        let (id, record) = (*id, record.clone());
        self.carry_out(move |keep| async move { keep.import(id, &record).await })
    }
}

/// Shows the members as they show themselves.
impl fmt::Debug for ReplicatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = &self.keep.register.members;
        f.debug_struct("ReplicatedStore")
            .field("members", &members.stores().collect::<Vec<_>>())
            .field("quorum", &members.quorum)
            .finish_non_exhaustive()
    }
}
