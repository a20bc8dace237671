//! What went wrong, as a kind and a text that tells what to do: [`failed`].

use std::{error::Error as StdError, fmt};

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tower_keep_core::{StoreError, StoreErrorKind};

use crate::servers::BEHIND;

/// Why the server did not do what it was asked.
#[derive(Debug)]
struct Trouble {
    what: &'static str,
    /// Only errors of the connection: what a server answers can quote a command, and so a value.
    source: Option<RedisError>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl StdError for Trouble {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// The error of a store, from one of the client.
pub(crate) fn failed(error: RedisError) -> StoreError {
    let (kind, what) = meaning(&error);
    // Errors of these kinds come from the operating system and TLS, and know neither values nor passwords.
    let source = matches!(error.kind(), ErrorKind::Io).then_some(error);
    StoreError::new(kind, Trouble { what, source })
}

/// A stored value that is not as it was written.
pub(crate) fn corrupt(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, what)
}

/// An answer that no script of ours gives.
pub(crate) fn unexpected() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the server's answer is of no known form")
}

fn meaning(error: &RedisError) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Full, Misconfigured, TimedOut, Unavailable};
    if error.is_timeout() {
        return (TimedOut, "the server did not answer in time");
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            return (Misconfigured, "the server refused the user or password: check the URL");
        }
        ErrorKind::InvalidClientConfig => {
            return (Misconfigured, "the URL is not one of a Redis server: check its form");
        }
        ErrorKind::MasterNameNotFoundBySentinel => {
            return (
                Unavailable,
                "the sentinels name no primary that is up: wait for one, or check the service's name",
            );
        }
        ErrorKind::Io => return (Unavailable, "the connection to the server failed"),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => {
            return (Unavailable, "the server is still loading its data: wait for it");
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            return (Misconfigured, "the server is a read-only replica: give the primary's URL");
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            return (Misconfigured, "the user lacks a permission: see the commands in the docs");
        }
        ErrorKind::Server(ServerErrorKind::MasterDown) => {
            return (Unavailable, "the server is a replica that lost its primary");
        }
        ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain) => {
            return (Unavailable, "the cluster is changing or lacks a node");
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            return (Misconfigured, "the server is a node of a cluster: give a cluster's URL");
        }
        _ => {}
    }
    match error.code() {
        Some(BEHIND) => {
            (TimedOut, "too few replicas have the write in time: see whether they keep up")
        }
        Some("OOM") => (Full, "the server is at its maxmemory: raise it"),
        Some("WRONGPASS" | "NOAUTH") => {
            (Misconfigured, "the server refused the user or password: check the URL")
        }
        Some("NOREPLICAS") => (Unavailable, "the server has too few replicas to write"),
        Some("MISCONF") => (Unavailable, "the server cannot save to its disk: see its log"),
        Some("BUSY") => (Unavailable, "the server is busy with a script of somebody else"),
        Some("LOADING") => (Unavailable, "the server is still loading its data: wait for it"),
        Some("WRONGTYPE") => (Corrupt, "a key of ours holds something else"),
        // What an error within a script is prefixed with differs by version.
        _ => within_script(error.detail().unwrap_or_default()),
    }
}

/// The meaning of an error that a command within a script met.
fn within_script(detail: &str) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Full, Misconfigured, Unavailable};
    for (sign, meaning) in [
        ("-OOM", (Full, "the server is at its maxmemory: raise it")),
        ("OOM ", (Full, "the server is at its maxmemory: raise it")),
        ("-READONLY", (Misconfigured, "the server is a read-only replica: give the primary's URL")),
        ("CORRUPT", (Corrupt, "a state that is none")),
        ("WRONGTYPE", (Corrupt, "a key of ours holds something else")),
        ("invalid username-password", (Misconfigured, "the server refused the password")),
    ] {
        if detail.contains(sign) {
            return meaning;
        }
    }
    (Unavailable, "the server answered with an error")
}
