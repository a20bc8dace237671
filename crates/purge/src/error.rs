//! What can go wrong when sessions are purged or swept: [`PurgeError`].

use std::{error::Error as StdError, fmt};

use tower_keep_core::StoreError;

use crate::SettingError;

/// Sessions could not be purged, or a sweeper could not be started.
#[derive(Debug)]
pub struct PurgeError(Cause);

#[derive(Debug)]
enum Cause {
    Setting(SettingError),
    NoPurge,
    NoSweep,
    Store(StoreError),
}

/// Why sessions could not be purged, or a sweeper not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeErrorKind {
    /// A variable of the environment is not understood. Nothing was removed.
    Setting,
    /// The store cannot do it. Nothing was removed.
    Unsupported,
    /// The store failed; the source tells why. Some sessions may have been removed.
    Store,
}

impl PurgeError {
    pub(crate) const NO_PURGE: Self = Self(Cause::NoPurge);
    pub(crate) const NO_SWEEP: Self = Self(Cause::NoSweep);

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> PurgeErrorKind {
        match self.0 {
            Cause::Setting(_) => PurgeErrorKind::Setting,
            Cause::NoPurge | Cause::NoSweep => PurgeErrorKind::Unsupported,
            Cause::Store(_) => PurgeErrorKind::Store,
        }
    }
}

impl From<SettingError> for PurgeError {
    fn from(source: SettingError) -> Self {
        Self(Cause::Setting(source))
    }
}

impl From<StoreError> for PurgeError {
    fn from(source: StoreError) -> Self {
        Self(Cause::Store(source))
    }
}

impl fmt::Display for PurgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::Setting(_) => "no session was purged: mend the setting that the cause names",
            Cause::NoPurge => {
                "this store cannot remove all sessions: choose one that can, or set \
                 PURGE_SESSIONS_ON_STARTUP to false"
            }
            Cause::NoSweep => {
                "this store cannot remove expired sessions: it needs no sweeper if it drops them by \
                 itself, else choose one that can"
            }
            Cause::Store(_) => {
                "the sessions could not all be purged: check that this process may read and delete \
                 them; a session directory needs this process's user as its owner and mode 0700"
            }
        })
    }
}

impl StdError for PurgeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Cause::Setting(source) => Some(source),
            Cause::NoPurge | Cause::NoSweep => None,
            Cause::Store(source) => Some(source),
        }
    }
}
