//! The settings of a store: [`PostgresStoreBuilder`].

use std::{fmt, sync::Arc, time::Duration};

use tokio_postgres::Config;
use tower_keep_core::{StoreError, StoreErrorKind};

#[cfg(feature = "conformance")]
use super::statements::Which;
use super::{
    PostgresStore,
    keep::Keep,
    link::Address,
    statements::{self, Statements},
    tls::Tls,
};
use crate::{name::TableName, schema};

/// The settings of a [`PostgresStore`].
///
/// ```no_run
/// use tower_keep_sql_store::PostgresStore;
///
/// # async fn open() -> Result<(), tower_keep_core::StoreError> {
/// let store = PostgresStore::builder()
///     .schema("web")
///     .connections(8)
///     .connect("postgres://web:password@db.internal/web")
///     .await?;
/// store.migrate().await?;
/// # Ok(()) }
/// ```
#[must_use = "settings do nothing until the store is connected"]
pub struct PostgresStoreBuilder {
    schema: Option<String>,
    table: String,
    connections: usize,
    connect_timeout: Duration,
    authorities: Option<Vec<u8>>,
    clock: Option<String>,
}

impl PostgresStoreBuilder {
    /// Names the schema that the table is in: the first of the connection's `search_path` unless
    /// told. Connecting fails if it is no plain name.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// Names the table: `tower_keep_sessions` unless told. Connecting fails if it is no plain name.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Sets how many connections the requests share: four unless told.
    ///
    /// Many statements are under way on each at once, so that a few serve thousands of requests.
    /// More help where the server has more processors to spare. At most four others are opened for
    /// listings, sweeps and limited sign-ins.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets how long an attempt to connect may take: five seconds unless told, or what the URL says.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Trusts servers whose certificates these authorities have signed, in PEM, instead of those that
    /// browsers trust. Needs the feature `tls`.
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
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
        let statements = Statements::new(&self.table_name()?, None);
        let named = [
            ("load", Which::Load),
            ("update", Which::Update),
            ("apply", Which::Apply),
            ("rotate", Which::Rotate),
            ("touch", Which::Touch),
            ("delete", Which::Delete),
            ("others", Which::Others),
            ("list", Which::List),
            ("list_user", Which::ListUser),
            ("stats", Which::Stats),
            ("sweep", Which::Sweep),
        ];
        Ok(named.map(|(name, which)| (name, statements.text(which).to_owned())).to_vec())
    }

    /// The statements that make the table, as text, for those who run their own migrations.
    ///
    /// # Errors
    ///
    /// If a name is no plain name.
    pub fn migrations(&self) -> Result<String, StoreError> {
        let table = self.table_name()?;
        let mut preparation: Vec<_> = statements::schema(&table).into_iter().collect();
        preparation.push(statements::migrations_table(&table));
        Ok(schema::text("PostgreSQL", &preparation, &statements::migrations(&table)))
    }

    /// Connects to the server that a URL names, such as
    /// `postgres://user:password@host/database?sslmode=require`.
    ///
    /// It takes what libpq takes of these: several hosts, `sslmode`, `connect_timeout`,
    /// `keepalives`, `target_session_attrs=read-write` for a primary among replicas.
    ///
    /// # Errors
    ///
    /// If the URL or a name is none, or the server cannot be reached or refuses.
    pub async fn connect(self, url: &str) -> Result<PostgresStore, StoreError> {
        // The parser's own error could quote a part of the password.
        let config = url.parse().map_err(|_| {
            let cause =
                "this is no URL of PostgreSQL: write postgres://user:password@host/database";
            StoreError::new(StoreErrorKind::Misconfigured, cause)
        })?;
        self.connect_with(config).await
    }

    /// Connects as the driver's own settings say.
    ///
    /// # Errors
    ///
    /// If a name is no plain name, or the server cannot be reached or refuses.
    pub async fn connect_with(self, mut config: Config) -> Result<PostgresStore, StoreError> {
        let table = self.table_name()?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.connect_timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("tower-keep");
        }
        let address = Address {
            config,
            tls: Tls::new(self.authorities.as_deref())?,
            statements: Arc::new(Statements::new(&table, self.clock.as_deref())),
        };
        let keep = Keep::new(table, address, self.connections);
        keep.lanes.check().await?;
        Ok(PostgresStore::of(keep))
    }

    fn table_name(&self) -> Result<TableName, StoreError> {
        TableName::new(self.schema.as_deref(), &self.table)
    }
}

impl Default for PostgresStoreBuilder {
    fn default() -> Self {
        Self {
            schema: None,
            table: TableName::DEFAULT.to_owned(),
            connections: 4,
            connect_timeout: Duration::from_secs(5),
            authorities: None,
            clock: None,
        }
    }
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.schema)
            .field("table", &self.table)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
