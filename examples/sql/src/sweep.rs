//! Removes expired sessions while the server runs.

use std::{sync::Arc, time::Duration};

use tower_keep::{Store, Swept};

/// Sweeps once a minute, a bounded step at a time. Several instances may: one of them does the work.
pub async fn every_minute(store: Arc<dyn Store>) {
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    while let Some(sweep) = store.sweep() {
        minutes.tick().await;
        // A database that cannot be reached now is tried again in a minute.
        while let Ok(Swept::Removed { more: true, .. }) = sweep.sweep(1_000).await {}
    }
}
