//! The same question to several members at once: [`Calls`].

use std::{future::poll_fn, pin::Pin, task::Poll};

use crate::StoreError;

pub(super) type Call<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Calls of members that run at once, whose answers come as they are ready. A call that is dropped
/// leaves its member as it was or as it is to be, as every store promises.
pub(super) struct Calls<T> {
    running: Vec<(usize, Call<T>)>,
}

impl<T> Calls<T> {
    pub(super) fn new(calls: impl IntoIterator<Item = (usize, Call<T>)>) -> Self {
        Self { running: calls.into_iter().collect() }
    }

    pub(super) fn are_over(&self) -> bool {
        self.running.is_empty()
    }

    /// The members that have not answered yet.
    pub(super) fn members(&self) -> impl Iterator<Item = usize> {
        self.running.iter().map(|(member, _)| *member)
    }

    /// The next answer and the member that gave it; `None` when all have answered.
    pub(super) async fn next(&mut self) -> Option<(usize, Result<T, StoreError>)> {
        poll_fn(|context| {
            for place in 0..self.running.len() {
                if let Poll::Ready(answer) = self.running[place].1.as_mut().poll(context) {
                    let (member, _) = self.running.swap_remove(place);
                    return Poll::Ready(Some((member, answer)));
                }
            }
            if self.running.is_empty() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}
