//! What the tests of several crates share: stores that fail by script, requests whose handler is a
//! closure, and the race suite that every store must pass.
//!
//! A store crate takes this package as a dev-dependency and calls [`race_suite!`] with its store.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness panics where a test fails"
)]

pub mod capture;
pub mod clocked;
pub mod faulty;
pub mod gate;
pub mod interleave;
pub mod race;
pub mod tcp;
pub mod visit;

pub use capture::Captured;
pub use clocked::ClockedStore;
pub use faulty::{Call, Fault, Faulty};
pub use gate::Gate;
pub use visit::{Act, Jar, Visit, is_our_cookie};

/// How often a test repeats: `usual`, or `long` where `TOWER_KEEP_LONG=1` is set.
#[must_use]
pub fn rounds(usual: usize, long: usize) -> usize {
    if std::env::var_os("TOWER_KEEP_LONG").is_some_and(|value| value == "1") { long } else { usual }
}
