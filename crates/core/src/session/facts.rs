//! What a session is: its id, times, user and token.

use std::sync::Arc;

use super::{Phase, Session};
use crate::{Error, ErrorKind, SessionId, Sessions, Timestamp, Token, UserId, transport::Message};

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
        state.draft.sign_in.clone().or_else(stored)
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
        self.exchange.state().draft.sign_in = Some(user);
        Ok(())
    }

    /// Gives the session a new token with the response; the old one is dead at once. A request that is
    /// still in flight with it commits nothing.
    ///
    /// Call it whenever what the session may do changes; [`Session::set_user`] does so by itself.
    pub fn rotate(&self) {
        let mut state = self.exchange.state();
        state.draft.rotate = state.live.is_some();
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
            state.draft.remember = Some(on);
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
        match state.message.take().map(|message| *message) {
            Some(Message::Keep { token, .. }) => Some(token),
            Some(Message::Forget) | None => None,
        }
    }

    /// The manager of the layer's sessions, for this user's other ones and everybody's.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(self.exchange.manager()))
    }
}
