//! Moving a session to a new id.

use crate::{
    Rotated, UserId,
    conformance::{
        Capability,
        failure::{Checked, Failure, ensure, ensure_answer},
        trial::Trial,
    },
};

pub(in crate::conformance) async fn rotate_moves_everything_and_ends_the_old_id(
    trial: Trial,
) -> Checked {
    let mut original = trial.with(&[("a", "1"), ("", "null")]);
    original.user = Some(UserId::from("ada"));
    original.client = Some(crate::Client::new().with_agent("Firefox/145"));
    original.remember = true;
    let (old, record) = trial.begin(&original).await?;
    trial.pass(2).await;
    let new = trial.id()?;
    let change = trial.change(&record);
    let receipt = trial.rotate(&old, &new, &change).await?;
    trial.ensure_absent(&old, "rotate MUST end the old id at once").await?;
    let after = trial.record(&new).await?;
    let clause = "rotate MUST move everything to the new id";
    trial.ensure_record(&after, &change.applied_to(&record, receipt.at), clause)?;
    ensure!(after.created_at == record.created_at, "rotate without restart MUST keep created_at");
    ensure!(
        (receipt.version, receipt.expires_at) == (after.version, after.expires_at),
        "the receipt of rotate MUST be that of the record; it is {receipt:?} of {after:?}"
    );
    ensure!(!trial.store.delete(&old).await?, "the old id MUST be dead for delete too");
    Ok(())
}

pub(in crate::conformance) async fn rotate_applies_its_change_in_the_same_step(
    trial: Trial,
) -> Checked {
    let fields = [("keep", "1"), ("set", "1"), ("remove", "1")];
    for clear in [false, true] {
        let (old, record) = trial.begin(&trial.with(&fields)).await?;
        trial.pass(2).await;
        let new = trial.id()?;
        let mut change = trial.set(&record, "set", "2");
        change.edits.remove("remove");
        change.user = Some(UserId::from("ada"));
        change.remember = Some(true);
        change.restart = true;
        change.exact = true;
        change.clear = clear;
        let receipt = trial.rotate(&old, &new, &change).await?;
        let clause = "rotate MUST do what its change says (Change::applied_to)";
        let expected = change.applied_to(&record, receipt.at);
        trial.ensure_about(&new, &expected, clause).await?;
        let after = trial.record(&new).await?;
        ensure!(
            trial.is_about(after.created_at, receipt.at),
            "rotate with restart MUST begin the absolute lifetime anew"
        );
    }
    Ok(())
}

