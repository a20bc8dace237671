//! What is removed when there are too many files: [`Bound`].

use std::{
    cmp::Reverse,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::Mutex;
use tower_keep_core::{SessionId, StoreError, Timestamp};

use crate::{
    keep::Keep,
    layout::Shards,
    step::{State, Step},
};

/// A flood writes a line a minute, not a line a session.
const WARN_EVERY_MILLIS: i64 = 60_000;

/// One in so many of the sessions are kept as candidates, and so many new files are believed to be
/// the only ones before all are counted again, since other processes make some too.
const SHARE: u64 = 16;

/// How many files there may be, and which go next.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) max: Option<u64>,
    /// How many files there are, as far as this process knows.
    files: AtomicI64,
    /// How many more new files there may be until all are counted.
    unseen: AtomicI64,
    /// Expiries and ids, the next to go last.
    candidates: Mutex<Vec<(Timestamp, SessionId)>>,
    dropped: AtomicU64,
    warned_at: AtomicI64,
}

impl Bound {
    pub(crate) fn new(max: Option<u64>) -> Self {
        Self {
            max,
            files: AtomicI64::new(0),
            unseen: AtomicI64::new(0),
            candidates: Mutex::default(),
            dropped: AtomicU64::new(0),
            warned_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Counts files that came or went.
    pub(crate) fn count(&self, files: i64) {
        self.files.fetch_add(files, Relaxed);
        self.unseen.fetch_sub(files.max(0), Relaxed);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn is_over(&self) -> bool {
        let files = u64::try_from(self.files.load(Relaxed)).unwrap_or(0);
        self.max.is_some_and(|max| files > max)
    }

    fn counted(&self, files: usize) {
        let unseen = self.max.unwrap_or(0) / SHARE;
        self.files.store(i64::try_from(files).unwrap_or(i64::MAX), Relaxed);
        self.unseen.store(i64::try_from(unseen).unwrap_or(i64::MAX), Relaxed);
    }

    /// Counts a session that the bound cost, and says so from time to time.
    fn count_dropped(&self, now: Timestamp) {
        let dropped = self.dropped.fetch_add(1, Relaxed) + 1;
        let now = now.as_millis();
        let warned_at = self.warned_at.load(Relaxed);
        if now < warned_at.saturating_add(WARN_EVERY_MILLIS) {
            return;
        }
        if self.warned_at.compare_exchange(warned_at, now, Relaxed, Relaxed).is_ok() {
            tracing::warn!(
                dropped,
                max_files = self.max,
                "the file store is full: live sessions are removed, those nearest to expiry first",
            );
        }
    }
}

impl Keep {
    /// Removes sessions until the bound holds, never the one that was written. Hold nothing.
    ///
    /// The session is stored, so that a failure costs it nothing: it is logged.
    pub(crate) async fn keep_bound(self: &Arc<Self>, written: SessionId) {
        if let Err(error) = self.try_keep_bound(written).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the file store could not keep its bound");
        }
    }

    async fn try_keep_bound(self: &Arc<Self>, written: SessionId) -> Result<(), StoreError> {
        let Some(max) = self.bound.max else {
            return Ok(());
        };
        let is_due = || self.bound.unseen.load(Relaxed) <= 0;
        if !is_due() && !self.bound.is_over() {
            return Ok(());
        }
        let mut candidates = self.bound.candidates.lock().await;
        if is_due() {
            let files = self.read(|step| step.count()).await?;
            self.bound.counted(files);
        }
        let mut has_looked = false;
        while self.bound.is_over() {
            let Some((at, id)) = candidates.pop() else {
                if has_looked {
                    break;
                }
                has_looked = true;
                let (files, found) = self.read(move |step| step.nearest_to_expiry(max)).await?;
                self.bound.counted(files);
                *candidates = found;
                continue;
            };
            if id == written {
                continue;
            }
            let removed = self.write(Shards::of([id]), move |step| step.drop_if_still(&id, at));
            if removed.await? {
                has_looked = false;
            }
        }
        Ok(())
    }
}

impl Step<'_> {
    fn count(&self) -> Result<usize, StoreError> {
        let folders = self.folders()?;
        folders.iter().try_fold(0, |count, folder| Ok(count + self.sessions_in(folder)?.len()))
    }

    /// How many files there are, and the sixteenth of them that expires first, in reverse.
    #[allow(clippy::type_complexity, reason = "used once")]
    fn nearest_to_expiry(
        &self,
        max: u64,
    ) -> Result<(usize, Vec<(Timestamp, SessionId)>), StoreError> {
        let mut found = Vec::new();
        let mut files = 0_usize;
        for folder in self.folders()? {
            for id in self.sessions_in(&folder)? {
                files += 1;
                found.extend(self.expires_at(&id)?.map(|at| (at, id)));
            }
        }
        let over = files.saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
        found.sort_unstable();
        found.truncate(over.max(files / SHARE as usize).max(SHARE as usize));
        found.sort_unstable_by_key(|candidate| Reverse(*candidate));
        Ok((files, found))
    }

    /// Removes a session that was not used since it was looked at. Hold its shard.
    fn drop_if_still(&self, id: &SessionId, at: Timestamp) -> Result<bool, StoreError> {
        let now = self.keep.now();
        match self.settle(id, now)? {
            State::Expired(entry) => {
                self.remove_session(id, &entry.record)?;
                Ok(true)
            }
            State::Live(entry) if entry.record.expires_at <= at => {
                self.remove_session(id, &entry.record)?;
                self.keep.bound.count_dropped(now);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
