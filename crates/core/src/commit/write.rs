//! The calls that write, with their retries: [`Work`].

use std::sync::Arc;

use super::{Plan, queue::pause};
use crate::{
    Applied, Change, Client, Created, Error, ErrorKind, Fields, Loaded, NewRecord, Receipt, Record,
    Rotated, SessionId, StoreError, StoreFuture, Timestamp, Token, Touch, Touched,
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

/// How a call that writes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The session had ended; nothing was written.
    Gone,
    /// Others were faster; nothing was written yet.
    Contended,
}

/// One attempt to change a record.
struct Attempt {
    id: SessionId,
    token: Token,
    at: Timestamp,
    /// The record, unless nobody asks for it any more: a store that has the last hold of it need not
    /// copy it to change it.
    record: Option<Arc<Record>>,
    /// What is written; it has the edits of the draft.
    change: Change,
    remembered: bool,
    /// The new token, if there is to be one.
    target: Option<Token>,
}

/// How an attempt to change a record ended.
enum Answer {
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
        let new = self.new_record(manager, client)?;
        for _ in 0..MAX_TOKENS {
            let token = Token::random()?;
            let id = token.id();
            let created = call(manager, "create", manager.store().create(&id, &new)).await?;
            if let Some(outcome) = self.created(manager, &new, (id, token), created)? {
                return Ok(outcome);
            }
        }
        Err(ErrorKind::Randomness.into())
    }

    /// As [`create`](Self::create), of a store that answers at once.
    pub(super) fn create_at_once(
        &mut self,
        manager: &Manager,
        client: Option<&Client>,
    ) -> Result<Outcome, Error> {
        let new = self.new_record(manager, client)?;
        for _ in 0..MAX_TOKENS {
            let token = Token::random()?;
            let id = token.id();
            let created = at_once(manager, "create", manager.store().create(&id, &new))?;
            if let Some(outcome) = self.created(manager, &new, (id, token), created)? {
                return Ok(outcome);
            }
        }
        Err(ErrorKind::Randomness.into())
    }

    fn new_record(
        &mut self,
        manager: &Manager,
        client: Option<&Client>,
    ) -> Result<NewRecord, Error> {
        manager.admit(client)?;
        let remember = self.draft.remember.unwrap_or_default();
        let limit = manager.settings().limits.user_sessions;
        Ok(NewRecord {
            layer: manager.name().clone(),
            lifetime: manager.settings().lifetime(remember),
            user: self.draft.sign_in.clone(),
            user_limit: self.draft.sign_in.as_ref().and(limit),
            client: client.cloned(),
            remember,
            fields: Fields::of(self.draft.pending.edits()),
        })
    }

    /// Settles the answer to a creation; `None` if another token is to be tried.
    fn created(
        &mut self,
        manager: &Manager,
        new: &NewRecord,
        name: (SessionId, Token),
        created: Created,
    ) -> Result<Option<Outcome>, Error> {
        match created {
            Created::Created(receipt) => {
                manager.events().created();
                manager.events().evicted(receipt.evicted);
                let record = || Some(new.at(receipt.at));
                self.done(manager, name, receipt, new.remember, record);
                Ok(Some(Outcome::Done))
            }
            Created::Taken => Ok(None),
            Created::OverLimit => Err(over_limit(manager)),
        }
    }

    /// Applies the change, under a new token if the plan is to rotate, and again on the newer record
    /// where others were faster, in turn with them.
    pub(super) async fn change(&mut self, manager: &Manager) -> Result<Outcome, Error> {
        let mut turn = None;
        while self.draft.attempts < MAX_ATTEMPTS {
            let Some(live) = self.live.take() else {
                return Ok(Outcome::Gone);
            };
            if self.draft.attempts > 0 && turn.is_none() {
                let limit = manager.settings().store_timeout.saturating_mul(TURN_IN_TIMEOUTS);
                turn = Some(manager.queue().turn(&live.id, limit).await?);
            } else if self.draft.attempts > 1 {
                pause(self.draft.attempts).await;
            }
            let target = self.new_token()?;
            let attempt = self.attempt(manager, live, target);
            let store = manager.store();
            let answer = match &attempt.target {
                None => {
                    let answer = store.apply(&attempt.id, &attempt.change);
                    call(manager, "apply", answer).await.map(Answer::from)
                }
                Some(token) => {
                    let new = token.id();
                    let answer = store.rotate(&attempt.id, &new, &attempt.change);
                    call(manager, "rotate", answer).await.map(Answer::from)
                }
            };
            if let Some(outcome) = self.answered(manager, attempt, answer)? {
                return Ok(outcome);
            }
        }
        Err(ErrorKind::Conflict.into())
    }

    /// As [`change`](Self::change), of a store that answers at once; gives up where another writer was
    /// faster.
    pub(super) fn change_at_once(&mut self, manager: &Manager) -> Result<Outcome, Error> {
        if self.draft.attempts > 0 {
            return Ok(Outcome::Contended);
        }
        let Some(live) = self.live.take() else {
            return Ok(Outcome::Gone);
        };
        let target = self.new_token()?;
        let attempt = self.attempt(manager, live, target);
        let store = manager.store();
        let answer = match &attempt.target {
            None => {
                let answer = store.apply(&attempt.id, &attempt.change);
                at_once(manager, "apply", answer).map(Answer::from)
            }
            Some(token) => {
                let new = token.id();
                let answer = store.rotate(&attempt.id, &new, &attempt.change);
                at_once(manager, "rotate", answer).map(Answer::from)
            }
        };
        let outcome = self.answered(manager, attempt, answer)?;
        Ok(outcome.unwrap_or(Outcome::Contended))
    }

    fn new_token(&self) -> Result<Option<Token>, Error> {
        match self.task.plan {
            Plan::Rotate => Ok(Some(Token::random()?)),
            _ => Ok(None),
        }
    }

    fn attempt(&mut self, manager: &Manager, live: Live, target: Option<Token>) -> Attempt {
        self.draft.attempts += 1;
        let Live { id, token, record, at } = live;
        let change = self.change_of(manager, &record);
        let remembered = change.remember.unwrap_or(record.remember);
        let record = (self.task.observed || target.is_some()).then_some(record);
        Attempt { id, token, at, record, change, remembered, target }
    }

    /// Settles the answer to an attempt; `None` if another is to be made.
    fn answered(
        &mut self,
        manager: &Manager,
        attempt: Attempt,
        answer: Result<Answer, Error>,
    ) -> Result<Option<Outcome>, Error> {
        let Attempt { id, token, at, record, mut change, remembered, target } = attempt;
        if let Ok(Answer::Written(receipt)) = answer {
            manager.events().lost_update(&id, self.draft.lost_updates);
            manager.events().evicted(receipt.evicted);
            let name = target.map_or((id, token), |token| {
                manager.events().rotated();
                (token.id(), token)
            });
            let after = |record: Arc<Record>| changed(&record, &change, receipt);
            self.done(manager, name, receipt, remembered, || record.map(after));
            return Ok(Some(Outcome::Done));
        }
        self.draft.pending.give_back(std::mem::take(&mut change.edits));
        match answer? {
            Answer::Conflict(fresh) => {
                manager.events().conflict();
                if !manager.accepts(&fresh) {
                    return Ok(Some(Outcome::Gone));
                }
                let Loaded { record, at } = fresh;
                self.draft.lost_updates +=
                    self.draft.pending.replay(&change.base_fields, &record.fields)?;
                *self.live = Some(Live { id, token, record, at });
                Ok(None)
            }
            Answer::Gone => Ok(Some(Outcome::Gone)),
            Answer::Written(_) | Answer::Taken => {
                *self.live = record.map(|record| Live { id, token, record, at });
                Ok(None)
            }
            Answer::OverLimit => Err(over_limit(manager)),
        }
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

impl From<Applied> for Answer {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Applied(receipt) => Self::Written(receipt),
            Applied::Conflict(fresh) => Self::Conflict(fresh),
            Applied::Gone => Self::Gone,
        }
    }
}

