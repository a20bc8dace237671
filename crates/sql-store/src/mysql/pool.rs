//! The connections to the server: [`Pool`].

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection, Executor, MySqlConnection,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlQueryResult, MySqlRow},
    query::Query,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_keep_core::{StoreError, StoreErrorKind};

use super::{
    error::{failed, is_read_only, is_taken, is_transient, leaves_connection_whole},
    statements::MARKS,
};
use crate::server::pause;

/// A connection that was idle for longer is asked whether it lives before it is used. One that is in
/// use under load never is, so that a statement is one round trip.
const IDLE: Duration = Duration::from_secs(1);

/// So often a statement is tried that the server rolled back for the sake of another one.
const ATTEMPTS: u32 = 8;

/// No operation takes longer, whoever still waits for it.
const LONGEST: Duration = Duration::from_secs(60);

/// Connections that wait for work, at most as many as may run at once.
pub(crate) struct Pool {
    options: MySqlConnectOptions,
    connect_timeout: Duration,
    carriers: usize,
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
    /// Grows when a connection breaks: those that were there before are suspect.
    breaks: AtomicU64,
}

struct Idle {
    link: Link,
    since: Instant,
}

/// A statement and its values.
pub(crate) type Asked<'q> = Query<'q, sqlx::MySql, MySqlArguments>;

/// A connection in use. Dropped and not given back it is closed, and the server rolls back what was
/// begun on it.
pub(crate) struct Link {
    connection: MySqlConnection,
    breaks: u64,
    /// Another one for each statement, among the last few.
    number: u8,
}

/// What a writing statement came to.
pub(crate) enum Written {
    Rows(MySqlQueryResult),
    /// The id is taken by another row.
    Taken,
}

impl Pool {
    pub(crate) fn new(
        options: MySqlConnectOptions,
        connections: usize,
        connect_timeout: Duration,
    ) -> Self {
        let carriers = (connections / 4).max(1);
        Self {
            // The log is the application's, and statements are no news.
            options: options.disable_statement_logging(),
            connect_timeout,
            carriers,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(connections.saturating_sub(3 * carriers).max(1))),
            breaks: AtomicU64::new(0),
        }
    }

    /// How many connections carry each of what goes together.
    pub(crate) fn carriers(&self) -> usize {
        self.carriers
    }

    /// Runs an operation as a task of its own once its turn has come, so that a caller who goes away
    /// leaves no connection in the middle of a statement.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let unavailable = |error| StoreError::new(StoreErrorKind::Unavailable, error);
        let permit: OwnedSemaphorePermit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(unavailable)?;
        let task = tokio::spawn(async move {
            let _permit = permit;
            tokio::time::timeout(LONGEST, operation).await
        });
        match task.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(elapsed)) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
            Err(error) => Err(StoreError::new(StoreErrorKind::Unavailable, error)),
        }
    }

    /// A connection that is not known to be broken.
    pub(crate) async fn take(&self) -> Result<Link, StoreError> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let breaks = self.breaks.load(Relaxed);
            let Some(Idle { mut link, since }) = idle else {
                return self.connect(breaks).await;
            };
            let is_fresh = since.elapsed() < IDLE && breaks == link.breaks;
            if is_fresh || link.connection.ping().await.is_ok() {
                link.breaks = breaks;
                return Ok(link);
            }
        }
    }

    async fn connect(&self, breaks: u64) -> Result<Link, StoreError> {
        let connect: Answer<'_, MySqlConnection> = Box::pin(async {
            let mut connection = self.options.connect().await?;
            // Without gaps between rows being locked; and so that nothing is ever cut to fit.
            let settings = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                            SET SESSION sql_mode = CONCAT_WS(',', @@sql_mode, 'STRICT_ALL_TABLES')";
            connection.execute(settings).await?;
            Ok(connection)
        });
        match tokio::time::timeout(self.connect_timeout, connect).await {
            Ok(Ok(connection)) => Ok(Link { connection, breaks, number: 0 }),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => {
                let cause = "no connection to the SQL server could be made in time";
                Err(StoreError::new(StoreErrorKind::Unavailable, cause))
            }
        }
    }

    /// Keeps a connection for the next caller; nothing may be under way on it.
    pub(crate) fn give_back(&self, link: Link) {
        let idle = Idle { link, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }

    /// Notes that a connection broke: it is closed, and the others are looked at before their next use.
    pub(crate) fn broken(&self, link: Link) {
        self.breaks.fetch_add(1, Relaxed);
        drop(link);
    }

    /// Runs a statement that writes, which is given a number that those before it on its connection had
    /// not.
    pub(crate) async fn write<'q>(
        &self,
        ask: impl Fn(u8) -> Asked<'q>,
    ) -> Result<Written, StoreError> {
        let mut attempt = 0;
        loop {
            let mut link = self.take().await?;
            link.number = (link.number + 1) % MARKS;
            let error = match link.write(ask(link.number)).await {
                Ok(done) => {
                    self.give_back(link);
                    return Ok(done);
                }
                Err(error) => error,
            };
            attempt += 1;
            if !leaves_connection_whole(&error) {
                self.broken(link);
                return Err(refused(error));
            }
            self.give_back(link);
            if !is_transient(&error) || attempt == ATTEMPTS {
                return Err(failed(error));
            }
            pause(attempt).await;
        }
    }

    /// Runs a statement that reads.
    pub(crate) async fn read<'q>(
        &self,
        ask: impl Fn() -> Asked<'q>,
    ) -> Result<Vec<MySqlRow>, StoreError> {
        let mut lost = false;
        loop {
            let mut link = self.take().await?;
            match link.read(ask()).await {
                Ok(rows) => {
                    self.give_back(link);
                    return Ok(rows);
                }
                Err(error) if leaves_connection_whole(&error) => {
                    self.give_back(link);
                    return Err(failed(error));
                }
                Err(error) => {
                    self.broken(link);
                    if lost {
                        return Err(failed(error));
                    }
                    lost = true;
                }
            }
        }
    }
}

// Boxed, because the compiler cannot see through the driver's own lifetimes that these may be sent.
impl Link {
    pub(crate) fn write<'a, 'q: 'a>(&'a mut self, asked: Asked<'q>) -> Answer<'a, Written> {
        Box::pin(async move {
            match asked.execute(&mut self.connection).await {
                Ok(done) => Ok(Written::Rows(done)),
                Err(error) if is_taken(&error) => Ok(Written::Taken),
                Err(error) => Err(error),
            }
        })
    }

    pub(crate) fn read<'a, 'q: 'a>(&'a mut self, asked: Asked<'q>) -> Answer<'a, Vec<MySqlRow>> {
        Box::pin(async move { asked.fetch_all(&mut self.connection).await })
    }

    /// Runs statements that take no values.
    pub(crate) fn batch<'a>(&'a mut self, statements: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.connection.execute(statements).await.map(drop) })
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>>;

fn refused(error: sqlx::Error) -> StoreError {
    if is_read_only(&error) {
        let cause = "this SQL server takes no writes: it is a replica, or was the primary before a \
                     failover";
        return StoreError::new(StoreErrorKind::Unavailable, cause);
    }
    failed(error)
}
