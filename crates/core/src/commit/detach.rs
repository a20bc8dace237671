//! Commits that outlive the request: [`Commit`].

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{Error, ErrorKind, session::Head};

type Outcome = Result<Head, Error>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A commit that runs to its end or its deadline on its own once it has begun.
///
/// Clients disconnect, and servers then drop the request's future; dropping this one does not stop
/// the commit. That takes a task, which costs more than most commits do, so that one is made only where it
/// is dropped, or waits longer than for one answer: whoever holds it may not poll it any more.
pub(crate) struct Commit {
    /// Until its end, or until it has a task.
    running: Option<Running>,
    task: Option<JoinHandle<Outcome>>,
    /// Where it goes on, once it has begun.
    runtime: Option<Handle>,
    /// Whether it may wait where it is polled.
    stays: bool,
}

impl Commit {
    /// A commit that waits here for its first answer if a server polls it, and not a handler, who may hold
    /// on to it, not poll it any more, and ask for another commit, which comes after it.
    pub(super) fn new(commit: impl Future<Output = Outcome> + Send + 'static, stays: bool) -> Self {
        Self { running: Some(Box::pin(commit)), task: None, runtime: None, stays }
    }
}

impl Future for Commit {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Polled again after its end, or after a panic, it stays pending.
        if let Some(mut commit) = self.running.take() {
            if let Poll::Ready(outcome) = commit.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            // Without a runtime there is nowhere to go on.
            let runtime = self.runtime.take().or_else(|| Handle::try_current().ok());
            match runtime {
                Some(runtime) if !self.stays => self.task = Some(runtime.spawn(commit)),
                runtime => {
                    self.runtime = runtime;
                    self.running = Some(commit);
                    self.stays = false;
                }
            }
        }
        let Some(task) = &mut self.task else {
            return Poll::Pending;
        };
        Poll::Ready(match ready!(Pin::new(task).poll(context)) {
            Ok(outcome) => outcome,
            // An update function panicked on its replay: so does the request, as it would have
            // without the task.
            Err(end) if end.is_panic() => std::panic::resume_unwind(end.into_panic()),
            // The runtime shuts down.
            Err(_) => Err(ErrorKind::Unavailable.into()),
        })
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        if let (Some(commit), Some(runtime)) = (self.running.take(), self.runtime.take()) {
            runtime.spawn(commit);
        }
    }
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commit")
            .field("is_running", &self.running.is_some())
            .finish_non_exhaustive()
    }
}
