//! Commits that outlive the request: [`Commit`].

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

use crate::{Error, ErrorKind, session::Head};

type Outcome = Result<Head, Error>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A commit that runs to its end or its deadline once it has begun.
///
/// Clients disconnect, and servers then drop the request's future. That does not stop the commit, which
/// goes on in a task of its own from there; as long as a server waits for it, it costs none.
pub(crate) struct Commit {
    /// Until its end.
    running: Option<Running>,
    /// Where it goes on, once it has begun.
    runtime: Option<Handle>,
}

impl Commit {
    pub(super) fn new(commit: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { running: Some(Box::pin(commit)), runtime: None }
    }

    /// Runs in a task of its own from where it waits first: a handler may hold on to it, not poll it any
    /// more, and ask for another commit, which comes after it.
    pub(crate) async fn by_itself(mut self) -> Outcome {
        let begun = poll_fn(|context| Poll::Ready(Pin::new(&mut self).poll(context))).await;
        if let Poll::Ready(outcome) = begun {
            return outcome;
        }
        let Some(runtime) = self.runtime.clone() else {
            return self.await;
        };
        match runtime.spawn(self).await {
            Ok(outcome) => outcome,
            // An update function panicked on its replay: so does the request, as it would have
            // without the task.
            Err(end) if end.is_panic() => std::panic::resume_unwind(end.into_panic()),
            // The runtime shuts down.
            Err(_) => Err(ErrorKind::Unavailable.into()),
        }
    }
}

impl Future for Commit {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Polled again after its end, or after a panic, it stays pending.
        let Some(mut commit) = self.running.take() else {
            return Poll::Pending;
        };
        let outcome = commit.as_mut().poll(context);
        if outcome.is_pending() {
            if self.runtime.is_none() {
                // Without a runtime there is nowhere to go on.
                self.runtime = Handle::try_current().ok();
            }
            self.running = Some(commit);
        }
        outcome
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
