//! What the errors of MySQL and MariaDB mean to a session store.

use std::fmt;

use sqlx::{Error, mysql::MySqlDatabaseError};
use tower_keep_core::{StoreError, StoreErrorKind};

/// The store's error for one of the driver.
pub(crate) fn failed(error: Error) -> StoreError {
    StoreError::new(kind(&error), Cause::from(error))
}

/// The server's number for an error, if it is the server's.
pub(crate) fn number(error: &Error) -> Option<u16> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Whether the server rolled the statement back and it may go well if it is tried again: a deadlock, a
/// row that changed. A lock that was waited for in vain is none: the caller has waited long enough.
pub(crate) fn is_transient(error: &Error) -> bool {
    matches!(number(error), Some(1213 | 1020))
}

/// Whether this server takes no writes, as one that was the primary before a failover. The statement
/// was not run.
pub(crate) fn is_read_only(error: &Error) -> bool {
    matches!(number(error), Some(1290 | 1792 | 1836))
}

/// Whether an id is taken.
pub(crate) fn is_taken(error: &Error) -> bool {
    number(error) == Some(1062)
}

/// Whether the connection may be used for the next statement.
pub(crate) fn leaves_connection_whole(error: &Error) -> bool {
    number(error).is_some() && !is_read_only(error)
}

fn kind(error: &Error) -> StoreErrorKind {
    match (error, number(error)) {
        // The disk or the table is full; the row or its packet is too large.
        (_, Some(1021 | 1114 | 1118 | 1153 | 1406)) => StoreErrorKind::Full,
        // Access is denied; the database, table or column is missing.
        (_, Some(1044 | 1045 | 1049 | 1054 | 1064 | 1142 | 1143 | 1146 | 1227 | 1698))
        | (Error::Configuration(_), _) => StoreErrorKind::Misconfigured,
        (_, Some(1205 | 1317 | 1969 | 3024)) => StoreErrorKind::TimedOut,
        (Error::ColumnDecode { .. } | Error::Decode(_), _) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}

/// What the server or the connection said, without what it quotes.
#[derive(Debug)]
enum Cause {
    /// An error of the server: its number, and its text where that quotes no value.
    Server { number: u16, message: Option<String> },
    /// The connection could not be made or broke.
    Connection(std::io::ErrorKind),
    /// What the driver made of an answer.
    Driver,
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        if let Some(number) = number(&error) {
            // Others quote the data: 'Duplicate entry …', 'Incorrect string value …'.
            let quotes_none = kind(&error) == StoreErrorKind::Misconfigured && number != 1064;
            let message = error.as_database_error().filter(|_| quotes_none);
            return Self::Server { number, message: message.map(|it| it.message().to_owned()) };
        }
        match error {
            Error::Io(error) => Self::Connection(error.kind()),
            _ => Self::Driver,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { number: 1146, .. } => f.write_str(
                "the table is missing: run `sessionctl migrate` or `store.migrate()` once",
            ),
            Self::Server { number: 1054, .. } => f.write_str(
                "the table is of an older release: run `sessionctl migrate` or `store.migrate()`",
            ),
            Self::Server { number, message: Some(message) } => {
                write!(f, "the SQL server: {message} ({number})")
            }
            Self::Server { number, message: None } => write!(f, "the SQL server: error {number}"),
            Self::Connection(kind) => write!(f, "the connection to the SQL server: {kind}"),
            Self::Driver => {
                f.write_str("the SQL server and its driver did not understand each other")
            }
        }
    }
}

impl std::error::Error for Cause {}
