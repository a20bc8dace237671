//! Removes expired sessions while the server runs: [`Sweeper`].

mod report;
mod run;
mod schedule;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tower_keep_core::Store;

pub use report::{SweepRun, SweeperReport};

use crate::PurgeError;
use run::Runner;
use schedule::Schedule;

/// How often expired sessions are removed unless told.
const INTERVAL: Duration = Duration::from_secs(60);

/// The most sessions that one step removes unless told.
const BATCH: usize = 200;

/// How long one step may take unless told.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// Removes expired sessions by the clock, until it is stopped or dropped.
///
/// Each run removes all that has expired, in steps of at most 200 sessions, and rests between them
/// for longer than a step took, so that requests do not feel it. Runs begin about once a minute; each
/// wait is up to a quarter longer or shorter, so that instances which started together do not sweep
/// together. Where the store can tell that another process sweeps it, this one leaves it alone.
///
/// An error, a step that takes longer than 5 seconds, and a panic of the store end a run, and the next
/// one waits twice as long, at most an hour; nothing but [`stop`](Self::stop) and dropping it end the
/// sweeper.
///
/// It reports by `tracing`, by a [channel](Self::watch), and with the feature `metrics` by the counters
/// `tower_keep_sweeper_runs_total`, `…_sessions_total`, `…_busy_total` and `…_failures_total`.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # use tower_keep_memory_store::MemoryStore;
/// use tower_keep_purge::Sweeper; // in an application: use tower_keep::purge::Sweeper;
///
/// let store = MemoryStore::new();
/// let sweeper = Sweeper::start(store.clone())?;
/// // … the server runs, and ends:
/// let report = sweeper.stop().await;
/// assert_eq!(report.failures, 0);
/// # Ok::<(), tower_keep_purge::PurgeError>(()) }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a sweeper stops when it is dropped: keep it as long as the server runs"]
pub struct Sweeper {
    /// Dropped, it ends the task too.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    reports: watch::Receiver<SweeperReport>,
}

impl Sweeper {
    /// Starts to sweep a store, with the default settings.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::PurgeErrorKind::Unsupported) if the store has no
    /// [`Sweep`](tower_keep_core::Sweep).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    pub fn start(store: impl Store) -> Result<Self, PurgeError> {
        Self::builder(store).start()
    }

    /// Sets up a sweeper of a store.
    pub fn builder(store: impl Store) -> SweeperBuilder {
        SweeperBuilder {
            store: Arc::new(store),
            interval: INTERVAL,
            batch: BATCH,
            store_timeout: STORE_TIMEOUT,
        }
    }

    /// What it has done so far, and each change of that.
    pub fn watch(&self) -> watch::Receiver<SweeperReport> {
        self.reports.clone()
    }

    /// Stops it, after the step that it is in, and tells what it did.
    pub async fn stop(self) -> SweeperReport {
        // It fails where the task has ended, with its runtime.
        let _ = self.stop.send(());
        let _ = self.task.await;
        *self.reports.borrow()
    }
}

/// The settings of a [`Sweeper`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # use std::time::Duration;
/// # use tower_keep_memory_store::MemoryStore;
/// use tower_keep_purge::Sweeper;
///
/// let sweeper = Sweeper::builder(MemoryStore::new())
///     .interval(Duration::from_secs(600))
///     .batch(1_000)
///     .start()?;
/// # sweeper.stop().await;
/// # Ok::<(), tower_keep_purge::PurgeError>(()) }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "settings do nothing until the sweeper is started"]
pub struct SweeperBuilder {
    store: Arc<dyn Store>,
    interval: Duration,
    batch: usize,
    store_timeout: Duration,
}

impl SweeperBuilder {
    /// Sets how often expired sessions are removed: once a minute unless told, from a
    /// millisecond to a year. They are not loaded in the meantime; only their room is not free.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Sets the most sessions that one step removes: 200 unless told, and at least one. A server at
    /// the end of a network takes more with ease.
    pub fn batch(mut self, sessions: usize) -> Self {
        self.batch = sessions.max(1);
        self
    }

    /// Sets how long one step may take: 5 seconds unless told.
    pub fn store_timeout(mut self, store_timeout: Duration) -> Self {
        self.store_timeout = store_timeout;
        self
    }

    /// Starts the sweeper.
    ///
    /// # Errors
    ///
    /// As [`Sweeper::start`].
    ///
    /// # Panics
    ///
    /// As [`Sweeper::start`].
    pub fn start(self) -> Result<Sweeper, PurgeError> {
        if self.store.sweep().is_none() {
            return Err(PurgeError::NO_SWEEP);
        }
        let (stop, stopped) = oneshot::channel();
        let (reporter, reports) = watch::channel(SweeperReport::default());
        let runner = Runner {
            store: self.store,
            batch: self.batch,
            store_timeout: self.store_timeout,
            stopped,
        };
        let task = tokio::spawn(runner.run(Schedule::new(self.interval), reporter));
        Ok(Sweeper { stop, task, reports })
    }
}
