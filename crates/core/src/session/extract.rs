//! `Session` as an argument of axum's handlers.
#![cfg(feature = "axum")]

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::Session;
use crate::{Error, ErrorKind};

/// Loads the session. An outage answers 503.
impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::load(&parts.extensions).await
    }
}

/// Loads the session. An outage is `None`, and the handler goes on without one; only a missing layer
/// fails.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        match Self::load(&parts.extensions).await {
            Ok(session) => Ok(Some(session)),
            Err(error) if error.kind() == ErrorKind::MissingLayer => Err(error),
            Err(_) => Ok(None),
        }
    }
}
