//! Sessions in SQL.

#[cfg(feature = "sqlite")]
mod data;
#[cfg(feature = "sqlite")]
mod limit;
#[cfg(feature = "sqlite")]
mod name;
#[cfg(feature = "sqlite")]
mod page;
#[cfg(feature = "sqlite")]
mod row;
#[cfg(feature = "sqlite")]
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteStoreBuilder};
