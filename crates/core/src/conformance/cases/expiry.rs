//! Both clocks, judged when a session is read.

use std::time::Duration;

use crate::{
    Applied, Lifetime, Rotated, Touched,
    conformance::{
        failure::{Checked, ensure, ensure_answer},
        trial::{Trial, touch_of},
    },
};

/// More than any store keeps sessions for, and less than where times wrap.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

pub(in crate::conformance) async fn idle_session_expires(trial: Trial) -> Checked {
    let (id, _) = trial.begin(&trial.lasting(trial.short())).await?;
    trial.pass(2).await;
    trial.record(&id).await?;
    trial.pass(3).await;
    trial.ensure_absent(&id, "an expired session MUST NOT load").await
}

pub(in crate::conformance) async fn session_is_expired_at_the_end_of_its_lifetime(
    trial: Trial,
) -> Checked {
    let (id, _) = trial.begin(&trial.lasting(trial.short())).await?;
    trial.pass(4).await;
    let clause = "a session MUST be expired from the very end of its lifetime on";
    trial.ensure_absent(&id, clause).await
}

pub(in crate::conformance) async fn use_keeps_a_session_alive(trial: Trial) -> Checked {
    let lifetime = trial.short();
    let (touched, record) = trial.begin(&trial.lasting(lifetime)).await?;
    let (changed, _) = trial.begin(&trial.lasting(lifetime)).await?;
    for round in 0..3 {
        trial.pass(2).await;
        trial.touch(&touched, &record, lifetime).await?;
        let mut change = trial.set(&*trial.record(&changed).await?, "a", &round.to_string());
        change.lifetime = lifetime;
        trial.apply(&changed, &change).await?;
    }
    trial.pass(5).await;
    for (id, way) in [(touched, "touched"), (changed, "changed")] {
        let clause = format!("a session that was last {way} before its idle timeout MUST expire");
        trial.ensure_absent(&id, &clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn absolute_lifetime_is_not_extended(trial: Trial) -> Checked {
    let lifetime = Lifetime::new(trial.long().idle, trial.ticks(6));
    let (id, record) = trial.begin(&trial.lasting(lifetime)).await?;
    let rotated = trial.id()?;
    trial.pass(3).await;
    trial.touch(&id, &record, lifetime).await?;
    let mut change = trial.set(&record, "a", "1");
    change.lifetime = lifetime;
    trial.apply(&id, &change).await?;
    let mut change = trial.change(&*trial.record(&id).await?);
    change.lifetime = lifetime;
    trial.rotate(&id, &rotated, &change).await?;
    let after = trial.record(&rotated).await?;
    ensure!(
        after.created_at == record.created_at,
        "touch, apply and rotate MUST keep the time that the absolute lifetime counts from"
    );
    trial.pass(4).await;
    let clause = "touch, apply and rotate MUST NOT extend the absolute lifetime";
    trial.ensure_absent(&rotated, clause).await
}

pub(in crate::conformance) async fn restart_extends_the_absolute_lifetime(trial: Trial) -> Checked {
    let lifetime = Lifetime::new(trial.long().idle, trial.ticks(6));
    let (id, record) = trial.begin(&trial.lasting(lifetime)).await?;
    let rotated = trial.id()?;
    trial.pass(3).await;
    let mut change = trial.change(&record);
    change.lifetime = lifetime;
    change.restart = true;
    trial.rotate(&id, &rotated, &change).await?;
    trial.pass(4).await;
    trial.record(&rotated).await?;
    trial.pass(4).await;
    let clause = "a restarted absolute lifetime MUST end too";
    trial.ensure_absent(&rotated, clause).await
}

pub(in crate::conformance) async fn expired_session_is_missing_for_every_operation(
    trial: Trial,
) -> Checked {
    let (id, record) = trial.expired(trial.with(&[("a", "1")])).await?;
    let new = trial.id()?;
    let change = trial.set(&record, "a", "2");
    ensure_answer!(
        trial.store.touch(&id, touch_of(&record, trial.long())).await?,
        Touched::Gone,
        "an expired session MUST be missing for touch"
    );
    ensure_answer!(
        trial.store.apply(&id, &change).await?,
        Applied::Gone,
        "an expired session MUST be missing for apply"
    );
    ensure_answer!(
        trial.store.rotate(&id, &new, &change).await?,
        Rotated::Gone,
        "an expired session MUST be missing for rotate"
    );
    ensure!(!trial.store.delete(&id).await?, "an expired session MUST be missing for delete");
    for id in [id, new] {
        trial.ensure_absent(&id, "an expired session MUST NOT come back").await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn endless_lifetimes_do_not_wrap(trial: Trial) -> Checked {
    let endless = Lifetime::new(Duration::MAX, Duration::MAX);
    let id = trial.id()?;
    let new = trial.id()?;
    let mut receipts = vec![trial.create(&id, &trial.lasting(endless)).await?];
    let record = trial.record(&id).await?;
    receipts.push(trial.touch(&id, &record, endless).await?);
    let mut change = trial.set(&record, "a", "1");
    change.lifetime = endless;
    receipts.push(trial.apply(&id, &change).await?);
    let mut change = trial.change(&*trial.record(&id).await?);
    change.lifetime = endless;
    receipts.push(trial.rotate(&id, &new, &change).await?);
    for receipt in receipts {
        ensure!(
            receipt.expires_at.since(receipt.at) >= CENTURY,
            "an endless lifetime MUST NOT wrap; it ends at {}",
            receipt.expires_at
        );
    }
    trial.pass(1).await;
    trial.record(&new).await.map(drop)
}

pub(in crate::conformance) async fn endless_idle_timeout_ends_with_the_absolute_lifetime(
    trial: Trial,
) -> Checked {
    for lifetime in
        [Lifetime::new(Duration::MAX, trial.ticks(3)), Lifetime::new(trial.ticks(3), Duration::MAX)]
    {
        let (id, record) = trial.begin(&trial.lasting(lifetime)).await?;
        trial.touch(&id, &record, lifetime).await?;
        trial.pass(4).await;
        let clause = "the first of both clocks to run out MUST end the session";
        trial.ensure_absent(&id, clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn lifetime_of_nothing_ends_at_once(trial: Trial) -> Checked {
    let nothing = Lifetime::new(Duration::ZERO, trial.long().absolute);
    let created = trial.id()?;
    trial.create(&created, &trial.lasting(nothing)).await?;

    let (touched, record) = trial.begin(&trial.blank()).await?;
    trial.touch(&touched, &record, nothing).await?;

    let (applied, record) = trial.begin(&trial.blank()).await?;
    let mut change = trial.set(&record, "a", "1");
    change.lifetime = nothing;
    trial.apply(&applied, &change).await?;

    let (rotated, record) = trial.begin(&trial.blank()).await?;
    let new = trial.id()?;
    let mut change = trial.change(&record);
    change.lifetime = nothing;
    trial.rotate(&rotated, &new, &change).await?;

    for (id, way) in [
        (created, "created"),
        (touched, "touched"),
        (applied, "changed"),
        (rotated, "rotated away"),
        (new, "rotated"),
    ] {
        let clause = format!("a session that was {way} with a lifetime of nothing MUST be over");
        trial.ensure_absent(&id, &clause).await?;
    }
    trial.create(&created, &trial.blank()).await?;
    trial.record(&created).await.map(drop)
}
