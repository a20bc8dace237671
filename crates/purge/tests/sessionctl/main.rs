//! The command `sessionctl`, run as users run it: in pipes and on terminals, over each store.
#![cfg(feature = "command")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

#[path = "../common/mod.rs"]
mod common;

mod commands;
mod copying;
mod database;
mod every_store;
mod messages;
mod permission;
mod terminal;
mod tool;
