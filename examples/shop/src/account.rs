//! Signing in and out, and what the shop knows of a user.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_keep::{Key, Session};

use crate::{
    guard::{ROLE, SignedIn},
    problem::{Body, Problem},
    users::Users,
};

/// What users tell of themselves. A shop with a database keeps it there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    name: String,
    email: String,
}

const PROFILE: Key<Profile> = Key::new("profile");

#[derive(Deserialize)]
pub struct Credentials {
    user: String,
    password: String,
}

pub async fn login(
    State(users): State<Users>,
    session: Session,
    Body(Credentials { user, password }): Body<Credentials>,
) -> Result<Json<Value>, Problem> {
    if user.is_empty() || password.is_empty() {
        return Err(Problem::Malformed("send a user and a password"));
    }
    let role = users.check(user.clone(), password).await.ok_or(Problem::WrongCredentials)?;
    if session.user().is_some_and(|before| before.as_str() != user) {
        // What another user left in this browser is not for this one.
        session.clear();
    }
    // The session gets a new token, so that one that an attacker has planted opens nothing.
    session.set_user(user.as_str())?;
    session.insert(ROLE, role)?;
    Ok(Json(json!({ "user": user, "role": role })))
}

pub async fn profile(SignedIn { session, user }: SignedIn) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({
        "user": user.as_str(),
        "role": session.get(ROLE)?,
        "profile": session.get(PROFILE)?.unwrap_or_default(),
        "signed_in_at": session.created_at().map(|time| time.to_string()),
        "expires_at": session.expires_at().map(|time| time.to_string()),
    })))
}

pub async fn update_profile(
    SignedIn { session, .. }: SignedIn,
    Body(profile): Body<Profile>,
) -> Result<Json<Profile>, Problem> {
    session.insert(PROFILE, profile.clone())?;
    Ok(Json(profile))
}

/// Ends this session. To sign out twice is no mistake.
pub async fn logout(session: Session) -> Json<Value> {
    session.destroy();
    Json(json!({ "ok": true }))
}

/// Ends all sessions of the user, on whichever server they were begun.
pub async fn logout_all(SignedIn { session, user }: SignedIn) -> Result<Json<Value>, Problem> {
    let mut revoked = 0;
    if let Some(id) = session.id() {
        revoked = session.sessions().revoke_others(&user, &id).await?;
    }
    // This one ends with the response, which also tells the browser to forget its cookie.
    session.destroy();
    Ok(Json(json!({ "revoked": revoked + 1 })))
}
