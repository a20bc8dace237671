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
    /// The session; after the commit as it is then, if anyone may go on with it.
    pub(super) live: &'a mut Option<Live>,
    pub(super) draft: &'a mut Draft,
    /// What the client is to be told.
    pub(super) message: &'a mut Option<Message>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The session had ended; nothing was written.
    Gone,
    /// Others were faster; nothing was written yet.
    Contended,
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

    /// Makes a new session under a new token.
    pub(super) async fn create(
        &mut self,
        manager: &Manager,
        client: Option<&Client>,
    ) -> Result<Outcome, Error> {
        manager.admit(client)?;
        let remember = self.draft.remember.unwrap_or_default();
        let limit = manager.settings().limits.user_sessions;
        let new = NewRecord {
            layer: manager.name().clone(),
            lifetime: manager.settings().lifetime(remember),
            user: self.draft.sign_in.clone(),
            user_limit: self.draft.sign_in.as_ref().and(limit),
            client: client.cloned(),
            remember,
            fields: Fields::of(self.draft.pending.edits()),
        };
        for _ in 0..MAX_TOKENS {
            let token = Token::random()?;
            let id = token.id();
            match call(manager, "create", manager.store().create(&id, &new)).await? {
                Created::Created(receipt) => {
                    manager.events().created();
                    manager.events().evicted(receipt.evicted);
                    let record = || Some(new.at(receipt.at));
                    self.done(manager, (id, token), receipt, remember, record);
                    return Ok(Outcome::Done);
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
            let Some(Live { id, token, record, at }) = self.live.take() else {
                return Ok(Outcome::Gone);
            };
            if self.draft.attempts > 0 && turn.is_none() {
                let limit = manager.settings().store_timeout.saturating_mul(TURN_IN_TIMEOUTS);
                turn = Some(manager.queue().turn(&id, limit).await?);
            } else if self.draft.attempts > 1 {
                pause(self.draft.attempts).await;
            }
            self.draft.attempts += 1;
            let target = match self.task.plan {
                Plan::Rotate => Some(Token::random()?),
                _ => None,
            };
            let mut change = self.change_of(manager, &record);
            let remembered = change.remember.unwrap_or(record.remember);
            // A store that has the last hold of a record need not copy it to change it.
            let record = (self.task.observed || target.is_some()).then_some(record);
            let attempt = write_once(manager, &id, &change, target).await;
            if let Ok(Attempt::Written(receipt)) = attempt {
                manager.events().lost_update(&id, self.draft.lost_updates);
                manager.events().evicted(receipt.evicted);
                let name = target.map_or((id, token), |token| {
                    manager.events().rotated();
                    (token.id(), token)
                });
                let after = |record: Arc<Record>| changed(&record, &change, receipt);
                self.done(manager, name, receipt, remembered, || record.map(after));
                return Ok(Outcome::Done);
            }
            self.draft.pending.give_back(std::mem::take(&mut change.edits));
            match attempt? {
                Attempt::Conflict(fresh) => {
                    manager.events().conflict();
                    if !manager.accepts(&fresh) {
                        return Ok(Outcome::Gone);
                    }
                    let Loaded { record, at } = fresh;
                    self.draft.lost_updates +=
                        self.draft.pending.replay(&change.base_fields, &record.fields)?;
                    *self.live = Some(Live { id, token, record, at });
                }
                Attempt::Gone => return Ok(Outcome::Gone),
                Attempt::Written(_) | Attempt::Taken => {
                    *self.live = record.map(|record| Live { id, token, record, at });
                }
                Attempt::OverLimit => return Err(over_limit(manager)),
            }
        }
        Err(ErrorKind::Conflict.into())
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

    /// Says what the session is after a write, and what its client must hear of it: of a new token,
    /// of another kind of cookie, and in time of a longer life of a cookie that outlives the browser.
    fn done(
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

/// The record after a change of it.
fn changed(record: &Record, change: &Change, receipt: Receipt) -> Record {
    let mut record = change.applied_to(record, receipt.at);
    if receipt.version != record.version {
        // The store merged it with changes that are not known here, so the next one that depends on
        // what was read must meet a conflict.
        record.version = change.base_version;
    }
    record
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
