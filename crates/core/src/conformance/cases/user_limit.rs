//! The limit of a user's sessions.

use crate::{
    Created, NewRecord, OverLimit, Rotated, SessionId, UserId, UserLimit,
    conformance::{
        failure::{Checked, ensure, ensure_answer},
        trial::{Trial, sorted},
    },
};

const EVICT: OverLimit = OverLimit::EvictOldest;
const REFUSE: OverLimit = OverLimit::Refuse;

fn limited(trial: &Trial, sessions: u32, over: OverLimit) -> NewRecord {
    let mut new = trial.of_user("ada");
    new.user_limit = Some(UserLimit::new(sessions, over));
    new
}

/// So many sessions of one user, the oldest first.
async fn sessions_of_ada(trial: &Trial, count: usize) -> Checked<Vec<SessionId>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(trial.begin(&trial.of_user("ada")).await?.0);
        trial.pass(1).await;
    }
    Ok(ids)
}

async fn ensure_ada_has(trial: &Trial, expected: &[SessionId], clause: &str) -> Checked {
    let found = trial.ids_of(&trial.layer, "ada").await?;
    ensure!(
        found == sorted(expected.iter().copied()),
        "{clause}; expected {expected:?}, found {found:?}"
    );
    for id in expected {
        trial.record(id).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn create_over_the_limit_evicts_the_oldest(
    trial: Trial,
) -> Checked {
    let mut ids = sessions_of_ada(&trial, 3).await?;
    // The oldest is the one that began first, however lately it was used.
    let record = trial.record(&ids[0]).await?;
    trial.touch(&ids[0], &record, trial.long()).await?;
    let id = trial.id()?;
    let receipt = trial.create(&id, &limited(&trial, 3, EVICT)).await?;
    ensure!(receipt.evicted == 1, "the receipt MUST count the evicted; {} of 1", receipt.evicted);
    let evicted = ids.remove(0);
    ids.push(id);
    let clause = "a session over the limit MUST evict the user's oldest";
    ensure_ada_has(&trial, &ids, clause).await?;
    trial.ensure_absent(&evicted, "an evicted session MUST NOT load").await?;

    // A limit that was lowered holds at once.
    trial.pass(1).await;
    let id = trial.id()?;
    let receipt = trial.create(&id, &limited(&trial, 2, EVICT)).await?;
    ensure!(receipt.evicted == 2, "the receipt MUST count the evicted; {} of 2", receipt.evicted);
    ensure_ada_has(&trial, &[ids[2], id], clause).await
}

pub(in crate::conformance) async fn create_over_the_limit_is_refused_and_leaves_everything(
    trial: Trial,
) -> Checked {
    let ids = sessions_of_ada(&trial, 2).await?;
    let id = trial.id()?;
    ensure_answer!(
        trial.store.create(&id, limited(&trial, 2, REFUSE)).await?,
        Created::OverLimit,
        "create over the limit MUST be refused"
    );
    trial.ensure_absent(&id, "a refused session MUST NOT load").await?;
    ensure_ada_has(&trial, &ids, "a refusal MUST leave the user's sessions").await?;
    trial.store.delete(&ids[0]).await?;
    trial.create(&id, &limited(&trial, 2, REFUSE)).await?;
    ensure_ada_has(&trial, &[ids[1], id], "a deleted session MUST NOT count").await
}

pub(in crate::conformance) async fn limit_that_is_not_reached_evicts_nobody(
    trial: Trial,
) -> Checked {
    let mut ids = Vec::new();
    for over in [EVICT, REFUSE, EVICT] {
        let id = trial.id()?;
        let receipt = trial.create(&id, &limited(&trial, 3, over)).await?;
        ensure!(receipt.evicted == 0, "a limit that is not reached MUST evict nobody");
        ids.push(id);
    }
    ensure_ada_has(&trial, &ids, "a limit that is not reached MUST evict nobody").await
}

pub(in crate::conformance) async fn strangers_do_not_count(trial: Trial) -> Checked {
    trial.begin(&trial.of_user("bob")).await?;
    trial.begin(&trial.blank()).await?;
    let mut elsewhere = trial.of_user("ada");
    elsewhere.layer = "elsewhere".into();
    let (other, _) = trial.begin(&elsewhere).await?;
    for over in [EVICT, REFUSE] {
        let id = trial.id()?;
        let receipt = trial.create(&id, &limited(&trial, 1, over)).await?;
        let clause = "other users, other layers and anonymous sessions MUST NOT count";
        ensure!(receipt.evicted == 0, "{clause}");
        trial.record(&other).await.map_err(|failure| failure.during(clause))?;
        trial.store.delete(&id).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn expired_sessions_do_not_count(trial: Trial) -> Checked {
    let mut short = trial.of_user("ada");
    short.lifetime = trial.short();
    for _ in 0..2 {
        trial.begin(&short).await?;
    }
    trial.pass(5).await;
    let id = trial.id()?;
    trial.create(&id, &limited(&trial, 1, REFUSE)).await?;
    trial.store.delete(&id).await?;
    let (kept, _) = trial.begin(&trial.of_user("ada")).await?;
    let receipt = trial.create(&id, &limited(&trial, 2, EVICT)).await?;
    ensure!(receipt.evicted == 0, "expired sessions MUST NOT count as evicted");
    ensure_ada_has(&trial, &[kept, id], "expired sessions MUST NOT count").await
}

pub(in crate::conformance) async fn taken_id_evicts_nobody(trial: Trial) -> Checked {
    let ids = sessions_of_ada(&trial, 2).await?;
    ensure_answer!(
        trial.store.create(&ids[1], limited(&trial, 1, EVICT)).await?,
        Created::Taken,
        "create MUST answer Taken where a live record has the id"
    );
    ensure_ada_has(&trial, &ids, "Taken MUST leave everything as it is").await
}

pub(in crate::conformance) async fn sign_in_by_rotation_keeps_the_limit(trial: Trial) -> Checked {
    let ids = sessions_of_ada(&trial, 2).await?;
    let (anonymous, record) = trial.begin(&trial.with(&[("cart", "1")])).await?;
    let new = trial.id()?;
    let mut change = trial.change(&record);
    change.restart = true;
    change.user = Some(UserId::from("ada"));

    change.user_limit = Some(UserLimit::new(2, REFUSE));
    ensure_answer!(
        trial.store.rotate(&anonymous, &new, &change).await?,
        Rotated::OverLimit,
        "rotate over the limit MUST be refused"
    );
    let clause = "a refusal MUST leave the old session whole";
    trial.ensure_same(&anonymous, &record, clause).await?;
    trial.ensure_absent(&new, "a refusal MUST leave nothing under the new id").await?;
    ensure_ada_has(&trial, &ids, "a refusal MUST leave the user's sessions").await?;

    change.user_limit = Some(UserLimit::new(2, EVICT));
    let receipt = trial.rotate(&anonymous, &new, &change).await?;
    ensure!(receipt.evicted == 1, "the receipt MUST count the evicted; {} of 1", receipt.evicted);
    let clause = "a sign-in over the limit MUST evict the user's oldest session";
    ensure_ada_has(&trial, &[ids[1], new], clause).await?;
    trial.ensure_absent(&anonymous, "rotate MUST end the old id").await
}

pub(in crate::conformance) async fn rotation_does_not_count_the_session_twice(
    trial: Trial,
) -> Checked {
    let mut ids = sessions_of_ada(&trial, 2).await?;
    for (place, over) in [(0, REFUSE), (1, EVICT)] {
        let record = trial.record(&ids[place]).await?;
        let new = trial.id()?;
        let mut change = trial.change(&record);
        change.restart = true;
        change.user = Some(UserId::from("ada"));
        change.user_limit = Some(UserLimit::new(2, over));
        let receipt = trial.rotate(&ids[place], &new, &change).await?;
        ids[place] = new;
        let clause = "the session that is rotated MUST NOT count twice";
        ensure!(receipt.evicted == 0, "{clause}");
        ensure_ada_has(&trial, &ids, clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn conflict_evicts_nobody(trial: Trial) -> Checked {
    let ids = sessions_of_ada(&trial, 2).await?;
    let (anonymous, stale) = trial.begin(&trial.blank()).await?;
    trial.apply(&anonymous, &trial.set(&stale, "a", "1")).await?;
    let mut change = trial.change(&stale);
    change.user = Some(UserId::from("ada"));
    change.user_limit = Some(UserLimit::new(1, EVICT));
    let new = trial.id()?;
    ensure_answer!(
        trial.store.rotate(&anonymous, &new, &change).await?,
        Rotated::Conflict(_),
        "rotate MUST be a conflict for any other version"
    );
    ensure_ada_has(&trial, &ids, "a conflict MUST evict nobody").await
}

pub(in crate::conformance) async fn taken_comes_before_the_limit(trial: Trial) -> Checked {
    let ids = sessions_of_ada(&trial, 1).await?;
    ensure_answer!(
        trial.store.create(&ids[0], limited(&trial, 1, REFUSE)).await?,
        Created::Taken,
        "create MUST answer Taken where a live record has the id, over the limit too"
    );
    let (anonymous, record) = trial.begin(&trial.blank()).await?;
    let mut change = trial.change(&record);
    change.restart = true;
    change.user = Some(UserId::from("ada"));
    change.user_limit = Some(UserLimit::new(1, REFUSE));
    ensure_answer!(
        trial.store.rotate(&anonymous, &ids[0], &change).await?,
        Rotated::Taken,
        "Taken MUST come before OverLimit"
    );
    let clause = "an answer other than Rotated MUST leave the old session whole";
    trial.ensure_same(&anonymous, &record, clause).await?;
    ensure_ada_has(&trial, &ids, "Taken MUST leave everything as it is").await
}
