//! What users of the lab see, over real connections.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod browser;
mod fields;
mod grpc;
mod identity;
mod limits;
mod live;
mod operation;
#[path = "../support/mod.rs"]
mod support;

use browser::Browser;
use support::Server;

/// A lab for clients over plain HTTP, with these settings besides.
async fn lab(variables: &[(&str, &str)]) -> Server {
    let variables = [&[("LAB_SECURE", "0")], variables].concat();
    Server::start(env!("CARGO_BIN_EXE_tower-keep-lab"), &variables).await
}
