//! The store itself: [`MySqlStore`].

use std::{fmt, sync::Arc};

use sqlx::MySqlPool;
use tower_keep_core::{
    Applied, Change, Check, Checked, Created, Import, Index, LayerName, Loaded, NewRecord, Page,
    Purge, Purged, Query, Record, Rotated, SessionId, Stats, Store, StoreError, StoreFuture, Sweep,
    Swept, Touch, Touched,
};

use super::{MySqlStoreBuilder, keep::Keep};
use crate::{
    page::{self, Ask},
    server::{self, Server, Update},
};

/// Keeps sessions in MariaDB 10.6 or later, or MySQL 8.0 or later.
///
/// A copy shares the connections. It has all capabilities: it lists, sweeps, purges, imports and checks. The
/// table is made by [`migrate`](Self::migrate) or `sessionctl migrate`.
///
/// # Connections
///
/// The store has connections of its own. One that was idle for a second is asked whether it lives
/// before it is used, one that is in use is not, so that under load an operation is one round trip. An
/// operation is one statement and a transaction of its own; where several loads, creations or updates
/// wait for a connection, one statement carries up to sixteen of them. A sign-in with a limit of sessions
/// per user takes a transaction under a lock of that user (`GET_LOCK`, which holds on one server and not
/// across a cluster of several that are written to at once).
///
/// # Time
///
/// Expiry is judged by the server's clock alone, in UTC. What the clocks of the applications say does
/// not matter.
///
/// # Writes
///
/// An update is bound to the version and to the data that it was computed from. What is answered is
/// as safe as the server's `innodb_flush_log_at_trx_commit` makes it.
#[derive(Clone)]
pub struct MySqlStore {
    keep: Arc<Keep>,
}

impl MySqlStore {
    /// Connects to the server that a URL names, with the default settings.
    ///
    /// # Errors
    ///
    /// If the URL is none, or the server cannot be reached or refuses.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Connects to the server that a pool of the application's is connected to, with connections of
    /// its own: see [`MySqlStoreBuilder::from_pool`].
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses.
    pub async fn from_pool(pool: &MySqlPool) -> Result<Self, StoreError> {
        Self::builder().from_pool(pool).await
    }

    /// Sets up a store.
    pub fn builder() -> MySqlStoreBuilder {
        MySqlStoreBuilder::default()
    }

    /// Makes the table, or brings it up to date. Instances that start at once wait for each other; on a
    /// table that is up to date it needs no right to make one.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or the user may not make tables.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.keep.migrate().await
    }

    pub(super) fn of(keep: Keep) -> Self {
        Self { keep: Arc::new(keep) }
    }

    /// Runs an operation that ends whatever becomes of its caller.
    fn run<'a, T, F>(&'a self, operation: impl FnOnce(Arc<Keep>) -> F) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        StoreFuture::new(self.keep.pool.detached(operation(Arc::clone(&self.keep))))
    }
}

/// Shows which table it is, never how to connect.
impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore").field("table", &self.keep.table).finish_non_exhaustive()
    }
}

impl Store for MySqlStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        if new.user_limit.is_none() {
            return StoreFuture::new(async move { server::create(&self.keep, id, &new).await });
        }
        let id = *id;
        self.run(async move |keep| server::create(&keep, &id, &new).await)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(self.keep.load(id))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        if Update::is(change) {
            return StoreFuture::new(server::apply(&self.keep, id, change));
        }
        let (id, change) = (*id, change.clone());
        self.run(async move |keep| server::apply(&keep, &id, &change).await)
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        let (old, new, change) = (*old, *new, change.clone());
        self.run(async move |keep| server::rotate(&keep, &old, &new, &change).await)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        let id = *id;
        self.run(async move |keep| keep.touch(&id, touch).await)
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let id = *id;
        self.run(async move |keep| keep.delete(&id).await)
    }

    fn index(&self) -> Option<&dyn Index> {
        Some(self)
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        Some(self)
    }

    fn purge(&self) -> Option<&dyn Purge> {
        Some(self)
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }

    fn check(&self) -> Option<&dyn Check> {
        Some(self)
    }
}

impl Index for MySqlStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        let Some(ask) = Ask::new(query) else {
            return StoreFuture::ready(Ok(Page::default()));
        };
        self.run(async move |keep| Ok(ask.page(keep.rows(&ask).await?)))
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        let layer = layer.cloned();
        self.run(async move |keep| keep.stats(layer.as_ref()).await)
    }
}

impl Sweep for MySqlStore {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        self.run(async move |keep| keep.sweep(limit).await)
    }
}

impl Purge for MySqlStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        // Not as a task: it may take longer than any other operation.
        StoreFuture::new(self.keep.purge())
    }
}

impl Import for MySqlStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        let (id, record) = (*id, record.clone());
        self.run(async move |keep| keep.import(&id, &record).await)
    }
}

impl Check for MySqlStore {
    fn check(&self) -> StoreFuture<'_, Checked> {
        StoreFuture::new(page::check(move |ask: Ask| async move { self.keep.rows(&ask).await }))
    }
}
