//! Ends sessions: all of them at startup, the expired ones by the clock, any of them by hand.
//!
//! - [`on_startup`] removes every session before the server listens, if the environment says so.
//! - [`SessionSettings::from_env`] reads where sessions live and how long from the environment.
//! - [`Sweeper`] removes expired sessions while the server runs.
//! - [`copy_sessions`] takes every live session to another store, so that nobody is logged out.
//! - The command `sessionctl` does all that by hand; it needs the feature `command`, which is on
//!   unless told.
//!
//! Applications reach this crate as `tower_keep::purge`, with the feature `purge` of the facade.

mod copy;
mod environment;
mod error;
mod settings;
mod size;
mod startup;
mod sweeper;

pub use copy::{Copied, CopyError, CopyErrorKind, CopySettings, Journal, copy_sessions};
pub use environment::SettingError;
pub use error::{PurgeError, PurgeErrorKind};
pub use settings::SessionSettings;
pub use size::Size;
pub use startup::{on_startup, on_startup_with};
pub use sweeper::{SweepRun, Sweeper, SweeperBuilder, SweeperReport};

/// The code of the README, so that it compiles.
#[cfg(all(doctest, feature = "command"))]
#[doc = include_str!("../README.md")]
struct Readme;
