//! Who of a request's handles asks the store: [`Turn`].

use std::ops::Deref;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::state::State;

/// A request's state, and the turns that its handles take to ask the store, so that they load and
/// commit one at a time.
///
/// The turn is a flag in the state and not a lock of its own, since nearly every request has one
/// handle, which takes it for the price of the state's lock that it needs anyway.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// There once a handle has asked for it: most of a page's requests never do.
    state: Mutex<Option<State>>,
    freed: Notify,
}

/// A request's state while it is locked.
pub(crate) type StateGuard<'a> = MappedMutexGuard<'a, State>;

/// The turn, until it is dropped. It is one of the turns of a request, or of what has them.
#[derive(Debug)]
pub(crate) struct Turn<D: Deref<Target: AsRef<Turns>>> {
    turns: D,
    has_ended: bool,
}

impl Turns {
    pub(super) fn new(state: State) -> Self {
        Self { state: Mutex::new(Some(state)), freed: Notify::new() }
    }

    pub(super) fn state(&self) -> StateGuard<'_> {
        MutexGuard::map(self.state.lock(), Option::get_or_insert_default)
    }

    pub(super) fn state_mut(&mut self) -> Option<&mut State> {
        self.state.get_mut().as_mut()
    }

    /// Takes the turn of a state that is not busy.
    pub(crate) fn take_turn<'a>(&'a self, mut state: StateGuard<'a>) -> Turn<&'a Self> {
        state.busy = true;
        drop(state);
        Turn { turns: self, has_ended: false }
    }

    fn try_turn(&self) -> Option<Turn<&Self>> {
        let state = self.state();
        (!state.busy).then(|| self.take_turn(state))
    }

    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Turn<&Self> {
        loop {
            if let Some(turn) = self.try_turn() {
                return turn;
            }
            // In a box, since a waiter is large and nearly nobody waits.
            Box::pin(self.freed()).await;
        }
    }

    /// Waits until nobody has the turn. Another may be faster to take it.
    pub(super) async fn freed(&self) {
        // Made before the look, so that a turn that is given back in between is heard of.
        let freed = self.freed.notified();
        {
            let mut state = self.state();
            if !state.busy {
                return;
            }
            state.awaited = true;
        }
        freed.await;
    }
}

impl AsRef<Self> for Turns {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<D: Deref<Target: AsRef<Turns>>> Turn<D> {
    /// Gives the turn back, and the state for a last word.
    pub(crate) fn end(&mut self) -> StateGuard<'_> {
        self.has_ended = true;
        let turns = (*self.turns).as_ref();
        let mut state = turns.state();
        state.busy = false;
        if std::mem::take(&mut state.awaited) {
            turns.freed.notify_waiters();
        }
        state
    }

    /// The same turn by another pointer to the same state.
    pub(crate) fn held_by<E: Deref<Target: AsRef<Turns>>>(mut self, turns: E) -> Turn<E> {
        self.has_ended = true;
        Turn { turns, has_ended: false }
    }
}

impl<D: Deref<Target: AsRef<Turns>>> Drop for Turn<D> {
    fn drop(&mut self) {
        if !self.has_ended {
            drop(self.end());
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
        let turns = Arc::new(Turns::default());
        let inside = Arc::new(AtomicU32::new(0));
        let tasks = (0..64).map(|_| {
            let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
            tokio::spawn(async move {
                for _ in 0..100 {
                    let _turn = turns.turn().await;
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
        let turns = Turns::default();
        let turn = turns.turn().await;
        let mut one = Box::pin(turns.turn());
        let mut two = Box::pin(turns.turn());
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
