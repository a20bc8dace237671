//! Taking sessions over from another store.

use std::time::Duration;

use crate::{
    Client, Created, Lifetime, OverLimit, Record, Timestamp, UserId, UserLimit,
    conformance::{
        Capability,
        failure::{Checked, ensure, ensure_answer},
        trial::Trial,
    },
};

/// A record with every part, of another store, that began a day ago and lives on.
async fn foreign(trial: &Trial) -> Checked<Record> {
    let now = trial.now().await?;
    let day = Timestamp::from_millis(now.as_millis() - 86_400_000);
    let mut record = Record::new(trial.layer.clone(), day);
    record.version = 41;
    record.last_active = day + Duration::from_secs(80_000);
    record.expires_at = now + trial.long().idle;
    record.user = Some(UserId::from("ada"));
    record.client = Some(Client::new().with_agent("Firefox/145"));
    record.remember = true;
    record.fields = [("", "null"), ("big", "123456789012345678901234567890")].into_iter().collect();
    Ok(record)
}

pub(in crate::conformance) async fn import_keeps_times_version_and_data(trial: Trial) -> Checked {
    let record = foreign(&trial).await?;
    let id = trial.id()?;
    ensure_answer!(
        trial.import()?.import(&id, &record).await?,
        Created::Created(_),
        "import MUST store a record under a free id"
    );
    let clause = "import MUST keep a record as it is, its times and version too";
    trial.ensure_same(&id, &record, clause).await?;
    if trial.declares(Capability::Index) {
        let found = trial.ids_of(&trial.layer, "ada").await?;
        ensure!(found == [id], "an imported session MUST be listed");
    }
    // It began a day ago, and its absolute lifetime goes on.
    let days = Lifetime::new(trial.long().idle, Duration::from_secs(10 * 86_400));
    let mut change = trial.set(&record, "a", "1");
    change.lifetime = days;
    let receipt = trial.apply(&id, &change).await?;
    ensure!(receipt.version == 42, "an imported session MUST go on from its version");
    let mut change = trial.change(&*trial.record(&id).await?);
    change.lifetime = days;
    let new = trial.id()?;
    trial.rotate(&id, &new, &change).await?;
    let moved = trial.record(&new).await?;
    ensure!(
        moved.created_at == record.created_at,
        "an imported session MUST go on from the time that it began"
    );
    Ok(())
}

pub(in crate::conformance) async fn import_signs_nobody_out(trial: Trial) -> Checked {
    if !trial.declares(Capability::Index) {
        return Ok(());
    }
    // The user was limited to one session at the last sign-in.
    let mut new = trial.of_user("ada");
    new.user_limit = Some(UserLimit::new(1, OverLimit::EvictOldest));
    trial.begin(&new).await?;
    for _ in 0..3 {
        let record = foreign(&trial).await?;
        trial.import()?.import(&trial.id()?, &record).await?;
    }
    let live = trial.ids_of(&trial.layer, "ada").await?.len();
    ensure!(live == 4, "import MUST NOT keep limits of users; {live} of 4 sessions are live");
    Ok(())
}

pub(in crate::conformance) async fn import_of_a_record_without_end_works(trial: Trial) -> Checked {
    let mut record = foreign(&trial).await?;
    record.expires_at = Timestamp::MAX;
    let id = trial.id()?;
    ensure_answer!(
        trial.import()?.import(&id, &record).await?,
        Created::Created(_),
        "import MUST store a record that does not expire"
    );
    let clause = "import MUST keep a record as it is";
    trial.ensure_same(&id, &record, clause).await
}

pub(in crate::conformance) async fn import_on_a_taken_id_changes_nothing(trial: Trial) -> Checked {
    let (id, before) = trial.begin(&trial.with(&[("a", "1")])).await?;
    ensure_answer!(
        trial.import()?.import(&id, &foreign(&trial).await?).await?,
        Created::Taken,
        "import MUST answer Taken where a live record has the id"
    );
    let clause = "import MUST leave a live record as it is";
    trial.ensure_same(&id, &before, clause).await
}

pub(in crate::conformance) async fn import_over_an_expired_session_works(trial: Trial) -> Checked {
    let (id, _) = trial.expired(trial.with(&[("old", "1")])).await?;
    let record = foreign(&trial).await?;
    ensure_answer!(
        trial.import()?.import(&id, &record).await?,
        Created::Created(_),
        "an expired record MUST be treated as missing by import"
    );
    let clause = "import over an expired record MUST leave nothing of it";
    trial.ensure_same(&id, &record, clause).await
}

pub(in crate::conformance) async fn expired_record_is_not_imported(trial: Trial) -> Checked {
    let mut record = foreign(&trial).await?;
    record.expires_at = record.last_active + Duration::from_secs(1);
    let id = trial.id()?;
    ensure_answer!(
        trial.import()?.import(&id, &record).await?,
        Created::Created(_),
        "import MUST answer Created for an expired record, which needs no further care"
    );
    trial.ensure_absent(&id, "an expired record MUST NOT be imported").await?;
    if trial.declares(Capability::Index) {
        let found = trial.ids_of(&trial.layer, "ada").await?;
        ensure!(found.is_empty(), "an expired record MUST NOT be listed after import");
    }
    if trial.declares(Capability::Purge) {
        let purged = trial.purge()?.purge().await?.sessions;
        ensure!(purged == 0, "an expired record MUST NOT be stored; {purged} were");
    }
    Ok(())
}

pub(in crate::conformance) async fn concurrent_imports_of_one_id_have_one_winner(
    trial: Trial,
) -> Checked {
    let record = foreign(&trial).await?;
    for _ in 0..10 {
        let id = trial.id()?;
        let imports = (0..6).map(|_| {
            let (trial, record) = (trial.clone(), record.clone());
            async move { Ok(trial.import()?.import(&id, &record).await?) }
        });
        let answers = trial.together(imports).await?;
        let winners = answers.iter().filter(|answer| matches!(answer, Created::Created(_))).count();
        ensure!(winners == 1, "of concurrent imports exactly one MUST win; {winners} did");
    }
    Ok(())
}
