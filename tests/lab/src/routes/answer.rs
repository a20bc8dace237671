//! Every answer is JSON, errors included.

use axum::{
    Json,
    body::to_bytes,
    extract::Request,
    http::{
        HeaderValue,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// The longest text of an error; those of axum and tower-keep are far shorter.
const MAX_TEXT: usize = 64 * 1024;

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

/// Turns the text of errors into JSON, be they of a handler, of axum or of the session layer.
pub(super) async fn in_json(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // Not the query, which holds values of fields.
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    tracing::debug!(%method, path, %status, "answered");
    let is_error = status.is_client_error() || status.is_server_error();
    let json = HeaderValue::from_static("application/json");
    if !is_error || response.headers().get(CONTENT_TYPE) == Some(&json) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_TYPE);
    let body = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let error = match &*text {
        "" => status.canonical_reason().unwrap_or("failed"),
        text => text,
    };
    (parts, Json(Failure { error })).into_response()
}
