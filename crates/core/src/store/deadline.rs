//! The deadline that every call of a store has.

use std::time::Duration;

use super::{StoreError, StoreErrorKind, StoreFuture};

/// Awaits a store's answer for at most `limit`.
///
/// An answer that is there already needs no timer. A call that runs out of time is indeterminate: it
/// may have been carried out.
pub(crate) fn within<'a, T: 'a>(
    limit: Duration,
    answer: StoreFuture<'a, T>,
) -> impl Future<Output = Result<T, StoreError>> {
    // In a box, since a timer is large, and an answer that is there already needs none.
    let late = |answer| Box::pin(tokio::time::timeout(limit, answer));
    let answer = answer.into_ready().map_err(late);
    // A block, since an `async fn` would hold the answer twice.
    async move {
        match answer {
            Ok(answer) => answer,
            Err(late) => match late.await {
                Ok(answer) => answer,
                Err(elapsed) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
            },
        }
    }
}
