//! Many callers on one session at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    Applied, Record, Rotated, SessionId,
    conformance::{
        Failure,
        failure::{Checked, ensure},
        trial::{Trial, number, touch_of},
    },
};

pub(in crate::conformance) async fn sixty_four_exact_increments_give_sixty_four(
    trial: Trial,
) -> Checked {
    let (id, before) = trial.begin(&trial.with(&[("count", "0")])).await?;
    let tasks = (0..64).map(|_| {
        let trial = trial.clone();
        async move { increment(&trial, &id).await }
    });
    trial.together(tasks).await?;
    let record = trial.record(&id).await?;
    let count = number(&record.fields, "count");
    ensure!(count == 64, "64 exact increments MUST give 64; they gave {count}");
    let changes = record.version - before.version;
    ensure!(changes == 64, "64 changes MUST make 64 versions; they made {changes}");
    Ok(())
}

async fn increment(trial: &Trial, id: &SessionId) -> Checked {
    let receipt = trial
        .retry(id, |record| {
            let next = number(&record.fields, "count") + 1;
            let mut change = trial.set(record, "count", &next.to_string());
            change.exact = true;
            change
        })
        .await?;
    ensure!(receipt.is_some(), "apply MUST find a live session; it answered Gone");
    Ok(())
}

pub(in crate::conformance) async fn fifty_plain_inserts_of_different_fields_all_land(
    trial: Trial,
) -> Checked {
    let (id, before) = trial.begin(&trial.with(&[("there", "1")])).await?;
    let writers = (0..50).map(|writer| {
        let (trial, before) = (trial.clone(), Arc::clone(&before));
        async move {
            let name = format!("field {writer}");
            let mut record = before;
            for _ in 0..10_000 {
                let change = trial.set(&record, &name, "1");
                match trial.store.apply(&id, &change).await? {
                    Applied::Applied(_) => return Ok(()),
                    Applied::Conflict(fresh) => record = fresh.record,
                    Applied::Gone => {
                        return Err(Failure::new("apply MUST find a live session"));
                    }
                }
            }
            Err(Failure::new("a plain change MUST get through when it is tried again and again"))
        }
    });
    trial.together(writers).await?;
    let record = trial.record(&id).await?;
    let landed = record.fields.len();
    ensure!(landed == 51, "50 inserts beside one field MUST all land; there are {landed} of 51");
    let changes = record.version - before.version;
    ensure!(changes == 50, "50 changes MUST make 50 versions; they made {changes}");
    Ok(())
}

pub(in crate::conformance) async fn touches_beside_changes_lose_nothing(trial: Trial) -> Checked {
    let (id, before) = trial.begin(&trial.with(&[("count", "0")])).await?;
    let touching = Arc::new(AtomicUsize::new(TOUCHERS));
    let tasks = (0..TOUCHERS + 2).map(|place| {
        let (trial, before, touching) = (trial.clone(), Arc::clone(&before), Arc::clone(&touching));
        async move {
            let mut counted = 0;
            if place < TOUCHERS {
                let touched = touch_often(&trial, &id, &before).await;
                touching.fetch_sub(1, Ordering::SeqCst);
                touched?;
            } else {
                while touching.load(Ordering::SeqCst) > 0 {
                    increment(&trial, &id).await?;
                    counted += 1;
                }
            }
            Ok(counted)
        }
    });
    let counted: u64 = trial.together(tasks).await?.iter().sum();
    let record = trial.record(&id).await?;
    let count = number(&record.fields, "count");
    ensure!(count == counted, "a touch MUST NOT undo a change; {counted} increments gave {count}");
    Ok(())
}

const TOUCHERS: usize = 3;

