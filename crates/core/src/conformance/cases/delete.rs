//! Deleting sessions, once and for all.

use crate::{
    Applied, Rotated, Touched,
    conformance::{
        failure::{Checked, ensure, ensure_answer},
        trial::{Trial, touch_of},
    },
};

pub(in crate::conformance) async fn delete_is_idempotent_and_says_whether_it_was_there(
    trial: Trial,
) -> Checked {
    let (id, _) = trial.begin(&trial.with(&[("a", "1")])).await?;
    ensure!(trial.store.delete(&id).await?, "delete MUST say true where a live session was");
    trial.ensure_absent(&id, "a deleted session MUST NOT load").await?;
    for _ in 0..2 {
        ensure!(!trial.store.delete(&id).await?, "delete MUST say false the second time");
    }
    let never = trial.id()?;
    ensure!(!trial.store.delete(&never).await?, "delete MUST say false where nothing ever was");
    Ok(())
}

pub(in crate::conformance) async fn delete_of_an_expired_session_says_false(
    trial: Trial,
) -> Checked {
    let (id, _) = trial.expired(trial.blank()).await?;
    ensure!(!trial.store.delete(&id).await?, "an expired session MUST be missing for delete");
    trial.ensure_absent(&id, "an expired session MUST NOT load").await
}

pub(in crate::conformance) async fn delete_is_final(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
    trial.store.delete(&id).await?;
    let change = trial.set(&record, "a", "2");
    let new = trial.id()?;
    ensure_answer!(
        trial.store.apply(&id, &change).await?,
        Applied::Gone,
        "apply MUST answer Gone after delete"
    );
    ensure_answer!(
        trial.store.touch(&id, touch_of(&record, trial.long())).await?,
        Touched::Gone,
        "touch MUST answer Gone after delete"
    );
    ensure_answer!(
        trial.store.rotate(&id, &new, &change).await?,
        Rotated::Gone,
        "rotate MUST answer Gone after delete"
    );
    trial.ensure_absent(&id, "nothing MUST bring a deleted session back").await?;
    trial.ensure_absent(&new, "nothing MUST bring a deleted session back under a new id").await
}

pub(in crate::conformance) async fn concurrent_deletes_count_the_session_once(
    trial: Trial,
) -> Checked {
    for _ in 0..20 {
        let (id, _) = trial.begin(&trial.blank()).await?;
        let deletes = (0..8).map(|_| {
            let trial = trial.clone();
            async move { Ok(trial.store.delete(&id).await?) }
        });
        let found = trial.together(deletes).await?;
        let found = found.into_iter().filter(|found| *found).count();
        ensure!(found == 1, "of concurrent deletes exactly one MUST say true; {found} did");
    }
    Ok(())
}
