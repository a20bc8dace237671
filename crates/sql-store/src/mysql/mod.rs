//! Sessions in MySQL and MariaDB.

mod builder;
mod error;
mod find;
mod keep;
mod limited;
mod migrate;
mod pool;
mod statements;
mod store;
mod sweep;
mod together;
mod values;
mod write;

pub use builder::MySqlStoreBuilder;
pub use store::MySqlStore;
