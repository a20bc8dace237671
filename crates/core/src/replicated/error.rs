//! Why the members gave no answer together: [`NoQuorum`], [`Unknown`].

use std::{error::Error as StdError, fmt};

use crate::{StoreError, StoreErrorKind};

/// Too few members answered.
#[derive(Debug)]
pub(super) struct NoQuorum {
    /// How many are needed.
    needed: usize,
    /// What the last one of the others said.
    last: Option<StoreError>,
}

impl NoQuorum {
    /// The error of an operation that these members stood in the way of. If all of them say the same,
    /// so does it.
    pub(super) fn error(needed: usize, mut failures: Vec<StoreError>) -> StoreError {
        let last = failures.pop();
        let kind = last.as_ref().map(StoreError::kind);
        let same = failures.iter().all(|failure| Some(failure.kind()) == kind);
        let kind = kind.filter(|_| same).unwrap_or(StoreErrorKind::Unavailable);
        StoreError::new(kind, Self { needed, last })
    }
}

impl fmt::Display for NoQuorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.needed;
        write!(f, "fewer than {needed} members know of the session and answered: see to the others")
    }
}

impl StdError for NoQuorum {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.last.as_ref().map(|error| error as _)
    }
}

/// A change reached some members and no quorum: it may be found and completed later, or not.
#[derive(Debug)]
pub(super) struct Unknown;

impl Unknown {
    pub(super) fn error() -> StoreError {
        StoreError::new(StoreErrorKind::TimedOut, Self)
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the change reached too few members in time to say what becomes of it")
    }
}

impl StdError for Unknown {}
