//! The deadline that every call of a store has: [`Call`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{task::coop::Unconstrained, time::Sleep};

use super::{StoreError, StoreErrorKind};

/// A call of a store that has to be waited for.
pub(super) trait Call<T>: Send {
    /// Ready with the answer, or once it was waited for as long as `limit`.
    ///
    /// A call that runs out of time is indeterminate: it may have been carried out.
    fn poll_within(
        self: Pin<&mut Self>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, StoreError>>;
}

pin_project! {
    /// A call with room for its deadline, so that both need one allocation.
    pub(super) struct Timed<F> {
        #[pin]
        call: F,
        // Since the call first had to be waited for. It comes though the call leaves its task no budget.
        #[pin]
        deadline: Option<Unconstrained<Sleep>>,
    }
}

impl<F> Timed<F> {
    pub(super) fn new(call: F) -> Self {
        Self { call, deadline: None }
    }
}

impl<T, F: Future<Output = Result<T, StoreError>> + Send> Call<T> for Timed<F> {
    fn poll_within(
        self: Pin<&mut Self>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, StoreError>> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.call.poll(context) {
            return Poll::Ready(answer);
        }
        let Some(limit) = limit else { return Poll::Pending };
        if this.deadline.is_none() {
            let deadline = tokio::task::unconstrained(tokio::time::sleep(limit));
            this.deadline.set(Some(deadline));
        }
        if let Some(deadline) = this.deadline.as_pin_mut() {
            ready!(deadline.poll(context));
        }
        Poll::Ready(Err(StoreError::new(StoreErrorKind::TimedOut, Elapsed(limit))))
    }
}

/// How long was waited.
#[derive(Debug)]
struct Elapsed(Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:?}", self.0)
    }
}

impl std::error::Error for Elapsed {}

#[cfg(test)]
mod tests {
    use std::{error::Error, time::Instant};

    use super::*;
    use crate::StoreFuture;

    /// With the real clock: a paused one stands still while a task is busy.
    #[tokio::test]
    async fn deadline_comes_though_the_call_leaves_no_budget() {
        let begin = Instant::now();
        let busy = StoreFuture::new(async move {
            while begin.elapsed() < Duration::from_secs(5) {
                tokio::task::consume_budget().await;
            }
            Ok(())
        });
        let error = busy.within(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut);
        assert_eq!(error.source().unwrap().to_string(), "no answer within 20ms");
    }
}
