//! Databases of a private Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_keep_core::conformance::{Capability, Harness};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::Redis;

/// A database of its own, whose clock can be turned.
#[derive(Default)]
pub(crate) struct Turned(Arc<AtomicI64>);

impl Harness for Turned {
    type Store = RedisStore;

    async fn open(&self) -> RedisStore {
        let builder = RedisStore::builder().turned_by(Arc::clone(&self.0));
        builder
            .timeout(Duration::from_secs(60))
            .connect(&Redis::shared().fresh_url())
            .await
            .unwrap()
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

/// A store in a database of its own.
pub(crate) async fn fresh_store() -> RedisStore {
    let builder = RedisStore::builder().timeout(Duration::from_secs(60));
    builder.connect(&Redis::shared().fresh_url()).await.unwrap()
}
