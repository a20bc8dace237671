//! The runs of a sweeper: [`Runner`].

use std::{error::Error as StdError, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout},
};
use tower_keep_core::{Store, StoreError, StoreErrorKind, Swept};

use super::{
    SweepRun, SweeperReport,
    schedule::{Schedule, chance, rest_after},
};
use crate::PurgeError;

/// So many steps in a row that remove nothing end a run, whatever the store says is left. A file store
/// of a million live sessions takes some hundred from one expired session to the next.
const MAX_IDLE_STEPS: u32 = 100;

/// What does the work, in a task of its own.
pub(super) struct Runner {
    pub(super) store: Arc<dyn Store>,
    pub(super) batch: usize,
    pub(super) store_timeout: Duration,
    /// Ready when the sweeper is stopped or dropped.
    pub(super) stopped: oneshot::Receiver<()>,
}

impl Runner {
    pub(super) async fn run(
        mut self,
        mut schedule: Schedule,
        reporter: watch::Sender<SweeperReport>,
    ) {
        let mut wait = schedule.first_wait(chance());
        while !self.is_stopped_within(wait).await {
            let run = self.sweep_all().await;
            reporter.send_modify(|report| report.add(run));
            schedule.note(matches!(run, SweepRun::Failed { .. }));
            wait = schedule.wait(chance());
        }
        tracing::debug!("the sweeper has stopped");
    }

    async fn is_stopped_within(&mut self, wait: Duration) -> bool {
        // The sender dropped is an answer too.
        timeout(wait, &mut self.stopped).await.is_ok()
    }

    /// One run: removes what has expired, step by step.
    async fn sweep_all(&mut self) -> SweepRun {
        let mut sessions = 0;
        let mut idle_steps = 0;
        loop {
            let began = Instant::now();
            match self.step().await {
                Ok(Swept::Removed { sessions: removed, more }) => {
                    sessions += removed;
                    idle_steps = if removed == 0 { idle_steps + 1 } else { 0 };
                    if !more || idle_steps == MAX_IDLE_STEPS {
                        break;
                    }
                }
                Ok(Swept::Busy) => {
                    tracing::debug!(sessions, "another process sweeps the store");
                    return SweepRun::Busy { sessions };
                }
                Ok(_) => break,
                Err(error) => {
                    let cause = error.source();
                    let store = &self.store;
                    tracing::warn!(?store, sessions, cause, "expired sessions are left: {error}");
                    return SweepRun::Failed { sessions, kind: error.kind() };
                }
            }
            if self.is_stopped_within(rest_after(began.elapsed())).await {
                // The receiver is used up; the next wait must see it as well.
                self.stopped = oneshot::channel().1;
                break;
            }
        }
        if sessions > 0 {
            tracing::info!(sessions, "swept {sessions} expired sessions");
        } else {
            tracing::debug!("no session has expired");
        }
        SweepRun::Swept { sessions }
    }

    /// One step. A panic of the store is an error like others, or nobody would sweep any more.
    async fn step(&self) -> Result<Swept, StoreError> {
        let step = async {
            match self.store.sweep() {
                Some(sweep) => sweep.sweep(self.batch).await,
                // It was there when the sweeper was started.
                None => Err(StoreError::new(StoreErrorKind::Misconfigured, PurgeError::NO_SWEEP)),
            }
        };
        let step = AssertUnwindSafe(step).catch_unwind();
        match timeout(self.store_timeout, step).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "the store panicked"))
            }
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
        }
    }
}
