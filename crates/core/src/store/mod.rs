//! The store contract: what a backend implements, and what it is asked to write.

mod capability;
mod change;
mod contract;
mod deadline;
mod error;
mod forward;
mod future;

pub use capability::{
    Check, Checked, Cursor, Import, Index, Listed, Page, Problem, ProblemKind, Purge, Purged,
    Query, Stats, Sweep, Swept,
};
pub use change::{Change, NewRecord, OverLimit, UserLimit};
pub use contract::{Applied, Created, Loaded, Receipt, Rotated, Store, Touch, Touched};
pub use error::{StoreError, StoreErrorKind};
pub use future::StoreFuture;
