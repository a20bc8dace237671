//! Removing expired sessions.

use std::sync::Arc;

use crate::{
    SessionId, Swept,
    conformance::{
        Failure,
        failure::{Checked, ensure, ensure_answer},
        trial::Trial,
    },
};

/// One step that is carried out: how many were removed, and whether more are left.
async fn step(trial: &Trial, limit: usize) -> Checked<(u64, bool)> {
    for _ in 0..10_000 {
        match trial.sweep()?.sweep(limit).await? {
            Swept::Removed { sessions, more } => return Ok((sessions, more)),
            Swept::Busy => tokio::task::yield_now().await,
        }
    }
    Err(Failure::new("sweep MUST NOT be busy for ever"))
}

/// Sweeps until there is nothing left; tells how many were removed.
async fn sweep_all(trial: &Trial, limit: usize) -> Checked<u64> {
    let mut removed = 0;
    for _ in 0..10_000 {
        let (sessions, more) = step(trial, limit).await?;
        ensure!(
            usize::try_from(sessions).is_ok_and(|sessions| sessions <= limit),
            "a step MUST remove at most {limit} sessions; it removed {sessions}"
        );
        removed += sessions;
        if !more {
            return Ok(removed);
        }
    }
    Err(Failure::new(
        "sweep MUST say honestly whether expired ones are left; it never came to an end",
    ))
}

/// So many sessions that have expired.
async fn expired(trial: &Trial, count: usize) -> Checked<Vec<SessionId>> {
    let mut ids = Vec::with_capacity(count);
    for place in 0..count {
        let mut new = match place % 2 {
            0 => trial.blank(),
            _ => trial.of_user("ada"),
        };
        new.lifetime = trial.short();
        let id = trial.id()?;
        trial.create(&id, &new).await?;
        ids.push(id);
    }
    trial.pass(5).await;
    Ok(ids)
}

pub(in crate::conformance) async fn sweep_removes_only_expired_sessions(trial: Trial) -> Checked {
    let (live, before) = trial.begin(&trial.with(&[("a", "1")])).await?;
    let (of_user, user_before) = trial.begin(&trial.of_user("ada")).await?;
    expired(&trial, 5).await?;
    let removed = sweep_all(&trial, 100).await?;
    ensure!(removed == 5, "sweep MUST remove the expired and count them; {removed} of 5");
    let clause = "sweep MUST NOT remove or change a live session";
    trial.ensure_same(&live, &before, clause).await?;
    trial.ensure_same(&of_user, &user_before, clause).await?;
    let removed = sweep_all(&trial, 100).await?;
    ensure!(removed == 0, "a second sweep MUST find nothing; it removed {removed}");
    Ok(())
}

pub(in crate::conformance) async fn sweep_is_bounded_by_its_limit(trial: Trial) -> Checked {
    expired(&trial, 7).await?;
    let (removed, more) = step(&trial, 3).await?;
    ensure!(removed <= 3, "a step MUST remove at most 3 sessions; it removed {removed}");
    ensure!(more, "sweep MUST say that more are left; {removed} of 7 were removed");
    let rest = sweep_all(&trial, 3).await?;
    ensure!(removed + rest == 7, "the steps MUST add up to 7; {removed} and {rest} were removed");
    Ok(())
}

