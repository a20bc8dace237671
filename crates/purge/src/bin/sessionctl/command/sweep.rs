//! Removes expired sessions.

use std::{cell::Cell, num::NonZeroU32};

use serde_json::json;
use tower_keep_core::Swept;

use crate::{
    arguments::DryRun,
    exit::{Exit, Failure},
    output::Output,
    progress::Progress,
    store::{Opened, unless_interrupted},
};

/// So many steps in a row that remove nothing end it, whatever the store says is left. A store of
/// millions of live sessions takes thousands of steps from one expired session to the next, and the
/// user can interrupt it.
const MAX_IDLE_STEPS: u32 = 100_000;

pub(crate) async fn sweep(
    store: &Opened,
    batch: NonZeroU32,
    dry_run: &DryRun,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let sweep = store.store.sweep().ok_or_else(|| {
        Failure::unsupported("remove expired sessions; it may drop them by itself")
    })?;
    if dry_run.dry_run {
        output.say("would remove what has expired; a store cannot tell how many before");
        output.object(&json!({ "dry_run": true }));
        return Ok(Exit::Done);
    }
    let batch = usize::try_from(batch.get()).unwrap_or(usize::MAX);
    let progress = Progress::new(None);
    let (removed, mut busy, mut idle_steps) = (Cell::new(0_u64), false, 0);
    let work = async {
        loop {
            match store.within(sweep.sweep(batch)).await? {
                Swept::Removed { sessions, more } => {
                    removed.set(removed.get() + sessions);
                    progress.at("removed", removed.get());
                    idle_steps = if sessions == 0 { idle_steps + 1 } else { 0 };
                    if !more || idle_steps == MAX_IDLE_STEPS {
                        return Ok(());
                    }
                    // A store in memory is ready at once; the user may interrupt it all the same.
                    tokio::task::yield_now().await;
                }
                Swept::Busy => {
                    busy = true;
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
    };
    let done = unless_interrupted(work).await;
    drop(progress);
    let removed = removed.get();
    done.map_err(|failure| failure.after("swept", removed))?;
    output.say(format_args!(
        "swept {removed} expired session{}",
        if removed == 1 { "" } else { "s" }
    ));
    if busy {
        output.say("another process is sweeping the store and removes the rest");
    }
    output.object(&json!({ "swept": removed, "busy": busy }));
    Ok(Exit::Done)
}
