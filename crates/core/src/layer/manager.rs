//! What all requests of a layer share: [`Manager`].

use std::{sync::Arc, time::Duration};

use http::HeaderMap;

use super::{Settings, limits::NewSessions};
use crate::{
    Client, Clock, Error, LayerName, Store, SystemClock,
    commit::Queue,
    events::Events,
    session::{Live, Presented, State},
};

/// What all requests of a layer share.
#[derive(Debug)]
pub(crate) struct Manager {
    store: Arc<dyn Store>,
    answers_at_once: bool,
    /// How often at most sessions are touched: others, and those that remember their user.
    renew_after: [Duration; 2],
    settings: Settings,
    events: Events,
    queue: Queue,
    new_sessions: NewSessions,
}

impl Manager {
    pub(crate) fn new(settings: Settings, store: Arc<dyn Store>) -> Self {
        Self {
            answers_at_once: store.answers_at_once(),
            renew_after: [false, true].map(|remembered| settings.renew_after(remembered)),
            store,
            settings,
            events: Events::default(),
            queue: Queue::default(),
            new_sessions: NewSessions::default(),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Whether every call of the store is answered when it returns.
    pub(crate) fn answers_at_once(&self) -> bool {
        self.answers_at_once
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn name(&self) -> &LayerName {
        &self.settings.name
    }

    /// Whether the idle deadline is to be moved: at most once per `renew_after`, so that reads stay
    /// reads.
    pub(crate) fn is_touch_due(&self, live: &Live, state: &State) -> bool {
        let renew_after = self.renew_after[usize::from(state.is_remembered())];
        live.at.since(live.record.last_active) >= renew_after
    }

    /// Counts a new session of a client, or refuses it.
    pub(crate) fn admit(&self, client: Option<&Client>) -> Result<(), Error> {
        let (Some(limit), Some(address)) =
            (self.settings.limits.new_sessions, client.and_then(Client::address))
        else {
            return Ok(());
        };
        self.new_sessions
            .admit(address, SystemClock.now(), limit)
            .inspect_err(|error| self.events.refused(error))
    }

    /// Adds the header values in which a token could be. They are not looked into.
    pub(crate) fn present(&self, headers: &HeaderMap, presented: &mut Presented) {
        if !headers.is_empty() {
            for (number, name) in self.settings.token_headers.iter().enumerate() {
                let number = u8::try_from(number).unwrap_or(u8::MAX);
                for line in headers.get_all(name) {
                    presented.push((number, line.clone()));
                }
            }
        }
    }
}
