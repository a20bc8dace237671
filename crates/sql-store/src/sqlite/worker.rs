//! The threads that own the connections: one that writes, some that read.
//!
//! An operation is handed to a thread whole, so that a caller who goes away leaves no statement half
//! done and no connection in use.

use std::{io, sync::Arc, thread};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tower_keep_core::{StoreError, StoreErrorKind};

use super::{
    error::{Failure, failed},
    queue::Queue,
};

/// So many writes share one transaction at most. More would save little and let the first one wait.
const MOST_IN_ONE_TRANSACTION: usize = 128;

/// So many reads a thread takes at once at most, so that idle threads get their share.
const MOST_READS_AT_ONCE: usize = 4;

/// The threads of one database. They end when it is dropped, after what waits for them.
pub(crate) struct Workers {
    writes: Arc<Queue<Box<dyn Job>>>,
    /// A database in memory has one connection, which the writer owns.
    reads: Option<Arc<Queue<Box<dyn Job>>>>,
}

impl Workers {
    /// Starts a thread for each connection.
    pub(crate) fn start(writer: Connection, readers: Vec<Connection>) -> io::Result<Self> {
        let writes = Arc::new(Queue::new());
        let jobs = Arc::clone(&writes);
        spawn("write", move || {
            while let Some(batch) = jobs.take(MOST_IN_ONE_TRANSACTION) {
                write(&writer, batch);
            }
        })?;
        let reads = (!readers.is_empty()).then(|| Arc::new(Queue::new()));
        let workers = Self { writes, reads };
        for reader in readers {
            let Some(jobs) = workers.reads.clone() else { break };
            spawn("read", move || {
                while let Some(batch) = jobs.take(MOST_READS_AT_ONCE) {
                    for mut job in batch {
                        job.run(&reader);
                        job.answer(Ok(()));
                    }
                }
            })?;
        }
        Ok(workers)
    }

    /// Runs an operation on a connection that reads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        hand_over(self.reads.as_ref().unwrap_or(&self.writes), operation).await
    }

    /// Runs an operation on the connection that writes, in a transaction that it shares with others;
    /// answers once that is on disk.
    ///
    /// The operation is one statement, or undoes itself if it fails.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        hand_over(&self.writes, operation).await
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.writes.close();
        if let Some(reads) = &self.reads {
            reads.close();
        }
    }
}

fn spawn(what: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(format!("sessions-{what}")).spawn(run).map(drop)
}

async fn hand_over<T: Send + 'static>(
    queue: &Queue<Box<dyn Job>>,
    operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = oneshot::channel();
    let task = Task { operation: Some(operation), answer: None, sender };
    if queue.push(Box::new(task)).is_err() {
        let cause = "too many operations wait for the disk: look at its load";
        return Err(StoreError::new(StoreErrorKind::Unavailable, cause));
    }
    match receiver.await {
        Ok(answer) => answer,
        Err(_) => {
            Err(StoreError::new(StoreErrorKind::Unavailable, "the thread of the database ended"))
        }
    }
}

/// An operation on its way through a thread.
trait Job: Send {
    /// Runs it, unless nobody waits for it any more.
    fn run(&mut self, connection: &Connection);

    /// Gives the answer, once it is known whether its transaction is on disk.
    fn answer(self: Box<Self>, committed: Result<(), &Failure>);

    /// What kind of trouble it ran into.
    fn trouble(&self) -> Option<StoreErrorKind>;
}

struct Task<F, T> {
    operation: Option<F>,
    answer: Option<Result<T, StoreError>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T: Send> Job for Task<F, T>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) {
        if let Some(operation) = self.operation.take().filter(|_| !self.sender.is_closed()) {
            self.answer = Some(operation(connection));
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let answer = match (committed, self.answer) {
            (Err(failure), Some(Ok(_)) | None) => Err(failure.into()),
            (_, Some(answer)) => answer,
            (Ok(()), None) => return,
        };
        // Whoever has gone away needs no answer.
        drop(self.sender.send(answer));
    }

    fn trouble(&self) -> Option<StoreErrorKind> {
        self.answer.as_ref()?.as_ref().err().map(StoreError::kind)
    }
}

/// Runs operations in one transaction, each whole or not at all.
fn write(connection: &Connection, mut batch: Vec<Box<dyn Job>>) {
    let outcome = transact(connection, &mut batch);
    if outcome.is_err() && !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    for job in batch {
        job.answer(outcome.as_ref().copied());
    }
}

fn transact(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    // Immediate, because a transaction that reads first cannot wait for another process's writes.
    step(connection, "BEGIN IMMEDIATE")?;
    for job in batch {
        job.run(connection);
        // A full disk rolls all of it back.
        if connection.is_autocommit() {
            return Err(Failure::of_batch(job.trouble().unwrap_or(StoreErrorKind::Unavailable)));
        }
    }
    step(connection, "COMMIT")
}

fn step(connection: &Connection, statement: &str) -> Result<(), Failure> {
    connection.prepare_cached(statement)?.execute(())?;
    Ok(())
}

/// Whether what an operation did stays.
pub(crate) enum Ending<T> {
    Keep(T),
    Undo(T),
}

/// Runs several statements as one: all of them stay, or none.
pub(crate) fn whole<T>(
    connection: &Connection,
    operation: impl FnOnce() -> Result<Ending<T>, StoreError>,
) -> Result<T, StoreError> {
    let run = |statement: &str| connection.prepare_cached(statement)?.execute(()).map(drop);
    run("SAVEPOINT operation").map_err(failed)?;
    let ending = operation();
    if !matches!(ending, Ok(Ending::Keep(_))) && !connection.is_autocommit() {
        run("ROLLBACK TO operation").map_err(failed)?;
    }
    if !connection.is_autocommit() {
        run("RELEASE operation").map_err(failed)?;
    }
    ending.map(|(Ending::Keep(answer) | Ending::Undo(answer))| answer)
}
