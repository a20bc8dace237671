//! What can go wrong when sessions are copied: [`CopyError`].

use std::{error::Error as StdError, fmt, io};

use tower_keep_core::StoreError;

/// Sessions could not be copied. What was copied before is whole; run the copy again to go on.
#[derive(Debug)]
pub struct CopyError(Cause);

#[derive(Debug)]
pub(super) enum Cause {
    NoIndex,
    NoImport,
    Source(StoreError),
    Target(StoreError),
    Journal(io::Error),
    NoJournal,
}

/// Why sessions could not be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyErrorKind {
    /// A store cannot do it: the source has no index, or the target takes no sessions over.
    Unsupported,
    /// The source failed; the error's source tells why.
    Source,
    /// The target failed; the error's source tells why.
    Target,
    /// The journal's file cannot be read or written, or is no journal.
    Journal,
}

impl CopyError {
    pub(super) const NO_JOURNAL: Self = Self(Cause::NoJournal);

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> CopyErrorKind {
        match self.0 {
            Cause::NoIndex | Cause::NoImport => CopyErrorKind::Unsupported,
            Cause::Source(_) => CopyErrorKind::Source,
            Cause::Target(_) => CopyErrorKind::Target,
            Cause::Journal(_) | Cause::NoJournal => CopyErrorKind::Journal,
        }
    }
}

impl From<Cause> for CopyError {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self(Cause::Journal(error))
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::NoIndex => {
                "the source cannot list its sessions: only a store with an index can be copied"
            }
            Cause::NoImport => "the target takes no sessions over: choose a store that can import",
            Cause::Source(_) => "the source failed: mend what the cause names and copy again",
            Cause::Target(_) => "the target failed: mend what the cause names and copy again",
            Cause::Journal(_) => "the journal's file cannot be used: the cause says why",
            Cause::NoJournal => {
                "the journal's file is no journal of a copy: name another one, or none to begin"
            }
        })
    }
}

impl StdError for CopyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Cause::NoIndex | Cause::NoImport | Cause::NoJournal => None,
            Cause::Source(source) | Cause::Target(source) => Some(source),
            Cause::Journal(source) => Some(source),
        }
    }
}