async fn touch_often(trial: &Trial, id: &SessionId, record: &Record) -> Checked {
    for _ in 0..50 {
        trial.touch(id, record, trial.long()).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

pub(in crate::conformance) async fn reads_beside_writes_see_whole_versions(
    trial: Trial,
) -> Checked {
    let (id, _) = trial.begin(&trial.with(&[("one", "0"), ("two", "0")])).await?;
    let reading = Arc::new(AtomicUsize::new(READERS));
    let tasks = (0..=READERS).map(|place| {
        let (trial, reading) = (trial.clone(), Arc::clone(&reading));
        async move {
            if place == READERS {
                return write_pairs(&trial, &id, &reading).await;
            }
            let read = read_pairs(&trial, &id).await;
            reading.fetch_sub(1, Ordering::SeqCst);
            read
        }
    });
    trial.together(tasks).await.map(drop)
}

const READERS: usize = 3;

/// Writes both fields together for as long as somebody reads them.
async fn write_pairs(trial: &Trial, id: &SessionId, reading: &AtomicUsize) -> Checked {
    let mut round = 0_u64;
    while reading.load(Ordering::SeqCst) > 0 {
        round += 1;
        let record = trial.record(id).await?;
        let mut change = trial.set(&record, "one", &round.to_string());
        change.edits.set("two", &round.to_string());
        change.clear = round.is_multiple_of(2);
        trial.apply(id, &change).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Reads until it has met the writer often enough.
async fn read_pairs(trial: &Trial, id: &SessionId) -> Checked {
    let (mut version, mut met) = (0, 0);
    for _ in 0..100_000 {
        let record = trial.record(id).await?;
        ensure!(
            record.fields.get("one") == record.fields.get("two"),
            "a read MUST see one whole version; two fields that are written together differ"
        );
        ensure!(
            record.version >= version,
            "versions MUST NOT go back; {} came after {version}",
            record.version
        );
        met += u32::from(record.version > version);
        version = record.version;
        if met == 40 {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

pub(in crate::conformance) async fn delete_among_writers_is_final(trial: Trial) -> Checked {
    for _ in 0..40 {
        let (id, _) = trial.begin(&trial.with(&[("count", "0")])).await?;
        let tasks = (0..5_usize).map(|place| {
            let trial = trial.clone();
            async move {
                match place {
                    0 => delete_later(&trial, &id).await,
                    1 => touch_until_gone(&trial, &id).await,
                    _ => write_until_gone(&trial, &id, place).await,
                }
            }
        });
        trial.together(tasks).await?;
        let clause = "no late change or touch MUST bring a deleted session back";
        trial.ensure_absent(&id, clause).await?;
    }
    Ok(())
}

async fn delete_later(trial: &Trial, id: &SessionId) -> Checked {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    ensure!(trial.store.delete(id).await?, "delete MUST find a live session");
    let clause = "a session that was deleted MUST NOT load from then on";
    for _ in 0..10 {
        trial.ensure_absent(id, clause).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn touch_until_gone(trial: &Trial, id: &SessionId) -> Checked {
    let Some(loaded) = trial.load(id).await? else {
        return Ok(());
    };
    let touch = touch_of(&loaded.record, trial.long());
    for _ in 0..100_000 {
        match trial.store.touch(id, touch).await? {
            crate::Touched::Touched(_) => tokio::task::yield_now().await,
            crate::Touched::Gone => return Ok(()),
        }
    }
    Err(Failure::new("a deleted session MUST be gone for touch"))
}

async fn write_until_gone(trial: &Trial, id: &SessionId, writer: usize) -> Checked {
    for round in 0..100_000 {
        let name = format!("field {writer}");
        let written =
            trial.retry(id, |record| trial.set(record, &name, &round.to_string())).await?;
        if written.is_none() {
            return Ok(());
        }
    }
    Err(Failure::new("a deleted session MUST be gone for apply"))
}

pub(in crate::conformance) async fn delete_beside_rotate_leaves_one_answer(
    trial: Trial,
) -> Checked {
    for _ in 0..40 {
        let (old, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
        let new = trial.id()?;
        let tasks = (0..2).map(|place| {
            let (trial, record) = (trial.clone(), Arc::clone(&record));
            async move {
                if place == 0 {
                    return Ok(trial.store.delete(&old).await?);
                }
                match trial.store.rotate(&old, &new, &trial.change(&record)).await? {
                    Rotated::Rotated(_) => Ok(true),
                    Rotated::Gone => Ok(false),
                    other => Err(Failure::new(format!(
                        "rotate beside delete MUST answer Rotated or Gone; it answered {other:?}"
                    ))),
                }
            }
        });
        let answers = trial.together(tasks).await?;
        ensure!(
            answers[0] != answers[1],
            "of delete and rotate exactly one MUST find the session; delete said {}, rotate {}",
            answers[0],
            answers[1]
        );
        trial.ensure_absent(&old, "delete and rotate MUST both end the old id").await?;
        let lives = trial.load(&new).await?.is_some();
        ensure!(
            lives == answers[1],
            "a session MUST live under the new id if and only if rotate said so"
        );
    }
    Ok(())
}
