//! Commits that outlive the request: [`Commit`].

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, task::JoinHandle};

use super::execute::{Moment, execute};
use crate::{Error, ErrorKind, session::Exchange};

type Running = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A commit that runs to its end or its deadline on its own once it has begun.
///
/// Clients disconnect, and servers then drop the request's future; dropping this one does not stop
/// the commit. That takes a task, but only where the store does not answer at once.
pub(crate) enum Commit {
    Begun(Option<Running>),
    Detached(JoinHandle<Result<(), Error>>),
}

impl Commit {
    pub(crate) fn new(exchange: Arc<Exchange>, moment: Moment) -> Self {
        // The response and this commit hold the exchange; whoever else does may go on with the
        // session. Nobody who does not by now will, but the response may be dropped.
        let observed = moment == Moment::Save || Arc::strong_count(&exchange) > 2;
        Self::Begun(Some(Box::pin(execute(exchange, moment, observed))))
    }
}

impl Future for Commit {
    type Output = Result<(), Error>;

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
