//! Making a new session.

use super::write::{Outcome, Work, at_once, call, over_limit};
use crate::{
    Client, Created, Error, ErrorKind, Fields, NewRecord, SessionId, Token, layer::Manager,
};

/// How often another token is drawn where a store says that its id is taken. Once in 2^96 sessions
/// would be often.
const MAX_TOKENS: usize = 3;

impl Work<'_> {
    /// Makes a new session under a new token.
    pub(super) async fn create(
        &mut self,
        manager: &Manager,
        client: Option<&Client>,
    ) -> Result<Outcome, Error> {
        manager.admit(client)?;
        for _ in 0..MAX_TOKENS {
            let new = self.new_record(manager, client);
            let kept = self.task.observed.then(|| new.clone());
            let token = Token::random()?;
            let id = token.id();
            let created = call(manager, "create", manager.store().create(&id, new)).await?;
            if let Some(outcome) = self.created(manager, kept, (id, token), created)? {
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
        manager.admit(client)?;
        for _ in 0..MAX_TOKENS {
            let new = self.new_record(manager, client);
            let kept = self.task.observed.then(|| new.clone());
            let token = Token::random()?;
            let id = token.id();
            let created = at_once(manager, "create", manager.store().create(&id, new))?;
            if let Some(outcome) = self.created(manager, kept, (id, token), created)? {
                return Ok(outcome);
            }
        }
        Err(ErrorKind::Randomness.into())
    }

    #[inline]
    fn new_record(&self, manager: &Manager, client: Option<&Client>) -> NewRecord {
        let limit = manager.settings().limits.user_sessions;
        let remember = self.is_remembered();
        NewRecord {
            layer: manager.name().clone(),
            lifetime: manager.settings().lifetime(remember),
            user: self.draft.sign_in.clone(),
            user_limit: self.draft.sign_in.as_ref().and(limit),
            client: client.cloned(),
            remember,
            fields: Fields::of(self.draft.pending.edits()),
        }
    }

    fn is_remembered(&self) -> bool {
        self.draft.remember.unwrap_or_default()
    }

    /// Settles the answer to a creation; `None` if another token is to be tried.
    fn created(
        &mut self,
        manager: &Manager,
        kept: Option<NewRecord>,
        name: (SessionId, Token),
        created: Created,
    ) -> Result<Option<Outcome>, Error> {
        match created {
            Created::Created(receipt) => {
                manager.events().created();
                manager.events().evicted(receipt.evicted);
                let record = || kept.map(|new| new.at(receipt.at));
                self.done(manager, name, receipt, self.is_remembered(), record);
                Ok(Some(Outcome::Done))
            }
            Created::Taken => Ok(None),
            Created::OverLimit => Err(over_limit(manager)),
        }
    }
}
