//! The calls that write, with their retries: [`Work`].

use std::sync::Arc;

use super::{Plan, queue::pause};
use crate::{
    Applied, Change, Client, Created, Error, ErrorKind, Fields, Loaded, NewRecord, Receipt, Record,
    Rotated, SessionId, StoreError, StoreFuture, Token, Touch, Touched,
    layer::Manager,
    session::{Draft, Live},
    store::within,
    transport::Message,
};

/// How often a change is tried against other writers.
const MAX_ATTEMPTS: u32 = 64;

/// How many store deadlines a change waits for its turn among the writers of its session.
const TURN_IN_TIMEOUTS: u32 = 6;

/// How often another token is drawn where a store says that its id is taken. Once in 2^96 sessions
/// would be often.
const MAX_TOKENS: usize = 3;

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
    pub(super) live: &'a mut Option<Live>,
    pub(super) draft: &'a mut Draft,
}

/// What to do where other writers were faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Give up, as [`Outcome::Contended`], so as not to wait.
    None,
    /// Queue with them.
    Queue,
}

/// How a call that writes ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Done),
    /// The session had ended; nothing was written.
    Gone,
    /// Others were faster; nothing was written yet.
    Contended,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Done {
    /// The session as it is now, if anyone may go on with it.
    pub(super) live: Option<Live>,
    /// What the client is to be told.
    pub(super) message: Option<Message>,
}

/// How one attempt to change a record ended.
enum Attempt {
    Written(Receipt),
    Conflict(Loaded),
    Gone,
    Taken,
    OverLimit,
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
        let none = Fields::default();
        let fields = self.live.as_ref().map(|live| &live.record.fields);
        self.draft.pending.freshen(fields.unwrap_or(&none))
    }

    /// Moves the idle deadline.
    pub(super) async fn touch(&mut self, manager: &Manager) -> Result<Outcome, Error> {
        let Some(live) = &*self.live else {
            return Ok(Outcome::Gone);
        };
        let lifetime = manager.settings().lifetime(live.record.remember);
        let touch = Touch { created_at: live.record.created_at, lifetime };
        match call(manager, "touch", manager.store().touch(&live.id, touch)).await? {
            Touched::Gone => Ok(Outcome::Gone),
            Touched::Touched(receipt) => {
                let record = || live.record.touched(lifetime, receipt.at);
                let remembered = live.record.remember;
                let name = (live.id, live.token);
                Ok(self.done(manager, name, receipt, remembered, false, record))
            }
        }
    }

    /// Makes a new session under a new token.
    pub(super) async fn create(
        &mut self,
        manager: &Manager,
        client: Option<&Client>,
    ) -> Result<Outcome, Error> {
        manager.admit(client)?;
        let remember = self.draft.remember.unwrap_or_default();
        let mut new = NewRecord::new(manager.name().clone(), manager.settings().lifetime(remember));
        new.fields = Fields::default().with(self.draft.pending.edits());
        new.user.clone_from(&self.draft.sign_in);
        new.user_limit = self.draft.sign_in.as_ref().and(manager.settings().limits.user_sessions);
        new.client = client.cloned();
        new.remember = remember;
        for _ in 0..MAX_TOKENS {
            let token = Token::random()?;
            let id = token.id();
            match call(manager, "create", manager.store().create(&id, &new)).await? {
                Created::Created(receipt) => {
                    manager.events().created();
                    manager.events().evicted(receipt.evicted);
                    let record = || new.at(receipt.at);
                    return Ok(self.done(manager, (id, token), receipt, remember, true, record));
                }
                Created::Taken => {}
                Created::OverLimit => return Err(over_limit(manager)),
            }
        }
        Err(ErrorKind::Randomness.into())
    }

    /// Applies the change, under a new token if the plan is to rotate, and again on the newer record
    /// where others were faster.
    pub(super) async fn change(
        &mut self,
        manager: &Manager,
        patience: Patience,
    ) -> Result<Outcome, Error> {
        let mut turn = None;
        while self.draft.attempts < MAX_ATTEMPTS {
            if self.draft.attempts > 0 && patience == Patience::None {
                return Ok(Outcome::Contended);
            }
            let Some(live) = self.live.take() else {
                return Ok(Outcome::Gone);
            };
            if self.draft.attempts > 0 && turn.is_none() {
                let limit = manager.settings().store_timeout.saturating_mul(TURN_IN_TIMEOUTS);
                turn = Some(manager.queue().turn(&live.id, limit).await?);
            } else if self.draft.attempts > 1 {
                pause(self.draft.attempts).await;
            }
            self.draft.attempts += 1;
            let target = match self.task.plan {
                Plan::Rotate => Some(Token::random()?),
                _ => None,
            };
            let mut change = self.change_of(manager, &live.record);
            let attempt = write_once(manager, &live.id, &change, target).await;
            if let Ok(Attempt::Written(receipt)) = attempt {
                return Ok(self.changed(manager, live, &change, receipt, target));
            }
            self.draft.pending.give_back(std::mem::take(&mut change.edits));
            match attempt? {
                Attempt::Conflict(fresh) => {
                    manager.events().conflict();
                    if !manager.accepts(&fresh) {
                        return Ok(Outcome::Gone);
                    }
                    self.draft.lost_updates +=
                        self.draft.pending.replay(&live.record.fields, &fresh.record.fields)?;
                    *self.live = Some(Live { record: fresh.record, at: fresh.at, ..live });
                }
                Attempt::Gone => return Ok(Outcome::Gone),
                Attempt::Written(_) | Attempt::Taken => *self.live = Some(live),
                Attempt::OverLimit => return Err(over_limit(manager)),
            }
        }
        Err(ErrorKind::Conflict.into())
    }

    /// What the session is after `change` of it.
    fn changed(
        &self,
        manager: &Manager,
        live: Live,
        change: &Change,
        receipt: Receipt,
        target: Option<Token>,
    ) -> Outcome {
        manager.events().lost_update(&live.id, self.draft.lost_updates);
        manager.events().evicted(receipt.evicted);
        if target.is_some() {
            manager.events().rotated();
        }
        let record = || {
            let mut record = change.applied_to(&live.record, receipt.at);
            if receipt.version != record.version {
                // The store merged it with changes that are not known here, so the next one that
                // depends on what was read must meet a conflict.
                record.version = change.base_version;
            }
            record
        };
        let remembered = self.draft.remember.unwrap_or(live.record.remember);
        let name = target.map_or((live.id, live.token), |token| (token.id(), token));
        self.done(manager, name, receipt, remembered, target.is_some(), record)
    }

    /// The change to write. It borrows the edits, which are to be given back.
    fn change_of(&mut self, manager: &Manager, record: &Record) -> Change {
        let remember = self.draft.remember.unwrap_or(record.remember);
        let mut change = Change::new(record, manager.settings().lifetime(remember));
        change.clear = self.draft.pending.clears();
        change.exact = self.draft.pending.has_updates() || self.draft.pending.sets_what_it_read();
        change.edits = self.draft.pending.lend();
        change.remember = self.draft.remember;
        change.restart = self.draft.sign_in.is_some();
        change.user.clone_from(&self.draft.sign_in);
        change.user_limit =
            self.draft.sign_in.as_ref().and(manager.settings().limits.user_sessions);
        change
    }

    /// What the session is after a write, and whether its client must hear of it: of a new token, of
    /// another kind of cookie, and in time of a longer life of a cookie that outlives the browser.
    fn done(
        &self,
        manager: &Manager,
        (id, token): (SessionId, Token),
        receipt: Receipt,
        remembered: bool,
        new_token: bool,
        record: impl FnOnce() -> Record,
    ) -> Outcome {
        let persistent = manager.settings().persistent || remembered;
        let renew = persistent && self.task.touch_due;
        let is_due = new_token || renew || self.draft.remember.is_some();
        let message = is_due.then_some(Message::Keep {
            token,
            at: receipt.at,
            expires_at: receipt.expires_at,
            persistent,
        });
        let live = self.task.observed.then(|| {
            let record = Record { expires_at: receipt.expires_at, ..record() };
            Live { id, token, record: Arc::new(record), at: receipt.at }
        });
        Outcome::Done(Done { live, message })
    }
}

