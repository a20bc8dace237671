//! Removing all sessions.

use crate::{
    Applied, Touched,
    conformance::{
        Capability,
        failure::{Checked, ensure, ensure_answer},
        trial::{Trial, touch_of},
    },
};

pub(in crate::conformance) async fn purge_removes_all_sessions_and_counts_them(
    trial: Trial,
) -> Checked {
    let mut sessions = Vec::new();
    for place in 0..9 {
        let mut new = match place % 3 {
            0 => trial.blank(),
            _ => trial.of_user("ada"),
        };
        if place % 3 == 2 {
            new.layer = "elsewhere".into();
        }
        sessions.push(trial.begin(&new).await?);
    }
    let purged = trial.purge()?.purge().await?.sessions;
    ensure!(purged == 9, "purge MUST count exactly what it removes; {purged} of 9");
    for (id, record) in &sessions {
        trial.ensure_absent(id, "purge MUST remove all sessions of all layers").await?;
        ensure_answer!(
            trial.store.apply(id, &trial.set(record, "a", "1")).await?,
            Applied::Gone,
            "apply MUST answer Gone after a purge"
        );
        ensure_answer!(
            trial.store.touch(id, touch_of(record, trial.long())).await?,
            Touched::Gone,
            "touch MUST answer Gone after a purge"
        );
        trial.ensure_absent(id, "nothing MUST bring a purged session back").await?;
    }
    if trial.declares(Capability::Index) {
        let listed = trial.list(crate::Query::all()).await?.len();
        ensure!(listed == 0, "a purged store MUST list nothing; it lists {listed}");
    }
    Ok(())
}

pub(in crate::conformance) async fn purge_counts_expired_sessions_that_are_there(
    trial: Trial,
) -> Checked {
    trial.expired(trial.blank()).await?;
    trial.begin(&trial.blank()).await?;
    let purged = trial.purge()?.purge().await?.sessions;
    // A store whose server drops the expired by itself has one left.
    ensure!((1..=2).contains(&purged), "purge MUST count what it removes; {purged} of 1 or 2");
    if let Some(sweep) = trial.store.sweep() {
        let swept = sweep.sweep(100).await?;
        ensure!(
            matches!(swept, crate::Swept::Removed { sessions: 0, more: false }),
            "purge MUST remove expired sessions too; a sweep after it answered {swept:?}"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn purge_of_nothing_counts_nothing(trial: Trial) -> Checked {
    for _ in 0..2 {
        let purged = trial.purge()?.purge().await?.sessions;
        ensure!(purged == 0, "purge of an empty store MUST count nothing; it counted {purged}");
    }
    Ok(())
}

pub(in crate::conformance) async fn store_works_after_a_purge(trial: Trial) -> Checked {
    let (id, _) = trial.begin(&trial.of_user("ada")).await?;
    trial.purge()?.purge().await?;
    let receipt = trial.create(&id, &trial.of_user("ada")).await?;
    let expected = trial.of_user("ada").at(receipt.at);
    let clause = "a purged store MUST take new sessions";
    trial.ensure_about(&id, &expected, clause).await?;
    let record = trial.record(&id).await?;
    trial.apply(&id, &trial.set(&record, "a", "1")).await?;
    let purged = trial.purge()?.purge().await?.sessions;
    ensure!(purged == 1, "purge MUST count exactly what it removes; {purged} of 1");
    Ok(())
}
