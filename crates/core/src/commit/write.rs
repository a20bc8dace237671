//! What a commit writes, and how it asks the store: [`Work`].

use std::sync::Arc;

use super::Plan;
use crate::{
    Error, ErrorKind, Fields, Receipt, Record, SessionId, StoreError, StoreFuture, Token, Touch,
    Touched,
    layer::Manager,
    session::{Draft, Live},
    transport::Message,
};

/// What one commit is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) plan: Plan,
    /// Whether anyone may go on with the session after the commit.
    pub(super) observed: bool,
    pub(super) touch_due: bool,
    /// How many sessions the request had destroyed when the commit began.
    pub(super) destroyed: u32,
}

/// One commit: what it is to do, to which session, and what it writes.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) task: Task,
    /// The session; after the commit as it is then, if anyone may go on with it.
    pub(super) live: &'a mut Option<Live>,
    pub(super) draft: &'a mut Draft,
    /// What the client is to be told.
    pub(super) message: &'a mut Option<Message>,
}

/// How a call that writes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The session had ended; nothing was written.
    Gone,
    /// Others were faster; nothing was written yet.
    Contended,
}

impl Task {
    /// Whether the handler changed anything.
    pub(super) fn has_changes(self) -> bool {
        self.plan != Plan::Touch && self.plan != Plan::Destroy
    }
}

impl Work<'_> {
    /// Computes anew what was computed from another record than the one that it is written to.
    pub(super) fn freshen(&mut self) -> Result<(), Error> {
        if !self.draft.pending.is_outdated() {
            return Ok(());
        }
        match &*self.live {
            Some(live) => self.draft.pending.freshen(&live.record.fields),
            None => self.draft.pending.freshen(&Fields::default()),
        }
    }

    /// Moves the idle deadline.
    pub(super) async fn touch(&mut self, manager: &Manager) -> Result<Outcome, Error> {
        let Some(live) = self.live.take() else {
            return Ok(Outcome::Gone);
        };
        let lifetime = manager.settings().lifetime(live.record.remember);
        let touch = Touch { created_at: live.record.created_at, lifetime };
        match call(manager, "touch", manager.store().touch(&live.id, touch)).await? {
            Touched::Gone => Ok(Outcome::Gone),
            Touched::Touched(receipt) => {
                let record = || Some(live.record.touched(lifetime, receipt.at));
                let remembered = live.record.remember;
                self.done(manager, (live.id, live.token), receipt, remembered, record);
                Ok(Outcome::Done)
            }
        }
    }

    /// Says what the session is after a write, and what its client must hear of it: of a new token,
    /// of another kind of cookie, and in time of a longer life of a cookie that outlives the browser.
    pub(super) fn done(
        &mut self,
        manager: &Manager,
        (id, token): (SessionId, Token),
        receipt: Receipt,
        remembered: bool,
        record: impl FnOnce() -> Option<Record>,
    ) {
        let Receipt { at, expires_at, .. } = receipt;
        let persistent = manager.settings().persistent || remembered;
        let renew = persistent && self.task.touch_due;
        if self.task.plan.makes_token() || renew || self.draft.remember.is_some() {
            *self.message = Some(Message::Keep { token, at, expires_at, persistent });
        }
        if self.task.observed {
            *self.live = record().map(|record| {
                let record = Arc::new(Record { expires_at, ..record });
                Live { id, token, record, at }
            });
        }
    }
}

/// Awaits a call of the store within its deadline.
pub(super) async fn call<T>(
    manager: &Manager,
    name: &'static str,
    answer: StoreFuture<'_, T>,
) -> Result<T, Error> {
    let answer = answer.within(manager.settings().store_timeout).await;
    answer.map_err(|error| outage(manager, name, error))
}

/// Takes the answer of a store that answers at once.
pub(super) fn at_once<T>(
    manager: &Manager,
    name: &'static str,
    answer: StoreFuture<'_, T>,
) -> Result<T, Error> {
    match answer.into_ready() {
        Some(answer) => answer.map_err(|error| outage(manager, name, error)),
        // It promised to answer. What became of the call is unknown.
        None => Err(ErrorKind::TimedOut.into()),
    }
}

fn outage(manager: &Manager, name: &'static str, error: StoreError) -> Error {
    manager.events().outage(name, &error);
    error.into()
}

pub(super) fn over_limit(manager: &Manager) -> Error {
    let error = Error::from(ErrorKind::OverLimit);
    manager.events().refused(&error);
    error
}
