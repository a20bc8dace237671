//! What the members agree on for one id: [`Value`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{LayerName, Loaded, Record, SessionId, Timestamp, UserId};

/// What the members agree on for one id.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) state: State,
    /// Which step of this id's history it is; the first is 1.
    pub(super) step: u64,
    /// The proposal that it comes from, so that the proposer knows it again.
    pub(super) origin: u32,
    /// Those of the steps before it, the last one first.
    pub(super) past: Vec<u32>,
    /// When it was proposed.
    pub(super) since: Timestamp,
    /// The members that have held the id since before its session came into being, a bit each: one
    /// of them, the same for all who look, lists it.
    pub(super) homes: u64,
}

/// What is to be agreed on.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) record: Arc<Record>,
    /// How far the session's place among those of its user reaches.
    pub(super) reach: Timestamp,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Not yet: it waits for its place among those of its user or, if it is to take over from another
    /// id, for the end of that one.
    Pending(Option<Id>),
    Live,
    /// Over for ever, or moved to another id. It has no data any more.
    Ended(Option<Id>),
}

/// An id as its hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Id(pub(super) SessionId);

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = crate::InvalidSessionId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// So many steps a value remembers: a proposer that was outbid finds out by it what became of its own.
const MEMORY: usize = 12;

impl Value {
    /// The value that follows this one, or begins a history.
    pub(super) fn next(
        before: Option<&Self>,
        state: State,
        origin: u32,
        since: Timestamp,
        homes: u64,
    ) -> Self {
        let step = before.map_or(0, |before| before.step) + 1;
        let past = before.into_iter().flat_map(|before| {
            [before.origin].into_iter().chain(before.past.iter().copied()).take(MEMORY)
        });
        Self { state, step, origin, past: past.collect(), since, homes }
    }

    /// Which proposal a step came from; `None` if it is not remembered.
    pub(super) fn origin_of(&self, step: u64) -> Option<u32> {
        match usize::try_from(self.step.checked_sub(step)?).ok()? {
            0 => Some(self.origin),
            back => self.past.get(back - 1).copied(),
        }
    }

    pub(super) fn record(&self) -> &Arc<Record> {
        &self.state.record
    }

    /// Whether it has neither ended nor expired.
    pub(super) fn lasts(&self, now: Timestamp) -> bool {
        !matches!(self.state.phase, Phase::Ended(_)) && !self.record().is_expired(now)
    }

    pub(super) fn loaded(&self, at: Timestamp) -> Loaded {
        Loaded { record: Arc::clone(self.record()), at }
    }

    pub(super) fn is_of(&self, layer: &LayerName, user: &UserId) -> bool {
        self.record().layer.is(layer) && self.record().user.as_ref() == Some(user)
    }
}

impl State {
    pub(super) fn new(phase: Phase, record: Record, reach: Timestamp) -> Self {
        Self { phase, record: Arc::new(record), reach }
    }

    /// The end of a session whose record was this one: its data is gone, and what is left of it
    /// stays as long as the session would have lived.
    pub(super) fn ended(record: &Record, to: Option<SessionId>, until: Timestamp) -> Self {
        let mut stone = Record::new(record.layer.clone(), record.created_at);
        stone.version = record.version;
        stone.last_active = record.last_active;
        stone.expires_at = until;
        Self::new(Phase::Ended(to.map(Id)), stone, until)
    }
}
