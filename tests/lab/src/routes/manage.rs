//! Work outside the request's own session. These routes never touch it.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tower_keep::{Client, Counters, Error, Listed, SessionId, Sessions, Stats, UserId};

use super::Answer;

#[derive(Deserialize)]
pub(super) struct OfUser {
    u: String,
}

#[derive(Serialize)]
pub(super) struct Found {
    sessions: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    id: String,
    created_at: String,
    last_active: String,
    expires_at: String,
    client: Option<Facts>,
}

#[derive(Serialize)]
struct Facts {
    address: Option<String>,
    agent: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Revoked {
    revoked: bool,
}

#[derive(Serialize)]
pub(super) struct Figures {
    active: u64,
    signed_in: u64,
    users: u64,
    oldest: Option<String>,
    newest: Option<String>,
    counters: Happened,
}

pub(super) async fn sessions(
    State(sessions): State<Sessions>,
    Query(OfUser { u }): Query<OfUser>,
) -> Answer<Found> {
    let found = sessions.find_by_user(&UserId::from(u)).await?;
    let sessions = found.iter().map(item).collect();
    Ok(Json(Found { sessions }))
}

fn item(Listed { id, record }: &Listed) -> Item {
    let facts = |client: &Client| Facts {
        address: client.address().map(|address| address.to_string()),
        agent: client.agent().map(str::to_owned),
    };
    Item {
        id: id.to_string(),
        created_at: record.created_at.to_string(),
        last_active: record.last_active.to_string(),
        expires_at: record.expires_at.to_string(),
        client: record.client.as_ref().map(facts),
    }
}

pub(super) async fn revoke(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let Ok(id) = id.parse::<SessionId>() else {
        return Ok((StatusCode::BAD_REQUEST, "that is no id of a session").into_response());
    };
    let revoked = sessions.revoke(&id).await?;
    Ok(Json(Revoked { revoked }).into_response())
}

pub(super) async fn stats(State(sessions): State<Sessions>) -> Answer<Figures> {
    let Stats { active, signed_in, users, oldest, newest, .. } = sessions.stats().await?;
    Ok(Json(Figures {
        active,
        signed_in,
        users,
        oldest: oldest.map(|time| time.to_string()),
        newest: newest.map(|time| time.to_string()),
        counters: sessions.counters().into(),
    }))
}

macro_rules! happened {
    ($($name:ident),* $(,)?) => {
        /// The counters of the HTTP layer.
        #[derive(Serialize)]
        struct Happened {
            $($name: u64,)*
        }

        impl From<Counters> for Happened {
            fn from(counters: Counters) -> Self {
                Self { $($name: counters.$name,)* }
            }
        }
    };
}

happened! {
    sessions_created,
    sessions_destroyed,
    sessions_rotated,
    sessions_evicted,
    lost_updates,
    conflicts,
    late_commits,
    dropped_changes,
    unknown_tokens,
    ambiguous_tokens,
    corrupt_records,
    store_errors,
    refused_sessions,
}
