//! Who may call a handler: one that takes a [`SignedIn`] or an [`Admin`] runs for nobody else.

use axum::{extract::FromRequestParts, http::request::Parts};
use tower_keep::{Key, Session, UserId};

use crate::{problem::Problem, users::Role};

/// What the user may do, as it was at sign-in. Whoever changes a user's role ends their sessions.
pub const ROLE: Key<Role> = Key::new("role");

/// A user who signed in. Anybody else gets a 401.
pub struct SignedIn {
    pub session: Session,
    pub user: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let session = Session::from_request_parts(parts, state).await?;
        let user = session.user().ok_or(Problem::NotSignedIn)?;
        Ok(Self { session, user })
    }
}

/// A user who signed in and is an admin. Other users get a 403.
pub struct Admin {
    pub session: Session,
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let SignedIn { session, .. } = SignedIn::from_request_parts(parts, state).await?;
        match session.get(ROLE)? {
            Some(Role::Admin) => Ok(Self { session }),
            Some(Role::Customer) | None => Err(Problem::NotAdmin),
        }
    }
}
