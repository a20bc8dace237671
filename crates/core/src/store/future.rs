//! What a store's operation returns: [`StoreFuture`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    StoreError,
    deadline::{Timed, Waited},
};

/// The answer of a store: there already, or still to come.
///
/// A store in memory answers with [`StoreFuture::ready`], which allocates nothing; one that does
/// I/O with [`StoreFuture::new`].
///
/// ```
/// use tower_keep_core::StoreFuture;
///
/// fn count<'a>() -> StoreFuture<'a, u64> {
///     StoreFuture::new(async { Ok(42) })
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(count().await?, 42);
/// # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
/// ```
#[must_use = "a store does nothing until its answer is awaited"]
pub struct StoreFuture<'a, T>(Answer<'a, T>);

enum Answer<'a, T> {
    Ready(Option<Result<T, StoreError>>),
    /// An answer to come, and how long at most it is waited for.
    Pending(Pin<Box<dyn Waited<T> + 'a>>, Option<Duration>),
}

impl<'a, T: 'a> StoreFuture<'a, T> {
    /// An answer that is there already.
    #[inline]
    pub fn ready(answer: Result<T, StoreError>) -> Self {
        Self(Answer::Ready(Some(answer)))
    }

    /// An answer that `future` will give.
    pub fn new(future: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Self {
        Self(Answer::Pending(Box::pin(Timed::new(future)), None))
    }

    /// Waits at most so long, from the first poll that is not ready: an answer that is there already needs no
    /// timer.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        if let Answer::Pending(_, within) = &mut self.0 {
            *within = Some(limit);
        }
        self
    }

    /// An answer that is there already.
    #[inline]
    pub(crate) fn into_ready(self) -> Option<Result<T, StoreError>> {
        match self.0 {
            Answer::Ready(answer) => answer,
            Answer::Pending(..) => None,
        }
    }
}

// Nothing in it is pinned: the boxed future is pinned in its box.
impl<T> Unpin for StoreFuture<'_, T> {}

impl<T> Future for StoreFuture<'_, T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // A ready answer stays pending when it is polled again, as a fused future does.
            Answer::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Answer::Pending(answer, limit) => answer.as_mut().poll_within(*limit, context),
        }
    }
}

impl<T> fmt::Debug for StoreFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreFuture")
    }
}
