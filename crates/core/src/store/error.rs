//! What can go wrong in a store: [`StoreError`].

use std::{error::Error as StdError, fmt};

/// A store could not do what it was asked.
///
/// 'Not there' is never an error, and an error never means 'not there': a store that cannot be
/// reached must not read as one that has no such session.
///
/// ```
/// use tower_keep_core::{StoreError, StoreErrorKind};
///
/// let cause = std::io::Error::other("connection refused");
/// let error = StoreError::new(StoreErrorKind::Unavailable, cause);
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "the session store is unavailable: check that it runs and can be reached");
/// ```
#[derive(Debug)]
pub struct StoreError(Box<Cause>);

/// Behind one pointer, so that the results of what goes well stay small.
#[derive(Debug)]
struct Cause {
    kind: StoreErrorKind,
    source: Box<dyn StdError + Send + Sync>,
}

/// What kind of trouble a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The stored bytes are damaged, or belong to another session. The session reads as absent.
    Corrupt,
    /// The store has no room, or refuses a record of this size. What was there before is whole.
    Full,
    /// The store is set up wrong: a missing table, no permission, a wrong password.
    Misconfigured,
    /// No answer within the deadline. The call is indeterminate: it may have been carried out.
    TimedOut,
    /// The store cannot be reached, or fails for a reason that has no kind of its own.
    Unavailable,
}

impl StoreError {
    /// Makes an error of a kind from its cause.
    ///
    /// Neither the cause nor anything beneath it may print tokens, field values or credentials.
    pub fn new(kind: StoreErrorKind, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Box::new(Cause { kind, source: cause.into() }))
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.0.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            StoreErrorKind::Corrupt => {
                "a stored session is damaged: look for what else writes to the store"
            }
            StoreErrorKind::Full => {
                "the session store has no room: give it more, or shorten the sessions' lifetimes"
            }
            StoreErrorKind::Misconfigured => {
                "the session store is set up wrong: the cause says what to mend"
            }
            StoreErrorKind::TimedOut => {
                "the session store did not answer in time: check its load, or raise the deadline"
            }
            StoreErrorKind::Unavailable => {
                "the session store is unavailable: check that it runs and can be reached"
            }
        })
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0.source)
    }
}
