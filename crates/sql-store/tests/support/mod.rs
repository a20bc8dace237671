//! What the tests of this crate share.
#![allow(dead_code, reason = "no test uses all of it")]

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
