//! The queue of commits that met a conflict: [`Queue`].

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Error, ErrorKind, SessionId};

/// Sessions share a place in so many queues. It need not be exact: a queue too many in common costs
/// a little waiting after a conflict, which is rare.
const QUEUES: usize = 64;

/// The longest pause before an attempt, so that a commit of many attempts still ends in time.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Lets the commits of this process that met a conflict on one session try one after another.
///
/// A thousand writers of one session would otherwise let one of them through in each round, and
/// need half a million calls of the store.
#[derive(Debug)]
pub(crate) struct Queue {
    turns: Box<[Semaphore]>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { turns: (0..QUEUES).map(|_| Semaphore::new(1)).collect() }
    }
}

impl Queue {
    /// Waits for the turn of this session, for a bounded time.
    pub(crate) async fn turn(
        &self,
        id: &SessionId,
        limit: Duration,
    ) -> Result<SemaphorePermit<'_>, Error> {
        let turn = &self.turns[usize::from(id.as_bytes()[0]) % QUEUES];
        if let Ok(permit) = turn.try_acquire() {
            return Ok(permit);
        }
        match Box::pin(tokio::time::timeout(limit, turn.acquire())).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ErrorKind::Conflict.into()),
        }
    }
}

/// Waits before another attempt against writers in other processes, longer each time, and by chance,
/// so that they do not meet again.
pub(crate) async fn pause(attempt: u32) {
    let ceiling = Duration::from_millis(1 << attempt.min(6)).min(LONGEST_PAUSE);
    let chance = RandomState::new().hash_one(attempt) % 1_000;
    Box::pin(tokio::time::sleep(ceiling.mul_f64(chance as f64 / 1_000.0))).await;
}
