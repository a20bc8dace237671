//! Who of a request's handles asks the store: [`Turn`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::state::State;

/// What a request that asks for its session has: its state, and a turn that its handles take to ask
/// the store, so that they load and commit one at a time.
///
/// The turn is a flag in the state and not a lock of its own, since nearly every request has one
/// handle, which takes it for the price of the state's lock that it needs anyway.
#[derive(Debug, Default)]
pub(super) struct Asked {
    state: Mutex<State>,
    freed: Notify,
}

/// The turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Asked);

impl Asked {
    pub(super) fn new(state: State) -> Self {
        Self { state: Mutex::new(state), freed: Notify::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the turn where no other handle has it.
    pub(super) fn try_turn(&self) -> Option<Turn<'_>> {
        let mut state = self.state();
        let was_busy = std::mem::replace(&mut state.busy, true);
        // Not made before it is had: dropping a turn gives it back.
        (!was_busy).then(|| Turn(self))
    }

    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        match self.try_turn() {
            Some(turn) => turn,
            // In a box, since a waiter is large and nearly nobody waits.
            None => Box::pin(self.wait()).await,
        }
    }

    async fn wait(&self) -> Turn<'_> {
        loop {
            // Made before the look, so that a turn that is given back in between is heard of.
            let freed = self.freed.notified();
            self.state().awaited = true;
            if let Some(turn) = self.try_turn() {
                return turn;
            }
            freed.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let awaited = {
            let mut state = self.0.state();
            state.busy = false;
            std::mem::take(&mut state.awaited)
        };
        if awaited {
            self.0.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn turn_is_had_by_one_at_a_time_and_by_everyone() {
        let asked = Arc::new(Asked::default());
        let inside = Arc::new(AtomicU32::new(0));
        let tasks = (0..64).map(|_| {
            let (asked, inside) = (Arc::clone(&asked), Arc::clone(&inside));
            tokio::spawn(async move {
                for _ in 0..100 {
                    let _turn = asked.turn().await;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn waiter_that_gives_up_keeps_nobody_from_the_turn() {
        let asked = Asked::default();
        let turn = asked.turn().await;
        let mut one = Box::pin(asked.turn());
        let mut two = Box::pin(asked.turn());
        for waiter in [&mut one, &mut two] {
            tokio::select! {
                biased;
                _ = waiter => panic!("the turn is taken"),
                () = std::future::ready(()) => {}
            }
        }
        drop(one);
        drop(turn);
        let _turn = two.await;
    }
}
