//! The deadline that every call of a store has.

use std::time::Duration;

use super::{StoreError, StoreErrorKind, StoreFuture};

/// Awaits a store's answer for at most `limit`.
///
/// An answer that is there already needs no timer. A call that runs out of time is indeterminate: it
/// may have been carried out.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: StoreFuture<'_, T>,
) -> Result<T, StoreError> {
    match answer.into_ready() {
        Ok(answer) => answer,
        // In a box, since a timer is large, and an answer that is there already needs none.
        Err(pending) => match Box::pin(tokio::time::timeout(limit, pending)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
        },
    }
}
