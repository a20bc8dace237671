//! The connections that requests share: [`Lanes`].

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Mutex;
use tokio_postgres::{Row, types::ToSql};
use tower_keep_core::{StoreError, StoreErrorKind};

use super::{
    error::{failed, is_outdated, is_read_only, is_taken, is_transient},
    link::{Address, Link},
    statements::Which,
};
use crate::server::pause;

/// So often a statement is tried that the server rolled back for the sake of another one.
const ATTEMPTS: u32 = 8;

/// A few connections that all requests share, each with many statements under way.
///
/// Every statement is a transaction of its own, so that none disturbs those before and behind it.
pub(crate) struct Lanes {
    address: Address,
    lanes: Vec<Lane>,
    next: AtomicUsize,
}

/// One connection, made anew whenever it is found closed.
#[derive(Default)]
struct Lane {
    link: RwLock<Option<Arc<Link>>>,
    opening: Mutex<()>,
    failures: AtomicU64,
}

/// What a statement came to.
pub(crate) enum Answer {
    Rows(Vec<Row>),
    /// The id is taken by another row.
    Taken,
}

/// Whether a statement may be sent again when it is unknown whether the server ran it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It reads.
    Freely,
    /// It writes, and its answer would not be the same.
    Never,
}

impl Lanes {
    pub(crate) fn new(address: Address, lanes: usize) -> Self {
        let lanes = (0..lanes.max(1)).map(|_| Lane::default()).collect();
        Self { address, lanes, next: AtomicUsize::new(0) }
    }

    /// Runs a statement on the connection whose turn it is.
    pub(crate) async fn run(
        &self,
        which: Which,
        repeat: Repeat,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Answer, StoreError> {
        let lane = &self.lanes[self.next.fetch_add(1, Relaxed) % self.lanes.len()];
        let mut attempt = 0;
        let mut lost = false;
        loop {
            let link = lane.link(&self.address).await?;
            let error = match link.rows(which, values).await {
                Ok(rows) => return Ok(Answer::Rows(rows)),
                Err(error) => error,
            };
            attempt += 1;
            if is_taken(&error) {
                return Ok(Answer::Taken);
            }
            if is_transient(&error) && attempt < ATTEMPTS {
                pause(attempt).await;
                continue;
            }
            if is_outdated(&error) || is_read_only(&error) {
                lane.leave(&link);
                if is_outdated(&error) && attempt == 1 {
                    continue;
                }
                if is_read_only(&error) {
                    let cause = "this PostgreSQL server takes no writes: it is a replica, or was the \
                                 primary before a failover";
                    return Err(StoreError::new(StoreErrorKind::Unavailable, cause));
                }
            }
            if error.code().is_none() && link.is_closed() && repeat == Repeat::Freely && !lost {
                lost = true;
                continue;
            }
            return Err(failed(error));
        }
    }

    /// Makes sure that the server can be reached.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        self.lanes[0].link(&self.address).await.map(drop)
    }
}

impl Lane {
    /// The connection, made anew if it was closed.
    async fn link(&self, address: &Address) -> Result<Arc<Link>, StoreError> {
        if let Some(link) = self.open() {
            return Ok(link);
        }
        let failures = self.failures.load(Relaxed);
        let _turn = self.opening.lock().await;
        if let Some(link) = self.open() {
            return Ok(link);
        }
        // Who waited for an attempt that failed needs none of their own.
        if self.failures.load(Relaxed) != failures {
            let cause = "no connection to PostgreSQL could be made just now";
            return Err(StoreError::new(StoreErrorKind::Unavailable, cause));
        }
        match Link::open(address).await {
            Ok(link) => {
                let link = Arc::new(link);
                *self.link.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Arc::clone(&link));
                Ok(link)
            }
            Err(error) => {
                self.failures.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    fn open(&self) -> Option<Arc<Link>> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| !link.is_closed()).cloned()
    }

    /// Gives up a connection that no longer fits; what is under way on it ends by itself.
    fn leave(&self, link: &Arc<Link>) {
        let mut present = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, link)) {
            *present = None;
        }
    }
}
