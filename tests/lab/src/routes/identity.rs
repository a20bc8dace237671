//! What a session is and whose: its id, its tokens, its user.

use axum::{Json, extract::Query};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use tower_keep::Session;

use super::{Answer, Wait, wait};
use crate::value::{DONE, Done};

#[derive(Serialize)]
pub(super) struct Identity {
    id: Option<String>,
    is_new: bool,
    created_at: Option<String>,
    expires_at: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Login {
    u: String,
    #[serde(default)]
    ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Remember {
    #[serde(deserialize_with = "switch")]
    on: bool,
}

#[derive(Serialize)]
pub(super) struct Revoked {
    revoked: u64,
}

pub(super) async fn id(session: Session) -> Json<Identity> {
    Json(Identity {
        id: session.id().map(|id| id.to_string()),
        is_new: session.is_new(),
        created_at: session.created_at().map(|time| time.to_string()),
        expires_at: session.expires_at().map(|time| time.to_string()),
        user: session.user().map(|user| user.to_string()),
    })
}

pub(super) async fn rotate(session: Session, Query(Wait { ms }): Query<Wait>) -> Json<Done> {
    session.rotate();
    wait(ms).await;
    Json(DONE)
}

pub(super) async fn destroy(session: Session) -> Json<Done> {
    session.destroy();
    Json(DONE)
}

pub(super) async fn login(session: Session, Query(login): Query<Login>) -> Answer<Done> {
    session.set_user(login.u)?;
    wait(login.ms).await;
    Ok(Json(DONE))
}

pub(super) async fn logout_all(session: Session) -> Answer<Revoked> {
    let others = revoke_others(&session).await?;
    let own = u64::from(session.user().is_some());
    // Not by the manager: so the client is told to forget its token.
    session.destroy();
    Ok(Json(Revoked { revoked: others + own }))
}

pub(super) async fn logout_others(session: Session) -> Answer<Revoked> {
    let revoked = revoke_others(&session).await?;
    Ok(Json(Revoked { revoked }))
}

async fn revoke_others(session: &Session) -> Result<u64, tower_keep::Error> {
    match session.user().zip(session.id()) {
        Some((user, id)) => session.sessions().revoke_others(&user, &id).await,
        None => Ok(0),
    }
}

pub(super) async fn remember(
    session: Session,
    Query(Remember { on }): Query<Remember>,
) -> Json<Done> {
    session.remember(on);
    Json(DONE)
}

fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(D::Error::custom("use `1`, `true`, `0` or `false`")),
    }
}
