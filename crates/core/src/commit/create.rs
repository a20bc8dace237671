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

    #[inline]
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
}
