//! The handle in a handler: [`Session`].

use std::sync::Arc;

use http::Extensions;
use serde::{Serialize, de::DeserializeOwned};

use super::{FieldOf, Live, SharedExchange};
use crate::{
    Error, ErrorKind,
    commit::{Begun, commit_now},
    layer::Handle,
    lookup,
};

/// The session of a request.
///
/// Taking it as an argument of an axum handler, or [`Session::load`] elsewhere, loads the record;
/// from then on everything is synchronous. What is written is kept as operations, and committed once,
/// before the response head leaves. Copies, and other extractors of the same request, are handles of
/// the same session.
///
/// A session comes into being by its first write; a client that only reads gets no cookie.
///
/// ```
/// use tower_keep_core::{Error, Key, Session};
///
/// const VISITS: Key<u64> = Key::new("visits");
///
/// async fn home(session: Session) -> Result<String, Error> {
///     let visits = session.update(VISITS, |visits| *visits += 1)?;
///     let name: Option<String> = session.get("name")?;
///     Ok(format!("{visits} visits of {}", name.as_deref().unwrap_or("somebody")))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) exchange: SharedExchange,
}

/// Loading, saving, and what else asks the store.
impl Session {
    /// Loads the session of a request from its extensions, in services of any framework.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::MissingLayer`] if no layer lies over the service;
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::TimedOut`] if the store does not answer.
    ///
    /// ```
    /// # use tower_keep_core::{Error, Session};
    /// async fn home<B>(request: http::Request<B>) -> Result<http::Response<String>, Error> {
    ///     let session = Session::load(request.extensions()).await?;
    ///     Ok(http::Response::new(format!("new: {}", session.is_new())))
    /// }
    /// ```
    pub fn load(
        extensions: &Extensions,
    ) -> impl Future<Output = Result<Self, Error>> + Send + use<> {
        let exchange = extensions.get().map(|Handle(exchange)| SharedExchange::clone(exchange));
        async move {
            let exchange = exchange.ok_or_else(|| Error::new(ErrorKind::MissingLayer))?;
            match exchange.load_at_once() {
                Some(outcome) => outcome?,
                // In a box, since a handler's future is moved with all that it may have to wait for.
                None => Box::pin(exchange.load()).await?,
            }
            Ok(Self { exchange })
        }
    }

    pub(crate) fn of(exchange: SharedExchange) -> Self {
        Self { exchange }
    }

    /// Commits what was written so far, now, and keeps an idle session alive.
    ///
    /// For WebSockets, server-sent events and streaming bodies, whose work goes on after the response
    /// head; elsewhere the layer commits by itself. Once begun, it runs to its end even if the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the session has ended: the changes are dropped.
    /// [`ErrorKind::HeadSent`] if a new token would be needed and cannot be sent any more.
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::TimedOut`] if the store does not answer. The
    /// changes may have been written or not, so that none is tried again, and the request fails;
    /// [`Session::reload`] begins anew. After every other error the changes are kept for another
    /// attempt.
    pub async fn save(&self) -> Result<(), Error> {
        match commit_now(&self.exchange) {
            Begun::Ended(outcome) => outcome,
            Begun::Running(commit) => commit.await.map(drop),
        }
    }

    /// Updates a field and commits it now, with all that was written so far. Gives the value that
    /// was committed.
    ///
    /// # Errors
    ///
    /// Those of [`Session::update`] and [`Session::save`].
    pub async fn update_now<T>(
        &self,
        key: impl FieldOf<T>,
        update: impl FnMut(&mut T) + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Default + Serialize + DeserializeOwned,
    {
        let name = key.into_name();
        self.update::<T>(&*name, update)?;
        self.save().await?;
        Ok(self.get::<T>(&*name)?.unwrap_or_default())
    }

    /// Reads the session from the store again. What was written and not committed stays, and lies
    /// over it, unless a failed commit left its fate unknown.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the session has ended; [`ErrorKind::Unavailable`] or
    /// [`ErrorKind::TimedOut`] if the store does not answer.
    pub async fn reload(&self) -> Result<(), Error> {
        loop {
            // A commit that has begun is to be seen.
            self.exchange.freed().await;
            let Some(live) = self.live() else {
                return if self.exchange.state().gone {
                    Err(ErrorKind::Gone.into())
                } else {
                    Ok(())
                };
            };
            let had_failed = self.exchange.state().failure.is_some();
            let fresh = lookup::open(self.exchange.manager(), live.token).await?;
            // Taken for as long as it takes to put in what was read, so that a reload that is held, and polled
            // no more, keeps no commit waiting.
            let _turn = self.exchange.turn().await;
            let mut state = self.exchange.state();
            let is_that = |now: &Live| now.id == live.id && Arc::ptr_eq(&now.record, &live.record);
            if !state.live.as_ref().is_some_and(is_that) || state.failure.is_some() != had_failed {
                // A commit came in between.
                continue;
            }
            if state.failure.take().is_some() {
                state.discard();
            }
            if fresh.is_none() {
                state.gone = true;
                state.end();
            }
            state.live = fresh;
            state.draft.pending.outdate();
            return if state.gone { Err(ErrorKind::Gone.into()) } else { Ok(()) };
        }
    }

    pub(super) fn live(&self) -> Option<Live> {
        self.exchange.state().live.clone()
    }
}
