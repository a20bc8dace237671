//! What can go wrong for a handler: [`Error`].

use std::{error::Error as StdError, fmt, sync::Arc};

use http::StatusCode;

use crate::{RandomnessError, StoreError, StoreErrorKind};

/// A session could not be loaded, read, changed or saved.
///
/// In axum it is a response of [`Error::status`], so that a handler may pass it on with `?`; in
/// tonic it is a `Status` (feature `tonic`). Its text and its sources hold no token and no value of
/// a field.
#[derive(Clone, Debug)]
pub struct Error(Arc<Cause>);

/// Behind one pointer, so that the results of what goes well stay small.
#[derive(Debug)]
struct Cause {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of trouble a session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The session was changed by others so often and fast that the change found no gap.
    Conflict,
    /// A field does not hold a value of the type that was asked for.
    Decode,
    /// A value has no form in JSON.
    Encode,
    /// The store has no room for the session.
    Full,
    /// The session ended while it was in use: it was destroyed, revoked, rotated or expired.
    Gone,
    /// A new token cannot reach the client any more, because the response head has been sent.
    HeadSent,
    /// No `SessionLayer` lies over the handler.
    MissingLayer,
    /// The user has as many sessions as the layer allows.
    OverLimit,
    /// The operating system has no randomness for a token.
    Randomness,
    /// The name of the field is kept for tower-keep's own use.
    ReservedName,
    /// The store did not answer within its deadline.
    TimedOut,
    /// A field, a record, their number or the id of a user is larger than the layer allows.
    TooLarge,
    /// The client made more new sessions than the layer allows.
    TooManyNew,
    /// The store cannot be reached, or fails.
    Unavailable,
    /// The store cannot do what was asked for, such as finding the sessions of a user.
    Unsupported,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Cause { kind, source: None }))
    }

    fn with_source(kind: ErrorKind, source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(Cause { kind, source: Some(Box::new(source)) }))
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The status of a response that this error ends.
    ///
    /// An outage is 503, so that clients and proxies try again; what the client caused is in the
    /// 400s; what only the application can mend is 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.0.kind {
            ErrorKind::Conflict
            | ErrorKind::Full
            | ErrorKind::Randomness
            | ErrorKind::TimedOut
            | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Gone | ErrorKind::OverLimit => StatusCode::CONFLICT,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::TooManyNew => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Decode
            | ErrorKind::Encode
            | ErrorKind::HeadSent
            | ErrorKind::MissingLayer
            | ErrorKind::ReservedName
            | ErrorKind::Unsupported => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `grpc-status` of a response that this error ends, by the same rule.
    pub(crate) fn grpc_status(&self) -> &'static str {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => "14",
            StatusCode::CONFLICT => "10",
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => "8",
            _ => "13",
        }
    }

    /// Whether the call that failed may have been carried out all the same.
    pub(crate) fn is_indeterminate(&self) -> bool {
        matches!(self.0.kind, ErrorKind::TimedOut | ErrorKind::Unavailable)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind() {
            StoreErrorKind::Full => ErrorKind::Full,
            StoreErrorKind::TimedOut => ErrorKind::TimedOut,
            StoreErrorKind::Corrupt
            | StoreErrorKind::Misconfigured
            | StoreErrorKind::Unavailable => ErrorKind::Unavailable,
        };
        Self::with_source(kind, error)
    }
}

impl From<RandomnessError> for Error {
    fn from(error: RandomnessError) -> Self {
        Self::with_source(ErrorKind::Randomness, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            ErrorKind::Conflict => {
                "the session is changed too often at once: try again, or spread the writes"
            }
            ErrorKind::Decode => {
                "a session field holds another type than was asked for: use one type for one name"
            }
            ErrorKind::Encode => "the value cannot be written as JSON: check its Serialize",
            ErrorKind::Full => "the session store is full: give it more room",
            ErrorKind::Gone => "the session ended while it was in use: sign in again",
            ErrorKind::HeadSent => {
                "the response has begun, so a new session token cannot be sent: \
                 create or rotate the session before answering"
            }
            ErrorKind::MissingLayer => {
                "no session layer: add `.layer(SessionLayer::new(store))` around this handler"
            }
            ErrorKind::OverLimit => "the user has too many sessions: sign out elsewhere first",
            ErrorKind::Randomness => "no session token could be made: the system has no randomness",
            ErrorKind::ReservedName => {
                "session fields whose names begin with `tower-keep.` are reserved: choose another"
            }
            ErrorKind::TimedOut => "the session store did not answer in time: try again",
            ErrorKind::TooLarge => {
                "the session is too large: store less, or raise the limits of the layer"
            }
            ErrorKind::TooManyNew => "this client made too many sessions: try again later",
            ErrorKind::Unavailable => "sessions are unavailable: try again",
            ErrorKind::Unsupported => {
                "the session store cannot do this: choose one that has the capability"
            }
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Error {
    fn into_response(self) -> axum_core::response::Response {
        (self.status(), self.to_string()).into_response()
    }
}

#[cfg(feature = "tonic")]
impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        let code = tonic::Code::from_bytes(error.grpc_status().as_bytes());
        Self::new(code, error.to_string())
    }
}
