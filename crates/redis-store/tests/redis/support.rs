//! Databases of private servers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_keep_core::conformance::{Capability, Harness};
use tower_keep_redis_store::{RedisStore, RedisStoreBuilder};
use tower_keep_test_servers::{Cluster, Redis, Sentinels};

use crate::patient;

/// What the sessions are kept in.
pub(crate) trait Servers: Default + Send + Sync {
    /// A store that shares nothing with any other.
    fn fresh(builder: RedisStoreBuilder) -> impl Future<Output = RedisStore> + Send;
}

/// One server.
#[derive(Default)]
pub(crate) struct One;

impl Servers for One {
    async fn fresh(builder: RedisStoreBuilder) -> RedisStore {
        builder.connect(&Redis::shared().fresh_url()).await.unwrap()
    }
}

/// Three sentinels, a primary and two replicas.
#[derive(Default)]
pub(crate) struct Watched;

impl Servers for Watched {
    async fn fresh(builder: RedisStoreBuilder) -> RedisStore {
        builder.connect(&Sentinels::shared().fresh_url()).await.unwrap()
    }
}

/// A cluster of three primaries and three replicas.
#[derive(Default)]
pub(crate) struct Spread;

impl Servers for Spread {
    async fn fresh(builder: RedisStoreBuilder) -> RedisStore {
        static MADE: AtomicU64 = AtomicU64::new(0);
        // A cluster has one database.
        let prefix = format!("{}:", MADE.fetch_add(1, SeqCst));
        builder.prefix(prefix).connect(&Cluster::shared().url()).await.unwrap()
    }
}

/// A database of its own, whose clock can be turned.
#[derive(Default)]
pub(crate) struct Turned<S>(Arc<AtomicI64>, S);

impl<S: Servers + 'static> Harness for Turned<S> {
    type Store = RedisStore;

    async fn open(&self) -> RedisStore {
        S::fresh(patient().turned_by(Arc::clone(&self.0))).await
    }

    async fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), SeqCst);
    }

    fn capabilities(&self) -> &[Capability] {
        &[Capability::Index, Capability::Purge, Capability::Import]
    }

    /// The clock is turned and not slept through, while the server's own goes on.
    fn tick(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// A store that shares nothing with any other.
pub(crate) async fn fresh_store<S: Servers>() -> RedisStore {
    S::fresh(patient()).await
}
