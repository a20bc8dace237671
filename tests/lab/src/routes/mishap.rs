//! Handlers that end badly.

use axum::{
    Json,
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tower_keep::{Error, Session};

use crate::value::from_text;

#[derive(Deserialize)]
pub(super) struct Field {
    k: String,
    v: String,
}

#[derive(Serialize)]
struct Status {
    status: u16,
}

pub(super) async fn status(
    session: Session,
    Path(code): Path<u16>,
    Query(field): Query<Field>,
) -> Result<Response, Error> {
    // A status in the 100s ends no response.
    let Some(status) = StatusCode::from_u16(code).ok().filter(|_| code >= 200) else {
        return Ok((StatusCode::BAD_REQUEST, "that is no status of a response").into_response());
    };
    session.insert(field.k, from_text(&field.v))?;
    Ok((status, Json(Status { status: code })).into_response())
}

#[expect(clippy::panic, reason = "that is what the route is for")]
pub(super) async fn panic(session: Session, Query(field): Query<Field>) -> Result<(), Error> {
    session.insert(field.k, from_text(&field.v))?;
    panic!("the lab was asked to panic");
}
