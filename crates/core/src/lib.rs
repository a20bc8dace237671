//! Sessions for tower services.
mod clock;
mod id;
mod record;
mod store;
mod token;

pub use clock::{Clock, SystemClock, TestClock, Timestamp};
pub use id::{InvalidSessionId, SessionId};
pub use record::{Client, Fields, LayerName, Lifetime, Record, UserId};
pub use store::{
    Applied, Change, Created, Cursor, Import, Index, Listed, Loaded, NewRecord, OverLimit, Page,
    Purge, Purged, Query, Receipt, Rotated, Stats, Store, StoreError, StoreErrorKind, StoreFuture,
    Sweep, Swept, Touch, Touched, UserLimit,
};
pub use token::{InvalidToken, RandomnessError, Token};
