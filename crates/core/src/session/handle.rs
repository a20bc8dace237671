//! The handle in a handler: [`Session`].

use std::{borrow::Cow, sync::Arc};

use http::Extensions;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Exchange, FieldName, FieldOf, Live, Phase,
    json::{decode, encode},
    pending::{Operation, View},
};
use crate::{
    Error, ErrorKind, SessionId, Sessions, Timestamp, Token, UserId,
    commit::{Commit, Moment},
    layer::Handle,
    lookup,
    transport::Message,
};

/// Names that begin so are tower-keep's own.
pub(crate) const RESERVED: &str = "tower-keep.";

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
    exchange: Arc<Exchange>,
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
        let exchange = extensions.get().map(|Handle(exchange)| Arc::clone(exchange));
        async move {
            let exchange = exchange.ok_or_else(|| Error::new(ErrorKind::MissingLayer))?;
            exchange.load().await?;
            Ok(Self { exchange })
        }
    }

    pub(crate) fn of(exchange: Arc<Exchange>) -> Self {
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
        Commit::new(Arc::clone(&self.exchange), Moment::Save).await
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
        let _turn = self.exchange.turn().await;
        let manager = self.exchange.manager();
        let Some(live) = self.live() else {
            return if self.exchange.state().gone { Err(ErrorKind::Gone.into()) } else { Ok(()) };
        };
        let fresh = lookup::open(manager, live.token).await?;
        let mut state = self.exchange.state();
        if state.failure.take().is_some() {
            state.discard();
        }
        if fresh.is_none() {
            state.gone = true;
            state.end();
        }
        state.live = fresh;
        state.pending.outdate();
        if state.gone { Err(ErrorKind::Gone.into()) } else { Ok(()) }
    }
}

/// Fields.
impl Session {
    /// The value of a field; `None` if it is not set. Only this field is decoded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if the field holds a value of another type.
    pub fn get<T: DeserializeOwned>(&self, key: impl FieldOf<T>) -> Result<Option<T>, Error> {
        let name = key.as_name();
        let (view, live) = {
            let mut state = self.exchange.state();
            let view = state.pending.view(name);
            if matches!(view, View::Stored) {
                state.pending.note_read(name);
            }
            (view, state.live.as_ref().map(|live| Arc::clone(&live.record)))
        };
        // Decoding runs code of the application, which must not find the state locked.
        let json = match &view {
            View::Own(json) => json.as_deref(),
            View::Stored => live.as_ref().and_then(|record| record.fields.get(name)),
        };
        json.map(decode).transpose()
    }

    /// Sets a field. The last commit wins; use [`Session::update`] for a value that depends on the
    /// one before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] if the value has no form in JSON, [`ErrorKind::TooLarge`] if it goes
    /// over a limit of the layer, [`ErrorKind::ReservedName`] for a name that begins with
    /// `tower-keep.`.
    pub fn insert<T: Serialize>(&self, key: impl FieldOf<T>, value: T) -> Result<(), Error> {
        let name = key.into_name();
        check_name(&name)?;
        let json = encode(&value)?;
        self.set(name, json)
    }

    /// Removes a field, if it is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ReservedName`] for a name that begins with `tower-keep.`.
    pub fn remove(&self, key: impl FieldName) -> Result<(), Error> {
        let name = key.into_name();
        check_name(&name)?;
        self.unset(name);
        Ok(())
    }

    /// Changes a field by a function, exactly: however many requests do so at once, each function is
    /// applied to the value that the one before left. A field that is not set begins with its
    /// type's default.
    ///
    /// Gives the value as this request sees it; the function is called again if others were faster,
    /// so it should do nothing but compute, and clone what it adds.
    ///
    /// ```
    /// # use tower_keep_core::{Error, Key, Session};
    /// const CART: Key<Vec<String>> = Key::new("cart");
    ///
    /// fn add(session: &Session, product: String) -> Result<usize, Error> {
    ///     let cart = session.update(CART, move |cart| cart.push(product.clone()))?;
    ///     Ok(cart.len())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Session::get`] and [`Session::insert`].
    pub fn update<T>(
        &self,
        key: impl FieldOf<T>,
        mut update: impl FnMut(&mut T) + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Default + Serialize + DeserializeOwned,
    {
        let name = key.into_name();
        check_name(&name)?;
        // The function runs without a lock, and again if another handle of this request was faster.
        loop {
            let (view, record, generation) = {
                let state = self.exchange.state();
                let record = state.live.as_ref().map(|live| Arc::clone(&live.record));
                (state.pending.view(&name), record, state.pending.generation())
            };
            let json = match &view {
                View::Own(json) => json.as_deref(),
                View::Stored => record.as_ref().and_then(|record| record.fields.get(&name)),
            };
            let mut value: T = json.map(decode).transpose()?.unwrap_or_default();
            update(&mut value);
            let json = encode(&value)?;
            let mut state = self.exchange.state();
            if state.pending.generation() != generation {
                continue;
            }
            self.check_size(&state, &name, &json)?;
            let operation = if state.pending.determines(&name) {
                Operation::Set(json)
            } else {
                let again = move |json: Option<&str>| {
                    let mut value: T = json.map(decode).transpose()?.unwrap_or_default();
                    update(&mut value);
                    encode(&value)
                };
                Operation::Update(Box::new(again), json)
            };
            state.pending.push(name, operation);
            return Ok(value);
        }
    }

    /// Whether a field is set.
    #[must_use]
    pub fn contains(&self, key: impl FieldName) -> bool {
        let mut state = self.exchange.state();
        match state.pending.view(key.as_name()) {
            View::Own(json) => json.is_some(),
            View::Stored => {
                state.pending.note_read(key.as_name());
                let live = state.live.as_ref();
                live.is_some_and(|live| live.record.fields.get(key.as_name()).is_some())
            }
        }
    }

    /// The names of all fields that are set, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let state = self.exchange.state();
        let edits = state.pending.edits();
        let edits = edits.iter().map(|(name, json)| (&**name, json.as_deref()));
        let stored = state.live.as_ref().filter(|_| !state.pending.clears());
        let fields = stored.map(|live| live.record.fields.clone()).unwrap_or_default().with(edits);
        let own = fields.iter().map(|(name, _)| name).filter(|name| !name.starts_with(RESERVED));
        own.map(str::to_owned).collect()
    }

