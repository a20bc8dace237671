//! Removes all sessions.

use serde_json::json;
use tower_keep_purge::{PurgeError, Size};

use crate::{
    arguments::Consent,
    consent::ask,
    exit::{Exit, Failure},
    output::Output,
    progress::Progress,
    store::{Opened, unless_interrupted},
    text,
};

pub(crate) async fn purge(
    store: &Opened,
    consent: &Consent,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let purge = store.store.purge();
    let purge = purge.ok_or_else(|| Failure::unsupported("remove all of its sessions"))?;
    let live = live(store).await;
    if consent.dry_run.dry_run {
        let sessions = live.map_or("all".into(), |live| format!("{live} live"));
        output.say(format_args!("would remove {sessions} sessions, and those that have expired"));
        output.object(&json!({ "would_purge": live, "dry_run": true }));
        return Ok(Exit::Done);
    }
    let sessions =
        live.map_or("all sessions".into(), |live| format!("all sessions, {live} of them live,"));
    ask(consent, &format!("Remove {sessions} of {:?}?", store.store))?;
    let progress = Progress::new(None);
    progress.at("removing", 0);
    // Without a deadline: nobody is served by half of it.
    let work = async { purge.purge().await.map_err(|error| Failure::of(&PurgeError::from(error))) };
    let purged = unless_interrupted(work).await;
    drop(progress);
    match purged {
        Ok(purged) => {
            let freed = Size(purged.bytes);
            output.say(format_args!("purged {}, {freed} freed", text::sessions(purged.sessions)));
            output.object(&json!({ "purged": purged.sessions, "bytes": purged.bytes }));
            Ok(Exit::Done)
        }
        Err(failure) => {
            let left = self::live(store).await;
            // Unsaid only where the store cannot tell.
            Err(match (live, left) {
                (Some(live), Some(left)) => {
                    failure.after("live_before", live).after("live_left", left)
                }
                _ => failure,
            })
        }
    }
}

/// How many sessions are live, if the store can tell.
async fn live(store: &Opened) -> Option<u64> {
    store.stats(None).await.ok().map(|stats| stats.active)
}
