//! What users of the lab see where its sessions lie in PostgreSQL: the same.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

#[path = "../lab/browser.rs"]
mod browser;
#[path = "../lab/fields.rs"]
mod fields;
#[path = "../lab/grpc.rs"]
mod grpc;
#[path = "../lab/identity.rs"]
mod identity;
#[path = "../lab/limits.rs"]
mod limits;
#[path = "../lab/live.rs"]
mod live;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use browser::Browser;
use support::Server;
use tower_keep::PostgresStore;
use tower_keep_test_servers::Postgres;

/// A lab for clients over plain HTTP that keeps its sessions in a schema of its own, with these settings
/// besides.
async fn lab(variables: &[(&str, &str)]) -> Server {
    static LABS: AtomicUsize = AtomicUsize::new(0);
    let schema = format!("lab_{}", LABS.fetch_add(1, Relaxed));
    let url = tokio::task::spawn_blocking(|| Postgres::shared().url()).await.unwrap();
    let store = PostgresStore::builder().schema(&schema).connections(1).connect(&url).await;
    store.unwrap().migrate().await.unwrap();
    let store = format!("{url}?options=-c%20search_path%3D{schema}");
    let variables = [&[("LAB_SECURE", "0"), ("LAB_STORE", &*store)], variables].concat();
    Server::start(env!("CARGO_BIN_EXE_tower-keep-lab"), &variables).await
}
