//! The suite that every store passes: the contract of [`Store`](crate::Store), one named case for
//! each clause.
//!
//! An author of a store implements [`Harness`], which opens the store and moves its time, and names
//! it to [`store_conformance!`](crate::store_conformance). That makes a test of each case, once with
//! the store as it is and once with it as `Arc<dyn Store>`:
//!
//! ```text
//! test plain::late_apply_after_delete_is_gone ... ok
//! test boxed::late_apply_after_delete_is_gone ... ok
//! ```
//!
//! A store that finds, sweeps, purges, imports or checks sessions declares it, and is tested in it. What it
//! declares and what it offers have to agree, so that nothing is left out unseen.
//!
//! Cases of random operations name their seed when they fail; the environment variable
//! `CONFORMANCE_SEED` repeats it.

mod case;
mod cases;
mod check;
mod failure;
mod harness;
mod list;
mod random;
mod trial;

pub use case::{Case, Form, Outcome};
#[doc(hidden)]
pub use check::__check;
pub use failure::Failure;
pub use harness::{Capability, Harness};
pub use list::cases;
