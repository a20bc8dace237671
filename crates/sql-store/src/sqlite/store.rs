//! The store itself: [`SqliteStore`].

use std::{fmt, path::PathBuf, sync::Arc, thread};

use tokio::sync::oneshot;
use tower_keep_core::{
    Applied, Change, Check, Checked, Clock, Created, Import, Index, LayerName, Loaded, NewRecord,
    Page, Purge, Purged, Query, Record, Rotated, SessionId, Stats, Store, StoreError,
    StoreErrorKind, StoreFuture, Sweep, Swept, Timestamp, Touch, Touched,
};

use super::{
    SqliteStoreBuilder,
    error::failed,
    find,
    open::{Place, Setting, migrate},
    statements::Statements,
    worker::Workers,
};
use crate::{
    name::TableName,
    page::{self, Ask, Found},
    row::Swap,
};

/// Keeps sessions in an SQLite database, in a file or in memory.
///
/// A copy shares the connections. It has all capabilities: it lists, sweeps, purges, imports and checks. The
/// table is made when the store is opened.
///
/// Several processes of one machine may share the file; a network file system must not hold it
/// (SQLite's documentation, 'Write-Ahead Logging').
///
/// # Writes
///
/// One thread writes, and what waits for it shares a transaction, so that a hundred sign-ins cost one
/// write to the disk. Each operation stands for itself: one that fails takes no other with it. It is
/// answered once its transaction is on disk. Other threads read meanwhile.
///
/// # Time
///
/// Expiry is judged by the clock of the machine, which is one for all processes that can share the
/// file.
#[derive(Clone)]
pub struct SqliteStore {
    keep: Arc<Keep>,
}

struct Keep {
    workers: Workers,
    statements: Statements,
    table: TableName,
    place: Place,
    clock: Box<dyn Clock>,
}

impl SqliteStore {
    /// Opens the database in a file with the default settings, and makes the file and the table if
    /// there are none.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or is no database.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::builder().open(path).await
    }

    /// Makes a database in memory, for tests. It ends with the last copy of the store.
    ///
    /// # Errors
    ///
    /// If SQLite has no memory for it.
    pub async fn in_memory() -> Result<Self, StoreError> {
        Self::builder().in_memory().await
    }

    /// Sets up a store.
    pub fn builder() -> SqliteStoreBuilder {
        SqliteStoreBuilder::default()
    }

    /// Makes the table, or brings it up to date. Opening the store did so already; it is needed only
    /// where somebody removed the table since.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let Place::File(_) = self.keep.place else { return Ok(()) };
        let setting = Setting {
            place: self.keep.place.clone(),
            busy_timeout: std::time::Duration::from_secs(5),
            readers: 0,
            durable: true,
        };
        let table = self.keep.table.clone();
        on_a_thread(move || {
            let (mut connection, _) = setting.open()?;
            migrate(&mut connection, &table).map_err(failed)
        })
        .await
    }

    pub(super) async fn start(
        setting: Setting,
        table: TableName,
        clock: Box<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let place = setting.place.clone();
        let name = table.clone();
        let workers = on_a_thread(move || {
            let (mut writer, readers) = setting.open()?;
            migrate(&mut writer, &name).map_err(failed)?;
            Workers::start(writer, readers)
                .map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))
        })
        .await?;
        let statements = Statements::new(&table);
        Ok(Self { keep: Arc::new(Keep { workers, statements, table, place, clock }) })
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Keep, &rusqlite::Connection, Timestamp) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let keep = Arc::clone(&self.keep);
        self.keep
            .workers
            .read(move |connection| operation(&keep, connection, keep.clock.now()))
            .await
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Keep, &rusqlite::Connection, Timestamp) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let keep = Arc::clone(&self.keep);
        self.keep
            .workers
            .write(move |connection| operation(&keep, connection, keep.clock.now()))
            .await
    }
}

/// Runs what waits for the disk on a thread of its own, once, when a store is opened.
async fn on_a_thread<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = oneshot::channel();
    let unavailable = |error| StoreError::new(StoreErrorKind::Unavailable, error);
    thread::Builder::new()
        .name("sessions-open".to_owned())
        .spawn(move || drop(sender.send(run())))
        .map_err(unavailable)?;
    receiver.await.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))?
}

/// Shows where the sessions are.
impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("place", &self.keep.place)
            .field("table", &self.keep.table)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    async fn rows(&self, ask: Ask) -> Result<Vec<Found>, StoreError> {
        self.read(move |keep, connection, now| find::rows(&keep.statements, connection, &ask, now))
            .await
    }
}

