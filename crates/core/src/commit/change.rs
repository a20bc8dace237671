//! Changing a session, with retries where others were faster.

use std::sync::Arc;

use super::{
    Plan,
    queue::pause,
    write::{Outcome, Work, at_once, call, over_limit},
};
use crate::{
    Applied, Change, Error, ErrorKind, Loaded, Receipt, Record, Rotated, SessionId, Timestamp,
    Token, layer::Manager, session::Live,
};

/// How often a change is tried against other writers.
const MAX_ATTEMPTS: u32 = 64;

/// How many store deadlines a change waits for its turn among the writers of its session.
const TURN_IN_TIMEOUTS: u32 = 6;

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

impl Work<'_> {
    /// Applies the change, under a new token if the plan is to rotate, and again on the newer record
    /// where others were faster, in turn with them.
    pub(super) async fn change(&mut self, manager: &Manager) -> Result<Outcome, Error> {
        let mut turn = None;
        while self.draft.attempts < MAX_ATTEMPTS {
            if self.draft.attempts > 0 && turn.is_none() {
                let Some(Live { id, .. }) = &*self.live else {
                    return Ok(Outcome::Gone);
                };
                let limit = manager.settings().store_timeout.saturating_mul(TURN_IN_TIMEOUTS);
                turn = Some(manager.queue().turn(id, limit).await?);
            } else if self.draft.attempts > 1 {
                pause(self.draft.attempts).await;
            }
            let Some(mut attempt) = self.attempt(manager)? else {
                return Ok(Outcome::Gone);
            };
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
            if let Some(outcome) = self.answered(manager, &mut attempt, answer)? {
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
        let Some(mut attempt) = self.attempt(manager)? else {
            return Ok(Outcome::Gone);
        };
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
        let outcome = self.answered(manager, &mut attempt, answer)?;
        Ok(outcome.unwrap_or(Outcome::Contended))
    }

    /// Takes the session to make an attempt; `None` if it has ended.
    #[inline]
    fn attempt(&mut self, manager: &Manager) -> Result<Option<Attempt>, Error> {
        let Some(live) = self.live.take() else {
            return Ok(None);
        };
        let target = match self.task.plan {
            Plan::Rotate => Some(Token::random()?),
            _ => None,
        };
        self.draft.attempts += 1;
        let Live { id, token, record, at } = live;
        let change = self.change_of(manager, &record);
        let remembered = change.remember.unwrap_or(record.remember);
        let record = (self.task.observed || target.is_some()).then_some(record);
        Ok(Some(Attempt { id, token, at, record, change, remembered, target }))
    }

    /// Settles the answer to an attempt; `None` if another is to be made.
    fn answered(
        &mut self,
        manager: &Manager,
        attempt: &mut Attempt,
        answer: Result<Answer, Error>,
    ) -> Result<Option<Outcome>, Error> {
        let Attempt { id, token, at, record, change, remembered, target } = attempt;
        if let Ok(Answer::Written(receipt)) = answer {
            manager.events().lost_update(id, self.draft.lost_updates);
            manager.events().evicted(receipt.evicted);
            let name = target.map_or((*id, *token), |token| {
                manager.events().rotated();
                (token.id(), token)
            });
            let after = |record: &Arc<Record>| changed(record, change, receipt);
            self.done(manager, name, receipt, *remembered, || record.as_ref().map(after));
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
                *self.live = Some(Live { id: *id, token: *token, record, at });
                Ok(None)
            }
            Answer::Gone => Ok(Some(Outcome::Gone)),
            Answer::Written(_) | Answer::Taken => {
                let again = |record| Live { id: *id, token: *token, record, at: *at };
                *self.live = record.take().map(again);
                Ok(None)
            }
            Answer::OverLimit => Err(over_limit(manager)),
        }
    }

    /// The change to write. It borrows the edits, which are to be given back.
    fn change_of(&mut self, manager: &Manager, record: &Record) -> Change {
        let remember = self.draft.remember.unwrap_or(record.remember);
        let lifetime = manager.settings().lifetime(remember);
        // A replay compares it with what others wrote meanwhile.
        let sets_what_it_read = self.draft.pending.sets_what_it_read();
        let store_has_record = manager.answers_at_once() && self.task.plan == Plan::Apply;
        let mut change = if store_has_record && !sets_what_it_read {
            Change::beside(record, lifetime)
        } else {
            Change::new(record, lifetime)
        };
        change.clear = self.draft.pending.clears();
        change.exact = self.draft.pending.has_updates() || sets_what_it_read;
        change.edits = self.draft.pending.lend();
        change.remember = self.draft.remember;
        change.restart = self.draft.sign_in.is_some();
        change.user.clone_from(&self.draft.sign_in);
        change.user_limit =
            self.draft.sign_in.as_ref().and(manager.settings().limits.user_sessions);
        change
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
