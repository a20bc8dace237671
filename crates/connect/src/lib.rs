//! The session store that a URL names.
//!
//! Applications use [`connect`] from the facade, `tower_keep::connect`; this crate is what the facade
//! and the `sessionctl` command share. Each store is a feature.

mod error;
mod migrate;
mod open;

pub use error::{ConnectError, ConnectErrorKind};
pub use migrate::{migrate, migrations};
pub use open::connect;
