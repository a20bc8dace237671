//! Work outside a request's own session: [`Sessions`].

use std::sync::Arc;

use crate::{
    Counters, Created, Cursor, Error, ErrorKind, Index, Listed, NewRecord, Page, Query, Record,
    Session, SessionId, Stats, StoreFuture, Token, UserId,
    layer::Manager,
    lookup,
    session::{Exchange, Live},
};

/// The manager of a layer's sessions, for work outside a request's own: WebSockets and chats whose
/// token travels in a message, admin pages, jobs.
///
/// [`SessionLayer::sessions`](crate::SessionLayer::sessions) gives it, and [`Session::sessions`] in a
/// handler. It sees the sessions of its own layer only.
///
/// ```
/// use tower_keep_core::{Error, Session};
///
/// /// Ends all sessions of the user but this one, and tells how many.
/// async fn sign_out_elsewhere(session: Session) -> Result<u64, Error> {
///     let Some((user, id)) = session.user().zip(session.id()) else { return Ok(0) };
///     session.sessions().revoke_others(&user, &id).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    manager: Arc<Manager>,
}

/// How many sessions are looked at in one call of the store.
const BATCH: usize = 100;

impl Sessions {
    pub(crate) fn new(manager: Arc<Manager>) -> Self {
        Self { manager }
    }

    /// Creates an empty session, and gives its handle and the token that its client must be told.
    ///
    /// Changes of the handle are committed by [`Session::save`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::TimedOut`] if the store does not answer.
    pub async fn create(&self) -> Result<(Session, Token), Error> {
        let lifetime = self.manager.settings().lifetime(false);
        let new = NewRecord::new(self.manager.name().clone(), lifetime);
        let token = Token::random()?;
        let id = token.id();
        match self.call(self.manager.store().create(&id, new.clone())).await? {
            Created::Created(receipt) => {
                self.manager.events().created();
                let mut record: Record = new.at(receipt.at);
                record.expires_at = receipt.expires_at;
                let live = Live { id, token, record: Arc::new(record), at: receipt.at };
                Ok((self.handle(live), token))
            }
            Created::Taken => Err(ErrorKind::Randomness.into()),
            Created::OverLimit => Err(ErrorKind::OverLimit.into()),
        }
    }

    /// Opens the session of a token; `None` if there is no live one.
    ///
    /// Changes of the handle are committed by [`Session::save`], which also keeps the session alive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::TimedOut`] if the store does not answer.
    pub async fn open(&self, token: &Token) -> Result<Option<Session>, Error> {
        let live = lookup::open(&self.manager, *token).await?;
        Ok(live.map(|live| self.handle(live)))
    }

    /// All live sessions of a user, the first 10,000 at most.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the store has no index; [`ErrorKind::Unavailable`] or
    /// [`ErrorKind::TimedOut`] if it does not answer.
    pub async fn find_by_user(&self, user: &UserId) -> Result<Vec<Listed>, Error> {
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..BATCH {
            let page = self.page(Some(user), next).await?;
            found.extend(page.sessions);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// One page of all live sessions, beginning after a cursor.
    ///
    /// # Errors
    ///
    /// As [`Sessions::find_by_user`].
    pub async fn list(&self, after: Option<Cursor>, limit: usize) -> Result<Page, Error> {
        let query = Query::from(self.manager.name().clone()).after(after).with_limit(limit);
        self.call(self.index()?.list(&query)).await
    }

    /// Ends a session; tells whether there was one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::TimedOut`] if the store does not answer.
    pub async fn revoke(&self, id: &SessionId) -> Result<bool, Error> {
        // The id could be one of another layer on the same store, which is none of ours.
        let loaded = self.call(self.manager.store().load(id)).await?;
        if !loaded.is_some_and(|loaded| loaded.record.layer.is(self.manager.name())) {
            return Ok(false);
        }
        let was_there = self.call(self.manager.store().delete(id)).await?;
        self.manager.events().destroyed(was_there.into());
        Ok(was_there)
    }

    /// Ends all sessions of a user, and tells how many, for jobs and admin pages.
    ///
    /// A handler that signs its own user out everywhere uses [`Sessions::revoke_others`] and
    /// [`Session::destroy`], so that the client is told to forget its token too.
    ///
    /// # Errors
    ///
    /// As [`Sessions::find_by_user`]. Some sessions may have ended by then; call it again.
    pub async fn revoke_user(&self, user: &UserId) -> Result<u64, Error> {
        self.revoke_where(user, None).await
    }

    /// Ends all sessions of a user but one, and tells how many: sign out elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Sessions::revoke_user`].
    pub async fn revoke_others(&self, user: &UserId, kept: &SessionId) -> Result<u64, Error> {
        self.revoke_where(user, Some(kept)).await
    }

    /// Figures of the live sessions.
    ///
    /// # Errors
    ///
    /// As [`Sessions::find_by_user`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.call(self.index()?.stats(Some(self.manager.name()))).await
    }

    /// How often things happened to this layer's sessions in this process.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.manager.events().counters()
    }

    async fn revoke_where(&self, user: &UserId, kept: Option<&SessionId>) -> Result<u64, Error> {
        let mut revoked = 0;
        let mut next = None;
        loop {
            let page = self.page(Some(user), next).await?;
            for listed in page.sessions.iter().filter(|listed| Some(&listed.id) != kept) {
                let was_there = self.call(self.manager.store().delete(&listed.id)).await?;
                self.manager.events().destroyed(was_there.into());
                revoked += u64::from(was_there);
            }
            next = page.next;
            if next.is_none() {
                return Ok(revoked);
            }
        }
    }

    async fn page(&self, user: Option<&UserId>, after: Option<Cursor>) -> Result<Page, Error> {
        let mut query = Query::from(self.manager.name().clone()).after(after).with_limit(BATCH);
        query.user = user.cloned();
        self.call(self.index()?.list(&query)).await
    }

    fn index(&self) -> Result<&dyn Index, Error> {
        self.manager.store().index().ok_or_else(|| Error::from(ErrorKind::Unsupported))
    }

    async fn call<T>(&self, answer: StoreFuture<'_, T>) -> Result<T, Error> {
        answer
            .within(self.manager.settings().store_timeout)
            .await
            .inspect_err(|error| self.manager.events().outage("manage", error))
            .map_err(Error::from)
    }

    fn handle(&self, live: Live) -> Session {
        Session::of(Exchange::detached(Arc::clone(&self.manager), live))
    }
}
