//! Sessions in memory: [`MemoryStore`].
//!
//! For one process whose sessions may end with it. Nothing is written anywhere: a restart signs
//! everybody out.
//!
//! ```
//! use tower_keep_core::{Lifetime, NewRecord, Store, Token};
//! use tower_keep_memory_store::MemoryStore;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = MemoryStore::builder().max_sessions(100_000).build();
//! let id = Token::random().unwrap().id();
//! store.create(&id, NewRecord::new("shop".into(), Lifetime::default())).await?;
//! assert!(store.load(&id).await?.is_some());
//! # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
//! ```
//!
//! # How it works
//!
//! The sessions lie in 32 concurrent maps, chosen by the first bits of the id, so that a listing in
//! the order of the ids reads one map at a time. A read takes the shared lock of a bucket of 32
//! sessions and shares the record; a write takes that bucket's lock alone, and changes the record where
//! it is unless somebody reads it. Each map has a queue of deadlines that a touch does not move: a
//! session that comes up and lives is queued again at its present deadline, so that a sweep looks at
//! each session once per deadline instead of at all of them. In a large store each map counts its new
//! sessions, and adds them to the store's figures in parts.
//!
//! Locks are taken in one order: the turn to drop sessions, the entry of a user, the turn of rotations,
//! a map's queue and count, a bucket. No two entries or buckets are held at once.

mod bound;
mod builder;
mod deadlines;
mod figures;
mod keep;
mod list;
mod place;
mod purge;
mod recency;
mod rotate;
mod shard;
mod store;
mod sweep;
mod users;
mod write;

pub use builder::MemoryStoreBuilder;
pub use store::MemoryStore;
