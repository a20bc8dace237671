//! A connection to the server, and what it has prepared: [`Link`].

use std::{fmt, sync::Arc};

use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, Row, Statement, types::ToSql};
use tower_keep_core::StoreError;

use super::{
    error::failed,
    statements::{Statements, Which},
    tls::Tls,
};

/// All that runs here finds its rows by an index, however small the table was when a statement was planned;
/// it is planned once, and too short to be worth compiling.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET jit = off; \
                        SET enable_seqscan = off; SET enable_bitmapscan = off; \
                        SET enable_hashjoin = off; SET enable_mergejoin = off";

/// How to connect.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    pub(crate) statements: Arc<Statements>,
}

/// Shows neither the password nor the rest of the URL.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("database", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

/// A connection. Statements of several callers may be under way on it at once; the server answers
/// them in order.
pub(crate) struct Link {
    client: Client,
    texts: Arc<Statements>,
    prepared: [OnceCell<Statement>; Which::COUNT],
}

impl Link {
    pub(crate) async fn open(address: &Address) -> Result<Self, StoreError> {
        let client = address.tls.connect(&address.config).await?;
        client.batch_execute(SETTINGS).await.map_err(failed)?;
        Ok(Self {
            client,
            texts: Arc::clone(&address.statements),
            prepared: [const { OnceCell::const_new() }; Which::COUNT],
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a statement, which is prepared before its first use; gives its rows.
    ///
    /// A caller who goes away leaves the answer to the connection, which drops it.
    pub(crate) async fn rows(
        &self,
        which: Which,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared[which as usize]
            .get_or_try_init(|| self.client.prepare(self.texts.text(which)))
            .await?;
        self.client.query(statement, values).await
    }

    /// Runs statements that return nothing and take no values.
    pub(crate) async fn batch(&self, statements: &str) -> Result<(), StoreError> {
        self.client.batch_execute(statements).await.map_err(failed)
    }

    /// Runs a statement that is asked once.
    pub(crate) async fn once(
        &self,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.client.query(statement, values).await.map_err(failed)
    }
}