pub(in crate::conformance) async fn more_is_honest(trial: Trial) -> Checked {
    let (removed, more) = step(&trial, 10).await?;
    ensure!((removed, more) == (0, false), "an empty store MUST have nothing more to sweep");
    for limit in [1, 4, 5, usize::MAX] {
        expired(&trial, 5).await?;
        let removed = sweep_all(&trial, limit).await?;
        ensure!(
            removed == 5,
            "sweep MUST NOT say that nothing is left before it is so; with a limit of {limit} \
             it said so after {removed} of 5"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn session_that_was_prolonged_is_not_swept(
    trial: Trial,
) -> Checked {
    let short = trial.lasting(trial.short());
    let (touched, record) = trial.begin(&short).await?;
    let (changed, other) = trial.begin(&short).await?;
    let (rotated, third) = trial.begin(&short).await?;
    let new = trial.id()?;
    trial.touch(&touched, &record, trial.long()).await?;
    trial.apply(&changed, &trial.set(&other, "a", "1")).await?;
    trial.rotate(&rotated, &new, &trial.change(&third)).await?;
    trial.pass(5).await;
    let removed = sweep_all(&trial, 100).await?;
    ensure!(
        removed == 0,
        "sweep MUST go by the present expiry; it removed {removed} prolonged ones"
    );
    for id in [touched, changed, new] {
        trial.record(&id).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn session_that_was_created_anew_is_not_swept(
    trial: Trial,
) -> Checked {
    let ids = expired(&trial, 3).await?;
    trial.create(&ids[0], &trial.blank()).await?;
    let (old, record) = trial.begin(&trial.blank()).await?;
    trial.rotate(&old, &ids[1], &trial.change(&record)).await?;
    let removed = sweep_all(&trial, 100).await?;
    // Whether those that were replaced count is the store's choice.
    ensure!((1..=3).contains(&removed), "sweep MUST count what it removes; {removed} of 1");
    trial.record(&ids[0]).await?;
    trial.record(&ids[1]).await.map(drop)
}

pub(in crate::conformance) async fn two_sweepers_count_each_session_once(trial: Trial) -> Checked {
    for _ in 0..3 {
        let (live, before) = trial.begin(&trial.blank()).await?;
        expired(&trial, 100).await?;
        let sweepers = (0..2).map(|_| {
            let trial = trial.clone();
            async move { sweep_all(&trial, 2).await }
        });
        let counts = trial.together(sweepers).await?;
        let rest = sweep_all(&trial, 2).await?;
        let removed = counts.iter().sum::<u64>() + rest;
        ensure!(
            removed == 100,
            "the counts of two sweepers MUST add up to 100; they are {removed}"
        );
        let clause = "sweep MUST NOT remove or change a live session";
        trial.ensure_same(&live, &before, clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn sweep_beside_touches_removes_no_live_session(
    trial: Trial,
) -> Checked {
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(trial.begin(&trial.lasting(trial.short())).await?);
    }
    trial.pass(2).await;
    let sessions = Arc::new(sessions);
    let tasks = (0..4).map(|place| {
        let (trial, sessions) = (trial.clone(), Arc::clone(&sessions));
        async move {
            if place == 0 {
                return sweep_all(&trial, 2).await;
            }
            for (id, record) in sessions.iter() {
                trial.touch(id, record, trial.long()).await?;
            }
            Ok(0)
        }
    });
    trial.together(tasks).await?;
    trial.pass(4).await;
    let removed = sweep_all(&trial, 2).await?;
    ensure!(removed == 0, "a session that was just touched MUST stay; {removed} were removed");
    for (id, _) in sessions.iter() {
        trial.record(id).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn swept_session_is_gone(trial: Trial) -> Checked {
    let (id, record) = trial.expired(trial.with(&[("a", "1")])).await?;
    sweep_all(&trial, 100).await?;
    let change = trial.set(&record, "a", "2");
    ensure_answer!(
        trial.store.apply(&id, &change).await?,
        crate::Applied::Gone,
        "apply MUST answer Gone after a sweep"
    );
    trial.ensure_absent(&id, "a swept session MUST NOT come back").await?;
    trial.create(&id, &trial.blank()).await?;
    trial.record(&id).await.map(drop)
}

pub(in crate::conformance) async fn sweep_beside_creates_removes_no_new_session(
    trial: Trial,
) -> Checked {
    for _ in 0..3 {
        let ids = expired(&trial, 120).await?;
        sweep_beside_creates(&trial, ids).await?;
    }
    Ok(())
}

async fn sweep_beside_creates(trial: &Trial, ids: Vec<SessionId>) -> Checked {
    let ids = Arc::new(ids);
    let tasks = (0..3_usize).map(|place| {
        let (trial, ids) = (trial.clone(), Arc::clone(&ids));
        async move {
            if place == 0 {
                return sweep_all(&trial, 4).await.map(drop);
            }
            // Each makes its half of them anew.
            for id in ids.iter().skip(place - 1).step_by(2) {
                trial.create(id, &trial.blank()).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    });
    trial.together(tasks).await?;
    for id in ids.iter() {
        let clause = "whether a session has expired MUST be judged in the step that removes it";
        trial.record(id).await.map_err(|failure| failure.during(clause))?;
    }
    Ok(())
}
