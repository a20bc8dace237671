//! What sessions do through the layer, one request after another.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test panics where it fails"
)]

mod adversary;
mod body;
mod caching;
mod cancel;
mod cookie;
mod grpc;
mod identity;
mod indeterminate;
mod outage;
mod round_trips;
mod status;
mod transports;

use std::time::Duration;

use tower_keep::{SessionLayer, SessionLayerBuilder};
use tower_keep_tests::{ClockedStore, Faulty};

/// A store under a clock and a script, and a layer over it.
type Keep = (Faulty<ClockedStore>, SessionLayer);

fn keep() -> Keep {
    keep_with(|layer| layer)
}

fn keep_with(set: impl FnOnce(SessionLayerBuilder) -> SessionLayerBuilder) -> Keep {
    let store = Faulty::new(ClockedStore::new());
    let layer = set(SessionLayer::builder(store.clone())).build().unwrap();
    (store, layer)
}

/// Lets tasks that nobody waits for go on until they wait.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}
