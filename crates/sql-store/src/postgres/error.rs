//! What PostgreSQL's errors mean to a session store.

use std::fmt;

use tokio_postgres::{Error, error::SqlState};
use tower_keep_core::{StoreError, StoreErrorKind};

/// The store's error for one of the driver.
pub(crate) fn failed(error: Error) -> StoreError {
    StoreError::new(kind(&error), Cause::from(error))
}

/// Whether the server rolled the statement back and it may go well if it is tried again.
pub(crate) fn is_transient(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}

/// Whether the connection no longer fits the server: the table was made anew, or a pooler between
/// them forgot what was prepared. The statement was not run.
pub(crate) fn is_outdated(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::FEATURE_NOT_SUPPORTED)
    )
}

/// Whether this server takes no writes, as one that was the primary before a failover. The statement
/// was not run.
pub(crate) fn is_read_only(error: &Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether an id is taken.
pub(crate) fn is_taken(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

fn kind(error: &Error) -> StoreErrorKind {
    let Some(code) = error.code() else {
        return StoreErrorKind::Unavailable;
    };
    match (code, &code.code()[..2]) {
        // No room; or a value that the server does not take, for its size or for what it is.
        (&SqlState::DISK_FULL | &SqlState::OUT_OF_MEMORY, _) | (_, "22" | "54") => {
            StoreErrorKind::Full
        }
        (&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE, _) => StoreErrorKind::TimedOut,
        // Syntax and missing names; authorization; database and schema.
        (_, "28" | "3D" | "3F" | "42") => StoreErrorKind::Misconfigured,
        _ => StoreErrorKind::Unavailable,
    }
}

/// What the server or the connection said, without what it quotes.
#[derive(Debug)]
enum Cause {
    /// An error of the server: its code, and its text where that quotes no value.
    Server { code: String, message: Option<String> },
    /// The connection could not be made or broke.
    Connection(Option<std::io::ErrorKind>),
    /// What the driver made of an answer.
    Driver,
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        if let Some(error) = error.as_db_error() {
            let code = error.code().code();
            // Of class 22, data exceptions, the text quotes data; details are never kept.
            let message = (!code.starts_with("22")).then(|| error.message().to_owned());
            return Self::Server { code: code.to_owned(), message };
        }
        let closed = error.is_closed();
        let source = error.into_source();
        let io = source.as_deref().and_then(|source| source.downcast_ref::<std::io::Error>());
        match io {
            Some(io) => Self::Connection(Some(io.kind())),
            None if closed => Self::Connection(None),
            None => Self::Driver,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, .. } if code == SqlState::UNDEFINED_TABLE.code() => f.write_str(
                "the table is missing: run `sessionctl migrate` or `store.migrate()` once",
            ),
            Self::Server { code, .. } if code == SqlState::UNDEFINED_COLUMN.code() => f.write_str(
                "the table is of an older release: run `sessionctl migrate` or `store.migrate()`",
            ),
            Self::Server { code, message: Some(message) } => {
                write!(f, "PostgreSQL: {message} ({code})")
            }
            Self::Server { code, message: None } => write!(f, "PostgreSQL: error {code}"),
            Self::Connection(Some(kind)) => write!(f, "the connection to PostgreSQL: {kind}"),
            Self::Connection(None) => f.write_str("the connection to PostgreSQL was lost"),
            Self::Driver => f.write_str("PostgreSQL and its driver did not understand each other"),
        }
    }
}

impl std::error::Error for Cause {}
