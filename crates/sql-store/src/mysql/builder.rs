//! The settings of a store: [`MySqlStoreBuilder`].

use std::time::Duration;

use sqlx::{MySqlPool, mysql::MySqlConnectOptions};
use tower_keep_core::{StoreError, StoreErrorKind};

#[cfg(feature = "conformance")]
use super::statements::BySize;
use super::{
    MySqlStore,
    keep::Keep,
    pool::Pool,
    statements::{self, Statements},
};
use crate::{name::TableName, schema};

/// The settings of a [`MySqlStore`].
///
/// ```no_run
/// use tower_keep_sql_store::MySqlStore;
///
/// # async fn open() -> Result<(), tower_keep_core::StoreError> {
/// let store = MySqlStore::builder()
///     .connections(20)
///     .connect("mysql://web:password@db.internal/web")
///     .await?;
/// store.migrate().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "settings do nothing until the store is connected"]
pub struct MySqlStoreBuilder {
    database: Option<String>,
    table: String,
    connections: usize,
    connect_timeout: Duration,
    clock: Option<String>,
}

impl MySqlStoreBuilder {
    /// Names the database that the table is in: that of the connection unless told. Connecting fails
    /// if it is no plain name.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Names the table: `tower_keep_sessions` unless told. Connecting fails if it is no plain name.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Sets how many connections there are at most: ten unless told, and at least four. A quarter of them
    /// each carries loads, creations and updates, of which those that wait go together; on the others
    /// other operations run, one on each.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets how long an attempt to connect may take: five seconds unless told.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Reads the time from this expression instead of the server's clock, so that tests can turn it.
    #[cfg(feature = "conformance")]
    #[doc(hidden)]
    pub fn clock_sql(mut self, expression: impl Into<String>) -> Self {
        self.clock = Some(expression.into());
        self
    }

    /// The statements of operations, so that tests can ask the server how it would run them.
    ///
    /// # Errors
    ///
    /// If a name is no plain name.
    #[cfg(feature = "conformance")]
    #[doc(hidden)]
    pub fn statements(&self) -> Result<Vec<(&'static str, String)>, StoreError> {
        let Statements {
            load, update, apply, touch, delete, list, list_user, stats, expired, ..
        } = Statements::new(&self.table_name()?, None);
        let some = |statement: &BySize| statement.for_at_least(4).0.to_owned();
        Ok(vec![
            ("load", load.for_at_least(1).0.to_owned()),
            ("load_some", some(&load)),
            ("update_some", some(&update)),
            ("apply", apply),
            ("touch", touch),
            ("delete", delete),
            ("list", list),
            ("list_user", list_user),
            ("stats", stats),
            ("sweep", expired),
        ])
    }

    /// The statements that make the table, as text, for those who run their own migrations.
    ///
    /// # Errors
    ///
    /// If a name is no plain name.
    pub fn migrations(&self) -> Result<String, StoreError> {
        let table = self.table_name()?;
        let preparation = [statements::migrations_table(&table)];
        Ok(schema::text("MySQL and MariaDB", &preparation, &statements::migrations(&table)))
    }

    /// Connects to the server that a URL names, such as
    /// `mysql://user:password@host/database?ssl-mode=VERIFY_IDENTITY`.
    ///
    /// # Errors
    ///
    /// If the URL or a name is none, or the server cannot be reached or refuses.
    pub async fn connect(self, url: &str) -> Result<MySqlStore, StoreError> {
        // The parser's own error could quote a part of the password.
        let options: MySqlConnectOptions = url.parse().map_err(|_| {
            let cause = "this is no URL of MySQL: write mysql://user:password@host/database";
            StoreError::new(StoreErrorKind::Misconfigured, cause)
        })?;
        self.connect_with(options).await
    }

    /// Connects to the server that a pool of the application's is connected to.
    ///
    /// The store takes how to connect from the pool and opens connections of its own: a pool asks a
    /// connection whether it lives before and after each use, which costs three round trips for one
    /// statement.
    ///
    /// # Errors
    ///
    /// If a name is no plain name, or the server cannot be reached or refuses.
    pub async fn from_pool(self, pool: &MySqlPool) -> Result<MySqlStore, StoreError> {
        self.connect_with((*pool.connect_options()).clone()).await
    }

    /// Connects as the driver's own settings say.
    ///
    /// # Errors
    ///
    /// If a name is no plain name, or the server cannot be reached or refuses.
    pub async fn connect_with(
        self,
        options: MySqlConnectOptions,
    ) -> Result<MySqlStore, StoreError> {
        let table = self.table_name()?;
        let statements = Statements::new(&table, self.clock.as_deref());
        let pool = Pool::new(options, self.connections, self.connect_timeout);
        let link = pool.take().await?;
        pool.give_back(link);
        Ok(MySqlStore::of(Keep::new(table, statements, pool)))
    }

    fn table_name(&self) -> Result<TableName, StoreError> {
        TableName::new(self.database.as_deref(), &self.table)
    }
}

impl Default for MySqlStoreBuilder {
    fn default() -> Self {
        Self {
            database: None,
            table: TableName::DEFAULT.to_owned(),
            connections: 10,
            connect_timeout: Duration::from_secs(5),
            clock: None,
        }
    }
}
