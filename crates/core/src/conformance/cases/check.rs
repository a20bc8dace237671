//! Looking for what is not as it should be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::conformance::{
    failure::{Checked, ensure},
    trial::{Trial, touch_of},
};

pub(in crate::conformance) async fn check_of_a_whole_store_finds_it_whole(trial: Trial) -> Checked {
    let (rotated, record) = trial.begin(&trial.of_user("ada")).await?;
    let moved = trial.id()?;
    trial.store.rotate(&rotated, &moved, &trial.set(&record, "a", "1")).await?;
    let (deleted, _) = trial.begin(&trial.of_user("ada")).await?;
    trial.store.delete(&deleted).await?;
    trial.expired(trial.of_user("bob")).await?;
    let (of_nobody, before) = trial.begin(&trial.with(&[("a", "1")])).await?;
    let (of_user, user_before) = trial.begin(&trial.of_user("bob")).await?;
    for _ in 0..2 {
        let checked = trial.check()?.check().await?;
        ensure!(
            checked.problems.is_empty(),
            "check MUST find nothing wrong where nothing is; it found {:?}",
            checked.problems
        );
        let live = checked.sessions;
        ensure!(live == 3, "check MUST count the live sessions; it counted {live} of 3");
    }
    let clause = "check MUST NOT change a session";
    trial.ensure_same(&of_nobody, &before, clause).await?;
    trial.ensure_same(&of_user, &user_before, clause).await
}

pub(in crate::conformance) async fn check_beside_writers_reports_none_of_them(
    trial: Trial,
) -> Checked {
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let tasks = (0..=WRITERS).map(|place| {
        let (trial, writing) = (trial.clone(), Arc::clone(&writing));
        async move {
            if place < WRITERS {
                let written = begin_and_end(&trial).await;
                writing.fetch_sub(1, Ordering::SeqCst);
                return written;
            }
            while writing.load(Ordering::SeqCst) > 0 {
                let problems = trial.check()?.check().await?.problems;
                ensure!(
                    problems.is_empty(),
                    "check MUST NOT report what writers are at work on; it reported {problems:?}"
                );
            }
            Ok(())
        }
    });
    trial.together(tasks).await.map(drop)
}

const WRITERS: usize = 3;

async fn begin_and_end(trial: &Trial) -> Checked {
    for _ in 0..20 {
        let (id, record) = trial.begin(&trial.of_user("ada")).await?;
        trial.store.touch(&id, touch_of(&record, trial.long())).await?;
        let moved = trial.id()?;
        trial.store.rotate(&id, &moved, &trial.set(&record, "a", "1")).await?;
        trial.store.delete(&moved).await?;
    }
    Ok(())
}
