//! The core of [tower-keep](https://docs.rs/tower-keep): sessions for tower services.
//!
//! Applications use the facade `tower-keep`, which re-exports all of this beside the stores; authors
//! of stores depend on this crate.
//!
//! The modules read in the order of a request: a `transport` finds the token, `lookup` loads its
//! record from a [`Store`], a handler reads and writes its [`Session`], and a `commit` puts the
//! changes back before the `response` leaves through the `layer`.

mod clock;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod events;
mod id;
mod layer;
mod lookup;
mod randomness;
mod record;
#[cfg(feature = "replicated")]
pub mod replicated;
mod response;
mod session;
mod sessions;
mod store;
mod token;
mod transport;

pub use clock::{Clock, SystemClock, TestClock, Timestamp};
pub use error::{Error, ErrorKind};
pub use events::Counters;
pub use id::{InvalidSessionId, SessionId};
pub use layer::{
    ConfigError, Limits, ResponseFuture, SessionLayer, SessionLayerBuilder, SessionService,
};
pub use record::{Client, Edits, Fields, LayerName, Lifetime, Record, UserId};
#[cfg(feature = "replicated")]
pub use replicated::ReplicatedStore;
pub use session::{FieldName, FieldOf, Key, Session};
pub use sessions::Sessions;
pub use store::{
    Applied, Change, Check, Checked, Created, Cursor, Import, Index, Listed, Loaded, NewRecord,
    OverLimit, Page, Problem, ProblemKind, Purge, Purged, Query, Receipt, Rotated, Stats, Store,
    StoreError, StoreErrorKind, StoreFuture, Sweep, Swept, Touch, Touched, UserLimit,
};
pub use token::{InvalidToken, RandomnessError, Token};
pub use transport::{SameSite, SessionCookie, Transport};
