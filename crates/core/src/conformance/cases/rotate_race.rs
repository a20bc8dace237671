//! Rotation while others look and write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Applied, Rotated, SessionId,
    conformance::{
        failure::{Checked, Failure, ensure},
        trial::{Trial, number},
    },
};

/// A store whose changes take so long is asked less often.
const SLOW: Duration = Duration::from_millis(1);

pub(in crate::conformance) async fn rotate_keeps_exactly_one_id_live_for_observers(
    trial: Trial,
) -> Checked {
    for _ in 0..20 {
        let (old, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
        let new = trial.id()?;
        let over = Arc::new(AtomicBool::new(false));
        let tasks = (0..4).map(|place| {
            let (trial, record, over) = (trial.clone(), Arc::clone(&record), Arc::clone(&over));
            async move {
                if place > 0 {
                    return observe(&trial, &old, &new, &over).await;
                }
                let rotated = trial.rotate(&old, &new, &trial.change(&record)).await;
                over.store(true, Ordering::SeqCst);
                rotated.map(drop)
            }
        });
        trial.together(tasks).await?;
    }
    Ok(())
}

/// Looks at both ids until the rotation is over, in both orders: what is missing under the old id
/// has to be there under the new one, and what is there under the new one is over under the old.
async fn observe(trial: &Trial, old: &SessionId, new: &SessionId, over: &AtomicBool) -> Checked {
    loop {
        let last = over.load(Ordering::SeqCst);
        if trial.load(old).await?.is_none() {
            ensure!(
                trial.load(new).await?.is_some(),
                "rotate MUST make the new record before the old one goes; neither id was live"
            );
        }
        if trial.load(new).await?.is_some() {
            ensure!(
                trial.load(old).await?.is_none(),
                "the old id MUST be dead as soon as the new one lives; both ids were live"
            );
        }
        if last {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

pub(in crate::conformance) async fn concurrent_rotates_have_one_winner(trial: Trial) -> Checked {
    for _ in 0..20 {
        let (old, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
        let rivals = (0..8).map(|_| {
            let (trial, record) = (trial.clone(), Arc::clone(&record));
            async move {
                let new = trial.id()?;
                let answer = trial.store.rotate(&old, &new, &trial.change(&record)).await?;
                Ok((new, answer))
            }
        });
        let mut winners = 0;
        for (new, answer) in trial.together(rivals).await? {
            match answer {
                Rotated::Rotated(_) => {
                    winners += 1;
                    trial.record(&new).await?;
                }
                Rotated::Gone => {
                    let clause = "a rotation that lost MUST leave nothing under its new id";
                    trial.ensure_absent(&new, clause).await?;
                }
                other => {
                    return Err(Failure::new(format!(
                        "rotate MUST answer Gone after another rotation; the answer was {other:?}"
                    )));
                }
            }
        }
        ensure!(winners == 1, "of concurrent rotations exactly one MUST win; {winners} did");
        trial.ensure_absent(&old, "rotate MUST end the old id").await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn concurrent_rotates_to_one_id_have_one_winner(
    trial: Trial,
) -> Checked {
    for _ in 0..20 {
        let new = trial.id()?;
        let rivals = (0..4).map(|rival| {
            let trial = trial.clone();
            async move {
                let name = format!("{rival}");
                let (old, record) = trial.begin(&trial.with(&[("rival", &name)])).await?;
                let answer = trial.store.rotate(&old, &new, &trial.change(&record)).await?;
                Ok((old, record, answer))
            }
        });
        let mut winners = Vec::new();
        for (old, record, answer) in trial.together(rivals).await? {
            match answer {
                Rotated::Rotated(_) => {
                    winners.push(record);
                    trial.ensure_absent(&old, "rotate MUST end the old id").await?;
                }
                Rotated::Taken => {
                    let clause = "Taken MUST leave the old session whole";
                    trial.ensure_same(&old, &record, clause).await?;
                }
                other => {
                    return Err(Failure::new(format!(
                        "rotate MUST answer Taken where another has the new id; \
                         the answer was {other:?}"
                    )));
                }
            }
        }
        let [winner] = &winners[..] else {
            return Err(Failure::new(format!(
                "of rotations to one new id exactly one MUST win; {} did",
                winners.len()
            )));
        };
        let record = trial.record(&new).await?;
        ensure!(
            record.fields == winner.fields,
            "the session under a new id MUST be that of the one who was told Rotated"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn rotate_among_writers_loses_no_change(trial: Trial) -> Checked {
    for _ in 0..10 {
        let (old, _) = trial.begin(&trial.with(&[("count", "0")])).await?;
        let new = trial.id()?;
        let tasks = (0..4).map(|place| {
            let trial = trial.clone();
            async move {
                match place {
                    0 => rotate_until_done(&trial, &old, &new).await.map(|()| 0),
                    _ => count_until_gone(&trial, &old).await,
                }
            }
        });
        let counted: u64 = trial.together(tasks).await?.iter().sum();
        let record = trial.record(&new).await?;
        let found = number(&record.fields, "count");
        ensure!(
            found == counted,
            "rotate MUST NOT lose a change that was applied before it; {counted} increments, {found} found"
        );
        trial.ensure_absent(&old, "rotate MUST end the old id").await?;
    }
    Ok(())
}

async fn rotate_until_done(trial: &Trial, old: &SessionId, new: &SessionId) -> Checked {
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    let mut record = trial.record(old).await?;
    for _ in 0..10_000 {
        match trial.store.rotate(old, new, &trial.change(&record)).await? {
            Rotated::Rotated(_) => return Ok(()),
            Rotated::Conflict(fresh) => record = fresh.record,
            other => {
                return Err(Failure::new(format!(
                    "rotate MUST find a live session; the answer was {other:?}"
                )));
            }
        }
    }
    Err(Failure::new("rotate MUST get through beside writers when it is tried again and again"))
}

/// Increments until the session is gone; tells how many increments were acknowledged.
async fn count_until_gone(trial: &Trial, id: &SessionId) -> Checked<u64> {
    let mut counted = 0;
    for _ in 0..100_000 {
        let Some(loaded) = trial.load(id).await? else {
            return Ok(counted);
        };
        let next = number(&loaded.record.fields, "count") + 1;
        let mut change = trial.set(&loaded.record, "count", &next.to_string());
        change.exact = true;
        let began = Instant::now();
        match trial.store.apply(id, &change).await? {
            Applied::Applied(_) => counted += 1,
            Applied::Gone => return Ok(counted),
            Applied::Conflict(_) => {}
        }
        // Leaves the rotation a chance, which can take a store several times as long as a change.
        match began.elapsed() {
            took if took < SLOW => tokio::task::yield_now().await,
            took => tokio::time::sleep(4 * took).await,
        }
    }
    Err(Failure::new("the old id MUST be dead after rotate; it took changes on and on"))
}
