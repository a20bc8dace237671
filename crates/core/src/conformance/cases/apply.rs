//! Applying a change to the version that it is based on.

use crate::{
    Applied, Change, Fields, Record, SessionId, UserId,
    conformance::{
        failure::{Checked, ensure, ensure_answer},
        trial::Trial,
    },
};

/// Applies a change, which must do what [`Change::applied_to`] says and tell so.
async fn apply_as_defined(
    trial: &Trial,
    id: &SessionId,
    before: &Record,
    change: &Change,
    clause: &str,
) -> Checked {
    let receipt = trial.apply(id, change).await?;
    let record = trial.record(id).await?;
    trial.ensure_record(&record, &change.applied_to(before, receipt.at), clause)?;
    ensure!(
        receipt.version == record.version && receipt.expires_at == record.expires_at,
        "the receipt of apply MUST be that of the record; it is {receipt:?} of {record:?}"
    );
    Ok(())
}

pub(in crate::conformance) async fn apply_grows_the_version_by_one(trial: Trial) -> Checked {
    let (id, mut record) = trial.begin(&trial.blank()).await?;
    for round in 0..5 {
        let change = trial.set(&record, "a", &round.to_string());
        let receipt = trial.apply(&id, &change).await?;
        ensure!(
            receipt.version == record.version + 1,
            "the version MUST grow by one with each change; after {} came {}",
            record.version,
            receipt.version
        );
        record = trial.record(&id).await?;
        ensure!(
            record.version == receipt.version,
            "the version of the receipt MUST be the record's"
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn apply_sets_and_removes_fields(trial: Trial) -> Checked {
    let new = trial.with(&[("keep", "1"), ("set", "1"), ("remove", "1")]);
    let (id, record) = trial.begin(&new).await?;
    let mut change = trial.change(&record);
    change.edits.set("set", "2");
    change.edits.remove("remove");
    change.edits.set("add", "3");
    change.edits.remove("never there");
    let clause = "apply MUST set and remove the fields of its edits and leave the others";
    apply_as_defined(&trial, &id, &record, &change, clause).await
}

pub(in crate::conformance) async fn clear_removes_all_fields_before_the_edits(
    trial: Trial,
) -> Checked {
    let mut new = trial.with(&[("a", "1"), ("b", "1"), ("", "1")]);
    new.user = Some(UserId::from("ada"));
    let (id, record) = trial.begin(&new).await?;
    let mut change = trial.set(&record, "b", "2");
    change.clear = true;
    let clause = "clear MUST remove all fields and nothing else, before the edits";
    apply_as_defined(&trial, &id, &record, &change, clause).await?;
    let record = trial.record(&id).await?;
    let mut change = trial.change(&record);
    change.clear = true;
    apply_as_defined(&trial, &id, &record, &change, clause).await?;
    let left = trial.record(&id).await?;
    ensure!(left.fields == Fields::default(), "{clause}; some are left");
    Ok(())
}

pub(in crate::conformance) async fn apply_sets_user_and_remember(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
    let mut change = trial.change(&record);
    change.user = Some(UserId::from("ada"));
    change.remember = Some(true);
    let clause = "apply MUST write user and remember where the change has them";
    apply_as_defined(&trial, &id, &record, &change, clause).await?;

    let record = trial.record(&id).await?;
    let change = trial.set(&record, "a", "2");
    let clause = "apply MUST keep user and remember where the change has none";
    apply_as_defined(&trial, &id, &record, &change, clause).await?;

    let record = trial.record(&id).await?;
    let mut change = trial.change(&record);
    change.user = Some(UserId::from("bob"));
    change.remember = Some(false);
    let clause = "apply MUST replace user and remember where the change has others";
    apply_as_defined(&trial, &id, &record, &change, clause).await
}

pub(in crate::conformance) async fn restart_begins_the_absolute_lifetime_anew(
    trial: Trial,
) -> Checked {
    let (id, record) = trial.begin(&trial.blank()).await?;
    trial.pass(3).await;
    let change = trial.set(&record, "a", "1");
    trial.apply(&id, &change).await?;
    let kept = trial.record(&id).await?;
    ensure!(kept.created_at == record.created_at, "apply without restart MUST keep created_at");
    let mut change = trial.change(&kept);
    change.restart = true;
    let receipt = trial.apply(&id, &change).await?;
    let restarted = trial.record(&id).await?;
    ensure!(
        trial.is_about(restarted.created_at, receipt.at),
        "apply with restart MUST set created_at to the present; {} after {}",
        restarted.created_at,
        receipt.at
    );
    let clause = "apply with restart MUST do what Change::applied_to says";
    trial.ensure_record(&restarted, &change.applied_to(&kept, receipt.at), clause)
}

pub(in crate::conformance) async fn late_apply_after_delete_is_gone(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
    trial.store.delete(&id).await?;
    is_gone_for_all_changes(&trial, &id, &record).await
}

pub(in crate::conformance) async fn late_apply_after_expiry_is_gone(trial: Trial) -> Checked {
    let (id, record) = trial.expired(trial.with(&[("a", "1")])).await?;
    is_gone_for_all_changes(&trial, &id, &record).await
}

pub(in crate::conformance) async fn late_apply_after_rotate_is_gone(trial: Trial) -> Checked {
    let (id, record) = trial.begin(&trial.with(&[("a", "1")])).await?;
    let new = trial.id()?;
    trial.rotate(&id, &new, &trial.change(&record)).await?;
    let successor = trial.record(&new).await?;
    is_gone_for_all_changes(&trial, &id, &record).await?;
    let clause = "a late apply under the old id MUST NOT reach the rotated session";
    trial.ensure_same(&new, &successor, clause).await
}

pub(in crate::conformance) async fn apply_to_an_id_that_never_was_is_gone(trial: Trial) -> Checked {
    let (_, record) = trial.begin(&trial.blank()).await?;
    is_gone_for_all_changes(&trial, &trial.id()?, &record).await
}

/// No kind of change may bring a session into being.
async fn is_gone_for_all_changes(trial: &Trial, id: &SessionId, record: &Record) -> Checked {
    let plain = trial.set(record, "a", "2");
    let mut exact = plain.clone();
    exact.exact = true;
    let mut clear = plain.clone();
    clear.clear = true;
    let mut restart = plain.clone();
    restart.restart = true;
    let mut login = plain.clone();
    login.user = Some(UserId::from("ada"));
    for change in [plain, exact, clear, restart, login] {
        ensure_answer!(
            trial.store.apply(id, &change).await?,
            Applied::Gone,
            "apply MUST answer Gone where no live record is"
        );
        let clause = "apply MUST insert nothing";
        trial.ensure_absent(id, clause).await?;
    }
    Ok(())
}
