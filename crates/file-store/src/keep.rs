//! What all operations of a store share: [`Keep`].

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tower_keep_core::{Clock, StoreError, StoreErrorKind, Timestamp};

use crate::{
    bound::Bound,
    builder::{Durability, FileStoreBuilder},
    files::{FileSystem, Lock},
    layout::{SHARDS, Shards, UserKey},
    step::Step,
    sweep::Pass,
};

/// What all operations of a store share.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) directory: PathBuf,
    pub(crate) files: Box<dyn FileSystem>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) durability: Durability,
    pub(crate) fan_out: u8,
    /// The device that the directory lay on when its mark was last seen.
    pub(crate) device: AtomicU64,
    /// Whether a file that a reader without a lock misses may be there all the same.
    pub(crate) is_remote: AtomicBool,
    /// Where the tasks of this process wait for each other, so that no thread does.
    shards: Box<[Arc<Mutex<()>>]>,
    users: Box<[Arc<Mutex<()>>]>,
    // Apart, so that reads never wait behind writes that wait for another process.
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    pub(crate) pass: Arc<Mutex<Pass>>,
    /// Whether sweeps of this process may take it that each session of a user is marked.
    pub(crate) are_marks_whole: AtomicBool,
    pub(crate) bound: Bound,
}

/// A user, held: whoever signs this user in meanwhile waits, in this process and others.
pub(crate) struct Desk {
    // Fields are dropped in this order: other processes first, as they were let in last.
    _lock: Lock,
    _turn: OwnedMutexGuard<()>,
}

impl Keep {
    pub(crate) async fn open(
        settings: FileStoreBuilder,
        files: Box<dyn FileSystem>,
    ) -> Result<Self, StoreError> {
        let turns = || (0..SHARDS).map(|_| Arc::default()).collect();
        let mut keep = Self {
            directory: settings.directory,
            files,
            clock: settings.clock,
            durability: settings.durability,
            fan_out: settings.fan_out.unwrap_or(1),
            device: AtomicU64::new(0),
            is_remote: AtomicBool::new(true),
            shards: turns(),
            users: turns(),
            reads: Arc::new(Semaphore::new(settings.operations)),
            writes: Arc::new(Semaphore::new(settings.operations)),
            pass: Arc::default(),
            are_marks_whole: AtomicBool::new(false),
            bound: Bound::new(settings.max_files),
        };
        let chosen = settings.fan_out;
        blocking(move || {
            keep.fan_out = Step::open_first(&keep)?.set_up(chosen)?;
            Ok(keep)
        })
        .await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn seen_on(&self, device: u64, is_remote: bool) {
        self.device.store(device, Relaxed);
        self.is_remote.store(is_remote, Relaxed);
    }

    /// Runs a step that takes no lock.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&Step<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(&self.reads, |keep| step(&Step::open(keep)?)).await
    }

    /// Runs a step that holds the locks of some shards. Hold no shard, and at most one desk.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        shards: Shards,
        step: impl FnOnce(&Step<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut turns = Vec::new();
        for shard in shards.iter() {
            turns.push(Arc::clone(&self.shards[usize::from(shard)]).lock_owned().await);
        }
        self.run(&self.writes, move |keep| {
            let opened = Step::open(keep)?;
            let locks = opened.lock_shards(shards)?;
            let answer = step(&opened);
            drop(locks);
            drop(turns);
            answer
        })
        .await
    }

    /// Holds a user. Hold nothing else.
    pub(crate) async fn desk(self: &Arc<Self>, key: UserKey) -> Result<Desk, StoreError> {
        let turn = Arc::clone(&self.users[usize::from(key.shard())]).lock_owned().await;
        self.run(&self.writes, move |keep| {
            let lock = Step::open(keep)?.lock(&key.lock())?;
            Ok(Desk { _lock: lock, _turn: turn })
        })
        .await
    }

    /// Runs work on a blocking thread. It runs to its end even if the caller does not wait for it.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        permits: &Arc<Semaphore>,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(permits).acquire_owned().await;
        let permit = permit.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))?;
        let keep = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            work(&keep)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        // The runtime is shutting down.
        Err(error) => Err(StoreError::new(StoreErrorKind::Unavailable, error)),
    }
}
