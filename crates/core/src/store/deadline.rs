//! The deadline that every call of a store has: [`Waited`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{task::coop, time::Sleep};

use super::{StoreError, StoreErrorKind};

/// An answer of a store that has to be waited for.
pub(super) trait Waited<T>: Send {
    /// Ready with the answer, or with an error once it was waited for as long as `limit`.
    ///
    /// A call that runs out of time is indeterminate: it may have been carried out.
    fn poll_within(
        self: Pin<&mut Self>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, StoreError>>;
}

pin_project! {
    /// An answer with room for its deadline, so that both need one allocation.
    pub(super) struct Timed<F> {
        #[pin]
        answer: F,
        // Runs from the first poll that had to wait.
        #[pin]
        deadline: Option<Sleep>,
    }
}

impl<F> Timed<F> {
    pub(super) fn new(answer: F) -> Self {
        Self { answer, deadline: None }
    }
}

impl<T, F: Future<Output = Result<T, StoreError>> + Send> Waited<T> for Timed<F> {
    fn poll_within(
        self: Pin<&mut Self>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, StoreError>> {
        let mut this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(answer) = this.answer.poll(context) {
            return Poll::Ready(answer);
        }
        let Some(limit) = limit else { return Poll::Pending };
        if this.deadline.is_none() {
            this.deadline.set(Some(tokio::time::sleep(limit)));
        }
        if let Some(deadline) = this.deadline.as_pin_mut() {
            // A call that used up the budget of its task must not put off its deadline. Where others did,
            // it was not asked for its answer yet, and that comes first.
            ready!(if had_budget {
                Pin::new(&mut coop::unconstrained(deadline)).poll(context)
            } else {
                deadline.poll(context)
            });
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

/// With the real clock: a paused one stands still while a task is busy.
#[cfg(test)]
mod tests {
    use std::{error::Error, future::poll_fn, pin::pin, time::Instant};

    use tokio::{sync::oneshot, task};

    use super::*;
    use crate::StoreFuture;

    const LIMIT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn deadline_comes_though_the_call_leaves_no_budget() {
        let begin = Instant::now();
        let busy = StoreFuture::new(async move {
            while begin.elapsed() < Duration::from_secs(5) {
                coop::consume_budget().await;
            }
            Ok(())
        });
        let error = busy.within(LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut);
        assert_eq!(error.source().unwrap().to_string(), "no answer within 20ms");
    }

    #[tokio::test]
    async fn answer_that_is_there_is_taken_though_others_left_no_budget() {
        let (store, answer) = oneshot::channel();
        let call = async { Ok::<u8, StoreError>(answer.await.unwrap()) };
        let mut call = pin!(StoreFuture::new(call).within(LIMIT));
        let mut poll = async |uses_up| {
            poll_fn(|context| {
                while uses_up && coop::has_budget_remaining() {
                    let _ = pin!(coop::consume_budget()).poll(context);
                }
                Poll::Ready(call.as_mut().poll(context).is_pending())
            })
            .await
        };
        assert!(poll(false).await);
        // The thread was held up, and both the answer and the deadline have come.
        std::thread::sleep(2 * LIMIT);
        store.send(1).unwrap();
        task::yield_now().await;
        assert!(poll(true).await);
        assert_eq!(call.await.unwrap(), 1);
    }
}
