//! What some stores can do besides: [`Index`], [`Sweep`], [`Purge`], [`Import`], [`Check`].

use std::{fmt, sync::Arc};

use super::{Created, StoreFuture};
use crate::{LayerName, Record, SessionId, Timestamp, UserId};

/// Finds sessions other than by their id.
///
/// Expired sessions MUST NOT appear. A session that lives throughout a listing of all pages MUST
/// appear exactly once; one that comes or goes meanwhile MAY.
pub trait Index: Send + Sync {
    /// One page of the sessions that a query asks for, in an order that the store chooses and
    /// keeps, such as that of the ids.
    ///
    /// The cost of a page SHOULD NOT grow with the number of pages before it.
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page>;

    /// Figures of the sessions of a layer, or of all layers, where one name in two layers is two
    /// users.
    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats>;
}

/// Removes expired sessions.
pub trait Sweep: Send + Sync {
    /// Removes at most `limit` sessions that have expired, and no other.
    ///
    /// One call is one bounded step that concurrent requests do not feel. Whether a record has
    /// expired MUST be judged in the step that removes it, so that one that was just touched stays.
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept>;
}

/// Removes all sessions of all layers, and nothing that is not a session.
pub trait Purge: Send + Sync {
    /// Removes everything.
    fn purge(&self) -> StoreFuture<'_, Purged>;
}

/// Takes sessions over from another store, their ids and times kept.
pub trait Import: Send + Sync {
    /// Stores a record as it is, unless a live one has its id or it has expired.
    ///
    /// MUST answer [`Created::Taken`] where a live record has the id, and [`Created::Created`] for a
    /// record that has expired, which is not stored: both need no further care. Limits of users are
    /// not kept, so that nobody is signed out by a move.
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created>;
}

/// Looks for what does not belong in the store, or is not as it should be.
pub trait Check: Send + Sync {
    /// Looks through the whole store and changes nothing.
    ///
    /// What writers are at work on meanwhile MUST NOT be reported as a problem.
    fn check(&self) -> StoreFuture<'_, Checked>;
}

/// What to list.
///
/// ```
/// use tower_keep_core::{Query, UserId};
///
/// let query = Query::new("shop").of_user(UserId::from("ada")).with_limit(20);
/// assert_eq!(query.limit, 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// The layer whose sessions are listed; all of them if there is none.
    pub layer: Option<LayerName>,
    /// The user whose sessions are listed, if not everybody's. Needs a layer, since the users of two
    /// layers are strangers even if they share a name; without one the page is empty.
    pub user: Option<UserId>,
    /// Where the page before ended. A cursor of another store gives an empty page.
    pub after: Option<Cursor>,
    /// The most sessions of a page: 100 unless told, and at least one.
    pub limit: usize,
}

impl Query {
    /// All sessions of a layer.
    #[must_use]
    pub fn new(layer: impl Into<LayerName>) -> Self {
        Self { layer: Some(layer.into()), ..Self::all() }
    }

    /// All sessions of all layers.
    #[must_use]
    pub fn all() -> Self {
        Self { layer: None, user: None, after: None, limit: 100 }
    }

    /// Asks for one user's sessions only.
    #[must_use]
    pub fn of_user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Asks for the page after `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// Sets the most sessions of a page.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

impl From<LayerName> for Query {
    fn from(layer: LayerName) -> Self {
        Self { layer: Some(layer), ..Self::all() }
    }
}

/// Where a page of a listing ended. Its text is the store's own and can be passed through a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// Makes a cursor from the store's text.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The store's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The sessions.
    pub sessions: Vec<Listed>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page of sessions, and where the next one begins.
    #[must_use]
    pub fn new(sessions: Vec<Listed>, next: Option<Cursor>) -> Self {
        Self { sessions, next }
    }
}

/// A session in a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id, by which it can be revoked; it opens nothing.
    pub id: SessionId,
    /// Its record.
    pub record: Arc<Record>,
}

/// Figures of the sessions in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many sessions are live.
    pub active: u64,
    /// How many of them have a user.
    pub signed_in: u64,
    /// How many different users those have.
    pub users: u64,
    /// When the oldest live session began.
    pub oldest: Option<Timestamp>,
    /// When the newest live session began.
    pub newest: Option<Timestamp>,
}

/// The outcome of [`Sweep::sweep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Swept {
    /// So many sessions were removed.
    Removed {
        /// How many.
        sessions: u64,
        /// Whether expired ones may be left, so that another step is due now.
        more: bool,
    },
    /// Another process is sweeping this store; nothing was done.
    Busy,
}

/// The outcome of [`Purge::purge`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many sessions were removed, expired ones included.
    pub sessions: u64,
    /// How many bytes they took, as far as the store can tell.
    pub bytes: u64,
}

/// The outcome of [`Check::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// How many live sessions were read and found whole.
    pub sessions: u64,
    /// What was found that is not as it should be.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// So many sessions that are whole, and what else was found.
    #[must_use]
    pub fn new(sessions: u64, problems: Vec<Problem>) -> Self {
        Self { sessions, problems }
    }
}

/// Something in a store that is not as it should be.
///
/// Its text names the kind and the place:
///
/// ```
/// use tower_keep_core::{Problem, ProblemKind};
///
/// let problem = Problem::new(ProblemKind::Leftover, "sessions/.temporary/17");
/// assert_eq!(
///     problem.to_string(),
///     "sessions/.temporary/17: left by a write that did not end; a sweep removes it",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where it is, in the store's own terms: a path, a key, a row. Never data of a session.
    pub place: String,
}

impl Problem {
    /// A problem of this kind at a place.
    #[must_use]
    pub fn new(kind: ProblemKind, place: impl Into<String>) -> Self {
        Self { kind, place: place.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

/// What is wrong with something in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// An entry that cannot be read as a session. Its session reads as absent.
    Damaged,
    /// An entry that was damaged, and was set aside when it was read.
    SetAside,
    /// An entry of an index without its session, or the other way round.
    Orphaned,
    /// What a write left behind that did not end.
    Leftover,
    /// Something that the store did not write.
    Foreign,
}

/// Says what is wrong and what to do.
impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "damaged, reads as absent; look for what else writes to the store",
            Self::SetAside => "was damaged and is set aside; remove it once it was looked at",
            Self::Orphaned => "leads to no session; a sweep removes it",
            Self::Leftover => "left by a write that did not end; a sweep removes it",
            Self::Foreign => "not of this store, which leaves it alone",
        })
    }
}
