//! Ends sessions.

use std::cell::Cell;

use serde_json::json;
use tower_keep_core::Query;

use super::list::query;
use crate::{
    arguments::Revoke,
    consent::ask,
    exit::{Exit, Failure},
    output::Output,
    progress::Progress,
    session::shown_id,
    store::{Opened, not_found, unless_interrupted},
    text,
};

pub(crate) async fn revoke(
    store: &Opened,
    revoke: &Revoke,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match &revoke.whose.id {
        Some(given) => revoke_one(store, revoke, given, output).await,
        None => revoke_many(store, revoke, output).await,
    }
}

async fn revoke_one(
    store: &Opened,
    revoke: &Revoke,
    given: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let id = store.find(given).await?;
    let short = shown_id(&id, false);
    let layer = revoke.of.layer.as_deref();
    let loaded = store.load(&id).await?;
    let user = loaded
        .filter(|loaded| layer.is_none_or(|layer| loaded.record.layer.as_str() == layer))
        .ok_or_else(|| not_found(&short))?
        .record
        .user
        .clone();
    let whose = user.map_or_else(|| "of nobody".into(), |user| format!("of {user}"));
    if revoke.consent.dry_run.dry_run {
        return Ok(would(output, 1));
    }
    ask(&revoke.consent, &format!("End the session {short} {whose}?"))?;
    if !store.delete(&id).await? {
        return Err(not_found(&short));
    }
    Ok(did(output, 1))
}

async fn revoke_many(
    store: &Opened,
    revoke: &Revoke,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let user = revoke.whose.user.as_deref();
    let query = query(&revoke.of, user);
    let sessions = match user {
        Some(_) => count(store, &query).await?,
        None => store.stats(revoke.of.layer.as_deref()).await?.active,
    };
    if revoke.consent.dry_run.dry_run {
        return Ok(would(output, sessions));
    }
    if sessions == 0 {
        return Ok(did(output, 0));
    }
    let layer =
        revoke.of.layer.as_deref().map_or("all layers".into(), |name| format!("layer {name}"));
    let whose = user.map_or(String::new(), |user| format!(" of {user}"));
    ask(&revoke.consent, &format!("End {}{whose} in {layer}?", text::sessions(sessions)))?;
    let progress = Progress::new(Some(sessions));
    let revoked = Cell::new(0_u64);
    let work = async {
        let mut next = None;
        loop {
            let page = store.page(&query, next).await?;
            for listed in page.sessions {
                revoked.set(revoked.get() + u64::from(store.delete(&listed.id).await?));
                progress.at("ending", revoked.get());
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    };
    let done = unless_interrupted(work).await;
    drop(progress);
    done.map_err(|failure| failure.after("revoked", revoked.get()))?;
    Ok(did(output, revoked.get()))
}

async fn count(store: &Opened, query: &Query) -> Result<u64, Failure> {
    let (mut sessions, mut next) = (0, None);
    loop {
        let page = store.page(query, next).await?;
        sessions += page.sessions.len() as u64;
        next = page.next;
        if next.is_none() {
            return Ok(sessions);
        }
    }
}

fn did(output: &mut Output, sessions: u64) -> Exit {
    output.say(format_args!("ended {}", text::sessions(sessions)));
    output.object(&json!({ "revoked": sessions }));
    Exit::Done
}

fn would(output: &mut Output, sessions: u64) -> Exit {
    output.say(format_args!("would end {}", text::sessions(sessions)));
    output.object(&json!({ "would_revoke": sessions, "dry_run": true }));
    Exit::Done
}
