//! Private servers for tests: each has a directory and a port of its own, and ends with the tests,
//! however these end. [`Proxy`] stands between a client and a server, counts and cuts.
//!
//! A server that is not installed fails the test: `tests/run` installs what is missing.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness panics where a test fails"
)]

mod certificate;
mod cluster;
mod mariadb;
mod postgres;
mod process;
mod proxy;
mod redis;
mod sentinels;

pub use certificate::Certificate;
pub use cluster::Cluster;
pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use redis::Redis;
pub use sentinels::Sentinels;

/// The password of the databases' user; tests look for it where none may be.
pub const PASSWORD: &str = "correct-horse-battery";

/// Whether what a server has answered survives a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk.
    Synced,
    /// It is with the operating system, which is faster.
    Lazy,
}
