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
/// the commit. That takes a task, but only where the store does not answer at once.
pub(crate) enum Commit {
    Begun(Option<Running>),
    Detached(JoinHandle<Outcome>),
}

impl Commit {
    pub(super) fn new(commit: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self::Begun(Some(Box::pin(commit)))
    }
}

impl Future for Commit {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::Begun(slot) = &mut *self {
            // Polled again after its end, it stays pending.
            let Some(mut commit) = slot.take() else {
                return Poll::Pending;
            };
            if let Poll::Ready(outcome) = commit.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            let Ok(runtime) = Handle::try_current() else {
                // Without a runtime there is nowhere to go on by itself.
                *slot = Some(commit);
                return Poll::Pending;
            };
            *self = Self::Detached(runtime.spawn(commit));
        }
        let Self::Detached(task) = &mut *self else {
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

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Begun(_) => "Commit(begun)",
            Self::Detached(_) => "Commit(detached)",
        })
    }
}
