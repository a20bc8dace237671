//! Redis: the conformance and race suites, what a request costs, and what happens when it fails.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod cost;
mod faults;
mod halfway;
#[cfg(feature = "conformance")]
mod support;

#[cfg(feature = "conformance")]
mod conformance {
    tower_keep_core::store_conformance!(crate::support::Turned::default());
}

#[cfg(feature = "conformance")]
mod race {
    tower_keep_tests::race_suite!(crate::support::fresh_store().await);
}
