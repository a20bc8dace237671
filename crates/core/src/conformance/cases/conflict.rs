//! Changes that are based on an earlier version.

use std::sync::Arc;

use crate::{
    Applied, Change, Record, SessionId, UserId,
    conformance::{
        failure::{Checked, Failure, ensure},
        trial::Trial,
    },
};

/// A session at its second version, and its record at the first.
async fn changed_since(trial: &Trial) -> Checked<(SessionId, Arc<Record>)> {
    let (id, stale) = trial.begin(&trial.with(&[("count", "1"), ("other", "1")])).await?;
    trial.apply(&id, &trial.set(&stale, "count", "2")).await?;
    Ok((id, stale))
}

/// The change must be answered with a conflict that carries the present record and changes nothing.
async fn ensure_conflict(trial: &Trial, id: &SessionId, change: &Change, clause: &str) -> Checked {
    let before = trial.record(id).await?;
    match trial.store.apply(id, change).await? {
        Applied::Conflict(loaded) => ensure!(
            *loaded.record == *before,
            "Conflict MUST carry the present record; it carries {:?} of {before:?}",
            loaded.record
        ),
        other => return Err(Failure::new(format!("{clause}; the answer was {other:?}"))),
    }
    let clause = "a conflict MUST leave the record as it is";
    trial.ensure_same(id, &before, clause).await
}

pub(in crate::conformance) async fn exact_change_of_a_stale_version_is_a_conflict(
    trial: Trial,
) -> Checked {
    let (id, stale) = changed_since(&trial).await?;
    let mut change = trial.set(&stale, "count", "2");
    change.exact = true;
    let clause = "an exact change MUST NOT be applied to any other version";
    ensure_conflict(&trial, &id, &change, clause).await?;
    // Of another field it is computed from what was read all the same.
    let mut change = trial.set(&stale, "new", "1");
    change.exact = true;
    ensure_conflict(&trial, &id, &change, clause).await
}

pub(in crate::conformance) async fn clearing_a_stale_version_is_a_conflict(
    trial: Trial,
) -> Checked {
    let (id, stale) = changed_since(&trial).await?;
    let mut change = trial.change(&stale);
    change.clear = true;
    let clause = "a change that clears MUST NOT be applied to any other version";
    ensure_conflict(&trial, &id, &change, clause).await
}

pub(in crate::conformance) async fn change_of_a_later_version_is_a_conflict(
    trial: Trial,
) -> Checked {
    let (id, record) = trial.begin(&trial.with(&[("count", "1")])).await?;
    let mut change = trial.set(&record, "count", "2");
    change.exact = true;
    change.base_version = record.version + 7;
    let clause = "an exact change MUST NOT be applied to an earlier version";
    ensure_conflict(&trial, &id, &change, clause).await
}

pub(in crate::conformance) async fn conflict_changes_nothing(trial: Trial) -> Checked {
    let (id, stale) = changed_since(&trial).await?;
    trial.pass(2).await;
    let mut change = trial.set(&stale, "count", "9");
    change.edits.set("added", "9");
    change.edits.remove("other");
    change.exact = true;
    change.restart = true;
    change.user = Some(UserId::from("eve"));
    change.remember = Some(true);
    change.lifetime = trial.short();
    let clause = "an exact change of a stale version MUST be a conflict";
    ensure_conflict(&trial, &id, &change, clause).await
}

pub(in crate::conformance) async fn conflict_carries_the_fresh_record(trial: Trial) -> Checked {
    let (id, stale) = changed_since(&trial).await?;
    let mut change = trial.set(&stale, "count", "2");
    change.exact = true;
    let Applied::Conflict(loaded) = trial.store.apply(&id, &change).await? else {
        return Err(Failure::new("an exact change of a stale version MUST be a conflict"));
    };
    ensure!(
        loaded.record.fields.get("count") == Some("2"),
        "Conflict MUST carry the present record, with the fields as they are now"
    );
    let mut change = trial.set(&loaded.record, "count", "3");
    change.exact = true;
    let receipt = trial.apply(&id, &change).await?;
    let clause = "a change that is based on the record of a conflict MUST be applied to it";
    let expected = change.applied_to(&loaded.record, receipt.at);
    trial.ensure_about(&id, &expected, clause).await
}

pub(in crate::conformance) async fn plain_change_of_a_stale_version_loses_nothing(
    trial: Trial,
) -> Checked {
    let (id, stale) = changed_since(&trial).await?;
    let before = trial.record(&id).await?;
    let mut change = trial.set(&stale, "new", "1");
    change.edits.remove("other");
    change.remember = Some(true);
    match trial.store.apply(&id, &change).await? {
        Applied::Applied(receipt) => {
            let clause = "a plain change that is merged MUST leave what others wrote";
            let expected = change.applied_to(&before, receipt.at);
            trial.ensure_about(&id, &expected, clause).await?;
            ensure!(
                receipt.version == before.version + 1,
                "the receipt of a merged change MUST tell the version after the present one"
            );
            Ok(())
        }
        Applied::Conflict(_) => {
            let clause = "a conflict MUST leave the record as it is";
            trial.ensure_same(&id, &before, clause).await
        }
        Applied::Gone => Err(Failure::new("apply MUST find a live session; it answered Gone")),
    }
}
