//! Sessions in SQLite.

mod builder;
mod error;
mod find;
mod open;
mod queue;
mod statements;
mod store;
mod sweep;
mod worker;
mod write;

pub use builder::SqliteStoreBuilder;
pub use store::SqliteStore;
