//! What users of the lab see where its sessions lie in SQLite: the same.
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

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use browser::Browser;
use support::Server;

/// A lab for clients over plain HTTP that keeps its sessions in SQLite, with these settings besides.
async fn lab(variables: &[(&str, &str)]) -> Server {
    static LABS: AtomicUsize = AtomicUsize::new(0);
    // It stays until the next run, so that the file of a failed test can be looked at.
    let name = format!("lab-sqlite-{}", LABS.fetch_add(1, Relaxed));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let store = format!("sqlite:{}", directory.join("sessions.db").display());
    let variables = [&[("LAB_SECURE", "0"), ("LAB_STORE", &*store)], variables].concat();
    Server::start(env!("CARGO_BIN_EXE_tower-keep-lab"), &variables).await
}
