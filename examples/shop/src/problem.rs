//! What a request can fail of, and the JSON that says so.

use axum::{
    Json,
    extract::{FromRequest, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

pub enum Problem {
    /// The request is not as it has to be.
    Malformed(&'static str),
    WrongCredentials,
    NotSignedIn,
    NotAdmin,
    NoSuchProduct,
    /// The session could not be loaded or changed.
    Session(tower_keep::Error),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Malformed(text) => (StatusCode::BAD_REQUEST, text.to_owned()),
            Self::WrongCredentials => {
                (StatusCode::UNAUTHORIZED, "no such user, or another password".to_owned())
            }
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "sign in first".to_owned()),
            Self::NotAdmin => (StatusCode::FORBIDDEN, "this is for admins".to_owned()),
            Self::NoSuchProduct => (StatusCode::NOT_FOUND, "no such product".to_owned()),
            Self::Session(error) => (error.status(), error.to_string()),
        };
        (status, Json(json!({ "error": text }))).into_response()
    }
}

impl From<tower_keep::Error> for Problem {
    fn from(error: tower_keep::Error) -> Self {
        Self::Session(error)
    }
}

/// A body in JSON, whose rejection is a [`Problem`] too.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(Problem))]
pub struct Body<T>(pub T);

impl From<JsonRejection> for Problem {
    fn from(_: JsonRejection) -> Self {
        Self::Malformed("send JSON with all that this route needs")
    }
}
