//! Sessions for axum, hyper and tonic by adding one layer.
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "memory"))] {
//! use axum::{Router, routing::get};
//! use tower_keep::{Key, MemoryStore, Session, SessionLayer};
//!
//! const VISITS: Key<u64> = Key::new("visits");
//!
//! async fn home(session: Session) -> Result<String, tower_keep::Error> {
//!     let visits = session.update(VISITS, |visits| *visits += 1)?;
//!     Ok(format!("visits: {visits}"))
//! }
//!
//! let app: Router = Router::new()
//!     .route("/", get(home))
//!     .layer(SessionLayer::new(MemoryStore::new()));
//! # }
//! ```
//!
//! Add it with the features for what you use:
//!
//! | feature | gives |
//! |---|---|
//! | `axum` | [`Session`] as an argument of handlers |
//! | `tonic` | [`Error`] as a `tonic::Status` |
//! | `file` | [`FileStore`], with its [`Durability`] |
//! | `memory` | [`MemoryStore`] |
//! | `purge` | [`purge`]: sessions ended at startup and by the clock, copied to another store |
//! | `mysql` | [`MySqlStore`], for MariaDB too |
//! | `postgres` | [`PostgresStore`] |
//! | `redis` | [`RedisStore`] |
//! | `replicated` | [`ReplicatedStore`], over several other stores |
//! | `sqlite` | [`SqliteStore`] |
//! | `tls` | TLS to servers, by rustls |
//! | `metrics` | counters through the `metrics` facade |
//! | `conformance` | the suite for authors of stores |
//!
//! Read on at [`Session`], what handlers do; [`SessionLayer`], what can be set; [`Sessions`], work
//! outside a request; [`Store`], what a backend promises.

pub use tower_keep_connect::{ConnectError, ConnectErrorKind, connect, migrate, migrations};
pub use tower_keep_core::*;
#[cfg(feature = "file")]
pub use tower_keep_file_store::{Durability, FileStore};
#[cfg(feature = "memory")]
pub use tower_keep_memory_store::MemoryStore;
#[cfg(feature = "purge")]
#[doc(inline)]
pub use tower_keep_purge as purge;
#[cfg(feature = "redis")]
pub use tower_keep_redis_store::RedisStore;
#[cfg(feature = "mysql")]
pub use tower_keep_sql_store::MySqlStore;
#[cfg(feature = "postgres")]
pub use tower_keep_sql_store::PostgresStore;
#[cfg(feature = "sqlite")]
pub use tower_keep_sql_store::SqliteStore;

/// The code of the README, so that it compiles.
#[cfg(all(doctest, feature = "axum", feature = "memory"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
