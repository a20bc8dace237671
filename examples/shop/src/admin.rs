//! What an admin sees: who is there, since when, and how much is going on.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_keep::{Cursor, Listed, UserId};

use crate::{guard::Admin, problem::Problem};

/// The most sessions of one page.
const PAGE: usize = 100;

#[derive(Deserialize)]
pub struct After {
    /// The `next` of the page before.
    after: Option<String>,
}

/// One page of all live sessions.
pub async fn sessions(
    Admin { session }: Admin,
    Query(After { after }): Query<After>,
) -> Result<Json<Value>, Problem> {
    let page = session.sessions().list(after.map(Cursor::new), PAGE).await?;
    Ok(Json(json!({
        "sessions": page.sessions.iter().map(shown).collect::<Vec<_>>(),
        "next": page.next.as_ref().map(Cursor::as_str),
    })))
}

/// Figures of all live sessions, and what happened on this server since it was started.
pub async fn analytics(Admin { session }: Admin) -> Result<Json<Value>, Problem> {
    let sessions = session.sessions();
    let stats = sessions.stats().await?;
    let counters = sessions.counters();

    // A field that the store has no figures of is counted page by page. Do so now and then in a job,
    // and not at each request, where there are millions.
    let mut by_role: BTreeMap<String, u64> = BTreeMap::new();
    let mut next = None;
    loop {
        let page = sessions.list(next, PAGE).await?;
        for listed in &page.sessions {
            let role = listed.record.fields.get("role").unwrap_or("none");
            *by_role.entry(role.trim_matches('"').to_owned()).or_default() += 1;
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }

    Ok(Json(json!({
        "active": stats.active,
        "signed_in": stats.signed_in,
        "users": stats.users,
        "by_role": by_role,
        "oldest": stats.oldest.map(|time| time.to_string()),
        "newest": stats.newest.map(|time| time.to_string()),
        "since_start": {
            "created": counters.sessions_created,
            "destroyed": counters.sessions_destroyed,
            "rotated": counters.sessions_rotated,
        },
    })))
}

/// Where a user is signed in.
pub async fn activity(
    Admin { session }: Admin,
    Path(user): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = session.sessions().find_by_user(&UserId::from(user.as_str())).await?;
    let last_active = found.iter().map(|listed| listed.record.last_active).max();
    Ok(Json(json!({
        "user": user,
        "last_active": last_active.map(|time| time.to_string()),
        "sessions": found.iter().map(shown).collect::<Vec<_>>(),
    })))
}

/// A session as an admin sees it: its id opens nothing, and its fields are nobody's business.
fn shown(Listed { id, record }: &Listed) -> Value {
    json!({
        "id": id.to_string(),
        "user": record.user.as_ref().map(UserId::as_str),
        "agent": record.client.as_ref().and_then(|client| client.agent()),
        "created_at": record.created_at.to_string(),
        "last_active": record.last_active.to_string(),
        "expires_at": record.expires_at.to_string(),
    })
}