/// An id that was given twice: the change fits the session's version, and was computed from another one.
pub(in crate::conformance) async fn rotate_moves_what_is_there_and_not_what_was_read(
    trial: Trial,
) -> Checked {
    let users = [(Some("ada"), None), (None, Some("ada")), (Some("ada"), Some("bob"))];
    for (was, is) in users.map(|(was, is)| (was.map(UserId::from), is.map(UserId::from))) {
        let mut first = trial.with(&[("a", "1")]);
        first.user = was.clone();
        let (old, read) = trial.begin(&first).await?;
        trial.store.delete(&old).await?;
        trial.pass(2).await;
        let mut second = trial.with(&[("a", "2")]);
        second.user = is.clone();
        trial.create(&old, &second).await?;
        let there = trial.record(&old).await?;
        let (new, change) = (trial.id()?, trial.change(&read));
        let receipt = trial.rotate(&old, &new, &change).await?;
        let clause = "rotate MUST move the session that is there";
        trial.ensure_about(&new, &change.applied_to(&there, receipt.at), clause).await?;
        trial.pass(2).await;
        let after = trial.record(&new).await?;
        let mut restart = trial.change(&after);
        restart.restart = true;
        trial.apply(&new, &restart).await?;
        if trial.declares(Capability::Index) {
            for (user, has) in [(was, false), (is, true)] {
                let Some(user) = user else { continue };
                let listed = trial.ids_of(&trial.layer, user.as_str()).await?.contains(&new);
                ensure!(listed == has, "a user's sessions MUST be found, and no others");
            }
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn rotate_of_a_stale_version_is_a_conflict(
    trial: Trial,
) -> Checked {
    let (old, stale) = trial.begin(&trial.with(&[("a", "1")])).await?;
    trial.apply(&old, &trial.set(&stale, "a", "2")).await?;
    let before = trial.record(&old).await?;
    let plain = trial.set(&stale, "b", "1");
    let mut exact = plain.clone();
    exact.exact = true;
    for change in [trial.change(&stale), plain, exact] {
        let new = trial.id()?;
        match trial.store.rotate(&old, &new, &change).await? {
            Rotated::Conflict(loaded) => ensure!(
                *loaded.record == *before,
                "Conflict MUST carry the present record; it carries {:?} of {before:?}",
                loaded.record
            ),
            other => {
                return Err(Failure::new(format!(
                    "rotate MUST be a conflict for any other version, even for a plain change; \
                     the answer was {other:?}"
                )));
            }
        }
        let clause = "a conflict MUST leave the old session whole";
        trial.ensure_same(&old, &before, clause).await?;
        let clause = "a conflict MUST leave nothing under the new id";
        trial.ensure_absent(&new, clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn rotate_of_a_missing_session_is_gone(trial: Trial) -> Checked {
    let (deleted, record) = trial.begin(&trial.blank()).await?;
    trial.store.delete(&deleted).await?;
    let (rotated, current) = trial.begin(&trial.blank()).await?;
    trial.rotate(&rotated, &trial.id()?, &trial.change(&current)).await?;
    let (expired, _) = trial.expired(trial.blank()).await?;
    for (old, when) in [
        (deleted, "after delete"),
        (rotated, "after rotate"),
        (expired, "after expiry"),
        (trial.id()?, "where nothing ever was"),
    ] {
        let new = trial.id()?;
        ensure_answer!(
            trial.store.rotate(&old, &new, &trial.change(&record)).await?,
            Rotated::Gone,
            "rotate MUST answer Gone {when}"
        );
        let clause = format!("rotate MUST insert nothing {when}");
        trial.ensure_absent(&old, &clause).await?;
        trial.ensure_absent(&new, &clause).await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn rotate_to_a_taken_id_leaves_both_whole(
    trial: Trial,
) -> Checked {
    let (old, record) = trial.begin(&trial.with(&[("owner", "1")])).await?;
    let (taken, other) = trial.begin(&trial.with(&[("owner", "2")])).await?;
    let change = trial.set(&record, "owner", "3");
    ensure_answer!(
        trial.store.rotate(&old, &taken, &change).await?,
        Rotated::Taken,
        "rotate MUST answer Taken where a live record has the new id"
    );
    let clause = "Taken MUST leave both sessions whole";
    trial.ensure_same(&old, &record, clause).await?;
    trial.ensure_same(&taken, &other, clause).await
}

pub(in crate::conformance) async fn rotate_to_the_id_of_an_expired_session_works(
    trial: Trial,
) -> Checked {
    let (new, _) = trial.expired(trial.with(&[("old", "1")])).await?;
    let (old, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
    let change = trial.change(&record);
    let receipt = trial.rotate(&old, &new, &change).await?;
    let clause = "rotate over an expired record MUST leave nothing of it";
    let expected = change.applied_to(&record, receipt.at);
    trial.ensure_about(&new, &expected, clause).await?;
    trial.ensure_absent(&old, "rotate MUST end the old id").await
}

pub(in crate::conformance) async fn rotated_session_can_be_rotated_again(trial: Trial) -> Checked {
    let (first, _) = trial.begin(&trial.with(&[("a", "1")])).await?;
    let mut ids = vec![first];
    let mut current = first;
    for round in 0..5 {
        let new = trial.id()?;
        let record = trial.record(&current).await?;
        trial.rotate(&current, &new, &trial.set(&record, "a", &round.to_string())).await?;
        ids.push(new);
        current = new;
    }
    for old in &ids[..5] {
        trial.ensure_absent(old, "no old id MUST live after rotations").await?;
    }
    ensure!(trial.store.delete(&current).await?, "delete MUST find a rotated session");
    for id in &ids {
        trial.ensure_absent(id, "no id of a deleted session MUST live").await?;
    }
    Ok(())
}

pub(in crate::conformance) async fn rotate_gives_the_first_answer_that_is_true(
    trial: Trial,
) -> Checked {
    let (taken, other) = trial.begin(&trial.with(&[("owner", "2")])).await?;
    let (old, stale) = trial.begin(&trial.blank()).await?;
    ensure_answer!(
        trial.store.rotate(&trial.id()?, &taken, &trial.change(&stale)).await?,
        Rotated::Gone,
        "Gone MUST come before Taken"
    );
    trial.apply(&old, &trial.set(&stale, "a", "1")).await?;
    let before = trial.record(&old).await?;
    ensure_answer!(
        trial.store.rotate(&old, &taken, &trial.change(&stale)).await?,
        Rotated::Conflict(_),
        "Conflict MUST come before Taken"
    );
    let clause = "an answer other than Rotated MUST leave both sessions whole";
    trial.ensure_same(&old, &before, clause).await?;
    trial.ensure_same(&taken, &other, clause).await
}
