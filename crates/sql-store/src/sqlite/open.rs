//! Opens the connections to a database, and makes its table.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use tower_keep_core::{StoreError, StoreErrorKind};

use super::{error::failed, statements};
use crate::name::TableName;

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Memory,
    File(PathBuf),
}

/// How its connections are set up.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) place: Place,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: usize,
    pub(crate) durable: bool,
}

/// How often the switch to WAL is tried while other processes start up.
const ATTEMPTS: u32 = 50;

impl Setting {
    /// The connection that writes, and those that read.
    pub(crate) fn open(&self) -> Result<(Connection, Vec<Connection>), StoreError> {
        if let Place::File(path) = &self.place {
            make_private(path)
                .map_err(|error| StoreError::new(StoreErrorKind::Misconfigured, error))?;
        }
        let writer = self.connect()?;
        if let Place::File(_) = self.place {
            write_ahead(&writer).map_err(failed)?;
        }
        let readers = match self.place {
            Place::Memory => 0,
            Place::File(_) => self.readers.max(1),
        };
        let readers = (0..readers).map(|_| {
            let reader = self.connect()?;
            reader.pragma_update(None, "query_only", true).map_err(failed)?;
            Ok(reader)
        });
        Ok((writer, readers.collect::<Result<_, StoreError>>()?))
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let connection = match &self.place {
            Place::Memory => Connection::open_in_memory(),
            Place::File(path) => {
                // One thread owns it, so SQLite needs no lock around each call.
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(path, flags)
            }
        };
        let connection = connection.map_err(failed)?;
        connection.busy_timeout(self.busy_timeout).map_err(failed)?;
        let synchronous = if self.durable { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }
}

/// Makes the file if there is none, for nobody but the user who runs this: it holds sessions.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Lets readers go on while there is a writer (SQLite's documentation, 'Write-Ahead Logging').
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mut attempt = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            // The timeout does not hold for this switch.
            Err(error) if is_busy(&error) && attempt < ATTEMPTS => {
                attempt += 1;
                thread::sleep(Duration::from_millis(20));
            }
            switched => return switched,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// Takes the steps to the present table that were not taken yet. Processes that start at once wait for
/// each other.
pub(crate) fn migrate(connection: &mut Connection, table: &TableName) -> rusqlite::Result<()> {
    let taken = format!("SELECT max(version) FROM {}", table.suffixed("_migrations", '"'));
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(&statements::migrations_table(table))?;
    let taken: Option<i32> =
        transaction.query_row(&taken, (), |row| row.get(0)).optional()?.flatten();
    for step in statements::migrations(table) {
        if taken.is_some_and(|taken| taken >= step.version) {
            continue;
        }
        for statement in &step.statements {
            transaction.execute_batch(statement)?;
        }
        let done =
            format!("INSERT INTO {} (version) VALUES (?1)", table.suffixed("_migrations", '"'));
        transaction.execute(&done, [step.version])?;
    }
    transaction.commit()
}
