//! Sessions in files: [`FileStore`].
//!
//! One file per session under a directory, for one or several processes on one machine, and for a
//! directory on a network share. Sessions survive a restart, and, as [`Durability`] says, a power cut.
//!
//! ```
//! use tower_keep_core::{Lifetime, NewRecord, Store, Token};
//! use tower_keep_file_store::FileStore;
//!
//! # let place = tempfile::tempdir().unwrap();
//! # let directory = place.path().join("sessions");
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = FileStore::open(&directory).await?;
//! let id = Token::random().unwrap().id();
//! store.create(&id, NewRecord::new("shop".into(), Lifetime::default())).await?;
//! assert!(store.load(&id).await?.is_some());
//! # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
//! ```
//!
//! # The directory
//!
//! ```text
//! sessions/
//!   3f/3fa9…e1              a session: a line of facts, two lines of times, its record as JSON
//!   .tower-keep/store       the mark of the store, with its format and fan-out
//!   .tower-keep/locks/      what processes wait for each other at
//!   .tower-keep/users/      an empty file for each session of a user, to find them by
//!   .tower-keep/temporary/  what is being written
//!   .tower-keep/damaged/    what was damaged and is set aside
//! ```
//!
//! Entries that begin with a dot, and whatever else is not the store's, are left alone by all
//! operations.
//!
//! # How it works
//!
//! A write holds the lock of the session's shard, one of 64, writes a temporary file, syncs it and
//! renames it over the session's own: a reader, who takes no lock, finds the file as before or as
//! after. A touch overwrites the older of two lines of times, each with a checksum of its own, so that
//! it moves no data and needs no sync. A rotation first puts a file in the old place that holds the
//! record for both ids, and then renames it to the new place, which is one step for every reader and
//! for a power cut.
//!
//! Locks are `flock`s of the lock files, which the system lets go of when their holder dies. They are
//! taken in one order: a user's, then those of the shards, the lower ones first.
//!
//! It needs a Unix, and a tokio runtime, on whose blocking threads it does all its work.

mod bound;
mod builder;
mod check;
#[cfg(test)]
mod crash;
mod error;
#[cfg(test)]
mod faults;
mod files;
mod format;
mod keep;
mod layout;
mod list;
mod mark;
mod purge;
mod rotate;
mod session_file;
#[cfg(test)]
mod slow;
mod step;
mod store;
mod sweep;
mod users;
mod write;

pub use builder::{Durability, FileStoreBuilder};
pub use store::FileStore;
