//! What one request knows and wants of its session: [`State`].

use std::sync::Arc;

use super::pending::{Pending, View};
use crate::{
    Error, Loaded, Record, SessionId, Timestamp, Token, UserId,
    commit::{Facts, Plan, plan},
    transport::Message,
};

/// What one request knows and wants of its session.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether the session was looked for, and what went wrong if it was.
    pub(crate) lookup: Lookup,
    /// The session, if there is one.
    pub(crate) live: Option<Live>,
    /// What is to be written.
    pub(crate) draft: Draft,
    /// Whether a session is to come into being even if nothing is written into it.
    pub(crate) begin: bool,
    /// Which transport the token came by, and goes by.
    pub(crate) transport: usize,
    /// What the client is to be told with the response head.
    pub(crate) message: Option<Box<Message>>,
    /// A write whose outcome is unknown, after which none other is tried.
    pub(crate) failure: Option<Error>,
    /// Whether the session ended while the request was running.
    pub(crate) gone: bool,
    /// How far the response is.
    pub(crate) phase: Phase,
    /// Whether one of the handles is asking the store, and whether another waits for its end.
    pub(crate) busy: bool,
    pub(super) awaited: bool,
    /// How many sessions the request has destroyed, so that a commit that was under way meanwhile
    /// does not bring its session back.
    pub(crate) destroyed: u32,
}

/// What a request wants to become of its session, and has not committed yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The session that was destroyed and is still in the store.
    pub(crate) doomed: Option<Box<SessionId>>,
    /// The fields that were written.
    pub(crate) pending: Pending,
    /// The user who signs in.
    pub(crate) sign_in: Option<UserId>,
    /// The new 'remember me'.
    pub(crate) remember: Option<bool>,
    /// Whether the session gets a new token.
    pub(crate) rotate: bool,
    /// How often it was tried against other writers.
    pub(crate) attempts: u32,
    /// How many values that this request had read, and others changed, it overwrites.
    pub(crate) lost_updates: usize,
}

/// What the head of the response must say of the session.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) message: Option<Message>,
    /// The transport that the message goes by.
    pub(crate) transport: usize,
}

/// Whether the session was looked for.
#[derive(Clone, Debug, Default)]
pub(crate) enum Lookup {
    #[default]
    Open,
    Done,
    /// The outage that it met. All of a request's extractors see the same.
    Failed(Error),
}

/// How far the response is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The handler runs.
    #[default]
    Handling,
    /// The head was sent: the client can be told nothing more.
    HeadSent,
    /// There is no response; a new token is handed to the caller.
    Detached,
}

/// A session that is in the store.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) id: SessionId,
    pub(crate) token: Token,
    pub(crate) record: Arc<Record>,
    /// When the record was read or written, by its store's clock.
    pub(crate) at: Timestamp,
}

impl Live {
    #[inline]
    pub(crate) fn new(id: SessionId, token: Token, loaded: Loaded) -> Self {
        Self { id, token, record: loaded.record, at: loaded.at }
    }
}

impl Draft {
    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
            && self.sign_in.is_none()
            && self.remember.is_none()
            && !self.rotate
            && self.doomed.is_none()
    }

    /// Takes everything out. What is written from then on is another draft.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self { pending: self.pending.successor(), ..Self::default() };
        std::mem::replace(self, next)
    }
}

impl State {
    /// The state of a handle that was opened outside a request.
    pub(crate) fn detached(live: Live) -> Self {
        Self { lookup: Lookup::Done, live: Some(live), phase: Phase::Detached, ..Self::default() }
    }

    /// Takes note that the session was looked for, or of the outage that this met.
    pub(super) fn looked(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        self.lookup = match &outcome {
            Ok(()) => Lookup::Done,
            Err(error) => Lookup::Failed(error.clone()),
        };
        outcome
    }

    /// What the request sees in a field: JSON text.
    pub(super) fn json(&self, name: &str) -> Option<&[u8]> {
        match self.draft.pending.view(name) {
            View::Own(json) => json.map(str::as_bytes),
            View::Stored => self.live.as_ref()?.record.fields.get_bytes(name),
        }
    }

    /// Notes that the request reads a field, if it is one of the record's.
    pub(super) fn note_read(&mut self, name: &str) {
        if !self.draft.pending.writes(name) {
            self.draft.pending.note_read(name);
        }
    }

    /// What is to be done in the store.
    pub(crate) fn plan(&self, touch_due: bool) -> Plan {
        let draft = &self.draft;
        plan(Facts {
            live: self.live.is_some(),
            gone: self.gone,
            doomed: draft.doomed.is_some(),
            written: !draft.pending.is_empty()
                || draft.sign_in.is_some()
                || draft.remember.is_some()
                || (self.begin && self.live.is_none()),
            new_token: draft.rotate || draft.sign_in.is_some(),
            touch_due,
        })
    }

    /// Adds to what the head says what it must say of earlier commits.
    pub(crate) fn tell(&mut self, head: &mut Head) {
        head.transport = self.transport;
        if head.message.is_none() {
            head.message = self.message.take().map(|message| *message);
        }
    }

    /// Whether the session lives by the 'remember me' lifetime.
    pub(crate) fn is_remembered(&self) -> bool {
        let stored = self.live.as_ref().is_some_and(|live| live.record.remember);
        self.draft.remember.unwrap_or(stored)
    }

    /// Forgets what was written; the session in the store stays as it is.
    pub(crate) fn discard(&mut self) {
        self.draft.take();
        self.begin = false;
    }

    /// Says that the session has ended otherwise than by this request: what was to be told of it,
    /// such as a token that an earlier commit made, opens nothing and could displace a newer one.
    pub(crate) fn end(&mut self) {
        self.live = None;
        self.message = None;
    }

    /// Marks the session to be removed. What is written from now on goes into a new one.
    pub(crate) fn destroy(&mut self) {
        let doomed = self.draft.doomed.take();
        self.discard();
        self.destroyed += 1;
        self.draft.doomed = self.live.take().map(|live| Box::new(live.id)).or(doomed);
    }
}