impl From<Rotated> for Answer {
    fn from(rotated: Rotated) -> Self {
        match rotated {
            Rotated::Rotated(receipt) => Self::Written(receipt),
            Rotated::Conflict(fresh) => Self::Conflict(fresh),
            Rotated::Gone => Self::Gone,
            Rotated::Taken => Self::Taken,
            Rotated::OverLimit => Self::OverLimit,
        }
    }
}

/// Awaits a call of the store within its deadline.
pub(super) async fn call<T>(
    manager: &Manager,
    name: &'static str,
    answer: StoreFuture<'_, T>,
) -> Result<T, Error> {
    let answer = within(manager.settings().store_timeout, answer).await;
    answer.map_err(|error| outage(manager, name, error))
}

/// Takes the answer of a store that answers at once.
fn at_once<T>(
    manager: &Manager,
    name: &'static str,
    answer: StoreFuture<'_, T>,
) -> Result<T, Error> {
    match answer.into_ready() {
        Ok(answer) => answer.map_err(|error| outage(manager, name, error)),
        // It promised to answer. What became of the call is unknown.
        Err(_) => Err(ErrorKind::TimedOut.into()),
    }
}

fn outage(manager: &Manager, name: &'static str, error: StoreError) -> Error {
    manager.events().outage(name, &error);
    error.into()
}

fn over_limit(manager: &Manager) -> Error {
    let error = Error::from(ErrorKind::OverLimit);
    manager.events().refused(&error);
    error
}
