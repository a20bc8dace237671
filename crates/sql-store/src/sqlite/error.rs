//! What SQLite's errors mean to a session store: [`Failure`].

use std::{fmt, sync::Arc};

use rusqlite::{Error, ErrorCode};
use tower_keep_core::{StoreError, StoreErrorKind};

/// An error that several operations share, as those of one transaction do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    kind: StoreErrorKind,
    cause: Arc<Error>,
}

impl Failure {
    /// What an operation fails with whose transaction was rolled back because of another one.
    pub(crate) fn of_batch(kind: StoreErrorKind) -> Self {
        Self { kind, cause: Arc::new(Error::StatementChangedRows(0)) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { kind: kind(&error), cause: Arc::new(error) }
    }
}

impl From<&Failure> for StoreError {
    fn from(failure: &Failure) -> Self {
        Self::new(failure.kind, Cause(Arc::clone(&failure.cause)))
    }
}

/// SQLite's own error; its text names tables and columns, never values.
pub(crate) fn failed(error: Error) -> StoreError {
    (&Failure::from(error)).into()
}

fn kind(error: &Error) -> StoreErrorKind {
    match error {
        Error::SqliteFailure(failure, message) => match failure.code {
            ErrorCode::DiskFull | ErrorCode::TooBig => StoreErrorKind::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreErrorKind::TimedOut,
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::NotADatabase => StoreErrorKind::Misconfigured,
            ErrorCode::Unknown if is_missing_table(message.as_deref()) => {
                StoreErrorKind::Misconfigured
            }
            _ => StoreErrorKind::Unavailable,
        },
        Error::SqlInputError { msg, .. } if is_missing_table(Some(msg)) => {
            StoreErrorKind::Misconfigured
        }
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(_) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}

fn is_missing_table(message: Option<&str>) -> bool {
    message.is_some_and(|message| {
        message.contains("no such table") || message.contains("no such column")
    })
}

#[derive(Debug)]
struct Cause(Arc<Error>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Error::StatementChangedRows(_) => {
                f.write_str("the transaction was rolled back with another operation: try again")
            }
            Error::SqliteFailure(_, message) if is_missing_table(message.as_deref()) => f
                .write_str(
                    "the table is missing or old: run `sessionctl migrate` or `store.migrate()`",
                ),
            Error::SqlInputError { msg, .. } if is_missing_table(Some(msg)) => f.write_str(
                "the table is missing or old: run `sessionctl migrate` or `store.migrate()`",
            ),
            error => write!(f, "SQLite: {error}"),
        }
    }
}

impl std::error::Error for Cause {}
