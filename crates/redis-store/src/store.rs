//! [`RedisStore`].

use std::fmt;

use tower_keep_core::{
    Applied, Change, Created, Import, Index, LayerName, Loaded, NewRecord, Page, Purge, Purged,
    Query, Record, Rotated, SessionId, Stats, Store, StoreError, StoreFuture, Touch, Touched,
};

use crate::{Analytics, RedisStoreBuilder, keep::Keep};

/// Keeps sessions in Redis 6.2 or later, or in Valkey.
///
/// Copies share the connections and the records that are kept. See the [crate](crate) for what is kept how.
///
/// ```no_run
/// use tower_keep_redis_store::RedisStore;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let store = RedisStore::connect("redis://:password@localhost:6379").await?;
/// # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct RedisStore {
    keep: Keep,
}

impl RedisStore {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep }
    }

    /// Connects to the server of a URL, with the defaults.
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Figures of a layer's live sessions, or of all layers', counted also by the value of a field: a role, say.
    ///
    /// One pass by `SCAN`, which holds up no request; it asks for no other field. Each call is a pass: keep
    /// its answer for as long as it may be old.
    ///
    /// ```no_run
    /// # use tower_keep_redis_store::RedisStore;
    /// # async fn example(store: RedisStore) -> Result<(), tower_keep_core::StoreError> {
    /// let figures = store.analytics(None, Some("role")).await?;
    /// println!("{} sessions of {} users", figures.stats.active, figures.stats.users);
    /// println!("{:?} of admins", figures.by_value.get("\"admin\""));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If a server cannot be reached, or not in time.
    pub async fn analytics(
        &self,
        layer: Option<&LayerName>,
        field: Option<&str>,
    ) -> Result<Analytics, StoreError> {
        self.keep.analytics(layer, field).await
    }

    /// What can be set.
    #[must_use]
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::new()
    }
}

impl Store for RedisStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move { self.keep.create(id, &new).await })
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(self.keep.load(id))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        StoreFuture::new(self.keep.apply(id, change))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        StoreFuture::new(self.keep.rotate(old, new, change))
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

    fn purge(&self) -> Option<&dyn Purge> {
        Some(self)
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }
}

impl Index for RedisStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        StoreFuture::new(self.keep.list(query))
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        StoreFuture::new(self.keep.stats(layer))
    }
}

impl Purge for RedisStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        StoreFuture::new(self.keep.purge())
    }
}

impl Import for RedisStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        StoreFuture::new(self.keep.import(id, record))
    }
}

/// Shows no URL: it holds the password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.keep.keys.prefix())
            .finish_non_exhaustive()
    }
}
