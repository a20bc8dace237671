//! The settings of a store: [`SqliteStoreBuilder`].

use std::{path::PathBuf, thread, time::Duration};

use tower_keep_core::{Clock, StoreError, SystemClock};

use super::{
    SqliteStore,
    open::{Place, Setting},
    statements,
};
use crate::{name::TableName, schema};

/// The settings of a [`SqliteStore`].
///
/// ```
/// use tower_keep_sql_store::SqliteStore;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = SqliteStore::builder().table("web_sessions").in_memory().await?;
/// # drop(store);
/// # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "settings do nothing until the store is opened"]
pub struct SqliteStoreBuilder {
    table: String,
    busy_timeout: Duration,
    readers: usize,
    durable: bool,
    clock: Box<dyn Clock>,
}

impl SqliteStoreBuilder {
    /// Names the table: `tower_keep_sessions` unless told. Opening the store fails if it is no plain
    /// name.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Sets how long a write waits for other processes that write to the same file: five seconds
    /// unless told, as long as the layer waits for a store.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets how many threads read: as many as there are processors unless told, four at most.
    pub fn readers(mut self, threads: usize) -> Self {
        self.readers = threads.max(1);
        self
    }

    /// Sets whether a write is on disk before it is answered: yes unless told.
    ///
    /// Without, a loss of power may take back what was written last, a sign-out too; the file stays
    /// whole, and a crash of the process alone loses nothing.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets the clock that judges expiry: the system's unless told. All processes that share the file
    /// run on one machine, and so have one clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The statements of operations, so that tests can ask how they would be run.
    ///
    /// # Errors
    ///
    /// If the table's name is no plain name.
    #[cfg(feature = "conformance")]
    #[doc(hidden)]
    pub fn statements(&self) -> Result<Vec<(&'static str, String)>, StoreError> {
        let statements::Statements {
            load,
            apply,
            rotate,
            touch,
            delete,
            others,
            list,
            list_user,
            stats,
            sweep,
            ..
        } = statements::Statements::new(&TableName::new(None, &self.table)?);
        Ok(vec![
            ("load", load),
            ("apply", apply),
            ("rotate", rotate),
            ("touch", touch),
            ("delete", delete),
            ("others", others),
            ("list", list),
            ("list_user", list_user),
            ("stats", stats),
            ("sweep", sweep),
        ])
    }

    /// The statements that make the table, as text. [`open`](Self::open) runs them by itself.
    ///
    /// # Errors
    ///
    /// If the table's name is no plain name.
    pub fn migrations(&self) -> Result<String, StoreError> {
        let table = TableName::new(None, &self.table)?;
        let preparation = [statements::migrations_table(&table)];
        Ok(schema::text("SQLite", &preparation, &statements::migrations(&table)))
    }

    /// Opens the database in a file, which is made if there is none, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// If the table's name is no plain name, or the file cannot be opened or is no database.
    pub async fn open(self, path: impl Into<PathBuf>) -> Result<SqliteStore, StoreError> {
        self.open_at(Place::File(path.into())).await
    }

    /// Makes a database in memory, for tests.
    ///
    /// # Errors
    ///
    /// If the table's name is no plain name.
    pub async fn in_memory(self) -> Result<SqliteStore, StoreError> {
        self.open_at(Place::Memory).await
    }

    async fn open_at(self, place: Place) -> Result<SqliteStore, StoreError> {
        let table = TableName::new(None, &self.table)?;
        let Self { busy_timeout, readers, durable, clock, .. } = self;
        let setting = Setting { place, busy_timeout, readers, durable };
        SqliteStore::start(setting, table, clock).await
    }
}

impl Default for SqliteStoreBuilder {
    fn default() -> Self {
        let readers = thread::available_parallelism().map_or(1, usize::from).min(4);
        Self {
            table: TableName::DEFAULT.to_owned(),
            busy_timeout: Duration::from_secs(5),
            readers,
            durable: true,
            clock: Box::new(SystemClock),
        }
    }
}
