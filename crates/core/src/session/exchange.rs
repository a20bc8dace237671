//! What all handles of one request share: [`Exchange`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use http::{Extensions, HeaderMap, HeaderValue};
use smallvec::SmallVec;
use triomphe::UniqueArc;

use super::{
    state::{Live, Lookup, Phase, State},
    turn::{StateGuard, Turn, Turns},
};
use crate::{
    Client, Error,
    layer::Manager,
    lookup::{self, Found},
    response,
};

/// An exchange and its holders, counted. Nobody refers to one weakly, so a count of such holders, and
/// what it takes to look whether there are others, is left out.
pub(crate) type SharedExchange = triomphe::Arc<Exchange>;

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
    is_grpc: bool,
    /// Whether the request has asked for its session in any way, so that the response depends on it.
    accessed: AtomicBool,
    turns: Turns,
}

/// What a handle that needs the session finds.
enum Look<'a> {
    Known(Result<(), Error>),
    /// The session is still to be loaded, by this handle.
    Turn(Turn<&'a Turns>),
    Busy,
}

impl Exchange {
    pub(crate) fn of_request(
        manager: &Arc<Manager>,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> SharedExchange {
        // Filled in where it stays, since it is large to be moved.
        let mut exchange = UniqueArc::new(Self::new(Arc::clone(manager)));
        manager.present(headers, &mut exchange.presented);
        let client = manager.settings().client.as_ref();
        exchange.client = client.map(|find| find(headers, extensions));
        // Where there are no headers but those with tokens, none needs to be looked for.
        exchange.is_grpc = headers.len() > exchange.presented.len() && response::is_grpc(headers);
        exchange.shareable()
    }

    /// An exchange without a request, around a session that is in the store.
    pub(crate) fn detached(manager: Arc<Manager>, live: Live) -> SharedExchange {
        let mut exchange = Self::new(manager);
        exchange.accessed = AtomicBool::new(true);
        exchange.turns = Turns::new(State::detached(live));
        SharedExchange::new(exchange)
    }

    #[inline]
    fn new(manager: Arc<Manager>) -> Self {
        Self {
            manager,
            presented: Presented::new(),
            client: None,
            is_grpc: false,
            accessed: AtomicBool::new(false),
            turns: Turns::default(),
        }
    }

    pub(crate) fn manager(&self) -> &Arc<Manager> {
        &self.manager
    }

    /// Whether the request is a message of gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// The parts that a commit needs, of an exchange that nobody else has.
    pub(crate) fn parts_mut(&mut self) -> (&Manager, Option<&Client>, Option<&mut State>) {
        (&self.manager, self.client.as_ref(), self.turns.state_mut())
    }

    pub(crate) fn was_accessed(&self) -> bool {
        self.accessed.load(Relaxed)
    }

    /// The state. No code of the application runs under this lock, and no `.await` does.
    pub(crate) fn state(&self) -> StateGuard<'_> {
        self.turns.state()
    }

    /// Waits until no other handle of this request is asking the store.
    pub(crate) async fn turn(&self) -> Turn<&Turns> {
        self.turns.turn().await
    }

    /// Takes the turn to ask the store, of a state that is not busy.
    pub(crate) fn take_turn<'a>(&'a self, state: StateGuard<'a>) -> Turn<&'a Turns> {
        self.turns.take_turn(state)
    }

    /// Waits until no other handle of this request seems to be asking the store.
    pub(crate) async fn freed(&self) {
        self.turns.freed().await;
    }

    /// Loads the session, or says what became of its loading, where that takes no waiting.
    ///
    /// Under the lock of the state, which a store that answers at once holds no longer than taking
    /// the turn and giving it back would.
    pub(crate) fn load_at_once(&self) -> Option<Result<(), Error>> {
        self.accessed.store(true, Relaxed);
        if self.presented.is_empty() {
            // The client sent no token, so there is nothing to look for, and nothing to lock.
            return Some(Ok(()));
        }
        let mut state = self.state();
        match &state.lookup {
            Lookup::Done => Some(Ok(())),
            Lookup::Failed(error) => Some(Err(error.clone())),
            Lookup::Open if state.busy => None,
            Lookup::Open => {
                let found = lookup::find_at_once(&self.manager, &self.presented, &mut state)?;
                Some(state.looked(found))
            }
        }
    }

    /// Loads the session, once for all handles of the request.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        loop {
            match self.look() {
                Look::Known(outcome) => return outcome,
                Look::Turn(turn) => return self.find(turn).await,
                // In a box, since a waiter is large and nearly nobody waits.
                Look::Busy => Box::pin(self.freed()).await,
            }
        }
    }

    fn look(&self) -> Look<'_> {
        let state = self.state();
        match &state.lookup {
            Lookup::Done => Look::Known(Ok(())),
            Lookup::Failed(error) => Look::Known(Err(error.clone())),
            Lookup::Open if state.busy => Look::Busy,
            Lookup::Open => Look::Turn(self.take_turn(state)),
        }
    }

    async fn find(&self, mut turn: Turn<&Turns>) -> Result<(), Error> {
        let found = lookup::find(&self.manager, &self.presented).await;
        let mut state = turn.end();
        let outcome = found.map(|Found { live, transport }| {
            state.live = live;
            state.transport = transport;
        });
        state.looked(outcome)
    }
}

impl AsRef<Turns> for Exchange {
    fn as_ref(&self) -> &Turns {
        &self.turns
    }
}

/// Leaves out the values of the headers, which hold the token.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("client", &self.client)
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(state) = self.turns.state_mut() else {
            return;
        };
        if state.phase != Phase::Handling && !state.draft.is_empty() && !state.gone {
            self.manager.events().dropped_dirty(state.phase);
        }
    }
}