/// Asks the store once to change a record, in place or under the id of a new token.
async fn write_once(
    manager: &Manager,
    id: &SessionId,
    change: &Change,
    target: Option<Token>,
) -> Result<Attempt, Error> {
    let Some(token) = target else {
        let applied = call(manager, "apply", manager.store().apply(id, change)).await?;
        return Ok(match applied {
            Applied::Applied(receipt) => Attempt::Written(receipt),
            Applied::Conflict(fresh) => Attempt::Conflict(fresh),
            Applied::Gone => Attempt::Gone,
        });
    };
    let new = token.id();
    let rotated = call(manager, "rotate", manager.store().rotate(id, &new, change)).await?;
    Ok(match rotated {
        Rotated::Rotated(receipt) => Attempt::Written(receipt),
        Rotated::Conflict(fresh) => Attempt::Conflict(fresh),
        Rotated::Gone => Attempt::Gone,
        Rotated::Taken => Attempt::Taken,
        Rotated::OverLimit => Attempt::OverLimit,
    })
}

/// Awaits a call of the store within its deadline.
async fn call<T>(
    manager: &Manager,
    name: &'static str,
    answer: StoreFuture<'_, T>,
) -> Result<T, Error> {
    within(manager.settings().store_timeout, answer)
        .await
        .inspect_err(|error: &StoreError| manager.events().outage(name, error))
        .map_err(Error::from)
}

fn over_limit(manager: &Manager) -> Error {
    let error = Error::from(ErrorKind::OverLimit);
    manager.events().refused(&error);
    error
}
