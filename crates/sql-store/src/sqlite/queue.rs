//! What waits for a thread of the database: [`Queue`].

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// More waiting than this, and something is wrong with the disk: memory must not fill up with it.
const MOST_WAITING: usize = 16_384;

/// Jobs in the order in which they came, for one thread or several.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<J> {
    jobs: VecDeque<J>,
    closed: bool,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        let waiting = Waiting { jobs: VecDeque::new(), closed: false };
        Self { waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    /// Lets a job wait its turn; gives it back if the queue is full or closed.
    pub(crate) fn push(&self, job: J) -> Result<(), J> {
        let mut waiting = self.lock();
        if waiting.closed || waiting.jobs.len() >= MOST_WAITING {
            return Err(job);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes at most `most` jobs, waiting for the first; `None` once the queue is closed and empty.
    pub(crate) fn take(&self, most: usize) -> Option<Vec<J>> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let most = most.min(waiting.jobs.len());
        Some(waiting.jobs.drain(..most).collect())
    }

    /// Takes no more jobs; those that wait are done still.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_in_order_and_in_batches() {
        let queue = Queue::new();
        (0..5).for_each(|job| queue.push(job).unwrap());
        assert_eq!(queue.take(2), Some(vec![0, 1]));
        queue.close();
        assert_eq!(queue.push(5), Err(5));
        assert_eq!(queue.take(9), Some(vec![2, 3, 4]));
        assert_eq!(queue.take(9), None);
    }

    #[test]
    fn waiting_is_bounded() {
        let queue = Queue::new();
        (0..MOST_WAITING).for_each(|job| queue.push(job).unwrap());
        assert!(queue.push(0).is_err());
    }
}
