//! What all handles of one request share: [`Exchange`].

use std::{
    fmt,
    sync::{Arc, MutexGuard, OnceLock},
};

use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

use super::{
    state::{Live, Lookup, Phase, State},
    turn::{Asked, Turn},
};
use crate::{Client, Error, Plan, layer::Manager, lookup};

/// The header values in which a token could be, with the number of their transport.
pub(crate) type Presented = SmallVec<[(u8, HeaderValue); 1]>;

/// What all handles of one request share, from the layer to the last copy of `Session`.
///
/// The layer makes one for every request, so it holds what costs nothing to hold: the header
/// values are counted references to the request's bytes, and nothing is parsed.
pub(crate) struct Exchange {
    manager: Arc<Manager>,
    presented: Presented,
    client: Option<Client>,
    /// There once the request has asked for its session in any way, so that the response depends on
    /// it.
    asked: OnceLock<Asked>,
}

impl Exchange {
    pub(crate) fn of_request(
        manager: Arc<Manager>,
        headers: &HeaderMap,
        client: Option<Client>,
    ) -> Self {
        let presented = manager.presented(headers);
        Self { manager, presented, client, asked: OnceLock::new() }
    }

    /// An exchange without a request, around a session that is in the store.
    pub(crate) fn detached(manager: Arc<Manager>, live: Live) -> Self {
        let asked = Asked::new(State::detached(live));
        Self { manager, presented: Presented::new(), client: None, asked: asked.into() }
    }

    pub(crate) fn manager(&self) -> &Arc<Manager> {
        &self.manager
    }

    /// How many of the request's header values it holds.
    pub(crate) fn headers(&self) -> usize {
        self.presented.len()
    }

    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    pub(crate) fn was_accessed(&self) -> bool {
        self.asked.get().is_some()
    }

    /// The state. No code of the application runs under this lock, and no `.await` does.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.asked().state()
    }

    fn asked(&self) -> &Asked {
        self.asked.get_or_init(Asked::default)
    }

    /// Waits until no other handle of this request is asking the store.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        self.asked().turn().await
    }

    /// Loads the session, once for all handles of the request.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        if let Some(outcome) = self.lookup_outcome() {
            return outcome;
        }
        let _turn = self.turn().await;
        if let Some(outcome) = self.lookup_outcome() {
            return outcome;
        }
        let found = lookup::find(&self.manager, &self.presented).await;
        let mut state = self.state();
        match found {
            Ok(found) => {
                state.lookup = Lookup::Done;
                state.transport = found.transport;
                state.live = found.live;
                Ok(())
            }
            Err(error) => {
                state.lookup = Lookup::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn lookup_outcome(&self) -> Option<Result<(), Error>> {
        match &self.state().lookup {
            Lookup::Open => None,
            Lookup::Done => Some(Ok(())),
            Lookup::Failed(error) => Some(Err(error.clone())),
        }
    }

    /// Whether the end of the request has to wait for the store: to write, or for what one of its
    /// handles has begun and the client must hear of. If not, the head is as good as sent.
    pub(crate) fn needs_commit(&self) -> bool {
        let mut state = self.state();
        if state.busy {
            return true;
        }
        let touch_due =
            state.live.as_ref().is_some_and(|live| self.manager.is_touch_due(live, &state));
        // The commit reports a failure.
        let needs = state.failure.is_some() || state.plan(touch_due) != Plan::Nothing;
        if !needs {
            state.phase = Phase::HeadSent;
        }
        needs
    }
}

/// Leaves out the values of the headers, which hold the token.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("client", &self.client)
            .field("asked", &self.asked.get())
            .finish_non_exhaustive()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(asked) = self.asked.get_mut() else {
            return;
        };
        let state = asked.state_mut();
        if state.phase != Phase::Handling && state.is_dirty() && !state.gone {
            self.manager.events().dropped_dirty(state.phase);
        }
    }
}
