//! Redis: the conformance and race suites, what a request costs, and what happens when it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may")]

mod cache;
mod cost;
mod failover;
mod faults;
mod figures;
mod halfway;
mod moved;
#[cfg(feature = "conformance")]
mod support;
#[cfg(feature = "tls")]
mod tls;

/// A store that waits for longer than a machine that is busy with other tests takes.
pub(crate) fn patient() -> tower_keep_redis_store::RedisStoreBuilder {
    tower_keep_redis_store::RedisStore::builder().timeout(std::time::Duration::from_secs(60))
}

macro_rules! suites {
    ($($name:ident = $servers:ident;)+) => {$(
        #[cfg(feature = "conformance")]
        mod $name {
            mod conformance {
                tower_keep_core::store_conformance!(
                    crate::support::Turned::<crate::support::$servers>::default()
                );
            }

            mod race {
                tower_keep_tests::race_suite!(
                    crate::support::fresh_store::<crate::support::$servers>().await
                );
            }
        }
    )+};
}

suites! {
    one_server = One;
    sentinels = Watched;
    cluster = Spread;
}
