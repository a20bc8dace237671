//! Moving the idle deadline.

use crate::{
    Lifetime, Touched,
    conformance::{
        failure::{Checked, ensure, ensure_answer},
        trial::{Trial, touch_of},
    },
};

pub(in crate::conformance) async fn touch_moves_expiry_and_last_active_and_nothing_else(
    trial: Trial,
) -> Checked {
    let new = trial.with(&[("a", "1"), ("", "null")]);
    let (id, before) = trial.begin(&new).await?;
    trial.pass(3).await;
    let longer = Lifetime::new(trial.long().idle * 2, trial.long().absolute * 4);
    for lifetime in [longer, trial.long()] {
        let receipt = trial.touch(&id, &before, lifetime).await?;
        let after = trial.record(&id).await?;
        let clause = "touch MUST move last_active and expiry, and leave version and data";
        trial.ensure_record(&after, &before.touched(lifetime, receipt.at), clause)?;
        ensure!(
            after.last_active > before.last_active,
            "touch MUST move last_active; it is {} after {}",
            after.last_active,
            before.last_active
        );
        ensure!(
            (receipt.version, receipt.expires_at) == (after.version, after.expires_at),
            "the receipt of touch MUST be that of the record; it is {receipt:?} of {after:?}"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn touch_does_not_disturb_a_change(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.blank()).await?;
    trial.touch(&id, &record, trial.long()).await?;
    let mut change = trial.set(&record, "a", "1");
    change.exact = true;
    // The change is based on a reading before the touch, and the version is the same.
    trial.apply(&id, &change).await.map(drop)
}

pub(in crate::conformance) async fn late_touch_is_gone_and_inserts_nothing(
    trial: Trial,
) -> Checked {
    let (deleted, record) = trial.begin(&trial.blank()).await?;
    trial.store.delete(&deleted).await?;
    let (rotated, current) = trial.begin(&trial.blank()).await?;
    trial.rotate(&rotated, &trial.id()?, &trial.change(&current)).await?;
    let (expired, _) = trial.expired(trial.blank()).await?;
    let never = trial.id()?;
    for (id, when) in [
        (deleted, "after delete"),
        (rotated, "after rotate"),
        (expired, "after expiry"),
        (never, "where nothing ever was"),
    ] {
        ensure_answer!(
            trial.store.touch(&id, touch_of(&record, trial.long())).await?,
            Touched::Gone,
            "touch MUST answer Gone {when}"
        );
        let clause = format!("touch MUST insert nothing {when}");
        trial.ensure_absent(&id, &clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn touch_does_not_outlast_the_absolute_lifetime(
    trial: Trial,
) -> Checked {
    let lifetime = Lifetime::new(trial.ticks(6), trial.ticks(10));
    let (id, record) = trial.begin(&trial.lasting(lifetime)).await?;
    for _ in 0..2 {
        trial.pass(4).await;
        let receipt = trial.touch(&id, &record, lifetime).await?;
        ensure!(
            receipt.expires_at <= record.created_at + lifetime.absolute + trial.tick(),
            "touch MUST NOT move the expiry past the absolute lifetime, which ends at {}; it is {}",
            record.created_at + lifetime.absolute,
            receipt.expires_at
        );
    }
    trial.pass(3).await;
    let clause = "a session MUST end with its absolute lifetime, however often it is touched";
    trial.ensure_absent(&id, clause).await
}

pub(in crate::conformance) async fn touch_may_shorten_a_session(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.blank()).await?;
    trial.touch(&id, &record, trial.short()).await?;
    trial.record(&id).await?;
    trial.pass(5).await;
    let clause = "a touch with a shorter lifetime MUST shorten the session";
    trial.ensure_absent(&id, clause).await
}
