//! The contract between tower-keep and what keeps sessions: [`Store`].

use std::{fmt, sync::Arc};

use super::{Change, Check, Import, Index, NewRecord, Purge, StoreFuture, Sweep};
use crate::{Lifetime, Record, SessionId, Timestamp};

/// What keeps sessions.
///
/// # Contract
///
/// For all operations:
///
/// - Each MUST take effect whole or not at all, for every other caller, in this process and others:
///   one statement, one single-key script or one locked step. There is no upsert: only
///   [`create`](Store::create) and the new id of [`rotate`](Store::rotate) bring a record into being.
/// - An expired record MUST be treated as missing by all of them, whether or not it was swept, and
///   expiry MUST be judged by one clock: the store's, where it has one.
/// - An error MUST mean that the store could not answer. A missing record is an outcome, never an
///   error, and an unreachable server is an error, never a missing record.
/// - Dropping the future MUST leave the record as before or as written, never between, and no pooled
///   connection in the middle of a statement.
/// - Fields MUST come back as they were given: any name, the empty one included, and any JSON
///   value, with `\u0000` in strings and integers of any size.
/// - Ids reach paths, statements and keys only by their bytes or their 64 hexadecimal digits.
/// - Neither errors nor `Debug` print field values or credentials.
/// - A record that is stored as text or bytes SHOULD be bound to its id
///   ([`Record::encode`] does), so that one swapped for another is refused as corrupt.
///
/// The caller puts a deadline on every call, for which it needs a tokio runtime with a timer; a store needs
/// none of its own.
///
/// A store is done when the `conformance` suite passes, plain and as `Arc<dyn Store>`; CONTRIBUTING.md
/// has a whole one in sixty lines.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Stores a new session.
    ///
    /// MUST answer [`Created::Taken`] and leave everything as it is if a live record has this id,
    /// and MUST keep `new.user_limit` if the store has an [`Index`].
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created>;

    /// Reads a live session; `None` if there is none.
    ///
    /// MUST NOT write, and SHOULD NOT decode the fields.
    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>>;

    /// Writes a change if the record is still what the change was based on.
    ///
    /// MUST answer [`Applied::Conflict`] with the present record, and leave it as it is, unless
    /// [`Change::fits`] its version. MUST answer [`Applied::Gone`] and insert nothing if there is no
    /// live record. The version grows by one with each change, and `last_active` and the expiry
    /// follow `change.lifetime`; a store MAY leave an expiry that would move by less than a second, or
    /// than a thousandth of a shorter idle timeout.
    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied>;

    /// Moves a session to a new id, with a change.
    ///
    /// As [`apply`](Store::apply), and MUST make the new record before the old one goes: at every
    /// moment, for every caller, exactly one of the two ids is live. A change that is not for this
    /// very version is a conflict, whether it [fits](Change::fits) or not. MUST answer
    /// [`Rotated::Taken`] if a live record has the new id. MUST keep `change.user_limit` if the store has
    /// an [`Index`], the session itself not counted twice. In every case but
    /// [`Rotated::Rotated`] the old session is whole. Where several answers are true, the first of
    /// `Gone`, `Conflict`, `Taken`, `OverLimit` is given.
    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated>;

    /// Moves the idle deadline of a session without changing its data or version.
    ///
    /// MUST answer [`Touched::Gone`] and insert nothing if there is no live record.
    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched>;

    /// Removes a session; tells whether a live one was there.
    ///
    /// MUST be final: nothing but `create` or `rotate` makes a record under this id again.
    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool>;

    /// Whether each of the operations above is answered by [`StoreFuture::ready`], always.
    ///
    /// A commit to such a store needs no memory for waiting, and [leaves out](Change) what the store
    /// has at hand. MUST be `false` where any of them can
    /// ever be pending: the request would end as if it had timed out.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// The store's index, if it can find sessions other than by id.
    fn index(&self) -> Option<&dyn Index> {
        None
    }

    /// What removes the expired sessions, if the store does not do so by itself.
    fn sweep(&self) -> Option<&dyn Sweep> {
        None
    }

    /// What removes all sessions.
    fn purge(&self) -> Option<&dyn Purge> {
        None
    }

    /// What takes sessions over from another store.
    fn import(&self) -> Option<&dyn Import> {
        None
    }

    /// What looks for damaged and orphaned entries, where there can be any.
    fn check(&self) -> Option<&dyn Check> {
        None
    }
}

/// A live record, and when it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The record.
    pub record: Arc<Record>,
    /// The time of the reading by the clock that judges this record's expiry.
    pub at: Timestamp,
}

/// What a touch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// When the session's absolute lifetime began, so that the store need not look it up.
    pub created_at: Timestamp,
    /// How long the session lives from now on.
    pub lifetime: Lifetime,
}

/// What a record is after it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its version. If it is not the one after the version that a change was based on, the change
    /// was merged with others.
    pub version: u64,
    /// The time of the writing by the clock that judges this record's expiry.
    pub at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// How many of the user's sessions were revoked to keep a [`UserLimit`](super::UserLimit).
    pub evicted: u32,
}

impl Receipt {
    /// The receipt of `record`, written at `at`.
    #[must_use]
    pub fn of(record: &Record, at: Timestamp) -> Self {
        Self { version: record.version, at, expires_at: record.expires_at, evicted: 0 }
    }
}

/// The outcome of [`Store::create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The session is stored.
    Created(Receipt),
    /// A live session has this id; nothing was changed.
    Taken,
    /// The user has as many sessions as allowed; nothing was changed.
    OverLimit,
}

/// The outcome of [`Store::apply`].
#[derive(Clone, Debug)]
pub enum Applied {
    /// The change is stored.
    Applied(Receipt),
    /// The record was changed since; here it is, as it is now.
    Conflict(Loaded),
    /// There is no such session; nothing was written.
    Gone,
}

/// The outcome of [`Store::rotate`].
#[derive(Clone, Debug)]
pub enum Rotated {
    /// The session lives under its new id; the old one is dead.
    Rotated(Receipt),
    /// The record was changed since; here it is, as it is now, under its old id.
    Conflict(Loaded),
    /// There is no such session; nothing was written.
    Gone,
    /// A live session has the new id; nothing was changed.
    Taken,
    /// The user has as many sessions as allowed; nothing was changed.
    OverLimit,
}

/// The outcome of [`Store::touch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The idle deadline was moved.
    Touched(Receipt),
    /// There is no such session; nothing was written.
    Gone,
}
