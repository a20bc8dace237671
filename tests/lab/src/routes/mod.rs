//! The lab over HTTP.

mod answer;
mod fields;
mod identity;
mod live;
mod manage;
mod mishap;

use std::time::Duration;

use axum::{
    Json, Router, middleware,
    routing::{delete, get, post},
};
use serde::Deserialize;
use tower_keep::SessionLayer;

/// All routes.
pub(crate) fn router(layer: SessionLayer) -> Router {
    let sessions = layer.sessions();
    Router::new()
        .route("/peek", get(fields::peek))
        .route("/get", get(fields::read))
        .route("/all", get(fields::all))
        .route("/put", post(fields::put))
        .route("/del", post(fields::del))
        .route("/clear", post(fields::clear))
        .route("/incr", post(fields::incr))
        .route("/incr-now", post(fields::incr_now))
        .route("/racy-incr", post(fields::racy_incr))
        .route("/read", get(fields::read))
        .route("/flash", post(fields::flash).get(fields::take_flash))
        .route("/id", get(identity::id))
        .route("/rotate", post(identity::rotate))
        .route("/destroy", post(identity::destroy))
        .route("/login", post(identity::login))
        .route("/logout", post(identity::destroy))
        .route("/logout-all", post(identity::logout_all))
        .route("/logout-others", post(identity::logout_others))
        .route("/remember", post(identity::remember))
        .route("/sessions", get(manage::sessions))
        .route("/sessions/{id}", delete(manage::revoke))
        .route("/stats", get(manage::stats))
        .route("/status/{code}", post(mishap::status))
        .route("/panic", post(mishap::panic))
        .route("/stream", get(live::stream))
        .route("/ws", get(live::ws))
        .layer(layer)
        .layer(middleware::from_fn(answer::in_json))
        .with_state(sessions)
}

/// What a handler answers. The middleware makes JSON of the error.
type Answer<T> = Result<Json<T>, tower_keep::Error>;

/// How long a handler waits.
#[derive(Deserialize)]
struct Wait {
    #[serde(default)]
    ms: u64,
}

async fn wait(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