impl Store for SqliteStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        let id = *id;
        StoreFuture::new(
            self.write(move |keep, connection, now| {
                keep.statements.create(connection, &id, new, now)
            }),
        )
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        let id = *id;
        StoreFuture::new(
            self.read(move |keep, connection, now| {
                find::load(&keep.statements, connection, &id, now)
            }),
        )
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        let (id, change) = (*id, change.clone());
        StoreFuture::new(async move {
            let swap = Swap::of_base(&change, &id, &id)?;
            self.write(move |keep, connection, now| {
                keep.statements.apply(connection, &id, &change, swap, now)
            })
            .await
        })
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        let (old, new, change) = (*old, *new, change.clone());
        StoreFuture::new(async move {
            let swap = Swap::of_base(&change, &old, &new)?;
            self.write(move |keep, connection, now| {
                keep.statements.rotate(connection, (&old, &new), &change, &swap, now)
            })
            .await
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        let id = *id;
        StoreFuture::new(
            self.write(move |keep, connection, now| {
                keep.statements.touch(connection, &id, touch, now)
            }),
        )
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let id = *id;
        StoreFuture::new(
            self.write(move |keep, connection, now| keep.statements.delete(connection, &id, now)),
        )
    }

    fn index(&self) -> Option<&dyn Index> {
        Some(self)
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        Some(self)
    }

    fn purge(&self) -> Option<&dyn Purge> {
        Some(self)
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }

    fn check(&self) -> Option<&dyn Check> {
        Some(self)
    }
}

impl Index for SqliteStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        let Some(ask) = Ask::new(query) else {
            return StoreFuture::ready(Ok(Page::default()));
        };
        StoreFuture::new(async move { Ok(ask.page(self.rows(ask.clone()).await?)) })
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        let layer = layer.map(|layer| layer.as_str().to_owned());
        StoreFuture::new(self.read(move |keep, connection, now| {
            find::stats(&keep.statements, connection, layer.as_deref(), now)
        }))
    }
}

impl Sweep for SqliteStore {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::new(
            self.write(move |keep, connection, now| keep.statements.sweep(connection, limit, now)),
        )
    }
}

impl Purge for SqliteStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        StoreFuture::new(async {
            let mut purged = Purged::default();
            loop {
                let step =
                    self.write(|keep, connection, _| keep.statements.purge(connection)).await?;
                if step.sessions == 0 {
                    return Ok(purged);
                }
                purged.sessions += step.sessions;
                purged.bytes += step.bytes;
            }
        })
    }
}

impl Import for SqliteStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        let (id, record) = (*id, record.clone());
        StoreFuture::new(self.write(move |keep, connection, now| {
            keep.statements.import(connection, &id, &record, now)
        }))
    }
}

impl Check for SqliteStore {
    fn check(&self) -> StoreFuture<'_, Checked> {
        StoreFuture::new(page::check(move |ask| self.rows(ask)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tower_keep_core::{Lifetime, Token};

    use super::*;

    fn random_id() -> SessionId {
        Token::random().unwrap().id()
    }

    fn of_bytes(bytes: usize) -> NewRecord {
        let mut new = NewRecord::new("shop".into(), Lifetime::default());
        new.fields = [("f", &*"9".repeat(bytes))].into_iter().collect();
        new
    }

    async fn set_most_pages(store: &SqliteStore, pages: u32) {
        let set = move |_: &Keep, connection: &rusqlite::Connection, _| {
            let statement = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&statement, (), |_| Ok(())).map_err(failed)
        };
        store.write(set).await.unwrap();
    }

    /// What was answered is there, what was refused is not, and there is room again once there is.
    #[tokio::test]
    async fn full_disk_is_an_error_and_loses_nothing_that_was_answered() {
        let place = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(place.path().join("sessions.db")).await.unwrap();
        set_most_pages(&store, 200).await;
        let mut refused = 0;
        for round in 0..6 {
            let sizes = (0..20).map(|place| if place % 5 == 0 { 100_000 } else { 100 });
            let creates = sizes.map(async |bytes| {
                let id = random_id();
                (id, store.create(&id, of_bytes(bytes)).await)
            });
            for (id, answer) in join_all(creates).await {
                let there = store.load(&id).await.unwrap().is_some();
                match answer {
                    Ok(created) => assert!(matches!(created, Created::Created(_)) && there),
                    Err(error) => {
                        assert_eq!(error.kind(), StoreErrorKind::Full, "{round}: {error:?}");
                        assert!(!there, "what was refused must not be there");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 0, "the disk must fill up");
        set_most_pages(&store, 1_000_000).await;
        assert!(store.create(&random_id(), of_bytes(100_000)).await.is_ok());
    }

    /// A write waits for another process's transaction, and for no longer than it is told.
    #[tokio::test]
    async fn write_waits_for_another_process_and_not_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("sessions.db");
        let patience = std::time::Duration::from_millis(200);
        let store = SqliteStore::builder().busy_timeout(patience).open(&file).await.unwrap();
        let id = random_id();
        store.create(&id, of_bytes(10)).await.unwrap();
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = store.create(&random_id(), of_bytes(10)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut);
        assert!(store.load(&id).await.unwrap().is_some(), "reads go on");
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.delete(&id).await }
        });
        tokio::task::yield_now().await;
        other.execute_batch("COMMIT").unwrap();
        assert!(waiting.await.unwrap().unwrap());
    }
}
