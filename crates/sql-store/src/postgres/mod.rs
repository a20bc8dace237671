//! Sessions in PostgreSQL.

mod builder;
mod error;
mod exclusive;
mod find;
mod keep;
mod lanes;
mod limited;
mod link;
mod migrate;
mod statements;
mod store;
mod sweep;
mod tls;
mod together;
mod values;
mod write;

pub use builder::PostgresStoreBuilder;
pub use store::PostgresStore;