    /// Removes all fields. The session, its token and its user stay; [`Session::destroy`] ends them.
    pub fn clear(&self) {
        let mut state = self.exchange.state();
        if state.live.is_none() {
            // Nothing is stored, so nothing needs to be removed from the store.
            state.pending.take();
        } else {
            state.pending.clear();
        }
    }

    /// What this request sees in a field, be it one of tower-keep's own.
    pub(super) fn json_of(&self, name: &str) -> Option<String> {
        let state = self.exchange.state();
        match state.pending.view(name) {
            View::Own(json) => json,
            View::Stored => {
                let record = &state.live.as_ref()?.record;
                record.fields.get(name).map(str::to_owned)
            }
        }
    }

    pub(super) fn set(&self, name: Cow<'static, str>, json: String) -> Result<(), Error> {
        let mut state = self.exchange.state();
        self.check_size(&state, &name, &json)?;
        state.pending.push(name, Operation::Set(json));
        Ok(())
    }

    pub(super) fn unset(&self, name: Cow<'static, str>) {
        let mut state = self.exchange.state();
        let stored =
            state.live.as_ref().is_some_and(|live| live.record.fields.get(&name).is_some());
        // Removing what nobody set is no write.
        if stored || !matches!(state.pending.view(&name), View::Stored) {
            state.pending.push(name, Operation::Remove);
        }
    }

    fn check_size(&self, state: &super::State, name: &str, json: &str) -> Result<(), Error> {
        let limits = &self.exchange.manager().settings().limits;
        limits.check_field(name, json)?;
        let stored = state.live.as_ref().filter(|_| !state.pending.clears());
        let none = crate::Fields::default();
        let fields = stored.map_or(&none, |live| &live.record.fields);
        let written = state.pending.written();
        limits.check_record(fields, written.chain([(name, Some(json))]))
    }
}

/// What a session is.
impl Session {
    /// The id, under which the session is stored; `None` while it is not.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.live().map(|live| live.id)
    }

    /// Whether there is no session in the store yet: the client sent no token of a live one.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.exchange.state().live.is_none()
    }

    /// When the session's absolute lifetime began: at creation, or at the last sign-in. `None` while
    /// it is not stored.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        self.live().map(|live| live.record.created_at)
    }

    /// When the session expires if it is not used again. `None` while it is not stored.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.live().map(|live| live.record.expires_at)
    }

    /// The user who signed in.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        let state = self.exchange.state();
        let stored = || state.live.as_ref().and_then(|live| live.record.user.clone());
        state.sign_in.clone().or_else(stored)
    }

    /// Signs a user in: the session belongs to them, under a new token, and both its clocks begin
    /// anew.
    ///
    /// The new token is what stops session fixation (OWASP ASVS 5.0, 7.2.4): one that was planted
    /// before the sign-in opens nothing after it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the id has more than [`UserId::MAX_BYTES`] bytes.
    pub fn set_user(&self, user: impl Into<UserId>) -> Result<(), Error> {
        let user = user.into();
        if user.as_str().len() > UserId::MAX_BYTES {
            return Err(ErrorKind::TooLarge.into());
        }
        self.exchange.state().sign_in = Some(user);
        Ok(())
    }

    /// Gives the session a new token with the response; the old one is dead at once. A request that is
    /// still in flight with it commits nothing.
    ///
    /// Call it whenever what the session may do changes; [`Session::set_user`] does so by itself.
    pub fn rotate(&self) {
        let mut state = self.exchange.state();
        state.rotate = state.live.is_some();
    }

    /// Lets the session come into being with this response even if nothing is written into it, so that
    /// the client has its token before a WebSocket or a stream of events begins.
    pub fn begin(&self) {
        self.exchange.state().begin = true;
    }

    /// Whether the session lives by the 'remember me' lifetime.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.exchange.state().is_remembered()
    }

    /// Lets the session live longer than the browser, by the layer's 'remember me' lifetime, or no
    /// more.
    pub fn remember(&self, on: bool) {
        let mut state = self.exchange.state();
        let is_change = state.is_remembered() != on;
        if is_change {
            state.remember = Some(on);
        }
    }

    /// Ends the session: it is removed from the store, and the client is told to forget its token.
    /// What is written afterwards in the same request goes into a new session under a new token.
    pub fn destroy(&self) {
        self.exchange.state().destroy();
    }

    /// The token that the client of a session without a response must be told: after a rotation, in a
    /// handle that [`Sessions`] opened. It is handed out once.
    #[must_use]
    pub fn take_new_token(&self) -> Option<Token> {
        let mut state = self.exchange.state();
        if state.phase != Phase::Detached {
            return None;
        }
        match state.message.take() {
            Some(Message::Keep { token, .. }) => Some(token),
            Some(Message::Forget) | None => None,
        }
    }

    /// The manager of the layer's sessions, for this user's other ones and everybody's.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(self.exchange.manager()))
    }

    fn live(&self) -> Option<Live> {
        self.exchange.state().live.clone()
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.starts_with(RESERVED) {
        return Err(ErrorKind::ReservedName.into());
    }
    Ok(())
}
