//! [`ConnectError`].

use std::{error::Error as StdError, fmt};

use tower_keep_core::StoreError;

use crate::open::SCHEMES;

/// A store could not be opened. Its text does not quote the URL, which may hold a password.
#[derive(Debug)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    source: Option<StoreError>,
}

/// Why a store could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The URL has no scheme.
    NoScheme,
    /// No store has this scheme.
    UnknownScheme,
    /// The store's feature is not enabled.
    NotCompiled {
        /// The feature.
        feature: &'static str,
    },
    /// What follows the scheme is not as the store needs it.
    Malformed {
        /// How it has to be.
        form: &'static str,
    },
    /// The store itself refused; the source tells why.
    Store,
}

impl ConnectError {
    /// Why the store could not be opened.
    #[must_use]
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }
}

impl From<ConnectErrorKind> for ConnectError {
    fn from(kind: ConnectErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<StoreError> for ConnectError {
    fn from(source: StoreError) -> Self {
        Self { kind: ConnectErrorKind::Store, source: Some(source) }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ConnectErrorKind::NoScheme => {
                f.write_str("the store's URL has no scheme: begin it with one such as `memory:`")
            }
            ConnectErrorKind::UnknownScheme => {
                f.write_str("the scheme of the store's URL is unknown: use one such as ")?;
                for (place, (scheme, _)) in SCHEMES.iter().enumerate() {
                    write!(f, "{}`{scheme}:`", if place == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            ConnectErrorKind::NotCompiled { feature } => write!(
                f,
                "this store is not compiled in: add the feature `{feature}` of the crate that connects"
            ),
            ConnectErrorKind::Malformed { form } => {
                write!(f, "the store's URL is not of the form `{form}`")
            }
            ConnectErrorKind::Store => {
                f.write_str("the store cannot be opened: see why, and check its URL")
            }
        }
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
