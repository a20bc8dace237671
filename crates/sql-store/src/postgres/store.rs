//! The store itself: [`PostgresStore`].

use std::{fmt, sync::Arc};

use tower_keep_core::{
    Applied, Change, Check, Checked, Created, Import, Index, LayerName, Loaded, NewRecord, Page,
    Purge, Purged, Query, Record, Rotated, SessionId, Stats, Store, StoreError, StoreFuture, Sweep,
    Swept, Touch, Touched,
};

use super::{PostgresStoreBuilder, keep::Keep, migrate::migrate};
use crate::{
    page::{self, Ask},
    server::{self, Server},
};

/// Keeps sessions in PostgreSQL.
///
/// A copy shares the connections. It has all capabilities: it lists, sweeps, purges, imports and checks. The
/// table is made by [`migrate`](Self::migrate) or `sessionctl migrate`.
///
/// # Connections
///
/// Requests share a few connections, on each of which many statements are under way at once, and
/// which are made anew when they break. There is no pool to hand over: a pool gives each caller a
/// connection alone, and checks it before and after, which costs three round trips for one statement.
/// An operation is one statement and a transaction of its own; where several loads, creations or updates
/// wait, one statement carries up to sixteen of them. A sign-in with a limit of sessions per user takes a
/// transaction on a connection of its own under a lock of that user.
///
/// On these connections plans that read whole tables are switched off, so that a statement which was
/// planned while the table was small does not read all of it once it is large.
///
/// A pooler in between, such as PgBouncer, must keep prepared statements: its session mode does.
///
/// # Time
///
/// Expiry is judged by the server's clock alone. What the clocks of the applications say does not
/// matter.
///
/// # Writes
///
/// An update is bound to the version and to the data that it was computed from. What is answered is
/// as safe as the server's `synchronous_commit` makes it.
#[derive(Clone)]
pub struct PostgresStore {
    keep: Arc<Keep>,
}

impl PostgresStore {
    /// Connects to the server that a URL names, with the default settings.
    ///
    /// # Errors
    ///
    /// If the URL is none, or the server cannot be reached or refuses.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Sets up a store.
    pub fn builder() -> PostgresStoreBuilder {
        PostgresStoreBuilder::default()
    }

    /// Makes the table, or brings it up to date. Instances that start at once wait for each other; on a
    /// table that is up to date it needs no right to make one.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or the user may not make tables.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migrate(&self.keep.exclusive, &self.keep.table).await
    }

    pub(super) fn of(keep: Keep) -> Self {
        Self { keep: Arc::new(keep) }
    }
}

/// Shows which table it is, never how to connect.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("table", &self.keep.table)
            .field("address", &self.keep.address)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move { server::create(&self.keep, id, &new).await })
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(self.keep.load(id))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        StoreFuture::new(server::apply(&self.keep, id, change))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        StoreFuture::new(server::rotate(&self.keep, old, new, change))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        StoreFuture::new(self.keep.touch(id, touch))
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        StoreFuture::new(self.keep.delete(id))
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

impl Index for PostgresStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        let Some(ask) = Ask::new(query) else {
            return StoreFuture::ready(Ok(Page::default()));
        };
        StoreFuture::new(async move { Ok(ask.page(self.keep.rows(&ask).await?)) })
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        StoreFuture::new(self.keep.stats(layer))
    }
}

impl Sweep for PostgresStore {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::new(self.keep.sweep(limit))
    }
}

impl Purge for PostgresStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        StoreFuture::new(self.keep.purge())
    }
}

impl Import for PostgresStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        StoreFuture::new(self.keep.import(id, record))
    }
}

impl Check for PostgresStore {
    fn check(&self) -> StoreFuture<'_, Checked> {
        StoreFuture::new(page::check(move |ask: Ask| async move { self.keep.rows(&ask).await }))
    }
}
