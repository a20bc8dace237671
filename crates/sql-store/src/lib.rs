//! Sessions in SQL: [`SqliteStore`], [`PostgresStore`], [`MySqlStore`], a feature each.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use tower_keep_core::{Lifetime, NewRecord, Store, Token};
//! use tower_keep_sql_store::SqliteStore;
//!
//! let store = SqliteStore::in_memory().await?;
//! let id = Token::random().unwrap().id();
//! store.create(&id, NewRecord::new("shop".into(), Lifetime::default())).await?;
//! assert!(store.load(&id).await?.is_some());
//! # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
//! ```
//!
//! | feature | gives |
//! |---|---|
//! | `sqlite` | [`SqliteStore`]: one file, one machine |
//! | `postgres` | [`PostgresStore`] |
//! | `mysql` | [`MySqlStore`], for MariaDB too |
//! | `tls` | TLS to the servers, by rustls |
//!
//! # The table
//!
//! One row a session, which can be read and queried: `id` (the SHA-256 of the token, in bytes), `layer`,
//! `user_id`, `client_address`, `client_agent`, `created_at`, `last_active`, `expires_at`, `version`,
//! `remember`, `data` and `seal`. The data is one JSON object whose members are the fields, each with its
//! own text, so that `data->>'cart'` in PostgreSQL and SQLite and `JSON_VALUE(data, '$.cart')` in MariaDB
//! find what a handler wrote. `\u0000` and halves of surrogate pairs, which PostgreSQL refuses to look at,
//! are written with the noncharacter U+FDD0 before them.
//!
//! The seal binds the data to the id: a row that was swapped for another or edited by hand is refused as
//! damaged. On the servers `sweep_at` is the minute of `expires_at`: it is in the index in its place, so that
//! a session that is written several times a minute changes no index but once. Rows may be deleted by hand
//! at any time. A second table, `…_migrations`, keeps which steps were taken to the present one.
//!
//! # How it works
//!
//! An update writes the whole data in one statement that is bound to the version and the seal that it was
//! computed from, so that no statement reads first and no merge depends on what a database makes of JSON.
//! Where the row is another one by then, a second statement reads it, and the change is laid over it if it
//! fits, or answered as a conflict.
//!
//! What waits for a server goes there together: while every connection that carries loads is in use, further
//! loads gather, and the next free one takes up to sixteen of them in one statement; creations and updates
//! likewise. A statement of sixteen rows costs a server little more than one of a single row, so the busier
//! it is the more it gets done. One operation alone waits for nothing. Each is answered for itself: an update
//! among sixteen that is not written is a conflict of its own, and where a statement is refused for what one
//! of its rows is, each is tried alone. SQLite's writers share transactions in the same way.
//!
//! # Drivers
//!
//! They were chosen by measurement (`cargo bench -p tower-keep-bench-sql`). A pool of sqlx asks a
//! connection whether it lives before and after each use, so that one statement takes three round trips.
//!
//! - PostgreSQL: tokio-postgres, which has many statements under way on one connection. A few connections
//!   serve all requests, and there is no pool to hand over.
//! - MySQL and MariaDB: sqlx's connections, kept by the store itself; a pool that is handed over tells how
//!   to connect. Where one statement carries many rows, the driver's share of the time is small, and another
//!   one would gain little.
//! - SQLite: rusqlite on threads of the store's own, since an operation of several statements then runs
//!   where the connection is. It shares the version of SQLite with sqlx 0.8, so that both fit into one
//!   application.
//!
//! [`SqliteStore`]: https://docs.rs/tower-keep-sql-store/latest/tower_keep_sql_store/struct.SqliteStore.html
//! [`PostgresStore`]: https://docs.rs/tower-keep-sql-store/latest/tower_keep_sql_store/struct.PostgresStore.html
//! [`MySqlStore`]: https://docs.rs/tower-keep-sql-store/latest/tower_keep_sql_store/struct.MySqlStore.html

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod data;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod gather;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod limit;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod name;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod page;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod row;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod schema;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "mysql")]
pub use mysql::{MySqlStore, MySqlStoreBuilder};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteStoreBuilder};
